//! How contenders share a machine whose speed wanders: in turn, several rounds, each round beginning with another one.

use std::path::{Path, PathBuf};

use crate::error::Error;

/// What holds for every bar of a run.
#[derive(Debug, Clone)]
pub struct Setting {
    /// Where files are made: an empty directory on a real disk.
    pub dir: PathBuf,
    /// Fewer entries: to see that everything works, not to quote.
    pub quick: bool,
    /// How often each contender runs.
    pub rounds: usize,
    /// Of the entries.
    pub seed: u64,
    /// How far a ledger is to grow, where the usual is not wanted.
    pub records: Option<u64>,
}

impl Setting {
    /// A count of entries: the first, or the second when quick.
    pub fn count(&self, full: u64, quick: u64) -> u64 {
        if self.quick { quick } else { full }
    }
}

/// One run in a directory of its own.
pub trait Contender<T>: Fn(&Path) -> Result<T, Error> {}

impl<T, F: Fn(&Path) -> Result<T, Error>> Contender<T> for F {}

/// Runs every contender once a round, in a directory that is removed afterwards: what each came to, a value a round.
///
/// # Errors
/// The first error of a contender, or of making and removing its directory.
pub fn in_turn<T, const N: usize>(
    setting: &Setting,
    contenders: [&dyn Contender<T>; N],
) -> Result<[Vec<T>; N], Error> {
    let mut results = contenders.map(|_| Vec::with_capacity(setting.rounds));
    for round in 0..setting.rounds {
        for place in 0..N {
            let index = (round + place) % N;
            let dir = tempfile::tempdir_in(&setting.dir)?;
            results[index].push(contenders[index](dir.path())?);
            dir.close()?;
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;

    use super::*;

    #[test]
    fn every_round_begins_with_another_contender() {
        let dir = tempfile::tempdir().unwrap();
        let setting = Setting {
            dir: dir.path().to_owned(),
            quick: true,
            rounds: 3,
            seed: 1,
            records: None,
        };
        let order = RefCell::new(String::new());
        let run = |name: char| {
            order.borrow_mut().push(name);
            Ok(order.borrow().len())
        };
        let [first, second] = in_turn(&setting, [&|_: &Path| run('a'), &|_: &Path| run('b')]).unwrap();
        assert_eq!(order.into_inner(), "abbaab");
        assert_eq!((first, second), (vec![1, 4, 5], vec![2, 3, 6]));
        assert_eq!(dir.path().read_dir().unwrap().count(), 0);
    }
}
