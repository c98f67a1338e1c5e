//! Settings of a process: flags before environment before one TOML file before what is built in.

use std::path::{Path, PathBuf};
use std::str::FromStr;
use std::time::Duration;

use ledgerstone_engine::Options;
use serde::Deserialize;

use crate::args::Settings;
use crate::failure::{Outcome, Problem};
use crate::files;

/// The settings file. Paths in it are taken from its own folder.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    signing_key: Option<PathBuf>,
    lock_wait: Option<u64>,
    segment_bytes: Option<Size>,
    segment_age: Option<Age>,
    body_bytes_max: Option<Size>,
    disk_free_min: Option<Size>,
    filler_bytes_max: Option<Size>,
}

/// What a command works with.
#[derive(Debug, Clone)]
pub(crate) struct Config {
    /// Where the signing key is, when it is not beside the directory.
    pub(crate) signing_key: Option<PathBuf>,
    /// How long to wait for another process to let the ledger go.
    pub(crate) lock_wait: Duration,
    /// The engine's settings.
    pub(crate) options: Options,
}

impl Config {
    /// Puts the sources together.
    pub(crate) fn resolve(settings: &Settings, path: Option<&Path>) -> Outcome<Self> {
        let mut file = path.map(read).transpose()?.unwrap_or_default();
        if let (Some(folder), Some(key)) = (path.and_then(Path::parent), &mut file.signing_key) {
            *key = folder.join(&key);
        }
        let mut options = Options::default();
        if let Some(size) = settings.segment_bytes.or(file.segment_bytes) {
            options.segment_bytes = size.0;
        }
        if let Some(age) = settings.segment_age.or(file.segment_age) {
            options.segment_age_max = Some(age.0);
        }
        if let Some(size) = settings.body_bytes_max.or(file.body_bytes_max) {
            // The engine refuses what is beyond the format's limit, and says what that is.
            options.body_bytes_max = usize::try_from(size.0).unwrap_or(usize::MAX);
        }
        if let Some(size) = settings.disk_free_min.or(file.disk_free_min) {
            options.disk_free_min_bytes = size.0;
        }
        if let Some(size) = settings.filler_bytes_max.or(file.filler_bytes_max) {
            options.filler_bytes_max = size.0;
        }
        Ok(Self {
            signing_key: settings.signing_key.clone().or(file.signing_key),
            lock_wait: Duration::from_secs(settings.lock_wait.or(file.lock_wait).unwrap_or_default()),
            options,
        })
    }
}

fn read(path: &Path) -> Outcome<File> {
    let text = files::read_text(path).map_err(|error| {
        let mut problem = Problem::file("read the settings", path, &error);
        problem.exit = crate::exit::Exit::Refused;
        problem
    })?;
    toml::from_str(&text).map_err(|error| {
        let mut problem = Problem::usage(error.message().to_owned());
        problem.file = Some(path.display().to_string());
        let before = error
            .span()
            .map(|span| text.get(..span.start).unwrap_or_default());
        problem.line = before.map(|before| before.matches('\n').count() as u64 + 1);
        problem.into()
    })
}

/// A number of bytes: `1000000`, `64KiB`, `256MiB`, `1GiB`, `64kB`, `10MB`, `1GB`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "NumberOrText")]
pub(crate) struct Size(pub(crate) u64);

/// A span of time in days, hours, minutes, seconds: `30d`, `12h`, `1d 12h`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Age(pub(crate) Duration);

#[derive(Deserialize)]
#[serde(untagged)]
enum NumberOrText {
    Number(u64),
    Text(String),
}

impl TryFrom<NumberOrText> for Size {
    type Error = String;

    fn try_from(value: NumberOrText) -> Result<Self, String> {
        match value {
            NumberOrText::Number(bytes) => Ok(Self(bytes)),
            NumberOrText::Text(text) => text.parse(),
        }
    }
}

impl TryFrom<String> for Age {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        text.parse()
    }
}

