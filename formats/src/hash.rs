//! SHA-256 values and the three ways this format computes them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// A SHA-256 value; shown and parsed as 64 lower-case hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Default)]
pub struct Hash([u8; 32]);

impl Hash {
    /// What `prev` of the first record holds.
    pub const ZERO: Self = Self([0; 32]);

    /// Takes 32 bytes as they are.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// SHA-256 of `bytes`, with no prefix: the digest of a payload, of a file.
    pub fn digest(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// RFC 6962 leaf hash: SHA-256(0x00 ‖ `bytes`). The `hash` of a line is the leaf hash of its header.
    pub fn leaf(bytes: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0]);
        hasher.update(bytes);
        Self(hasher.finalize().into())
    }

    /// [`Hash::digest`] of the two parts as one text, and so without copying them together.
    pub fn digest_of_two(first: &[u8], second: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update(first);
        hasher.update(second);
        Self(hasher.finalize().into())
    }

    /// [`Hash::leaf`] of the two parts as one text.
    pub fn leaf_of_two(first: &[u8], second: &[u8]) -> Self {
        let mut hasher = Sha256::new();
        hasher.update([0]);
        hasher.update(first);
        hasher.update(second);
        Self(hasher.finalize().into())
    }

    /// RFC 6962 node hash: SHA-256(0x01 ‖ `left` ‖ `right`).
    pub fn node(left: &Self, right: &Self) -> Self {
        let mut block = [1_u8; 65];
        block[1..33].copy_from_slice(&left.0);
        block[33..].copy_from_slice(&right.0);
        Self(Sha256::digest(block).into())
    }

    /// Parses exactly 64 lower-case hex digits.
    pub fn from_hex(hex: &[u8]) -> Option<Self> {
        let mut bytes = [0; 32];
        decode_hex(hex, &mut bytes).then_some(Self(bytes))
    }

    /// The 64 hex digits.
    pub fn to_hex(&self) -> [u8; 64] {
        let mut hex = [0; 64];
        encode_hex(&self.0, &mut hex);
        hex
    }
}

/// Writes `bytes` as lower-case hex into `hex`, which is twice as long.
pub(crate) fn encode_hex(bytes: &[u8], hex: &mut [u8]) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    for (byte, pair) in bytes.iter().zip(hex.chunks_exact_mut(2)) {
        pair[0] = DIGITS[usize::from(byte >> 4)];
        pair[1] = DIGITS[usize::from(byte & 15)];
    }
}

/// Value of each lower-case hex digit; 0x80 for any other byte.
const NIBBLES: [u8; 256] = {
    let mut nibbles = [0x80; 256];
    let mut value = 0;
    while value < 16 {
        nibbles[b"0123456789abcdef"[value as usize] as usize] = value;
        value += 1;
    }
    nibbles
};

/// Reads exactly `2 × bytes.len()` lower-case hex digits; false if `hex` is anything else.
pub(crate) fn decode_hex(hex: &[u8], bytes: &mut [u8]) -> bool {
    if hex.len() != 2 * bytes.len() {
        return false;
    }
    let mut bad = 0;
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        let (high, low) = (NIBBLES[usize::from(pair[0])], NIBBLES[usize::from(pair[1])]);
        bad |= high | low;
        *byte = high << 4 | low & 15;
    }
    bad & 0x80 == 0
}

impl fmt::Display for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.to_hex()).expect("hex digits are ASCII"))
    }
}

impl fmt::Debug for Hash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not 64 lower-case hex digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HashError;

impl fmt::Display for HashError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not 64 lower-case hex digits")
    }
}

impl std::error::Error for HashError {}

impl FromStr for Hash {
    type Err = HashError;
    fn from_str(text: &str) -> Result<Self, HashError> {
        Self::from_hex(text.as_bytes()).ok_or(HashError)
    }
}

impl Serialize for Hash {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Hash {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_is_exact_and_lower_case() {
        let hash = Hash::digest(b"abc");
        let text = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(hash.to_string(), text);
        assert_eq!(text.parse(), Ok(hash));
        for bad in [
            &text[1..],
            &text.to_uppercase(),
            &format!("{text}0"),
            &text.replace('b', "g"),
            "",
        ] {
            assert_eq!(bad.parse::<Hash>(), Err(HashError), "{bad}");
        }
    }

    #[test]
    fn leaf_and_node_are_those_of_rfc_6962() {
        // Leaf hash of the empty string, and the root over two leaves, as transparency logs publish them.
        let empty = Hash::leaf(b"");
        assert_eq!(
            empty.to_string(),
            "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
        );
        assert_eq!(
            Hash::node(&empty, &Hash::leaf(&[0])).to_string(),
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
        );
    }
}
