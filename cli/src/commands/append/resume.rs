//! The command that goes on where a load stopped.

use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt as _;
use std::path::{Path, PathBuf};

use super::record::Place;
use crate::args::Append;
use crate::input::{Packing, Source, packing_of};
use crate::shell::quote;

/// Long options of `append` that take no value; the argument after any other `--option` is its value.
const FLAGS: [&str; 7] = [
    "--json",
    "--quiet",
    "--verbose",
    "--atomic",
    "--strict",
    "--crlf",
    "--dry-run",
];

/// The commands that store the lines from `next` on, as the shell takes them. `typed` are the arguments as they were
/// typed, without the program's name.
pub(crate) fn commands(args: &Append, sources: &[Source], next: Place, typed: &[OsString]) -> Vec<String> {
    let rest = &sources[next.source..];
    let Some((first, others)) = rest.split_first() else {
        return Vec::new();
    };
    // What has come through a pipe is gone: somebody has to give it again.
    let given_again = |sources: &[Source]| match sources.contains(&Source::Standard) {
        true => " < (the same input)",
        false => "",
    };
    // Line numbers are keys there: the same command again stores what is not stored yet.
    if next.line == 1 || args.members.source.is_some() {
        let names: Vec<_> = rest.iter().map(shell_name).collect();
        return vec![command(args, typed, &names, 0) + given_again(rest)];
    }
    let from = next.line;
    let mut commands = vec![match first {
        Source::Standard => format!(
            "{} < (the same input, from line {from} on)",
            command(args, typed, &["-".to_owned()], 0)
        ),
        Source::File(path) => {
            let name = shell_name(first);
            let lines = match packing_of(path) {
                Packing::None => format!("tail -n +{from} {name}"),
                Packing::Gzip => format!("gzip -dc {name} | tail -n +{from}"),
                Packing::Zstd => format!("zstd -dc {name} | tail -n +{from}"),
            };
            format!("{lines} | {}", command(args, typed, &["-".to_owned()], 0))
        }
    }];
    if !others.is_empty() {
        let names: Vec<_> = others.iter().map(shell_name).collect();
        commands.push(command(args, typed, &names, 1) + given_again(others));
    }
    commands
}

/// What was typed, with other inputs, and new names for the files that must be new: for the command after `before`
/// others.
fn command(args: &Append, typed: &[OsString], inputs: &[String], before: usize) -> String {
    let mut words = vec!["ledgerstone".to_owned()];
    let mut inputs = Some(inputs);
    let mut options_end = false;
    let mut value_of: Option<&OsStr> = None;
    for word in typed {
        let bytes = word.as_bytes();
        if let Some(option) = value_of.take() {
            words.push(value(option, word, before));
        } else if !options_end && bytes.starts_with(b"--") {
            options_end = word == "--";
            match bytes.iter().position(|byte| *byte == b'=') {
                Some(at) => {
                    let (option, rest) = (&bytes[..at], &bytes[at + 1..]);
                    let (option, rest) = (OsStr::from_bytes(option), OsStr::from_bytes(rest));
                    words.push(format!("{}={}", quote(option), value(option, rest, before)));
                }
                None => {
                    let takes_one = !options_end && !FLAGS.iter().any(|flag| word == flag);
                    value_of = takes_one.then_some(word);
                    words.push(quote(word));
                }
            }
        } else if args.files.iter().any(|file| file.as_os_str() == word) {
            words.extend_from_slice(inputs.take().unwrap_or_default());
        } else {
            words.push(quote(word));
        }
    }
    words.extend_from_slice(inputs.unwrap_or_default());
    words.join(" ")
}

/// An option's value; of one that makes a file, a name that is free.
fn value(option: &OsStr, value: &OsStr, before: usize) -> String {
    let makes_a_file = (option == "--receipts" || option == "--rejects") && value != "-";
    if makes_a_file {
        quote(next_name(Path::new(value), before).as_os_str())
    } else {
        quote(value)
    }
}

fn shell_name(source: &Source) -> String {
    match source {
        Source::Standard => "-".to_owned(),
        Source::File(path) if path.as_os_str().as_encoded_bytes().starts_with(b"-") => {
            format!("./{}", quote(path.as_os_str()))
        }
        Source::File(path) => quote(path.as_os_str()),
    }
}

