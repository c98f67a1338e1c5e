//! Heads: what a ledger says of its size and root, signed or not. C2SP tlog-checkpoint in a C2SP signed-note.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use ed25519_dalek::{Signature, SigningKey, VerifyingKey};
use signed_note::{Note, StandardSigner, Verifier, VerifierList};

use crate::hash::Hash;
use crate::ids::Origin;
use crate::limits::SEQUENCE_MAX;

/// First byte of an Ed25519 key in a note's key text.
const ALGORITHM_ED25519: u8 = 1;
/// Longest head file that is read, in bytes: origin, size, root and one signature take less.
pub const HEAD_BYTES_MAX: u64 = 4_096;

/// What a head says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Head {
    /// The ledger's name.
    pub origin: Origin,
    /// Records covered.
    pub size: u64,
    /// Root of the tree over them.
    pub root: Hash,
}

impl Head {
    /// Origin, size and root, a line each.
    pub fn to_text(&self) -> String {
        format!(
            "{}\n{}\n{}\n",
            self.origin,
            self.size,
            BASE64.encode(self.root.as_bytes())
        )
    }

    /// Reads exactly the text of [`Head::to_text`].
    ///
    /// # Errors
    /// [`HeadError::Form`] for anything else.
    pub fn parse_text(text: &[u8]) -> Result<Self, HeadError> {
        let text = std::str::from_utf8(text).map_err(|_| HeadError::Form)?;
        let mut lines = text.split('\n');
        let mut line = || lines.next().ok_or(HeadError::Form);
        let origin = Origin::new(line()?).map_err(|_| HeadError::Form)?;
        let size = line()?
            .parse()
            .ok()
            .filter(|size| *size <= SEQUENCE_MAX + 1)
            .ok_or(HeadError::Form)?;
        let root = BASE64
            .decode(line()?)
            .ok()
            .and_then(|root| root.try_into().ok())
            .ok_or(HeadError::Form)?;
        let head = Self {
            origin,
            size,
            root: Hash::from_bytes(root),
        };
        if head.to_text() == text {
            Ok(head)
        } else {
            Err(HeadError::Form)
        }
    }

    /// Reads a head's file: signed by `key`, or, for a ledger without a key, the text alone. The bytes must be exactly
    /// those that the ledger writes.
    ///
    /// # Errors
    /// [`HeadError`] says whether form or signature are wrong.
    pub fn open(file: &[u8], key: Option<&VerifierKey>) -> Result<Self, HeadError> {
        let Some(key) = key else {
            return Self::parse_text(file);
        };
        let note = Note::from_bytes(file).map_err(|_| HeadError::Form)?;
        if note.to_bytes() != file {
            return Err(HeadError::Form);
        }
        let known = VerifierList::new(vec![Box::new(key.clone())]);
        let (verified, unverified) = note.verify(&known).map_err(|_| HeadError::Signature)?;
        if verified.len() != 1 || !unverified.is_empty() {
            return Err(HeadError::Form);
        }
        let head = Self::parse_text(note.text())?;
        // A key signs for one ledger: the line that names the key and the one that names the ledger agree.
        if head.origin == *key.origin() {
            Ok(head)
        } else {
            Err(HeadError::Signature)
        }
    }
}

/// Why a file is no head of this ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum HeadError {
    /// It is not of a head's form.
    Form,
    /// The ledger's key did not sign it.
    Signature,
}

impl fmt::Display for HeadError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Form => "not a head in canonical form",
            Self::Signature => "not signed by the ledger's key",
        })
    }
}

impl std::error::Error for HeadError {}

/// Why a key's text cannot be used. Never shows the text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KeyError;

impl fmt::Display for KeyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not an Ed25519 key in the form of a signed note")
    }
}

impl std::error::Error for KeyError {}

/// The public half: `ORIGIN+<8 hex>+<base64>`. Signatures are verified strictly: malleable ones and small-order keys
/// are refused, which the standard verifier of notes leaves open.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VerifierKey {
    origin: Origin,
    id: u32,
    key: VerifyingKey,
}

impl VerifierKey {
    /// Reads a verifier key's text.
    ///
    /// # Errors
    /// [`KeyError`] when it is none, its id does not belong to it, or no ledger could have it.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let (origin, rest) = text.split_once('+').ok_or(KeyError)?;
        let (_, data) = rest.split_once('+').ok_or(KeyError)?;
        let data = BASE64.decode(data).map_err(|_| KeyError)?;
        let (ALGORITHM_ED25519, key) = data
            .split_first()
            .map(|(first, key)| (*first, key))
            .ok_or(KeyError)?
        else {
            return Err(KeyError);
        };
        let key = VerifyingKey::from_bytes(key.try_into().map_err(|_| KeyError)?).map_err(|_| KeyError)?;
        let parsed = Self::new(Origin::new(origin).map_err(|_| KeyError)?, key);
        if parsed.to_text() == text && !key.is_weak() {
            Ok(parsed)
        } else {
            Err(KeyError)
        }
    }

    /// The key's text.
    pub fn to_text(&self) -> String {
        format!(
            "{}+{:08x}+{}",
            self.origin,
            self.id,
            BASE64.encode(key_data(self.key.as_bytes()))
        )
    }

    /// Whose key it is.
    pub fn origin(&self) -> &Origin {
        &self.origin
    }

    fn new(origin: Origin, key: VerifyingKey) -> Self {
        let id = signed_note::key_id(origin.as_str(), &key_data(key.as_bytes()));
        Self { origin, id, key }
    }
}

