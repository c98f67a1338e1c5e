//! Where lines come from, and what they are packed in.

use std::fmt;
use std::io::{self, BufReader, Cursor, IsTerminal as _, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::exit::Exit;
use crate::failure::{Outcome, Problem};
use crate::files;

/// Read at once from a file, in bytes.
const BUFFER_BYTES: usize = 256 << 10;
/// Longest magic number of a packing.
const MAGIC_BYTES: usize = 4;

/// One input.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Source {
    /// A file by its path.
    File(PathBuf),
    /// Standard input.
    Standard,
}

impl Source {
    fn of(path: &Path) -> Self {
        if path == Path::new("-") {
            Self::Standard
        } else {
            Self::File(path.to_owned())
        }
    }
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => path.display().fmt(f),
            Self::Standard => f.write_str("-"),
        }
    }
}

/// The inputs that were named, each looked at, so that one that is missing is found before anything is stored; and the
/// bytes of all of them, where that can be told.
pub(crate) fn resolve(paths: &[PathBuf]) -> Outcome<(Vec<Source>, Option<u64>)> {
    if paths.is_empty() && io::stdin().is_terminal() {
        return Err(Problem::usage("no input: name a file, or `-` for standard input").into());
    }
    let mut sources: Vec<_> = paths.iter().map(|path| Source::of(path)).collect();
    if sources.is_empty() {
        sources.push(Source::Standard);
    }
    if sources
        .iter()
        .filter(|source| **source == Source::Standard)
        .count()
        > 1
    {
        return Err(Problem::usage("standard input can be read only once").into());
    }
    let mut total = Some(0);
    for source in &sources {
        let size = match source {
            Source::File(path) => look_at(path)?,
            Source::Standard => None,
        };
        total = total.zip(size).map(|(total, size)| total + size);
    }
    Ok((sources, total))
}

fn look_at(path: &Path) -> Outcome<Option<u64>> {
    let refuse = |error: io::Error| {
        let mut problem = Problem::file("read", path, &error);
        problem.exit = Exit::Refused;
        problem
    };
    let meta = files::look_at(path).map_err(refuse)?;
    if meta.is_dir() {
        return Err(refuse(io::ErrorKind::IsADirectory.into()).into());
    }
    // A pipe with a name may be opened only once.
    if !meta.is_file() {
        return Ok(None);
    }
    files::open(path).map_err(refuse)?;
    Ok(Some(meta.len()))
}

/// An open input.
pub(crate) struct Opened {
    /// Its bytes, unpacked.
    pub(crate) reader: Box<dyn Read>,
    /// Bytes taken from the file so far, as they lie there.
    pub(crate) taken: Arc<AtomicU64>,
    /// Bytes come as somebody writes them: what has come must not wait for what has not.
    pub(crate) live: bool,
}

/// Opens an input; gzip and zstd are known by their first bytes.
pub(crate) fn open(source: &Source) -> io::Result<Opened> {
    let taken = Arc::new(AtomicU64::new(0));
    let (raw, live): (Box<dyn Read>, bool) = match source {
        Source::Standard => {
            let file = files::standard_input()?;
            let live = !file.metadata()?.is_file();
            (Box::new(file), live)
        }
        Source::File(path) => {
            let file = files::open(path)?;
            let live = !file.metadata()?.is_file();
            (Box::new(file), live)
        }
    };
    let mut raw = Counted {
        inner: raw,
        taken: Arc::clone(&taken),
    };
    let start = sniff(&mut raw)?;
    let packing = Packing::of(&start);
    let whole = BufReader::with_capacity(BUFFER_BYTES, Cursor::new(start).chain(raw));
    let reader: Box<dyn Read> = match packing {
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(whole)),
        Packing::None => Box::new(whole),
        Packing::Zstd => Box::new(zstd::stream::read::Decoder::with_buffer(whole)?),
    };
    Ok(Opened { reader, taken, live })
}

/// What lines are packed in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Packing {
    /// One or more gzip members.
    Gzip,
    /// Nothing.
    None,
    /// One or more zstd frames.
    Zstd,
}

