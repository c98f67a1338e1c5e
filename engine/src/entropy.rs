//! The one place where randomness comes from: salts, keys and minted ids, all of the operating system's generator.

use std::io;

use ledgerstone_formats::limits::SALT_BYTES;

/// Bytes asked for at first: many take one salt and no more.
const POOL_BYTES_MIN: usize = 64;
/// Bytes asked for at once in the end: a call a salt would cost more than its hash.
const POOL_BYTES_MAX: usize = 4_096;

/// Fresh bytes, each handed out once.
#[derive(Debug)]
pub(crate) struct Entropy {
    pool: Vec<u8>,
    left: usize,
}

impl Entropy {
    pub(crate) fn new() -> Self {
        Self {
            pool: Vec::new(),
            left: 0,
        }
    }

    pub(crate) fn salt(&mut self) -> io::Result<[u8; SALT_BYTES]> {
        self.take()
    }

    /// A UUIDv7 of this moment, given in microseconds since 1970.
    pub(crate) fn time_ordered_id(&mut self, wall_micros: i64) -> io::Result<uuid::Uuid> {
        let millis = u64::try_from(wall_micros / 1_000).unwrap_or(0);
        Ok(uuid::Builder::from_unix_timestamp_millis(millis, &self.take()?).into_uuid())
    }

    /// The secret half of a new key.
    pub(crate) fn seed(&mut self) -> io::Result<[u8; 32]> {
        self.take()
    }

    fn take<const N: usize>(&mut self) -> io::Result<[u8; N]> {
        if self.left < N {
            let len = (4 * self.pool.len()).clamp(POOL_BYTES_MIN, POOL_BYTES_MAX);
            self.left = 0;
            self.pool.resize(len, 0);
            getrandom::fill(&mut self.pool).map_err(io::Error::from)?;
            self.left = len;
        }
        let start = self.pool.len() - self.left;
        self.left -= N;
        let mut bytes = [0; N];
        bytes.copy_from_slice(&self.pool[start..start + N]);
        // What is handed out is not kept: a key's seed must not stay in a pool.
        self.pool[start..start + N].fill(0);
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_salt_is_handed_out_twice() {
        let mut entropy = Entropy::new();
        let salts: std::collections::HashSet<_> = (0..1_000).map(|_| entropy.salt().unwrap()).collect();
        assert_eq!(salts.len(), 1_000);
    }

    #[test]
    fn minted_ids_sort_by_time() {
        let mut entropy = Entropy::new();
        let earlier = entropy.time_ordered_id(1_700_000_000_000_000).unwrap();
        let later = entropy.time_ordered_id(1_700_000_000_001_000).unwrap();
        assert_eq!(earlier.get_version_num(), 7);
        assert!(earlier < later);
    }
}
