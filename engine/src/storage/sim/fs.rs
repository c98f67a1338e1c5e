//! The simulated file system: directories whose entries are live, durable, or on their way.

use std::collections::BTreeMap;
use std::io;

use super::file::SimFile;
use super::survival::Choices;

/// Names a file, whatever its entries are.
pub(super) type Inode = u64;

/// A tree of files. The directory at its top is durable from the start.
#[derive(Debug, Clone, Default)]
pub(super) struct FileSystem {
    directories: BTreeMap<String, Directory>,
    /// Files that lost their last entry stay: a crash may bring an entry back, and an open one can be read.
    files: BTreeMap<Inode, SimFile>,
}

#[derive(Debug, Clone, Default)]
struct Directory {
    live: BTreeMap<String, Node>,
    durable: BTreeMap<String, Node>,
    /// Changes since the last good sync; each may reach the medium without the others.
    changes: Vec<Change>,
}

/// What an entry leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Node {
    Directory,
    File(Inode),
}

#[derive(Debug, Clone)]
enum Change {
    Add(String, Node),
    Remove(String, Node),
    /// Both or neither, as the file systems promise.
    Rename {
        from: String,
        to: String,
        node: Node,
    },
}

impl Change {
    fn names(&self, name: &str) -> bool {
        match self {
            Self::Add(other, _) | Self::Remove(other, _) => other == name,
            Self::Rename { from, to, .. } => from == name || to == name,
        }
    }

    fn apply(&self, entries: &mut BTreeMap<String, Node>) {
        match self {
            Self::Add(name, node) => drop(entries.insert(name.clone(), *node)),
            Self::Remove(name, node) => remove_entry(entries, name, *node),
            Self::Rename { from, to, node } => {
                remove_entry(entries, from, *node);
                entries.insert(to.clone(), *node);
            }
        }
    }
}

/// Removes a name if it still leads there: with a change before this one lost, it may not.
fn remove_entry(entries: &mut BTreeMap<String, Node>, name: &str, node: Node) {
    if entries.get(name) == Some(&node) {
        entries.remove(name);
    }
}

impl Directory {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.live);
        self.changes.push(change);
    }

    /// Leaves nothing on its way for this name.
    fn forget(&mut self, name: &str) {
        self.changes.retain(|change| !change.names(name));
    }
}

impl FileSystem {
    pub(super) fn new() -> Self {
        let mut fs = Self::default();
        fs.directories.insert(String::new(), Directory::default());
        fs
    }

