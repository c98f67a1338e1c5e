//! Values of unique indexes: no two things have the same one at a time, where the newest record of each says what it
//! has.
//!
//! Held in memory, so that it grows with the things of the kinds that declare such indexes.

use std::fmt;

use ledgerstone_formats::record::Record;
use ledgerstone_formats::records::family::Family;
use ledgerstone_formats::records::system;

use crate::index::declared::Declared;
use crate::index::unique::{Holder, Holders, Value};

/// What is declared so far, and which thing has which values.
#[derive(Debug, Default)]
pub(crate) struct Uniques {
    declared: Declared,
    holders: Holders,
}

/// A record whose value another thing has. The value itself is the body's, and stays there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UniqueError {
    index: String,
    /// The newest record of the thing that has it.
    seq: u64,
}

impl fmt::Display for UniqueError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "the index {} is unique, and the record with seq {}, about another thing, has the same value in it",
            self.index, self.seq
        )
    }
}

impl Uniques {
    /// Everything that the records declare.
    pub(crate) fn declared(&self) -> &Declared {
        &self.declared
    }

    /// Takes in a stored record and says whether another thing has one of its values. Goes on from what is stored.
    pub(crate) fn observe(&mut self, record: &Record<'_>) -> Result<(), UniqueError> {
        let header = &record.header;
        if header.kind == system::FAMILY
            && let Some(family) = Family::parse(&header.id, record.body())
        {
            self.declared.insert(family);
        }
        if !self.declared.has_unique(&header.kind) {
            return Ok(());
        }
        let mut values = Vec::new();
        if let Some(record) = self.declared.of_record(record) {
            record.each_unique_key(|key| values.extend(Value::of(key)));
        }
        let tenant = header.tenant.as_ref().map(|(tenant, _)| tenant.as_ref().into());
        let holder = Holder {
            entity: (header.kind.as_ref().into(), tenant, header.id.as_ref().into()),
            seq: header.seq,
        };
        match self.holders.take(&holder, values) {
            None => Ok(()),
            Some((value, other)) => Err(UniqueError {
                index: value.index().to_owned(),
                seq: other.seq,
            }),
        }
    }
}
