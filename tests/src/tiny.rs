//! A file system of a few pages, in memory, that fills up.

use std::fmt::Display;
use std::io::{BufRead as _, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// A small file system in a mount namespace of its own: it goes with the process that holds it, whatever becomes of
/// the test.
#[derive(Debug)]
pub struct TinyDisk {
    holder: Child,
    place: TempDir,
}

impl TinyDisk {
    /// One of so many KiB; where none can be mounted the reason is printed and the answer is `None`.
    ///
    /// # Panics
    /// When none can be mounted and `CI` is set.
    pub fn new(kib: u32) -> Option<Self> {
        let place = tempfile::tempdir().unwrap();
        // As root it may be mounted as it is; everybody else is root in a namespace of his own.
        let tried = ["-m", "-rm"].map(|flags| Self::mount(flags, kib, place.path()));
        let mut problems = Vec::new();
        for holder in tried {
            match holder {
                Ok(holder) => return Some(Self { holder, place }),
                Err(problem) => problems.push(problem),
            }
        }
        crate::skip(&format!(
            "no small file system can be mounted: {}",
            problems.join("; ")
        ));
        None
    }

    fn mount(flags: &str, kib: u32, at: &Path) -> Result<Child, String> {
        let script = format!("mount -t tmpfs -o size={kib}k tmpfs \"$0\" && echo mounted && exec cat");
        let shown = |error: &dyn Display| format!("unshare {flags}: {error}");
        let mut holder = Command::new("unshare")
            .args([flags, "sh", "-c", &script])
            .arg(at)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .map_err(|error| shown(&error))?;
        let mut line = String::new();
        BufReader::new(holder.stdout.take().unwrap())
            .read_line(&mut line)
            .unwrap();
        if line == "mounted\n" {
            return Ok(holder);
        }
        let output = holder.wait_with_output().unwrap();
        Err(shown(&String::from_utf8_lossy(&output.stderr).trim()))
    }

    /// Where it can be seen from outside of its namespace.
    pub fn path(&self) -> PathBuf {
        let root = PathBuf::from(format!("/proc/{}/root", self.holder.id()));
        root.join(self.place.path().strip_prefix("/").expect("a full path"))
    }

    /// A path on it, as an argument.
    pub fn arg(&self, name: &str) -> String {
        self.path().join(name).display().to_string()
    }
}

impl Drop for TinyDisk {
    fn drop(&mut self) {
        // Its input ends, and with it the process and the mount.
        drop(self.holder.stdin.take());
        self.holder.wait().ok();
    }
}