/// `NAME.2`, or the first number after it that is free, when `before` such names are taken by commands before.
fn next_name(path: &Path, before: usize) -> PathBuf {
    let numbered = |number: u32| {
        let mut name = path.as_os_str().to_owned();
        name.push(format!(".{number}"));
        PathBuf::from(name)
    };
    let mut free = (2..).map(numbered).filter(|path| !path.exists());
    free.nth(before).unwrap_or_else(|| numbered(2))
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;
    use crate::args::{Cli, Command};

    fn resumed(typed: &[&str], source: usize, line: u64) -> Vec<String> {
        let typed: Vec<_> = typed.iter().map(OsString::from).collect();
        resumed_bytes(&typed, source, line)
    }

    fn resumed_bytes(typed: &[OsString], source: usize, line: u64) -> Vec<String> {
        let program = OsString::from("ledgerstone");
        let Command::Append(args) = Cli::parse_from(std::iter::once(&program).chain(typed)).command else {
            panic!("append was typed");
        };
        let sources = args.files.iter().map(|file| match file.to_str() {
            Some("-") => Source::Standard,
            _ => Source::File(file.clone()),
        });
        commands(&args, &sources.collect::<Vec<_>>(), Place { source, line }, typed)
    }

    #[test]
    fn the_command_goes_on_with_the_first_line_that_is_not_stored() {
        let typed = [
            "append",
            "led ger",
            "a.jsonl",
            "it's.jsonl",
            "--kind",
            "k",
            "--batch=10",
        ];
        assert_eq!(
            resumed(&typed, 0, 1001),
            [
                "tail -n +1001 a.jsonl | ledgerstone append 'led ger' - --kind k --batch=10",
                r"ledgerstone append 'led ger' 'it'\''s.jsonl' --kind k --batch=10",
            ]
        );
        assert_eq!(
            resumed(&typed, 1, 1),
            [r"ledgerstone append 'led ger' 'it'\''s.jsonl' --kind k --batch=10"]
        );
    }

    #[test]
    fn values_that_look_like_inputs_stay_and_new_files_get_new_names() {
        let typed = [
            "--json",
            "append",
            "l",
            "-",
            "--kind",
            "k",
            "--receipts",
            "-",
            "--tenant",
            "l",
        ];
        let expected = [
            "ledgerstone --json append l - --kind k --receipts - --tenant l < (the same input, from line 5 on)",
        ];
        assert_eq!(resumed(&typed, 0, 5), expected);
        let typed = ["append", "l", "k", "--rejects", "/nowhere/bad", "--kind", "k"];
        assert_eq!(
            resumed(&typed, 0, 2),
            ["tail -n +2 k | ledgerstone append l - --rejects /nowhere/bad.2 --kind k"]
        );
        let typed = ["append", "l", "--kind=k", "--receipts=/nowhere/r", "--", "-x"];
        assert_eq!(
            resumed(&typed, 0, 2),
            ["tail -n +2 ./-x | ledgerstone append l --kind=k --receipts=/nowhere/r.2 -- -"]
        );
        let typed = ["append", "l", "a", "b", "--kind", "k", "--receipts", "r"];
        assert_eq!(
            resumed(&typed, 0, 2),
            [
                "tail -n +2 a | ledgerstone append l - --kind k --receipts r.2",
                "ledgerstone append l b --kind k --receipts r.3",
            ]
        );
    }
    #[test]
    fn what_came_through_a_pipe_has_to_be_given_again() {
        let typed = ["append", "l", "a", "-", "--kind", "k"];
        assert_eq!(
            resumed(&typed, 1, 1),
            ["ledgerstone append l - --kind k < (the same input)"]
        );
        assert_eq!(
            resumed(&typed, 0, 7),
            [
                "tail -n +7 a | ledgerstone append l - --kind k",
                "ledgerstone append l - --kind k < (the same input)",
            ]
        );
    }

    #[test]
    fn names_that_are_not_utf_8_name_their_files() {
        let mut typed = ["append", "l", "--kind", "k"].map(OsString::from).to_vec();
        typed.push(OsStr::from_bytes(b"--receipts=/nowhere/\xff").to_owned());
        typed.push(OsStr::from_bytes(b"in\xe9put").to_owned());
        assert_eq!(
            resumed_bytes(&typed, 0, 9),
            [
                "tail -n +9 in\"$(printf '\\351')\"put | ledgerstone append l --kind k \
                 --receipts=/nowhere/\"$(printf '\\377')\".2 -"
            ]
        );
    }
}
