//! What comes back through the door: whole receipts, a seal, a head, or an error with all that a caller can ask it for.

use ledgerstone_formats::hash::Hash;
use ledgerstone_formats::limits::GROUP_RECORDS_MAX;
use ledgerstone_formats::names::FileName;
use ledgerstone_formats::segment::Seal;
use ledgerstone_formats::time::Timestamp;

use super::wire::{Decoder, Encoder, Malformed};
use crate::batch::Receipt;
use crate::error::{Error, ErrorKind};
use crate::finding::{Code, Finding};

const WELCOME: u8 = 0;
const STORED: u8 = 1;
const SEALED: u8 = 2;
const HEAD: u8 = 3;
const REFUSED: u8 = 4;
const STATS: u8 = 5;

/// Findings of a damaged ledger that are passed on; the error's text says how many there are.
const FINDINGS_MAX: usize = 1_000;

const KINDS: [ErrorKind; 9] = [
    ErrorKind::Busy,
    ErrorKind::Closed,
    ErrorKind::Conflict,
    ErrorKind::Corrupt,
    ErrorKind::Held,
    ErrorKind::Invalid,
    ErrorKind::Missing,
    ErrorKind::Unavailable,
    ErrorKind::Unknown,
];

const fn number_of(kind: ErrorKind) -> u8 {
    match kind {
        ErrorKind::Busy => 0,
        ErrorKind::Closed => 1,
        ErrorKind::Conflict => 2,
        ErrorKind::Corrupt => 3,
        ErrorKind::Held => 4,
        ErrorKind::Invalid => 5,
        ErrorKind::Missing => 6,
        ErrorKind::Unavailable => 7,
        ErrorKind::Unknown => 8,
    }
}

/// What the holder says.
#[derive(Debug)]
pub(crate) enum Answer {
    /// To whoever may stay.
    Welcome(Welcome),
    /// The batch is durable.
    Stored(Vec<Receipt>),
    /// The segment's seal; none where there was nothing to seal.
    Sealed(Option<Box<Seal>>),
    /// The bytes of the newest head.
    Head(Vec<u8>),
    /// What the holder has done, in Prometheus' text format.
    Stats(String),
    /// Nothing of what was asked was done, unless the kind is `Unknown`.
    Refused(Error),
}

/// Which ledger this is, and what it takes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Welcome {
    pub(crate) ledger: String,
    pub(crate) body_bytes_max: u64,
}

impl Answer {
    /// The frame; `None` where it is too long.
    pub(crate) fn encode(&self) -> Option<Vec<u8>> {
        let mut frame;
        match self {
            Self::Welcome(welcome) => {
                frame = Encoder::new(WELCOME);
                frame.text(&welcome.ledger);
                frame.u64(welcome.body_bytes_max);
            }
            Self::Stored(receipts) => {
                frame = Encoder::new(STORED);
                frame.u32(u32::try_from(receipts.len()).ok()?);
                receipts
                    .iter()
                    .for_each(|receipt| encode_receipt(&mut frame, receipt));
            }
            Self::Sealed(seal) => {
                frame = Encoder::new(SEALED);
                frame.option(seal.as_ref(), |frame, seal| frame.bytes(&seal.encode()));
            }
            Self::Head(head) => {
                frame = Encoder::new(HEAD);
                frame.bytes(head);
            }
            Self::Stats(text) => {
                frame = Encoder::new(STATS);
                frame.text(text);
            }
            Self::Refused(error) => {
                frame = Encoder::new(REFUSED);
                encode_error(&mut frame, error);
            }
        }
        frame.finish()
    }

    /// Reads a frame.
    pub(crate) fn decode(frame: &[u8]) -> Result<Self, Malformed> {
        let (tag, mut members) = Decoder::new(frame)?;
        let answer = match tag {
            WELCOME => Self::Welcome(Welcome {
                ledger: members.text()?.to_owned(),
                body_bytes_max: members.u64()?,
            }),
            STORED => Self::Stored(members.list(GROUP_RECORDS_MAX, decode_receipt)?),
            SEALED => Self::Sealed(members.option(|members| {
                let seal = Seal::parse(members.bytes()?).map_err(|_| Malformed)?;
                Ok(Box::new(seal))
            })?),
            HEAD => Self::Head(members.bytes()?.to_vec()),
            STATS => Self::Stats(members.text()?.to_owned()),
            REFUSED => Self::Refused(decode_error(&mut members)?),
            _ => return Err(Malformed),
        };
        members.end().map(|()| answer)
    }
}