    pub(super) fn node(&self, path: &str) -> io::Result<Node> {
        if path.is_empty() {
            return Ok(Node::Directory);
        }
        let (directory, name) = split(path);
        let node = self
            .directories
            .get(directory)
            .and_then(|directory| directory.live.get(name));
        node.copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn inode(&self, path: &str) -> io::Result<Inode> {
        match self.node(path)? {
            Node::File(inode) => Ok(inode),
            Node::Directory => Err(io::ErrorKind::IsADirectory.into()),
        }
    }

    pub(super) fn file(&self, inode: Inode) -> io::Result<&SimFile> {
        self.files
            .get(&inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    pub(super) fn file_mut(&mut self, inode: Inode) -> io::Result<&mut SimFile> {
        self.files
            .get_mut(&inode)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    /// Reads what is clean from the media again.
    pub(super) fn drop_clean_pages(&mut self) {
        self.files.values_mut().for_each(SimFile::drop_clean_pages);
    }

    /// Bytes of all files that have a name.
    pub(super) fn used_bytes(&self) -> u64 {
        let nodes = self
            .directories
            .values()
            .flat_map(|directory| directory.live.values());
        let len = |node: &Node| match node {
            Node::File(inode) => self.files.get(inode).map_or(0, |file| file.bytes().len() as u64),
            Node::Directory => 0,
        };
        nodes.map(len).sum()
    }

    pub(super) fn entries(&self, directory: &str) -> io::Result<&BTreeMap<String, Node>> {
        match self.directories.get(directory) {
            Some(directory) => Ok(&directory.live),
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }

    pub(super) fn create(&mut self, path: &str, read_only: bool) -> io::Result<Inode> {
        let inode = self.add_file(SimFile::new(read_only));
        let (directory, name) = split(path);
        self.directory_mut(directory)?
            .change(Change::Add(name.to_owned(), Node::File(inode)));
        Ok(inode)
    }

    pub(super) fn make_directory(&mut self, path: &str) -> io::Result<()> {
        let (above, name) = split(path);
        self.directory_mut(above)?
            .change(Change::Add(name.to_owned(), Node::Directory));
        self.directories.insert(path.to_owned(), Directory::default());
        Ok(())
    }

    pub(super) fn rename(&mut self, from: &str, to: &str) -> io::Result<()> {
        let node = self.node(from)?;
        let ((directory, from), (same, to)) = (split(from), split(to));
        if directory != same {
            return Err(io::ErrorKind::CrossesDevices.into());
        }
        let change = Change::Rename {
            from: from.to_owned(),
            to: to.to_owned(),
            node,
        };
        self.directory_mut(directory)?.change(change);
        Ok(())
    }

    pub(super) fn remove(&mut self, path: &str) -> io::Result<()> {
        let node = self.node(path)?;
        let (directory, name) = split(path);
        self.directory_mut(directory)?
            .change(Change::Remove(name.to_owned(), node));
        Ok(())
    }

    pub(super) fn sync_directory(&mut self, path: &str) -> io::Result<()> {
        let directory = self.directory_mut(path)?;
        directory.durable = directory.live.clone();
        directory.changes.clear();
        Ok(())
    }

    /// Puts a file there, with the directory above it and the permissions of the one before, as if it had been there
    /// for long.
    pub(super) fn put(&mut self, path: &str, bytes: &[u8]) {
        let before = self.inode(path).and_then(|inode| self.file(inode));
        let read_only = before.is_ok_and(SimFile::is_read_only);
        let inode = self.add_file(SimFile::settled(bytes.to_vec(), read_only));
        let (directory, name) = split(path);
        self.put_directory(directory);
        self.put_entry(directory, name, Node::File(inode));
    }

    /// Takes a file away, and what could bring it back.
    pub(super) fn take(&mut self, path: &str) -> bool {
        let (directory, name) = split(path);
        let Some(directory) = self.directories.get_mut(directory) else {
            return false;
        };
        directory.forget(name);
        directory.durable.remove(name);
        directory.live.remove(name).is_some()
    }

    fn put_directory(&mut self, path: &str) {
        if !self.directories.contains_key(path) {
            let (above, name) = split(path);
            self.put_directory(above);
            self.put_entry(above, name, Node::Directory);
            self.directories.insert(path.to_owned(), Directory::default());
        }
    }

    fn put_entry(&mut self, directory: &str, name: &str, node: Node) {
        let Some(directory) = self.directories.get_mut(directory) else {
            return;
        };
        directory.forget(name);
        directory.durable.insert(name.to_owned(), node);
        directory.live.insert(name.to_owned(), node);
    }

    /// What the machine finds when it is started again after a power loss.
    pub(super) fn after_power_loss(&self, choices: &mut Choices) -> Self {
        let mut after = Self::new();
        let mut pending = vec![String::new()];
        while let Some(path) = pending.pop() {
            let Some(directory) = self.directories.get(&path) else {
                continue;
            };
            let mut entries = directory.durable.clone();
            for change in &directory.changes {
                if choices.pick(2) == 1 {
                    change.apply(&mut entries);
                }
            }
            for (name, node) in &entries {
                match node {
                    Node::Directory => pending.push(join(&path, name)),
                    Node::File(inode) => {
                        // Two names of one file, after half of a rename was lost, share it.
                        if let (false, Some(file)) = (after.files.contains_key(inode), self.files.get(inode))
                        {
                            after.files.insert(*inode, file.after_power_loss(choices));
                        }
                    }
                }
            }
            let directory = Directory {
                live: entries.clone(),
                durable: entries,
                changes: Vec::new(),
            };
            after.directories.insert(path, directory);
        }
        after
    }

    fn add_file(&mut self, file: SimFile) -> Inode {
        let inode = self.files.last_key_value().map_or(0, |(last, _)| last + 1);
        self.files.insert(inode, file);
        inode
    }

    fn directory_mut(&mut self, path: &str) -> io::Result<&mut Directory> {
        self.directories
            .get_mut(path)
            .ok_or_else(|| io::ErrorKind::NotFound.into())
    }
}

/// The directory of a path and the name in it.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').unwrap_or(("", path))
}

fn join(directory: &str, name: &str) -> String {
    if directory.is_empty() {
        name.to_owned()
    } else {
        format!("{directory}/{name}")
    }
}
