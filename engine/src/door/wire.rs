//! Frames, and the numbers and texts in them. What comes from the socket is checked like any other input.
//!
//! Each side begins with [`GREETING`]. A frame is a length (4 bytes, the lowest first, of what follows), a byte that
//! tells what it is, and its members in order: numbers of fixed width, texts and bytes led by their length in 4 bytes,
//! an optional member by a byte 0 or 1.

use std::fmt;
use std::io::{self, Read};

use ledgerstone_formats::limits::GROUP_BYTES_MAX;

/// What both sides say first. Another number in it is another protocol.
pub(crate) const GREETING: [u8; 8] = *b"LSDOOR1\n";
/// Longest frame: any batch, with room for preconditions.
pub(crate) const FRAME_BYTES_MAX: usize = GROUP_BYTES_MAX + (1 << 20);

/// Bytes that are no such frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Malformed;

impl fmt::Display for Malformed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not a frame of this protocol")
    }
}

impl std::error::Error for Malformed {}

/// The frame after its length. Memory grows with the bytes that come, not with the length that is claimed.
pub(crate) fn read_frame(stream: &mut impl Read, length: [u8; 4]) -> io::Result<Vec<u8>> {
    let length = u32::from_le_bytes(length) as usize;
    if length == 0 || length > FRAME_BYTES_MAX {
        return Err(io::Error::new(io::ErrorKind::InvalidData, Malformed));
    }
    let mut frame = Vec::new();
    stream.take(length as u64).read_to_end(&mut frame)?;
    if frame.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(frame)
}

/// A frame in the making.
#[derive(Debug)]
pub(crate) struct Encoder(Vec<u8>);

impl Encoder {
    pub(crate) fn new(tag: u8) -> Self {
        Self(vec![0, 0, 0, 0, tag])
    }

    pub(crate) fn u8(&mut self, value: u8) {
        self.0.push(value);
    }

    pub(crate) fn u32(&mut self, value: u32) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn u64(&mut self, value: u64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn i64(&mut self, value: i64) {
        self.0.extend_from_slice(&value.to_le_bytes());
    }

    pub(crate) fn array<const N: usize>(&mut self, value: &[u8; N]) {
        self.0.extend_from_slice(value);
    }

    pub(crate) fn bytes(&mut self, value: &[u8]) {
        self.u32(u32::try_from(value.len()).expect("no member is as long as 4 GiB"));
        self.0.extend_from_slice(value);
    }

    pub(crate) fn text(&mut self, value: &str) {
        self.bytes(value.as_bytes());
    }

    pub(crate) fn option<T>(&mut self, value: Option<T>, encode: impl FnOnce(&mut Self, T)) {
        self.u8(u8::from(value.is_some()));
        if let Some(value) = value {
            encode(self, value);
        }
    }

    /// The frame with its length; `None` where it is too long to be sent.
    pub(crate) fn finish(mut self) -> Option<Vec<u8>> {
        let length = self.0.len() - 4;
        if length > FRAME_BYTES_MAX {
            return None;
        }
        self.0[..4].copy_from_slice(&u32::try_from(length).ok()?.to_le_bytes());
        Some(self.0)
    }
}

/// The members of a frame that are not read yet.
#[derive(Debug)]
pub(crate) struct Decoder<'a>(&'a [u8]);

impl<'a> Decoder<'a> {
    /// The members of a frame without its length, and the byte that says what it is.
    pub(crate) fn new(frame: &'a [u8]) -> Result<(u8, Self), Malformed> {
        let (tag, members) = frame.split_first().ok_or(Malformed)?;
        Ok((*tag, Self(members)))
    }

    pub(crate) fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(|[byte]| byte)
    }

    pub(crate) fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub(crate) fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub(crate) fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    pub(crate) fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let (array, rest) = self.0.split_first_chunk().ok_or(Malformed)?;
        self.0 = rest;
        Ok(*array)
    }

    pub(crate) fn bytes(&mut self) -> Result<&'a [u8], Malformed> {
        let length = self.u32()? as usize;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(Malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    pub(crate) fn text(&mut self) -> Result<&'a str, Malformed> {
        std::str::from_utf8(self.bytes()?).map_err(|_| Malformed)
    }

    /// A text that has to be a value of a type.
    pub(crate) fn value<T: std::str::FromStr>(&mut self) -> Result<T, Malformed> {
        self.text()?.parse().map_err(|_| Malformed)
    }

    pub(crate) fn bool(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed),
        }
    }

    pub(crate) fn option<T>(
        &mut self,
        decode: impl FnOnce(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        self.bool()?.then(|| decode(self)).transpose()
    }

    /// So many of something as the frame says, at most `count_max`.
    pub(crate) fn list<T>(
        &mut self,
        count_max: usize,
        mut decode: impl FnMut(&mut Self) -> Result<T, Malformed>,
    ) -> Result<Vec<T>, Malformed> {
        let count = self.u32()?;
        if count as usize > count_max {
            return Err(Malformed);
        }
        let mut list = Vec::new();
        for _ in 0..count {
            list.push(decode(self)?);
        }
        Ok(list)
    }

    /// Nothing may be left.
    pub(crate) fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() { Ok(()) } else { Err(Malformed) }
    }
}