fn encode_receipt(frame: &mut Encoder, receipt: &Receipt) {
    frame.u64(receipt.seq);
    frame.option(receipt.tseq, Encoder::u64);
    frame.text(receipt.id.as_str());
    frame.option(receipt.rev, Encoder::u64);
    frame.array(receipt.hash.as_bytes());
    frame.i64(receipt.at.as_micros());
    frame.option(receipt.key.as_ref(), |frame, key| frame.text(key.as_str()));
    frame.u8(u8::from(receipt.replayed));
}

fn decode_receipt(members: &mut Decoder<'_>) -> Result<Receipt, Malformed> {
    Ok(Receipt {
        seq: members.u64()?,
        tseq: members.option(Decoder::u64)?,
        id: members.value()?,
        rev: members.option(Decoder::u64)?,
        hash: decode_hash(members)?,
        at: Timestamp::from_micros(members.i64()?).ok_or(Malformed)?,
        key: members.option(Decoder::value)?,
        replayed: members.bool()?,
    })
}

fn encode_error(frame: &mut Encoder, error: &Error) {
    frame.u8(number_of(error.kind()));
    frame.text(&error.to_string());
    encode_file(frame, error.file());
    frame.option(error.seq(), Encoder::u64);
    frame.option(error.record(), |frame, record| frame.u64(record as u64));
    let findings = &error.findings()[..error.findings().len().min(FINDINGS_MAX)];
    frame.u32(u32::try_from(findings.len()).expect("cut to the limit"));
    for finding in findings {
        encode_finding(frame, finding);
    }
}

fn decode_error(members: &mut Decoder<'_>) -> Result<Error, Malformed> {
    let number = members.u8()?;
    let kind = KINDS.into_iter().find(|kind| number_of(*kind) == number);
    let mut error = Error::new(kind.ok_or(Malformed)?, members.text()?);
    if let Some(file) = members.option(decode_file)? {
        error = error.in_file(file);
    }
    if let Some(seq) = members.option(Decoder::u64)? {
        error = error.at_seq(seq);
    }
    if let Some(record) = members.option(Decoder::u64)? {
        error = error.at_record(usize::try_from(record).map_err(|_| Malformed)?);
    }
    Ok(error.with_findings(members.list(FINDINGS_MAX, decode_finding)?))
}

fn encode_finding(frame: &mut Encoder, finding: &Finding) {
    frame.u8(finding.code.number());
    encode_file(frame, finding.file.as_ref());
    frame.option(finding.line, Encoder::u64);
    frame.option(finding.offset, Encoder::u64);
    frame.option(finding.seq, Encoder::u64);
    frame.option(finding.tenant.as_deref(), Encoder::text);
    frame.text(&finding.cause);
    frame.option(finding.expected, |frame, hash| frame.array(hash.as_bytes()));
    frame.option(finding.found, |frame, hash| frame.array(hash.as_bytes()));
}

fn decode_finding(members: &mut Decoder<'_>) -> Result<Finding, Malformed> {
    Ok(Finding {
        code: Code::from_number(members.u8()?).ok_or(Malformed)?,
        file: members.option(decode_file)?,
        line: members.option(Decoder::u64)?,
        offset: members.option(Decoder::u64)?,
        seq: members.option(Decoder::u64)?,
        tenant: members.option(|members| members.text().map(ToOwned::to_owned))?,
        cause: members.text()?.to_owned(),
        expected: members.option(decode_hash)?,
        found: members.option(decode_hash)?,
    })
}

fn encode_file(frame: &mut Encoder, file: Option<&FileName>) {
    frame.option(file, |frame, file| frame.text(&file.to_string()));
}

fn decode_file(members: &mut Decoder<'_>) -> Result<FileName, Malformed> {
    FileName::parse(members.text()?).ok_or(Malformed)
}

fn decode_hash(members: &mut Decoder<'_>) -> Result<Hash, Malformed> {
    members.array().map(Hash::from_bytes)
}
