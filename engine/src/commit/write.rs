//! A group goes to the file: room on the disk, one append, one sync. And the filler behind the groups goes again.

use ledgerstone_formats::draft::Draft;
use ledgerstone_formats::names::FileName;

use crate::commit::judge::Judged;
use crate::commit::refuse::Prepared;
use crate::commit::writer::Writer;
use crate::error::{Error, ErrorKind};

impl Writer {
    /// The system's own records may use the reserve that producers' may not. Gives the room that is left above it.
    pub(super) fn check_room(&self, group: &[Judged]) -> Result<u64, Prepared> {
        let needed = group
            .iter()
            .map(|judged| judged.submission.batch.bytes() as u64)
            .sum::<u64>();
        let is_system = |draft: &Draft| draft.entry().kind.is_system();
        if group
            .iter()
            .all(|judged| judged.submission.batch.drafts().iter().all(is_system))
        {
            return Ok(0);
        }
        let free = self.storage.free_bytes().map_err(|error| {
            Prepared::refused(
                ErrorKind::Unavailable,
                format!("free space cannot be told: {error}"),
            )
        })?;
        let reserve = self.options.disk_free_min_bytes;
        let taken = reserve.saturating_add(needed);
        if free < taken {
            let message = format!(
                "the disk is nearly full: {free} bytes free, {needed} needed, {reserve} kept in reserve; nothing was written"
            );
            return Err(Prepared::refused(ErrorKind::Unavailable, message));
        }
        Ok(free - taken)
    }

    /// One append, one sync. The append compares the file's length with ours first: a file that somebody else has
    /// written to is not written to again. `room` is what filler may take a part of.
    pub(super) fn write(&mut self, room: u64) -> Result<(), Error> {
        let active = self.active.as_mut().expect("`prepare` has begun a segment");
        let failed = |doing: &str, error| {
            Error::with_source(ErrorKind::Unknown, doing, error).in_file(FileName::Segment(active.first))
        };
        let len = self.buffer.len() as u64;
        let begun = self.clock.monotonic();
        let fill_to = self.ahead.fill_to(active.bytes, len, room);
        let laid_to = match fill_to {
            Some(to) => active.file.append_with_filler(active.bytes, &self.buffer, to),
            None => active.file.append(active.bytes, &self.buffer).map(|()| 0),
        };
        let laid_to = laid_to.map_err(|error| {
            failed(
                "a group could not be written; whether it is stored shows at the next open",
                error,
            )
        })?;
        let written = self.clock.monotonic();
        active.file.sync().map_err(|error| {
            failed(
                "a group could not be synced; whether it is stored shows at the next open",
                error,
            )
        })?;
        let synced = self.clock.monotonic();
        self.took = [written.saturating_sub(begun), synced.saturating_sub(written)];
        active.bytes += len;
        self.ahead.written(len, laid_to);
        if let Some(to) = fill_to {
            self.shared
                .count_filler(laid_to.saturating_sub(active.bytes), laid_to < to);
        }
        if active.first_at.is_none() {
            active.first_at = self.chain.last_at();
        }
        Ok(())
    }

    /// Cuts the filler off, behind the last group that is synced: no segment but the one that is written to has any.
    pub(super) fn trim(&mut self) -> Result<(), Error> {
        let Some(active) = self
            .active
            .as_ref()
            .filter(|active| self.ahead.is_laid_beyond(active.bytes))
        else {
            return Ok(());
        };
        self.storage
            .trim_filler(active.first, active.bytes)
            .map_err(|error| {
                let doing = "the filler behind the last group could not be cut; all groups are stored";
                Error::with_source(ErrorKind::Unknown, doing, error).in_file(FileName::Segment(active.first))
            })?;
        self.ahead.trimmed();
        Ok(())
    }
}