impl Packing {
    fn of(start: &[u8]) -> Self {
        match start {
            [0x1F, 0x8B, ..] => Self::Gzip,
            // A frame, or one of the frames that only carry notes about the next.
            [0x28, 0xB5, 0x2F, 0xFD] | [0x50..=0x5F, 0x2A, 0x4D, 0x18] => Self::Zstd,
            _ => Self::None,
        }
    }

    /// True when a byte may begin a packing; none of them begins a line of JSON.
    fn may_begin_with(byte: u8) -> bool {
        matches!(byte, 0x1F | 0x28 | 0x50..=0x5F)
    }
}

/// What a file is packed in; nothing where it cannot be read.
pub(crate) fn packing_of(path: &Path) -> Packing {
    let start = files::open(path)
        .and_then(|mut file| sniff(&mut file))
        .unwrap_or_default();
    Packing::of(&start)
}

/// The first bytes: one, and more only where they may be a magic number. A producer that waits for the receipt of a
/// line of three bytes would wait for ever if a fourth one were asked for.
fn sniff(raw: &mut impl Read) -> io::Result<Vec<u8>> {
    let mut start = [0; MAGIC_BYTES];
    let mut filled = 0;
    while filled == 0 || filled < MAGIC_BYTES && Packing::may_begin_with(start[0]) {
        match raw.read(&mut start[filled..]) {
            Ok(0) => break,
            Ok(read) => filled += read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(start[..filled].to_vec())
}

struct Counted<R> {
    inner: R,
    taken: Arc<AtomicU64>,
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.taken.fetch_add(read as u64, Ordering::Relaxed);
        Ok(read)
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the files that are read")]
mod tests {
    use std::fs;
    use std::io::Write as _;

    use super::*;

    const TEXT: &[u8] = b"{\"a\":1}\n{\"a\":2}\n";

    fn read_back(bytes: &[u8]) -> Vec<u8> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("input");
        fs::write(&path, bytes).unwrap();
        let mut opened = open(&Source::File(path)).unwrap();
        assert!(!opened.live);
        let mut text = Vec::new();
        opened.reader.read_to_end(&mut text).unwrap();
        assert_eq!(opened.taken.load(Ordering::Relaxed), bytes.len() as u64);
        text
    }

    #[test]
    fn packing_is_known_by_content_and_may_have_several_members() {
        let gzip = |text: &[u8]| {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
            writer.write_all(text).unwrap();
            writer.finish().unwrap()
        };
        let zstd = |text: &[u8]| zstd::stream::encode_all(text, 3).unwrap();
        for bytes in [
            TEXT.to_vec(),
            gzip(TEXT),
            [gzip(&TEXT[..5]), gzip(&TEXT[5..])].concat(),
            zstd(TEXT),
            [zstd(&TEXT[..9]), zstd(&TEXT[9..])].concat(),
            [&b"\x50\x2A\x4D\x18\x02\x00\x00\x00no"[..], &zstd(TEXT)].concat(),
        ] {
            assert_eq!(read_back(&bytes), TEXT);
        }
        for short in [&b""[..], b"\n", b"{}\n", b"P", b"(", b"\x1f"] {
            assert_eq!(read_back(short), short);
        }
    }

    #[test]
    fn a_short_first_line_is_not_held_back_to_look_for_a_magic_number() {
        let (mut writer, reader) = std::os::unix::net::UnixStream::pair().unwrap();
        writer.write_all(b"{}\n").unwrap();
        let mut reader = reader;
        assert_eq!(sniff(&mut reader).unwrap(), b"{}\n");
    }

    #[test]
    fn what_is_missing_is_said_before_anything_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let there = folder.path().join("there");
        fs::write(&there, TEXT).unwrap();
        let (sources, total) = resolve(std::slice::from_ref(&there)).unwrap();
        assert_eq!(
            (sources, total),
            (vec![Source::File(there.clone())], Some(TEXT.len() as u64))
        );
        assert!(resolve(&[there.clone(), folder.path().join("missing")]).is_err());
        assert!(resolve(&[folder.path().to_owned()]).is_err());
        assert!(resolve(&["-".into(), there, "-".into()]).is_err());
    }
}
