//! Who a process is: the host that others reach, and its instance id.
//!
//! Must not know: settings files. Invariant: a host has no `_`, since clients cut instance ids at it.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};

/// The host to announce: the given one, else the address of the interface that leads out, else the loopback.
#[must_use]
pub fn announced_host(given: Option<&str>) -> String {
    match given {
        Some(host) if !host.is_empty() && host != "0.0.0.0" => host.replace('_', "-"),
        _ => outward_address().to_string(),
    }
}

/// No packet is sent: connecting a datagram socket only chooses the route.
fn outward_address() -> IpAddr {
    let loopback = IpAddr::V4(Ipv4Addr::LOCALHOST);
    UdpSocket::bind("0.0.0.0:0")
        .and_then(|socket| {
            socket.connect("192.0.2.1:9")?;
            socket.local_addr()
        })
        .map_or(loopback, |address| address.ip())
}

/// `Server_<host>_<port>` of a role `server`, and so on.
#[must_use]
pub fn instance_id(role: &str, host: &str, port: u16) -> String {
    let mut letters = role.chars();
    let capital: String = letters
        .next()
        .map(|first| first.to_ascii_uppercase())
        .into_iter()
        .chain(letters)
        .collect();
    common::ids::instance_id(&capital, host, port)
}

#[cfg(test)]
mod tests {
    use super::{announced_host, instance_id};

    #[test]
    fn hosts_and_ids() {
        assert_eq!(announced_host(Some("my_host")), "my-host");
        assert!(!announced_host(None).is_empty());
        assert_eq!(instance_id("broker", "h", 8099), "Broker_h_8099");
    }
}
