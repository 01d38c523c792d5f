//! Where the processes of a cluster are.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};
use std::path::Path;
use std::{fs, io};

/// The addresses of all processes, in their order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hosts(Vec<String>);

/// The port of process 0 on this machine without a hostfile: timely's.
const FIRST_PORT: u16 = 2101;

impl Hosts {
    /// This many processes on this machine.
    pub fn local(processes: u16) -> Hosts {
        Hosts((0..processes).map(|process| format!("127.0.0.1:{}", FIRST_PORT + process)).collect())
    }

    /// The first addresses of a file with one `host:port` per line, as timely's. `#` begins a comment.
    ///
    /// # Errors
    /// What is wrong with the file, in a sentence.
    pub fn read(path: &Path, processes: u16) -> Result<Hosts, String> {
        let text = fs::read_to_string(path).map_err(|error| format!("{} cannot be read: {error}", path.display()))?;
        Hosts::parse(&text, processes).map_err(|what| format!("{}: {what}", path.display()))
    }

    fn parse(text: &str, processes: u16) -> Result<Hosts, String> {
        let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim());
        let hosts: Vec<_> = lines.filter(|line| !line.is_empty()).take(processes.into()).map(str::to_owned).collect();
        if hosts.len() < usize::from(processes) {
            return Err(format!("{} addresses for --processes {processes}; give one on each line", hosts.len()));
        }
        for (place, host) in hosts.iter().enumerate() {
            let port =
                host.rsplit_once(':').and_then(|(name, port)| port.parse::<u16>().ok().filter(|_| !name.is_empty()));
            if port.is_none() {
                return Err(format!("'{}' is no address, like 10.0.0.7:{FIRST_PORT}", host.escape_debug()));
            }
            if host.parse::<SocketAddr>().is_ok_and(|address| address.ip().is_unspecified()) {
                return Err(format!("{host} is no address to connect to; to listen there give --cluster-bind"));
            }
            if hosts[..place].contains(host) {
                return Err(format!("{host} is listed twice"));
            }
        }
        Ok(Hosts(hosts))
    }

    /// How many processes there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// All of them, as they are written.
    pub fn addresses(&self) -> &[String] {
        &self.0
    }

    /// The address of a process, as it is written.
    pub fn address(&self, process: usize) -> &str {
        self.0.get(process).map_or("", String::as_str)
    }

    /// A process by its number and address, for messages.
    pub fn name(&self, process: usize) -> String {
        format!("process {process} ({})", self.address(process))
    }

    /// Where a process listens.
    pub(super) fn bound(&self, process: usize, bind: Option<IpAddr>) -> io::Result<Vec<SocketAddr>> {
        let addresses = self.address(process).to_socket_addrs()?;
        match bind {
            None => Ok(addresses.collect()),
            Some(ip) => Ok(addresses.take(1).map(|address| SocketAddr::new(ip, address.port())).collect()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_hosts() {
        let hosts =
            Hosts::parse("# ours\n10.0.0.7:2101\n\nfreshet-1.freshet:2101 # second\n10.0.0.9:1\n", 2).expect("good");
        assert_eq!(hosts.name(1), "process 1 (freshet-1.freshet:2101)");
        assert_eq!(hosts.len(), 2);
        for (text, what) in [
            ("a:1", "1 addresses for --processes 2; give one on each line"),
            ("a:1\nb", "'b' is no address, like 10.0.0.7:2101"),
            ("a:1\n:2", "':2' is no address, like 10.0.0.7:2101"),
            ("0.0.0.0:1\nb:1", "0.0.0.0:1 is no address to connect to; to listen there give --cluster-bind"),
            ("[::]:1\nb:1", "[::]:1 is no address to connect to; to listen there give --cluster-bind"),
            ("a:1\na:1", "a:1 is listed twice"),
        ] {
            assert_eq!(Hosts::parse(text, 2), Err(what.to_owned()));
        }
    }
}
