//! What the figures were measured on.

use std::fmt;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Facts that a figure cannot be read without.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Machine {
    /// Model name as the kernel gives it.
    pub cpu: String,
    /// Cores that this process may use.
    pub cores: usize,
    /// Whether SHA-256 has instructions of its own here.
    pub sha: bool,
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Kernel release.
    pub kernel: String,
    /// File system type and mount options of the work directory.
    pub file_system: String,
    /// The device below it.
    pub disk: String,
    /// Average number of running programs over the last minute, when this was asked.
    pub load: String,
}

impl Machine {
    /// Of this machine and the file system that holds `dir`.
    ///
    /// # Errors
    /// When `/proc` cannot be read: only Linux is described.
    pub fn describe(dir: &Path) -> io::Result<Self> {
        let cpuinfo = read("/proc/cpuinfo")?;
        let mount = Mount::of(dir)?;
        let disk = disk(dir).unwrap_or_else(|| mount.device.clone());
        Ok(Self {
            cpu: field(&cpuinfo, "model name").unwrap_or("unknown").to_owned(),
            cores: std::thread::available_parallelism()?.get(),
            sha: field(&cpuinfo, "flags").is_some_and(|flags| flags.split(' ').any(|flag| flag == "sha_ni")),
            memory_bytes: memory_bytes(&read("/proc/meminfo")?),
            kernel: read("/proc/sys/kernel/osrelease")?.trim().to_owned(),
            file_system: format!("{} ({})", mount.kind, mount.options),
            disk,
            load: read("/proc/loadavg")?
                .split(' ')
                .next()
                .unwrap_or("unknown")
                .to_owned(),
        })
    }
}

impl fmt::Display for Machine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sha = if self.sha { "with" } else { "without" };
        let memory = self.memory_bytes >> 30;
        writeln!(
            f,
            "- CPU: {}, {} cores, {sha} SHA instructions; {memory} GiB of memory",
            self.cpu, self.cores
        )?;
        writeln!(
            f,
            "- Kernel: Linux {}; load before the run: {}",
            self.kernel, self.load
        )?;
        writeln!(f, "- Disk: {}; {}", self.disk, self.file_system)
    }
}

/// True where files live in memory: what is synced there says nothing about a disk.
///
/// # Errors
/// When the mounts cannot be read.
pub fn is_in_memory(dir: &Path) -> io::Result<bool> {
    Ok(matches!(Mount::of(dir)?.kind.as_str(), "tmpfs" | "ramfs"))
}

struct Mount {
    device: String,
    kind: String,
    options: String,
}

impl Mount {
    /// The mount whose point is the longest prefix of `dir`; of several there, the last, which hides the others.
    fn of(dir: &Path) -> io::Result<Self> {
        let dir = dir.canonicalize()?;
        let mounts = read("/proc/self/mounts")?;
        mounts
            .lines()
            .filter_map(|line| {
                let mut words = line.split(' ').map(str::to_owned);
                let (device, point) = (words.next()?, PathBuf::from(words.next()?));
                let mount = Self {
                    device,
                    kind: words.next()?,
                    options: words.next()?,
                };
                dir.starts_with(&point)
                    .then(|| (point.components().count(), mount))
            })
            .max_by_key(|(depth, _)| *depth)
            .map(|(_, mount)| mount)
            .ok_or_else(|| {
                io::Error::new(
                    io::ErrorKind::NotFound,
                    format!("no mount holds {}", dir.display()),
                )
            })
    }
}

/// Name, kind and size of the block device that holds `dir`; `None` where there is none (a network, a pool of disks).
fn disk(dir: &Path) -> Option<String> {
    let device = dir.metadata().ok()?.dev();
    // glibc's split of a device number.
    let (major, minor) = (device >> 8 & 0xfff, device & 0xff | device >> 12 & 0xfff00);
    let mut block = PathBuf::from(format!("/sys/dev/block/{major}:{minor}"))
        .canonicalize()
        .ok()?;
    if !block.join("queue").exists() {
        block.pop();
    }
    let fact = |path: &str| Some(read(block.join(path)).ok()?.trim().to_owned());
    let name = block.file_name()?.to_string_lossy().into_owned();
    let kind = match fact("queue/rotational")?.as_str() {
        "0" => "not rotational",
        _ => "rotational",
    };
    let cache = fact("queue/write_cache").unwrap_or_else(|| "unknown".to_owned());
    let gibibytes = fact("size")?.parse::<u64>().ok()? >> 21;
    Some(format!("{name}, {gibibytes} GiB, {kind}, write cache {cache}"))
}

fn field<'a>(cpuinfo: &'a str, name: &str) -> Option<&'a str> {
    let line = cpuinfo.lines().find(|line| line.starts_with(name))?;
    Some(line.split_once(':')?.1.trim())
}

fn memory_bytes(meminfo: &str) -> u64 {
    let kibibytes = field(meminfo, "MemTotal").and_then(|value| value.trim_end_matches(" kB").parse().ok());
    kibibytes.map_or(0, |count: u64| count << 10)
}

#[expect(
    clippy::disallowed_methods,
    reason = "facts about the machine are read from /proc and /sys"
)]
fn read(path: impl AsRef<Path>) -> io::Result<String> {
    std::fs::read_to_string(path)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_machine_is_described() {
        let machine = Machine::describe(Path::new(env!("CARGO_MANIFEST_DIR"))).unwrap();
        assert!(machine.cores > 0 && machine.memory_bytes > 0);
        assert!(!machine.kernel.is_empty() && !machine.file_system.is_empty() && !machine.disk.is_empty());
    }

    #[test]
    fn shared_memory_is_no_disk() {
        assert!(is_in_memory(Path::new("/proc/self")).is_ok_and(|answer| !answer));
        if Path::new("/dev/shm").exists() {
            assert!(is_in_memory(Path::new("/dev/shm")).unwrap());
        }
    }
}
