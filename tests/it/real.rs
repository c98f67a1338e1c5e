//! The real binary on a real file system: its system calls in order, each of them failing or the last, full and
//! forbidden disks, other processes, and what operators do to files.

use std::fs;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;

use ledgerstone_tests::cli::{Call, Place};

mod calls;
mod faults;
mod files;
mod filler;
mod full_disk;
mod processes;
mod unknown;

/// Copies a folder and all below it, with the files' permissions, but for the socket of who holds a ledger.
fn copy_folder(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let to = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &to);
        } else if entry.file_type().unwrap().is_file() {
            fs::copy(entry.path(), to).unwrap();
        }
    }
}

/// The full path of a file in a place, as an argument.
fn full(place: &Place, name: &str) -> String {
    place.join(name).to_str().unwrap().to_owned()
}

/// How a co-process ended.
#[derive(Debug)]
struct Fed {
    code: Option<i32>,
    /// The lines on its standard output, whole ones only.
    receipts: Vec<String>,
    stderr: String,
}

/// Feeds a co-process a line at a time: the next one when the receipt of the last one is there.
fn feed(call: Call<'_>, lines: &[String]) -> Fed {
    let mut child = call.spawn();
    let mut input = child.stdin.take().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut receipts = Vec::new();
    for line in lines {
        let mut receipt = String::new();
        // One that has died reads nothing, and one that refuses answers nothing.
        let sent = input.write_all(format!("{line}\n").as_bytes());
        if sent.is_err() || output.read_line(&mut receipt).unwrap() == 0 {
            break;
        }
        receipts.push(receipt);
    }
    drop(input);
    let (mut rest, mut stderr) = (String::new(), String::new());
    output.read_to_string(&mut rest).unwrap();
    receipts.extend(rest.split_inclusive('\n').map(ToOwned::to_owned));
    receipts.retain(|receipt| receipt.ends_with('\n'));
    child.stderr.take().unwrap().read_to_string(&mut stderr).unwrap();
    Fed {
        code: child.wait().unwrap().code(),
        receipts,
        stderr,
    }
}
