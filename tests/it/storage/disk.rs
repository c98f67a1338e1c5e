//! What only a real file system shows: modes, links, pipes, and other processes.

use std::fs;
use std::io::{BufRead, BufReader, ErrorKind};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use ledgerstone_engine::storage::disk::Disk;
use ledgerstone_engine::storage::{FileError, Storage};
use ledgerstone_formats::names::{FileName, QuarantineName};

/// Tells the tests that are run in a process of their own which directory they are about.
const DIRECTORY_VARIABLE: &str = "LEDGERSTONE_TEST_DIRECTORY";
/// A user id without rights, for tests that run as root, whom no mode keeps out.
const NOBODY: u32 = 65_534;

fn new_ledger() -> (tempfile::TempDir, Disk) {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path().join("ledger"));
    disk.create_directories().unwrap();
    (folder, disk)
}

fn mode(disk: &Disk, path: &str) -> u32 {
    fs::metadata(disk.directory().join(path))
        .unwrap()
        .permissions()
        .mode()
        & 0o777
}

/// One test of this file, run by a process of its own.
fn in_another_process(test: &str, directory: &Path) -> Command {
    let mut command = Command::new("/proc/self/exe");
    command
        .args(["--exact", &format!("storage::disk::{test}"), "--nocapture"])
        .env(DIRECTORY_VARIABLE, directory)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

#[test]
fn published_files_are_read_only_and_segments_become_so() {
    let (_folder, disk) = new_ledger();
    disk.create(&FileName::Segment(0))
        .unwrap()
        .append(0, b"torn")
        .unwrap();
    let copy = FileName::Quarantine(disk.quarantine(0, 0).unwrap());
    disk.publish(&FileName::Identity, b"x").unwrap();
    disk.replace_head(&FileName::Checkpoint, b"x").unwrap();
    disk.publish(&FileName::Seal(0), b"x").unwrap();
    for name in [FileName::Identity, FileName::Checkpoint, FileName::Seal(0), copy] {
        assert_eq!(mode(&disk, &name.to_string()) & 0o222, 0, "{name}");
        assert_eq!(mode(&disk, &name.to_string()) & 0o400, 0o400, "{name}");
    }
    let segment = FileName::Segment(0).to_string();
    assert_eq!(mode(&disk, &segment) & 0o600, 0o600);
    disk.protect(0).unwrap();
    assert_eq!(mode(&disk, &segment) & 0o622, 0o400);
    assert_eq!(mode(&disk, "segments") & 0o722, 0o700);
}

#[test]
fn missing_folders_above_are_made() {
    let folder = tempfile::tempdir().unwrap();
    let disk = Disk::new(folder.path().join("a/b/ledger/"));
    disk.create_directories().unwrap();
    disk.create(&FileName::Segment(0)).unwrap();
    // A file where the directory should be is not one.
    let disk = Disk::new(
        folder
            .path()
            .join("a/b/ledger")
            .join(FileName::Segment(0).to_string()),
    );
    let error = disk.create_directories().unwrap_err();
    assert_eq!(error.kind(), ErrorKind::AlreadyExists, "{error}");
}

#[test]
fn a_copy_that_lost_its_empty_folder_gets_it_back() {
    let (_folder, disk) = new_ledger();
    disk.create(&FileName::Segment(0))
        .unwrap()
        .append(0, b"torn")
        .unwrap();
    fs::remove_dir(disk.directory().join("quarantine")).unwrap();
    disk.sync_directories().unwrap();
    disk.quarantine(0, 0).unwrap();
}

#[test]
fn a_leftover_that_is_a_link_is_not_written_through() {
    let (folder, disk) = new_ledger();
    let precious = folder.path().join("precious");
    fs::write(&precious, "do not touch").unwrap();
    symlink(&precious, disk.directory().join("checkpoint.tmp")).unwrap();
    fs::hard_link(&precious, disk.directory().join("ledger.json.tmp")).unwrap();
    disk.replace_head(&FileName::Checkpoint, b"head").unwrap();
    disk.publish(&FileName::Identity, b"identity").unwrap();
    assert_eq!(fs::read(&precious).unwrap(), b"do not touch");
    assert_eq!(fs::read(disk.directory().join("checkpoint")).unwrap(), b"head");
}

#[test]
fn what_is_not_a_file_is_neither_waited_for_nor_a_file_of_the_ledger() {
    let (_folder, disk) = new_ledger();
    let at = |name: &str| disk.directory().join(name);
    assert!(
        Command::new("mkfifo")
            .arg(at("checkpoint"))
            .status()
            .unwrap()
            .success()
    );
    fs::create_dir(at("head")).unwrap();
    symlink("nowhere", at("ledger.json")).unwrap();
    for name in [FileName::Checkpoint, FileName::Head] {
        assert_eq!(
            disk.open(&name).unwrap_err().kind(),
            ErrorKind::InvalidInput,
            "{name}"
        );
    }
    let listing = disk.list().unwrap();
    assert_eq!(listing.files, []);
    assert_eq!(listing.unknown, ["checkpoint", "head/", "ledger.json"]);
}

#[test]
fn the_lock_s_text_is_written_through_no_link_and_waits_for_no_pipe() {
    let (folder, disk) = new_ledger();
    let (precious, lock) = (folder.path().join("precious"), disk.directory().join("LOCK"));
    fs::write(&precious, "do not touch").unwrap();
    let plants: [&dyn Fn(&Path); 4] = [
        &|path| symlink(&precious, path).unwrap(),
        &|path| fs::hard_link(&precious, path).unwrap(),
        &|path| symlink(path.file_name().unwrap(), path).unwrap(),
        &|path| assert!(Command::new("mkfifo").arg(path).status().unwrap().success()),
    ];
    for (nth, plant) in plants.iter().enumerate() {
        for name in ["LOCK", "LOCK.tmp"] {
            let path = disk.directory().join(name);
            fs::remove_file(&path).ok();
            plant(&path);
            let held = disk.lock("mine").unwrap();
            assert_eq!(fs::read(&lock).unwrap(), b"mine", "{nth}, {name}");
            assert_eq!(fs::read(&precious).unwrap(), b"do not touch", "{nth}, {name}");
            drop(held);
        }
    }
    fs::remove_file(&lock).unwrap();
    fs::create_dir(&lock).unwrap();
    let error = disk.lock("mine").unwrap_err().to_string();
    assert!(error.contains("/LOCK: "), "{error}");
    fs::remove_dir(&lock).unwrap();
    drop(disk.lock("let go after the error").unwrap());
}

#[test]
fn a_pipe_where_the_directory_should_be_holds_nobody() {
    let (folder, _) = new_ledger();
    let pipe = folder.path().join("pipe");
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    let disk = Disk::new(&pipe);
    assert_eq!(disk.holder().unwrap(), None);
    assert_eq!(disk.lock("mine").unwrap_err().kind(), ErrorKind::NotADirectory);
}

#[test]
fn links_that_lead_nowhere_are_named_and_no_files() {
    let (_folder, disk) = new_ledger();
    let segment = FileName::Segment(0).to_string();
    for name in ["self", "ledger.json", "segments/self", segment.as_str()] {
        let path = disk.directory().join(name);
        symlink(path.file_name().unwrap(), &path).unwrap();
    }
    let listing = disk.list().unwrap();
    assert_eq!(listing.files, []);
    assert_eq!(
        listing.unknown,
        ["ledger.json", &segment, "segments/self", "self"]
    );
    let error = disk.open(&FileName::Identity).unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidInput, "{error}");
}

