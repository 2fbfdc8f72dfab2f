//! What may be asked about debuggers.

use clap::Args;

/// Whether debuggers may attach.
#[derive(Clone, Debug, Default, Args)]
pub struct InspectArgs {
    /// Let Chrome DevTools and other debuggers attach, on 127.0.0.1:9229 if no address is named
    ///
    /// Open chrome://inspect, or have an editor attach to the port. One thread runs all objects then, unless --shards
    /// says otherwise; while a debugger is attached, code may take as much of the processor's time as it likes. Whoever
    /// reaches the port can run any code: think twice before you name an address that others reach.
    #[arg(
        long,
        value_name = "HOST:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = parse_address
    )]
    pub inspect: Option<Address>,

    /// The same, and wait for a debugger before the first line runs
    #[arg(
        long,
        value_name = "HOST:PORT",
        num_args = 0..=1,
        require_equals = true,
        default_missing_value = "",
        value_parser = parse_address,
        conflicts_with = "inspect"
    )]
    pub inspect_brk: Option<Address>,
}

/// Where to listen, as far as it was said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Address {
    pub host: Option<String>,
    pub port: Option<u16>,
}

impl InspectArgs {
    /// Whether debuggers may attach.
    pub fn is_on(&self) -> bool {
        self.inspect.is_some() || self.inspect_brk.is_some()
    }

    /// Where they attach, as far as it was asked for.
    pub fn address(&self) -> Option<&Address> {
        self.inspect.as_ref().or(self.inspect_brk.as_ref())
    }
}

fn parse_address(text: &str) -> Result<Address, String> {
    let port = |port: &str| {
        let wrong = |_| format!("`{port}` is not a port: a number up to 65535");
        port.parse().map(Some).map_err(wrong)
    };
    if text.is_empty() {
        return Ok(Address::default());
    }
    if text.bytes().all(|byte| byte.is_ascii_digit()) {
        let port = port(text)?;
        return Ok(Address { host: None, port });
    }
    let (host, port) = match text.rsplit_once(':') {
        Some((host, number)) if !number.ends_with(']') => (host, port(number)?),
        _ => (text, None),
    };
    let host = host.trim_matches(['[', ']']).to_owned();
    let host = Some(host).filter(|host| !host.is_empty());
    Ok(Address { host, port })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(text: &str, host: Option<&str>, port: Option<u16>) {
        let host = host.map(str::to_owned);
        assert_eq!(parse_address(text), Ok(Address { host, port }), "{text}");
    }

    #[test]
    fn an_address_may_lack_either_half() {
        check("", None, None);
        check("9230", None, Some(9230));
        check(":9230", None, Some(9230));
        check("localhost", Some("localhost"), None);
        check("0.0.0.0:0", Some("0.0.0.0"), Some(0));
        check("[::1]:9230", Some("::1"), Some(9230));
        check("[::1]", Some("::1"), None);
        assert!(parse_address("127.0.0.1:debug").is_err());
        assert!(parse_address("65536").is_err());
    }
}
