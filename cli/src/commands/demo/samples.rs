//! The sample records that ship with the program; see `cli/samples/README.md` for where they come from.

use std::io::{self, Read as _};

use ledgerstone_formats::draft::Revisions;

/// A file of sample records, and how they go into a ledger.
pub(super) struct Sample {
    /// The kind of its records.
    pub(super) kind: &'static str,
    /// What they are.
    pub(super) about: &'static str,
    /// Where a record names its tenant.
    pub(super) tenant_at: Option<&'static str>,
    /// Where a record names what it is about.
    pub(super) id_at: &'static str,
    /// Where a record has its correlation id.
    pub(super) corr_at: Option<&'static str>,
    /// Whether records of the same id are its revisions.
    pub(super) revisions: Revisions,
    file: &'static [u8],
    packed: bool,
}

/// All of them, in the order in which they go in.
pub(super) const SAMPLES: [Sample; 5] = [
    Sample {
        kind: "cloudtrail_event",
        about: "AWS CloudTrail events of an attack exercise",
        tenant_at: Some("/recipientAccountId"),
        id_at: "/eventID",
        corr_at: Some("/requestID"),
        revisions: Revisions::AsKind,
        file: include_bytes!("../../../samples/cloudtrail.jsonl"),
        packed: false,
    },
    Sample {
        kind: "persona",
        about: "revisions of three assistant personas",
        tenant_at: None,
        id_at: "/slug",
        corr_at: None,
        revisions: Revisions::Counted,
        file: include_bytes!("../../../samples/personas.jsonl"),
        packed: false,
    },
    Sample {
        kind: "policy",
        about: "device policies",
        tenant_at: None,
        id_at: "/path",
        corr_at: None,
        revisions: Revisions::Counted,
        file: include_bytes!("../../../samples/policies.jsonl"),
        packed: false,
    },
    Sample {
        kind: "oscal_document",
        about: "revisions of OSCAL governance documents",
        tenant_at: None,
        id_at: "/path",
        corr_at: None,
        revisions: Revisions::Counted,
        file: include_bytes!("../../../samples/oscal.jsonl.gz"),
        packed: true,
    },
    Sample {
        kind: "identity",
        about: "invented people and services",
        tenant_at: Some("/organisation"),
        id_at: "/id",
        corr_at: None,
        revisions: Revisions::Counted,
        file: include_bytes!("../../../samples/identities.jsonl"),
        packed: false,
    },
];

impl Sample {
    /// Its records, a line each.
    ///
    /// # Errors
    /// That of unpacking.
    pub(super) fn text(&self) -> io::Result<Vec<u8>> {
        if !self.packed {
            return Ok(self.file.to_vec());
        }
        let mut text = Vec::new();
        flate2::read::MultiGzDecoder::new(self.file).read_to_end(&mut text)?;
        Ok(text)
    }
}

#[cfg(test)]
mod tests {
    use ledgerstone_formats::json::check_object;
    use ledgerstone_formats::line::lines;
    use ledgerstone_formats::pointer::{Pointer, Scalar};

    use super::*;

    #[test]
    fn every_sample_is_whole_and_its_pointers_lead_to_something() {
        let mut counts = Vec::new();
        for sample in SAMPLES {
            let text = sample.text().unwrap();
            assert!(text.ends_with(b"\n"), "{}", sample.kind);
            // A few events have no request, and so no correlation id.
            let pointers = [sample.tenant_at, Some(sample.id_at)];
            for line in lines(&text) {
                check_object(line).unwrap();
                for pointer in pointers.into_iter().flatten() {
                    let found = Pointer::parse(pointer).unwrap().scalar(line);
                    assert!(
                        matches!(found, Scalar::Text(_)),
                        "{}: {pointer}: {found:?}",
                        sample.kind
                    );
                }
            }
            counts.push((sample.kind, lines(&text).count()));
        }
        let expected = [
            ("cloudtrail_event", 200),
            ("persona", 24),
            ("policy", 4),
            ("oscal_document", 46),
            ("identity", 6),
        ];
        assert_eq!(counts, expected);
    }
}
