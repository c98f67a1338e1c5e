//! The RFC 6962 Merkle tree over all records since genesis: its frontier, and the two proofs.

use std::fmt;

use crate::hash::Hash;

/// The roots of a tree's perfect subtrees, largest first: one for each set bit of the size. Every later root follows
/// from it without the records before.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Frontier {
    size: u64,
    roots: Vec<Hash>,
}

impl Frontier {
    /// The empty tree.
    pub fn new() -> Self {
        Self::default()
    }

    /// A frontier as a seal stores it; `None` when the count of roots does not belong to the size.
    pub fn from_parts(size: u64, roots: Vec<Hash>) -> Option<Self> {
        (roots.len() == size.count_ones() as usize).then_some(Self { size, roots })
    }

    /// Leaves in the tree.
    pub fn size(&self) -> u64 {
        self.size
    }

    /// Roots of the perfect subtrees, largest first.
    pub fn roots(&self) -> &[Hash] {
        &self.roots
    }

    /// Adds a leaf hash.
    pub fn push(&mut self, leaf: Hash) {
        let mut node = leaf;
        // Each trailing one of the size is a subtree as large as the one just completed.
        for _ in 0..self.size.trailing_ones() {
            let left = self.roots.pop().expect("one root for each set bit of the size");
            node = Hash::node(&left, &node);
        }
        self.roots.push(node);
        self.size += 1;
    }

    /// The root; of the empty tree SHA-256 of nothing.
    pub fn root(&self) -> Hash {
        let mut roots = self.roots.iter().rev();
        match roots.next() {
            None => Hash::digest(b""),
            Some(smallest) => roots.fold(*smallest, |right, left| Hash::node(left, &right)),
        }
    }
}

/// Why a proof does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ProofError {
    /// The sizes or the index make no sense together.
    Bounds,
    /// The proof has too few or too many hashes.
    Length,
    /// It leads to another root.
    Root,
}

impl fmt::Display for ProofError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Bounds => "index and tree size do not fit together",
            Self::Length => "the proof has the wrong number of hashes",
            Self::Root => "the proof leads to another root",
        })
    }
}

impl std::error::Error for ProofError {}

/// Checks that `leaf` stands at `index` of the tree of `size` leaves with `root` (RFC 9162, 2.1.3.2).
///
/// # Errors
/// [`ProofError`] when it does not, or when the proof proves nothing.
pub fn check_inclusion(
    index: u64,
    size: u64,
    leaf: Hash,
    proof: &[Hash],
    root: Hash,
) -> Result<(), ProofError> {
    if index >= size {
        return Err(ProofError::Bounds);
    }
    let (mut place, mut last, mut node) = (index, size - 1, leaf);
    for sibling in proof {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            node = Hash::node(sibling, &node);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            node = Hash::node(&node, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    conclude(last == 0, node == root)
}

/// Checks that the tree of `size2` leaves with `root2` continues the one of `size1` with `root1` (RFC 9162, 2.1.4.2).
///
/// # Errors
/// [`ProofError`] when it does not, or when the proof proves nothing.
pub fn check_consistency(
    size1: u64,
    root1: Hash,
    size2: u64,
    root2: Hash,
    proof: &[Hash],
) -> Result<(), ProofError> {
    if size1 == 0 || size1 > size2 {
        return Err(ProofError::Bounds);
    }
    if size1 == size2 {
        return conclude(proof.is_empty(), root1 == root2);
    }
    // A complete old tree is a node of the new one: the proof leaves it out.
    let mut path = proof.iter();
    let seed = if size1.is_power_of_two() {
        root1
    } else {
        *path.next().ok_or(ProofError::Length)?
    };
    let (mut place, mut last) = (size1 - 1, size2 - 1);
    while place & 1 == 1 {
        place >>= 1;
        last >>= 1;
    }
    let (mut old, mut new) = (seed, seed);
    for sibling in path {
        if last == 0 {
            return Err(ProofError::Length);
        }
        if place & 1 == 1 || place == last {
            old = Hash::node(sibling, &old);
            new = Hash::node(sibling, &new);
            while place & 1 == 0 && place != 0 {
                place >>= 1;
                last >>= 1;
            }
        } else {
            new = Hash::node(&new, sibling);
        }
        place >>= 1;
        last >>= 1;
    }
    conclude(last == 0, old == root1 && new == root2)
}

fn conclude(complete: bool, same: bool) -> Result<(), ProofError> {
    match (complete, same) {
        (false, _) => Err(ProofError::Length),
        (true, false) => Err(ProofError::Root),
        (true, true) => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The definition of RFC 6962, 2.1, word for word: slow and obviously right.
    fn root_by_definition(leaves: &[Hash]) -> Hash {
        match leaves {
            [] => Hash::digest(b""),
            [leaf] => *leaf,
            _ => {
                let split = leaves.len().next_power_of_two() / 2;
                Hash::node(
                    &root_by_definition(&leaves[..split]),
                    &root_by_definition(&leaves[split..]),
                )
            }
        }
    }

    #[test]
    fn the_frontier_gives_the_root_of_the_definition() {
        let leaves: Vec<Hash> = (0..130_u8).map(|n| Hash::leaf(&[n])).collect();
        let mut frontier = Frontier::new();
        for size in 0..=leaves.len() {
            assert_eq!(
                frontier.root(),
                root_by_definition(&leaves[..size]),
                "size {size}"
            );
            let stored = Frontier::from_parts(frontier.size(), frontier.roots().to_vec());
            assert_eq!(stored.as_ref(), Some(&frontier));
            if let Some(leaf) = leaves.get(size) {
                frontier.push(*leaf);
            }
        }
    }

    #[test]
    fn a_frontier_with_another_count_of_roots_is_none() {
        assert_eq!(Frontier::from_parts(3, vec![Hash::ZERO]), None);
        assert_eq!(Frontier::from_parts(4, vec![Hash::ZERO; 2]), None);
        assert_eq!(Frontier::from_parts(0, vec![]), Some(Frontier::new()));
    }
}
