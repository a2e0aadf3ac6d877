//! IP addresses and subnets in CIDR form, IPv4 and IPv6.
//!
//! Must not know: DNS. Invariant: text that is no address is an error that names it.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use super::lift::{Int, Text, binary, unary};
use super::text::{BOOLEAN, TEXT, row};
use super::{Family, Params, param};
use crate::FunctionError;
use common::TextVec;

/// The functions.
pub(crate) static FAMILY: Family = Family {
    title: "IP addresses",
    functions: &[
        row(
            &["issubnetof"],
            Params::Fixed(&[param::TEXT, param::TEXT]),
            BOOLEAN,
            "True where the address or subnet lies in the subnet.",
            ("isSubnetOf('192.168.0.0/16', '192.168.3.1')", "true"),
            |a, _| binary::<Text, Text, Vec<i32>, _>(a, BOOLEAN, contains),
        ),
        row(
            &["ipprefix"],
            Params::Fixed(&[param::TEXT, param::INT]),
            TEXT,
            "The subnet of an address with a prefix of that many bits.",
            ("ipPrefix('192.168.255.255', 9)", "192.128.0.0/9"),
            |a, _| binary::<Text, Int, TextVec, _>(a, TEXT, prefix),
        ),
        row(
            &["ipsubnetmin"],
            Params::Fixed(&[param::TEXT]),
            TEXT,
            "The first address of a subnet.",
            ("ipSubnetMin('192.168.5.7/16')", "192.168.0.0"),
            |a, _| unary::<Text, TextVec, _>(a, TEXT, |text| Ok(subnet(text)?.first().to_string())),
        ),
        row(
            &["ipsubnetmax"],
            Params::Fixed(&[param::TEXT]),
            TEXT,
            "The last address of a subnet.",
            ("ipSubnetMax('192.168.5.7/16')", "192.168.255.255"),
            |a, _| unary::<Text, TextVec, _>(a, TEXT, |text| Ok(subnet(text)?.last().to_string())),
        ),
    ],
};

/// An address and the number of its bits that name the subnet.
#[derive(Debug, Clone, Copy)]
struct Subnet {
    address: IpAddr,
    bits: u32,
}

impl Subnet {
    fn host_mask(self) -> u128 {
        let host = width(self.address) - self.bits;
        1_u128.checked_shl(host).map_or(u128::MAX, |bit| bit - 1)
    }

    fn first(self) -> IpAddr {
        with_number(self.address, number(self.address) & !self.host_mask())
    }

    fn last(self) -> IpAddr {
        with_number(self.address, number(self.address) | self.host_mask())
    }
}

fn width(address: IpAddr) -> u32 {
    if address.is_ipv4() { 32 } else { 128 }
}

fn number(address: IpAddr) -> u128 {
    match address {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6),
    }
}

/// An address of the same family.
fn with_number(like: IpAddr, number: u128) -> IpAddr {
    match like {
        IpAddr::V4(_) => IpAddr::V4(Ipv4Addr::from(number as u32)),
        IpAddr::V6(_) => IpAddr::V6(Ipv6Addr::from(number)),
    }
}

fn wrong(message: String) -> FunctionError {
    FunctionError::Evaluation(message)
}

fn address(text: &str) -> Result<IpAddr, FunctionError> {
    read(text).ok_or_else(|| wrong(format!("Invalid IP Address format for {text}")))
}

/// An address; a part of four with a leading zero is octal, as `inet_aton` has it.
fn read(text: &str) -> Option<IpAddr> {
    if let Ok(address) = text.parse() {
        return Some(address);
    }
    let mut parts = [0_u8; 4];
    let mut written = text.split('.');
    for part in &mut parts {
        let digits = written.next()?;
        if digits.is_empty() || !digits.bytes().all(|b| b.is_ascii_digit()) {
            return None;
        }
        let octal = digits.len() > 1 && digits.starts_with('0');
        *part = u8::from_str_radix(digits, if octal { 8 } else { 10 }).ok()?;
    }
    written
        .next()
        .is_none()
        .then(|| IpAddr::V4(Ipv4Addr::from(parts)))
}

fn sized(address: IpAddr, bits: &str, shown: &str) -> Result<Subnet, FunctionError> {
    let bits = bits.parse().ok().filter(|bits| *bits <= width(address));
    bits.map(|bits| Subnet { address, bits }).ok_or_else(|| {
        wrong(format!(
            "Invalid prefix length in `{shown}`. Must be between 0 and {}",
            width(address)
        ))
    })
}

fn subnet(text: &str) -> Result<Subnet, FunctionError> {
    let (head, bits) = text
        .split_once('/')
        .ok_or_else(|| wrong(format!("IP Address {text} should be prefixed.")))?;
    let head = read(head).ok_or_else(|| wrong(format!("Invalid IP Address format for {text}")))?;
    sized(head, bits, text)
}

fn contains(network: &str, inner: &str) -> Result<bool, FunctionError> {
    let outer = subnet(network)?;
    let inner = if inner.contains('/') {
        subnet(inner)?
    } else {
        let address = address(inner)?;
        Subnet {
            address,
            bits: width(address),
        }
    };
    if outer.address.is_ipv4() != inner.address.is_ipv4() {
        return Err(wrong(format!(
            "IP type of `{}` is not compatible with that of `{network}`",
            inner.address
        )));
    }
    let range = number(outer.first())..=number(outer.last());
    Ok(range.contains(&number(inner.first())) && range.contains(&number(inner.last())))
}

fn prefix(text: &str, bits: i32) -> Result<String, FunctionError> {
    let address = address(text)?;
    let bits = u32::try_from(bits)
        .ok()
        .filter(|bits| *bits <= width(address))
        .ok_or_else(|| {
            wrong(format!(
                "Invalid prefix length {bits} for IP address {text}. Must be between 0 and {}",
                width(address)
            ))
        })?;
    Ok(format!("{}/{bits}", Subnet { address, bits }.first()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn recorded_answers() -> Result<(), FunctionError> {
        assert_eq!(prefix("192.168.255.255", 9)?, "192.128.0.0/9");
        assert_eq!(
            prefix("2001:db8:85a3:8d3:1319:8a2e:370:7344", 48)?,
            "2001:db8:85a3::/48"
        );
        assert_eq!(prefix("10.0.0.1", 0)?, "0.0.0.0/0");
        assert!(prefix("10.0.0.1", 33).is_err());
        assert_eq!(
            subnet("2001:db8::ff/112")?.last().to_string(),
            "2001:db8::ffff"
        );
        assert_eq!(subnet("2001:db8::ff/0")?.first().to_string(), "::");
        assert!(contains("0.0.0.0/0", "8.8.8.8")?);
        assert!(contains("192.168.0.1", "192.168.0.1").is_err());
        assert!(contains("192.168.0.0/16", "x").is_err());
        assert!(contains("192.168.0.0/16", "::1").is_err());
        assert!(!contains("10.1.0.0/16", "10.0.0.0/8")?);
        Ok(())
    }
}
