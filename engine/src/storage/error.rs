//! An input or output error that says which file and which operation.

use std::error::Error;
use std::fmt;
use std::io;

/// What the storage's errors carry: the operation, the path and the operating system's error.
///
/// The `io::Error` around it keeps the kind of the error inside. The text holds the cause, so `source` goes on after
/// it.
#[derive(Debug)]
pub struct FileError {
    operation: &'static str,
    path: String,
    cause: io::Error,
}

impl FileError {
    /// Wraps `cause`, unless it names its file already.
    pub(crate) fn wrap(operation: &'static str, path: impl Into<String>, cause: io::Error) -> io::Error {
        if cause.get_ref().is_some_and(|inner| inner.is::<Self>()) {
            return cause;
        }
        io::Error::new(
            cause.kind(),
            Self {
                operation,
                path: path.into(),
                cause,
            },
        )
    }

    /// The `FileError` in an error of the storage.
    pub fn of(error: &io::Error) -> Option<&Self> {
        error.get_ref()?.downcast_ref()
    }

    /// The file, as the operator would name it.
    pub fn path(&self) -> &str {
        &self.path
    }

    /// The operating system's number for the error, where it came from there.
    pub fn raw_os_error(&self) -> Option<i32> {
        self.cause.raw_os_error()
    }
}

impl fmt::Display for FileError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}: {}", self.operation, self.path, self.cause)
    }
}

impl Error for FileError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        self.cause.source()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_file_named_stays_and_the_cause_is_reachable() {
        let full = io::Error::from_raw_os_error(28);
        let inner = FileError::wrap("append to", "segments/7", full);
        let outer = FileError::wrap("open", "elsewhere", inner);
        assert_eq!(outer.kind(), io::ErrorKind::StorageFull);
        assert_eq!(
            outer.to_string(),
            "append to segments/7: No space left on device (os error 28)"
        );
        let error = FileError::of(&outer).unwrap();
        assert_eq!((error.path(), error.raw_os_error()), ("segments/7", Some(28)));
    }
}
