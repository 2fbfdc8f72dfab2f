//! The port: whether it is free, and who holds it.

use std::fs;
use std::net::TcpListener;
use std::path::Path;

use super::About;
use super::Finding;

/// Processes that are looked at to find the one that holds a port.
const PROCESSES_MAX: usize = 10_000;

pub fn examine(port: u16) -> Finding {
    let error = match TcpListener::bind(("127.0.0.1", port)) {
        Ok(_) => return Finding::fine(About::Port, format!("port {port} is free")),
        Err(error) => error,
    };
    let holder = inode(port).and_then(holder);
    let what = match (error.kind(), holder) {
        (std::io::ErrorKind::AddrInUse, Some(holder)) => {
            format!("port {port} is held by {holder}")
        }
        (std::io::ErrorKind::AddrInUse, None) => {
            format!("port {port} is held by a process of another user")
        }
        _ => format!("port {port} cannot be listened on: {error}"),
    };
    let todo = "end that process, or choose another port: `stead dev --port 0` takes a free one";
    Finding::note(About::Port, what, todo)
}

/// A process by its number and the beginning of its command.
pub fn process(pid: u32) -> String {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let line: String = line.trim().chars().take(60).collect();
    match line.is_empty() {
        true => format!("process {pid}"),
        false => format!("process {pid} (`{line}`)"),
    }
}

/// The system's number of the socket that listens on a port.
fn inode(port: u16) -> Option<u64> {
    let tables = ["/proc/net/tcp", "/proc/net/tcp6"];
    tables.iter().find_map(|table| {
        let text = fs::read_to_string(table).ok()?;
        text.lines().skip(1).find_map(|line| listening(line, port))
    })
}

/// The socket's number, if the line of a table is that of one that listens on a port:
/// <https://www.kernel.org/doc/html/latest/networking/proc_net_tcp.html>
fn listening(line: &str, port: u16) -> Option<u64> {
    const LISTEN: &str = "0A";
    let fields: Vec<&str> = line.split_whitespace().collect();
    let (_, local) = fields.get(1)?.rsplit_once(':')?;
    let matches = u16::from_str_radix(local, 16) == Ok(port) && *fields.get(3)? == LISTEN;
    matches.then(|| fields.get(9)?.parse().ok()).flatten()
}

/// The process that has a socket open. None if it is another user's.
fn holder(inode: u64) -> Option<String> {
    let wanted = format!("socket:[{inode}]");
    let processes = fs::read_dir("/proc").ok()?.flatten();
    let numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let mut numbers = numbers.take(PROCESSES_MAX);
    let pid = numbers.find(|pid| {
        let files = fs::read_dir(format!("/proc/{pid}/fd"))
            .into_iter()
            .flatten();
        let mut links = files
            .flatten()
            .filter_map(|file| fs::read_link(file.path()).ok());
        links.any(|link| link == Path::new(&wanted))
    })?;
    Some(process(pid))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Level;

    #[test]
    fn the_holder_of_a_port_is_found() {
        let held = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = held.local_addr().unwrap().port();
        let finding = examine(port);
        assert_eq!(finding.level, Level::Note);
        let holder = format!("is held by process {} (`", std::process::id());
        assert!(finding.what.contains(&holder), "{finding:?}");
        drop(held);
        assert_eq!(examine(port).level, Level::Fine);
    }

    #[test]
    fn only_sockets_that_listen_hold_a_port() {
        let line = "   0: 0100007F:2253 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 4242 1";
        assert_eq!(listening(line, 8787), Some(4242));
        assert_eq!(listening(line, 8788), None);
        assert_eq!(listening(&line.replace(" 0A ", " 01 "), 8787), None);
        assert_eq!(listening("", 8787), None);
    }
}
