//! Process tests: they start the built `stead`, speak HTTP and WebSocket to it, stop it or kill it, start it again and
//! read. They contain no code of Stead's own, so they hold for any program with the same command line.
//!
//! Each test has a state directory of its own and lets the system choose the port. Nothing waits for time to pass; what
//! has to happen is waited for, with a deadline.

mod asking;
mod assets;
mod bank;
mod calling;
mod compatibility;
mod connections;
mod crowd;
mod debugger;
mod debugging_tests;
mod dev;
mod doctor;
mod facets;
mod faults;
mod forms;
mod frames;
mod http;
mod https;
mod inspecting;
mod keys;
mod limits;
mod placing;
mod project;
mod replacing;
mod server;
mod serving;
mod sleeping;
mod snapshots;
mod stalling;
mod starting;
mod stopping;
mod stored;
mod tcp;
mod telling;
mod testing;
mod torture;
mod unread;
mod updating;
mod watching;
mod web;
mod websocket;
mod workers;
