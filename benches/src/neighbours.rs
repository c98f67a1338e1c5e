//! What other programs did to a measurement.

use std::io;

/// Processor time spent so far, in the kernel's ticks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CpuTime {
    /// All that passed, on all cores.
    all: u64,
    /// Of it by this process.
    own: u64,
    /// Of it by nobody.
    idle: u64,
}

impl CpuTime {
    /// Until now.
    ///
    /// # Errors
    /// When `/proc` cannot be read.
    pub fn now() -> io::Result<Self> {
        let (system, process) = (read("/proc/stat")?, read("/proc/self/stat")?);
        Self::parse(&system, &process)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "/proc/stat is of another form"))
    }

    fn parse(system: &str, process: &str) -> Option<Self> {
        // cpu user nice system idle iowait irq softirq steal guest guest_nice; a guest's time is in the first two.
        let mut words = system.lines().next()?.split_ascii_whitespace();
        let ticks: Vec<u64> = words
            .by_ref()
            .skip(1)
            .take(8)
            .map(str::parse)
            .collect::<Result<_, _>>()
            .ok()?;
        let [_, _, _, idle, waiting, ..] = ticks[..] else {
            return None;
        };
        // The program's name may hold spaces and ends at the last bracket; user and system time are fields 14 and 15.
        let (_, fields) = process.rsplit_once(')')?;
        let mut own = fields.split_ascii_whitespace().skip(11);
        let own = own.next()?.parse::<u64>().ok()? + own.next()?.parse::<u64>().ok()?;
        Some(Self {
            all: ticks.iter().sum(),
            own,
            idle: idle + waiting,
        })
    }

    /// Part of the machine, from 0 to 1, that others have used since: programs here, and machines beside this one on
    /// the same host.
    pub fn used_by_others_since(self, before: Self) -> f64 {
        let all = self.all.saturating_sub(before.all);
        let mine_or_idle = (self.own + self.idle).saturating_sub(before.own + before.idle);
        all.saturating_sub(mine_or_idle) as f64 / all.max(1) as f64
    }
}

/// Ticks of the kernel a second, as programs are shown them.
const TICKS_A_SECOND: f64 = 100.0;

/// Processor time of all threads of this process so far, in seconds.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn own_cpu_seconds() -> io::Result<f64> {
    Ok(CpuTime::now()?.own as f64 / TICKS_A_SECOND)
}

/// Memory of this process that is no file's, in MiB.
///
/// # Errors
/// When `/proc` cannot be read.
pub fn own_memory_mebibytes() -> io::Result<f64> {
    let status = read("/proc/self/status")?;
    let line = status.lines().find_map(|line| line.strip_prefix("RssAnon:"));
    let kibibytes = line.and_then(|line| line.split_ascii_whitespace().next()?.parse::<f64>().ok());
    let unknown = || io::Error::new(io::ErrorKind::InvalidData, "/proc/self/status is of another form");
    Ok(kibibytes.ok_or_else(unknown)? / 1024.0)
}

#[expect(
    clippy::disallowed_methods,
    reason = "counters of the kernel are read from /proc"
)]
fn read(path: &str) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_neither_idle_nor_own_is_others() {
        let process =
            |user| format!("7 (a b) c) S 1 7 7 0 -1 4194304 100 0 0 0 {user} 50 0 0 20 0 1 0 5 1 1");
        let system = |user, idle| format!("cpu  {user} 0 100 {idle} 20 0 0 30 0 0\ncpu0 1 2 3\n");
        let before = CpuTime::parse(&system(1_000, 500), &process(200)).unwrap();
        let after = CpuTime::parse(&system(1_060, 530), &process(210)).unwrap();
        assert_eq!(
            before,
            CpuTime {
                all: 1_650,
                own: 250,
                idle: 520
            }
        );
        // Of 90 ticks 30 were idle and 10 its own.
        assert!((after.used_by_others_since(before) - 50.0 / 90.0).abs() < 1e-9);
        assert_eq!(before.used_by_others_since(before), 0.0);
    }

    #[test]
    fn the_kernel_gives_them() {
        let before = CpuTime::now().unwrap();
        let part = CpuTime::now().unwrap().used_by_others_since(before);
        assert!((0.0..=1.0).contains(&part));
    }
}