impl Verifier for VerifierKey {
    fn name(&self) -> &str {
        self.origin.as_str()
    }

    fn key_id(&self) -> u32 {
        self.id
    }

    fn verify(&self, message: &[u8], signature: &[u8]) -> bool {
        Signature::from_slice(signature)
            .is_ok_and(|signature| self.key.verify_strict(message, &signature).is_ok())
    }
}

/// The private half.
#[derive(Clone)]
pub struct Signer {
    signer: StandardSigner,
    verifier: VerifierKey,
}

impl fmt::Debug for Signer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signer({})", self.verifier.to_text())
    }
}

impl Signer {
    /// The text of a new key file, without its LF, from 32 bytes of the operating system's generator.
    pub fn key_text(origin: &Origin, seed: &[u8; 32]) -> String {
        let public = SigningKey::from_bytes(seed).verifying_key();
        let id = signed_note::key_id(origin.as_str(), &key_data(public.as_bytes()));
        format!("PRIVATE+KEY+{origin}+{id:08x}+{}", BASE64.encode(key_data(seed)))
    }

    /// Reads a key's text.
    ///
    /// # Errors
    /// [`KeyError`] when it is none.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let signer = StandardSigner::new(text).map_err(|_| KeyError)?;
        let rest = text.strip_prefix("PRIVATE+KEY+").ok_or(KeyError)?;
        let (origin, rest) = rest.split_once('+').ok_or(KeyError)?;
        let (_, data) = rest.split_once('+').ok_or(KeyError)?;
        let data = BASE64.decode(data).map_err(|_| KeyError)?;
        let seed = data
            .get(1..)
            .and_then(|seed| seed.try_into().ok())
            .ok_or(KeyError)?;
        let key = SigningKey::from_bytes(seed).verifying_key();
        Ok(Self {
            signer,
            verifier: VerifierKey::new(Origin::new(origin).map_err(|_| KeyError)?, key),
        })
    }

    /// The public half.
    pub fn verifier(&self) -> &VerifierKey {
        &self.verifier
    }

    /// The file of a head, signed.
    ///
    /// # Errors
    /// [`HeadError::Signature`] when the head is of another ledger than the key.
    pub fn sign(&self, head: &Head) -> Result<Vec<u8>, HeadError> {
        if head.origin != *self.verifier.origin() {
            return Err(HeadError::Signature);
        }
        let mut note = Note::new(head.to_text().as_bytes(), &[]).map_err(|_| HeadError::Form)?;
        note.add_sigs(&[&self.signer]).map_err(|_| HeadError::Signature)?;
        Ok(note.to_bytes())
    }
}

fn key_data(key: &[u8; 32]) -> Vec<u8> {
    [&[ALGORITHM_ED25519], key.as_slice()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "ledger.example/0192f3c4-0000-7000-8000-000000000001";

    fn head(size: u64) -> Head {
        Head {
            origin: Origin::new(ID).unwrap(),
            size,
            root: Hash::digest(b"root"),
        }
    }

    fn signer(seed: u8) -> Signer {
        Signer::parse(&Signer::key_text(&Origin::new(ID).unwrap(), &[seed; 32])).unwrap()
    }

    #[test]
    fn a_signed_head_is_opened_by_its_key_alone() {
        let file = signer(1).sign(&head(42)).unwrap();
        assert_eq!(Head::open(&file, Some(signer(1).verifier())), Ok(head(42)));
        assert!(Head::open(&file, Some(signer(2).verifier())).is_err());
        assert!(
            Head::open(&file, None).is_err(),
            "a signed head is not an unsigned one"
        );
        assert!(Head::open(head(42).to_text().as_bytes(), Some(signer(1).verifier())).is_err());
    }

    #[test]
    fn every_flipped_bit_of_a_head_is_refused() {
        let key = signer(1);
        for (file, verifier) in [
            (key.sign(&head(7)).unwrap(), Some(key.verifier())),
            (head(7).to_text().into_bytes(), None),
        ] {
            for bit in 0..file.len() * 8 {
                let mut flipped = file.clone();
                flipped[bit / 8] ^= 1 << (bit % 8);
                // Without a signature another size or root is a head too, but never the same one.
                assert_ne!(Head::open(&flipped, verifier), Ok(head(7)), "bit {bit}");
                assert!(
                    verifier.is_none() || Head::open(&flipped, verifier).is_err(),
                    "bit {bit}"
                );
            }
            for len in 0..file.len() {
                assert!(Head::open(&file[..len], verifier).is_err(), "prefix {len}");
            }
        }
    }

    #[test]
    fn keys_read_back_and_never_show_their_secret() {
        let key = signer(9);
        let text = key.verifier().to_text();
        assert_eq!(VerifierKey::parse(&text).as_ref(), Ok(key.verifier()));
        assert!(VerifierKey::parse(&text.replace('+', "-")).is_err());
        assert!(!format!("{key:?}").contains("PRIVATE"));
    }
}
