//! What is wrong outside the ledger: only that excuses an opening that is refused.

/// What is wrong outside the ledger.
#[derive(Debug, Default)]
pub(super) struct Troubles {
    /// Until the next boot: operations are to fail.
    pub(super) planned: bool,
    /// Until the next boot: clean pages may leave the cache while somebody reads.
    pub(super) pages_go: bool,
    /// Until it is mended: a full disk, a clock that was turned.
    pub(super) lasting: bool,
    /// Until it is mended: bytes that cannot be read.
    pub(super) unreadable: bool,
}

impl Troubles {
    pub(super) fn any(&self) -> bool {
        self.planned || self.pages_go || self.lasting || self.unreadable
    }
}
