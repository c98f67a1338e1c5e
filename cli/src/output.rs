//! Where a command speaks: data on standard output, everything else on standard error.

use std::fmt;
use std::io::{self, BufWriter, IsTerminal as _, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use crate::failure::{Failure, Outcome, Problem, of_output};
use crate::files::{self, File};

/// Buffered before it is written, in bytes.
const BUFFER_BYTES: usize = 256 << 10;

/// How much is said besides data.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Loudness {
    /// Errors only.
    Quiet,
    /// What was done, too.
    Normal,
    /// Which files and settings were used, too.
    Verbose,
}

/// Standard output and standard error of one command.
pub(crate) struct Output {
    data: BufWriter<File>,
    /// One JSON object a line in place of text.
    pub(crate) json: bool,
    loudness: Loudness,
}

impl Output {
    /// Takes standard output, past the line buffering of the standard library.
    pub(crate) fn new(json: bool, loudness: Loudness) -> io::Result<Self> {
        Ok(Self {
            data: BufWriter::with_capacity(BUFFER_BYTES, files::standard_output()?),
            json,
            loudness,
        })
    }

    /// Writes a line of data; the LF is added.
    pub(crate) fn line(&mut self, line: &[u8]) -> Outcome<()> {
        self.data
            .write_all(line)
            .and_then(|()| self.data.write_all(b"\n"))
            .map_err(|error| of_output(&error))
    }

    /// Writes a line of data as text.
    pub(crate) fn text(&mut self, text: fmt::Arguments<'_>) -> Outcome<()> {
        self.data
            .write_fmt(text)
            .and_then(|()| self.data.write_all(b"\n"))
            .map_err(|error| of_output(&error))
    }

    /// Writes one object as a line of data.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Outcome<()> {
        self.line(&to_json(object))
    }

    /// Hands over what is buffered.
    pub(crate) fn flush(&mut self) -> Outcome<()> {
        self.data.flush().map_err(|error| of_output(&error))
    }

    /// Says something on standard error, unless asked to be quiet.
    pub(crate) fn note(&self, text: fmt::Arguments<'_>) {
        if self.loudness >= Loudness::Normal {
            say(text);
        }
    }

    /// Says something on standard error, however quiet it should be.
    pub(crate) fn warn(&self, text: fmt::Arguments<'_>) {
        #[derive(Serialize)]
        struct Note {
            note: String,
        }
        if self.json {
            warn_object(&Note {
                note: text.to_string(),
            });
        } else {
            say(text);
        }
    }

    /// Says something on standard error for those who want to know more.
    pub(crate) fn detail(&self, text: fmt::Arguments<'_>) {
        if self.loudness >= Loudness::Verbose {
            say(text);
        }
    }

    /// True when a moving line may be drawn on standard error.
    pub(crate) fn shows_progress(&self) -> bool {
        self.loudness >= Loudness::Normal && !self.json && io::stderr().is_terminal()
    }
}

/// Says something to programs on standard error.
pub(crate) fn warn_object(object: &impl Serialize) {
    say(format_args!("{}", String::from_utf8_lossy(&to_json(object))));
}

/// Tells why a command ended early: in words, or as an object.
pub(crate) fn report(problem: &Problem, json: bool) {
    #[derive(Serialize)]
    struct Wrapped<'a> {
        error: &'a Problem,
    }
    if json {
        say(format_args!(
            "{}",
            String::from_utf8_lossy(&to_json(&Wrapped { error: problem }))
        ));
        return;
    }
    say(format_args!("{problem}"));
    for hint in &problem.hints {
        say(format_args!("{hint}"));
    }
}

fn say(text: fmt::Arguments<'_>) {
    let mut error = io::stderr().lock();
    // When standard error is gone there is nobody left to tell.
    let _ = error.write_fmt(text).and_then(|()| error.write_all(b"\n"));
}

fn to_json(object: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(object).expect("structs of numbers, strings and lists serialize")
}

/// A file of records about the input, a line each: receipts or rejects.
pub(crate) struct Journal {
    file: BufWriter<File>,
    path: PathBuf,
    /// A file of its own, as against standard output.
    sync: bool,
}

impl Journal {
    /// Makes a new file: what an earlier run wrote is never added to or lost.
    pub(crate) fn create(path: &Path) -> Outcome<Self> {
        let file = files::create_new(path).map_err(|error| {
            let problem = Problem::file("make this file", path, &error);
            let exists = error.kind() == io::ErrorKind::AlreadyExists;
            Failure::from(if exists { already(path) } else { problem })
        })?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            path: path.to_owned(),
            sync: true,
        })
    }

    /// Takes back a file just made, so that the same command can be typed again.
    pub(crate) fn discard(self) -> Result<(), Problem> {
        if self.sync {
            files::remove_new(&self.path).map_err(|error| Problem::file("remove", &self.path, &error))?;
        }
        Ok(())
    }

    /// Writes to standard output.
    pub(crate) fn standard_output() -> io::Result<Self> {
        let file = files::standard_output()?;
        Ok(Self {
            file: BufWriter::with_capacity(BUFFER_BYTES, file),
            path: PathBuf::from("standard output"),
            sync: false,
        })
    }

    /// Adds a line.
    pub(crate) fn object(&mut self, object: &impl Serialize) -> Result<(), Problem> {
        self.file
            .write_all(&to_json(object))
            .and_then(|()| self.file.write_all(b"\n"))
            .map_err(|error| Problem::file("write", &self.path, &error))
    }

    /// Hands over what is buffered, so that a reader sees it.
    pub(crate) fn flush(&mut self) -> Result<(), Problem> {
        self.file
            .flush()
            .map_err(|error| Problem::file("write", &self.path, &error))
    }

    /// Everything written is on stable storage.
    pub(crate) fn finish(&mut self) -> Result<(), Problem> {
        self.flush()?;
        if self.sync {
            let synced = self.file.get_ref().sync_all();
            synced.map_err(|error| Problem::file("sync", &self.path, &error))?;
        }
        Ok(())
    }
}

fn already(path: &Path) -> Problem {
    let mut problem = Problem::usage("this file exists already: name a new one");
    problem.file = Some(path.display().to_string());
    problem
}