impl FromStr for Size {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let digits = text.len()
            - text
                .trim_start_matches(|digit: char| digit.is_ascii_digit())
                .len();
        let (number, unit) = text.split_at(digits);
        let scale: u64 = match unit.trim_start() {
            "" | "B" => 1,
            "kB" => 1_000,
            "MB" => 1_000_000,
            "GB" => 1_000_000_000,
            "KiB" => 1 << 10,
            "MiB" => 1 << 20,
            "GiB" => 1 << 30,
            _ => return Err("expected bytes, or a number with kB, MB, GB, KiB, MiB or GiB".to_owned()),
        };
        let number: u64 = number
            .parse()
            .map_err(|_| "expected a whole number of bytes".to_owned())?;
        number
            .checked_mul(scale)
            .map(Self)
            .ok_or_else(|| "more bytes than a number can hold".to_owned())
    }
}

impl FromStr for Age {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let days = jiff::SpanRelativeTo::days_are_24_hours();
        let span: jiff::Span = text.parse().map_err(|error| format!("{error}"))?;
        let span = span.to_duration(days).map_err(|error| format!("{error}"))?;
        let span = Duration::try_from(span).map_err(|_| "an age is not negative".to_owned())?;
        if span.is_zero() {
            Err("an age is not zero".to_owned())
        } else {
            Ok(Self(span))
        }
    }
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "tests write the files that are read")]
mod tests {
    use super::*;

    #[test]
    fn sizes_take_decimal_and_binary_units() {
        for (text, bytes) in [
            ("0", 0),
            ("512", 512),
            ("64KiB", 65_536),
            ("256 MiB", 256 << 20),
            ("10MB", 10_000_000),
        ] {
            assert_eq!(text.parse(), Ok(Size(bytes)), "{text}");
        }
        for bad in ["", "MiB", "-1", "1.5GiB", "1 TiB", "64mib", "99999999999999GiB"] {
            assert!(bad.parse::<Size>().is_err(), "{bad}");
        }
    }

    #[test]
    fn ages_are_spans_with_days_of_24_hours() {
        for (text, seconds) in [
            ("30d", 30 * 86_400),
            ("12h", 43_200),
            ("1d 12h", 129_600),
            ("90s", 90),
        ] {
            assert_eq!(text.parse(), Ok(Age(Duration::from_secs(seconds))), "{text}");
        }
        for bad in ["", "0s", "-1h", "a week", "1 month"] {
            assert!(bad.parse::<Age>().is_err(), "{bad}");
        }
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_what_is_built_in() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("ledgerstone.toml");
        let text = "segment_bytes = \"1MiB\"
body_bytes_max = 4096
signing_key = \"keys/a.key\"
\
                    segment_age = \"7d\"
";
        std::fs::write(&path, text).unwrap();
        let settings = Settings {
            segment_bytes: Some(Size(77)),
            ..Settings::default()
        };
        let config = Config::resolve(&settings, Some(&path)).unwrap();
        assert_eq!(config.options.segment_bytes, 77);
        assert_eq!(config.options.body_bytes_max, 4096);
        assert_eq!(
            config.options.segment_age_max,
            Some(Duration::from_secs(7 * 86_400))
        );
        assert_eq!(
            config.options.disk_free_min_bytes,
            Options::default().disk_free_min_bytes
        );
        assert_eq!(config.signing_key, Some(folder.path().join("keys/a.key")));
    }

    #[test]
    fn a_setting_that_does_not_exist_is_named_with_its_line() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("bad.toml");
        std::fs::write(&path, "lock_wait = 3\nsegment_size = 3\n").unwrap();
        let Err(crate::failure::Failure::Problem(problem)) =
            Config::resolve(&Settings::default(), Some(&path))
        else {
            panic!("a misspelt setting was accepted");
        };
        assert_eq!(
            (problem.line, problem.exit),
            (Some(2), crate::exit::Exit::Refused)
        );
        assert!(problem.message.contains("segment_size"), "{}", problem.message);
    }
}