#[test]
fn errors_say_the_whole_path_and_keep_the_number() {
    let (folder, disk) = new_ledger();
    let error = disk.open(&FileName::Identity).unwrap_err();
    let path = folder.path().join("ledger/ledger.json").display().to_string();
    assert_eq!(
        error.to_string(),
        format!("open {path}: No such file or directory (os error 2)")
    );
    assert_eq!(FileError::of(&error).unwrap().raw_os_error(), Some(2));
    let missing = Disk::new(folder.path().join("none"));
    for error in [missing.lock("x").unwrap_err(), missing.free_bytes().unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::NotFound);
        assert!(error.to_string().contains("/none: "), "{error}");
    }
}

/// The part of another process: holds the lock until its input ends.
#[test]
fn hold_the_lock() {
    let Some(directory) = std::env::var_os(DIRECTORY_VARIABLE) else {
        return;
    };
    let disk = Disk::new(directory);
    let _lock = disk.lock("the other process").unwrap();
    println!("\nlocked");
    std::io::stdin().lines().for_each(drop);
}

/// Starts a holder and waits until it has the lock.
fn holder(disk: &Disk) -> Child {
    let mut child = in_another_process("hold_the_lock", disk.directory())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.as_mut().unwrap()).lines();
    assert!(
        lines.map_while(Result::ok).any(|line| line == "locked"),
        "the holder did not get the lock"
    );
    child
}

