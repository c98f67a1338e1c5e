//! Index files as they are written: sorted postings in, blocks out, in bounded memory.

use std::io::{self, Write};

use crate::index::Posting;
use crate::index::about::About;
use crate::index::blocks::{BLOCK_ENTRIES, PAYLOAD_BYTES, put_block, put_postings};
use crate::index::sidecar::{MAGIC, Subject};

/// Writes one index file. Postings are pushed in order, as many as were announced.
pub(crate) struct Encoder<'w> {
    out: &'w mut dyn Write,
    first: u64,
    /// Of the block that is being filled.
    postings: Vec<Posting>,
    /// The first posting of each block of the group that is being filled.
    fences: Vec<Posting>,
    /// The first posting of each group.
    roots: Vec<Posting>,
    about: Vec<u8>,
    block: Vec<u8>,
}

impl<'w> Encoder<'w> {
    /// Begins a file of `entries` postings.
    pub(crate) fn new(
        subject: &Subject,
        about: &About,
        entries: u64,
        out: &'w mut dyn Write,
    ) -> io::Result<Self> {
        let about = if *about == About::default() {
            Vec::new()
        } else {
            serde_json::to_vec(about)?
        };
        let mut encoder = Self {
            out,
            first: subject.first,
            postings: Vec::with_capacity(BLOCK_ENTRIES),
            fences: Vec::with_capacity(BLOCK_ENTRIES),
            roots: Vec::new(),
            about,
            block: Vec::new(),
        };
        encoder.put(&header(subject, entries, encoder.about.len() as u64))?;
        Ok(encoder)
    }

    /// The next posting.
    pub(crate) fn push(&mut self, posting: Posting) -> io::Result<()> {
        self.postings.push(posting);
        if self.postings.len() == BLOCK_ENTRIES {
            self.end_block()?;
        }
        Ok(())
    }

    /// Writes what is left.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.end_block()?;
        self.end_group()?;
        let roots = std::mem::take(&mut self.roots);
        self.put_postings(&roots)?;
        let about = std::mem::take(&mut self.about);
        about.chunks(PAYLOAD_BYTES).try_for_each(|chunk| self.put(chunk))
    }

    fn end_block(&mut self) -> io::Result<()> {
        let postings = std::mem::take(&mut self.postings);
        self.fences.extend(postings.first());
        self.put_postings(&postings)?;
        self.postings = postings;
        self.postings.clear();
        if self.fences.len() == BLOCK_ENTRIES {
            self.end_group()?;
        }
        Ok(())
    }

    fn end_group(&mut self) -> io::Result<()> {
        let fences = std::mem::take(&mut self.fences);
        self.roots.extend(fences.first());
        self.put_postings(&fences)?;
        self.fences = fences;
        self.fences.clear();
        Ok(())
    }

    fn put_postings(&mut self, postings: &[Posting]) -> io::Result<()> {
        self.block.clear();
        put_postings(postings, self.first, &mut self.block);
        self.out.write_all(&self.block)
    }

    fn put(&mut self, payload: &[u8]) -> io::Result<()> {
        self.block.clear();
        put_block(payload, &mut self.block);
        self.out.write_all(&self.block)
    }
}

/// The file of these postings, which are sorted. The same records give the same bytes.
pub(crate) fn encode(subject: &Subject, about: &About, postings: &[Posting]) -> Vec<u8> {
    let mut file = Vec::new();
    let written = Encoder::new(subject, about, postings.len() as u64, &mut file).and_then(|mut encoder| {
        postings.iter().try_for_each(|posting| encoder.push(*posting))?;
        encoder.finish()
    });
    written.expect("memory takes all bytes, and names and numbers serialize");
    file
}

fn header(subject: &Subject, entries: u64, about_bytes: u64) -> Vec<u8> {
    let mut header = Vec::with_capacity(121);
    header.extend_from_slice(&MAGIC);
    header.extend_from_slice(&subject.key.0);
    header.extend_from_slice(&subject.first.to_le_bytes());
    header.extend_from_slice(&subject.end.to_le_bytes());
    header.extend_from_slice(subject.last_hash.as_bytes());
    header.extend_from_slice(&entries.to_le_bytes());
    header.extend_from_slice(&about_bytes.to_le_bytes());
    header.push(subject.level);
    header.extend_from_slice(subject.declared.as_bytes());
    header
}
