//! The addresses by which other machines, such as a phone in the same network, reach this one.

use std::net::IpAddr;
use std::net::SocketAddr;
use std::net::UdpSocket;

/// Addresses of other networks. Which of its own addresses the system would speak to them from is looked up in its tables
/// of routes: nothing is sent.
const ELSEWHERE: [&str; 2] = ["192.0.2.1:9", "[2001:db8::1]:9"];

/// The machine's addresses in its network, as far as it has one.
pub fn addresses() -> Vec<IpAddr> {
    let own = ELSEWHERE.iter().filter_map(|elsewhere| {
        let elsewhere: SocketAddr = elsewhere.parse().ok()?;
        let any: IpAddr = match elsewhere {
            SocketAddr::V4(_) => [0; 4].into(),
            SocketAddr::V6(_) => [0u16; 8].into(),
        };
        let socket = UdpSocket::bind((any, 0)).ok()?;
        socket.connect(elsewhere).ok()?;
        Some(socket.local_addr().ok()?.ip())
    });
    own.filter(|own| !own.is_loopback() && !own.is_unspecified())
        .collect()
}

/// Where others reach a server that listens on `listening`: nowhere, unless that is every address of the machine.
pub fn urls(scheme: &str, listening: SocketAddr) -> Vec<String> {
    if !listening.ip().is_unspecified() {
        return Vec::new();
    }
    let port = listening.port();
    let reached = |own: &IpAddr| listening.is_ipv6() || own.is_ipv4();
    let own = addresses().into_iter().filter(reached);
    own.map(|own| format!("{scheme}://{}", SocketAddr::new(own, port)))
        .collect()
}