#[test]
fn another_process_keeps_the_lock_until_it_ends_even_without_its_file() {
    let (_folder, disk) = new_ledger();
    let mut child = holder(&disk);
    let refused = |text: &str| {
        let error = disk.lock("mine").unwrap_err();
        assert_eq!(
            (error.kind(), error.to_string().as_str()),
            (ErrorKind::WouldBlock, text)
        );
        assert_eq!(disk.holder().unwrap().as_deref(), Some(text));
    };
    refused("the other process");
    fs::remove_file(disk.directory().join("LOCK")).unwrap();
    refused("");
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    drop(disk.lock("mine").unwrap());

    let mut child = holder(&disk);
    refused("the other process");
    child.kill().unwrap();
    child.wait().unwrap();
    assert_eq!(disk.holder().unwrap(), None, "its text is there, it is not");
    disk.lock("mine").unwrap();
}

#[test]
fn asking_who_holds_the_lock_keeps_nobody_out() {
    let (_folder, disk) = new_ledger();
    let done = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !done.load(std::sync::atomic::Ordering::Relaxed) {
                    disk.holder().unwrap();
                }
            });
        }
        let refused = (0..2_000).filter(|_| disk.lock("mine").is_err()).count();
        done.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(refused, 0);
    });
}

/// The part of a user without rights: everything that writes is refused and everything that reads works.
#[test]
fn use_a_read_only_directory() {
    let Some(directory) = std::env::var_os(DIRECTORY_VARIABLE) else {
        return;
    };
    let disk = Disk::new(directory);
    assert_eq!(
        disk.open(&FileName::Segment(0)).unwrap().read_all(100).unwrap(),
        b"one\ntorn"
    );
    assert_eq!(disk.list().unwrap().files.len(), 3);
    assert_eq!(disk.holder().unwrap(), None);
    disk.free_bytes().unwrap();
    let refused = [
        disk.lock("x").map(drop),
        disk.create(&FileName::Segment(9)).map(drop),
        disk.reopen(&FileName::Segment(0), 8).map(drop),
        disk.publish(&FileName::Seal(0), b"x"),
        disk.replace_head(&FileName::Checkpoint, b"x"),
        disk.quarantine(0, 4).map(drop),
        disk.settle(0, 0, 8),
        disk.trim_filler(0, 8),
    ];
    for (nth, result) in refused.into_iter().enumerate() {
        let error = result.expect_err("a read-only directory takes nothing");
        assert_eq!(error.kind(), ErrorKind::PermissionDenied, "{nth}: {error}");
    }
    println!("\nrefused");
}

#[test]
fn a_read_only_directory_can_be_read_and_nothing_else() {
    let (folder, disk) = new_ledger();
    disk.create(&FileName::Segment(0))
        .unwrap()
        .append(0, b"one\ntorn")
        .unwrap();
    disk.publish(&FileName::Identity, b"x").unwrap();
    disk.replace_head(&FileName::Checkpoint, b"x").unwrap();
    let directories = ["", "segments", "quarantine"].map(|name| disk.directory().join(name));
    let set_mode = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    set_mode(folder.path(), 0o755);
    set_mode(&disk.directory().join(FileName::Segment(0).to_string()), 0o444);
    directories
        .iter()
        .for_each(|directory| set_mode(directory, 0o555));
    let mut command = in_another_process("use_a_read_only_directory", disk.directory());
    // A mode keeps root out of nothing. The process is not root's where this one is.
    if fs::metadata("/proc/self").unwrap().uid() == 0 {
        command.uid(NOBODY).gid(NOBODY);
    }
    let output = command.spawn().unwrap().wait_with_output().unwrap();
    directories
        .iter()
        .for_each(|directory| set_mode(directory, 0o755));
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && text.contains("\nrefused"), "{text}");
    let copy = FileName::Quarantine(QuarantineName::of(0, 4, b"torn"));
    assert!(!disk.directory().join(copy.to_string()).exists());
    assert_eq!(disk.list().unwrap().files.len(), 3, "nothing was left behind");
}
