//! House rules that a program can check, over every text file of the repository.

use std::fmt;

use ledgerstone_tests::sources::{Source, root, sources};

const FILE_LINES_MAX: usize = 500;
const LINE_COLUMNS_MAX: usize = 120;

/// A place that breaks a rule, and what to do about it.
#[derive(Debug, PartialEq, Eq)]
struct Problem {
    path: String,
    line: usize,
    advice: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.advice)
    }
}

/// Texts that no file may hold, each with what to do instead. In two parts, so that this file does not hold them.
const FORBIDDEN_EVERYWHERE: [(&str, &str); 9] = [
    (
        concat!("/wo", "rk/"),
        "a path of one machine: write it from the repository's folder",
    ),
    (
        concat!("/ro", "ot/"),
        "a path of one machine: write it from the repository's folder",
    ),
    (
        concat!("/ho", "me/"),
        "a path of one machine: write it from the repository's folder",
    ),
    (
        concat!("crates", ".io/"),
        "name the package, not the place it comes from",
    ),
    (
        concat!("py", "pi.org"),
        "name the package, not the place it comes from",
    ),
    (
        concat!("FIX", "ME"),
        "mend it, or file an issue and leave the text out",
    ),
    (
        concat!("TO", "DO"),
        "do it, or file an issue and leave the text out",
    ),
    (concat!("C", "EO"), "the project speaks of itself alone"),
    (concat!("sitt", "ing"), "the project speaks of itself alone"),
];

/// Texts that no Rust file may hold.
const FORBIDDEN_IN_RUST: [(&str, &str); 6] = [
    (concat!("to", "do!("), "land the code with its caller, or not yet"),
    (
        concat!("unimple", "mented!("),
        "land the code with its caller, or not yet",
    ),
    (concat!("db", "g!("), "take the trace out"),
    (
        concat!("#[ig", "nore"),
        "a test runs or is deleted; a slow one asks an environment variable",
    ),
    (
        concat!("allow(dead", "_code)"),
        "delete the code, or land what uses it",
    ),
    (
        concat!("[al", "low("),
        "write #[expect(..., reason = \"...\")], which says when it is no longer needed",
    ),
];

fn check_text(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |line: usize, advice: &str| {
        problems.push(Problem {
            path: source.path.clone(),
            line,
            advice: advice.to_owned(),
        });
    };
    for (number, line) in source.lines() {
        if line.ends_with([' ', '\t', '\r']) {
            report(number, "take the white space at the end off");
        }
        if line.contains('\t') {
            report(number, "write spaces, not tabs");
        }
        for (text, advice) in FORBIDDEN_EVERYWHERE {
            if holds_word(line, text) {
                report(number, &format!("`{text}`: {advice}"));
            }
        }
    }
    if !source.text.is_empty() && (!source.text.ends_with('\n') || source.text.ends_with("\n\n")) {
        report(source.lines().count(), "end the file with one line end");
    }
    problems
}

/// `text` in `line`, not as the end of a longer word or path.
fn holds_word(line: &str, text: &str) -> bool {
    line.match_indices(text).any(|(at, _)| {
        let before = line[..at].chars().next_back();
        !before.is_some_and(|char| char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '/' | '}'))
    })
}

fn check_rust(source: &Source) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut report = |line: usize, advice: String| {
        problems.push(Problem {
            path: source.path.clone(),
            line,
            advice,
        });
    };
    if !source.text.starts_with("//! ") {
        report(
            1,
            "begin the file with `//!`: what it is about, in a sentence".to_owned(),
        );
    }
    let lines = source.lines().count();
    if lines > FILE_LINES_MAX {
        let advice = format!("{lines} lines, the bound is {FILE_LINES_MAX}: split it by subject");
        report(FILE_LINES_MAX + 1, advice);
    }
    for (number, line) in source.lines() {
        let columns = line.chars().count();
        if columns > LINE_COLUMNS_MAX && !begins_with_text(line) {
            report(
                number,
                format!("{columns} columns, the bound is {LINE_COLUMNS_MAX}: break the line"),
            );
        }
        for (text, advice) in FORBIDDEN_IN_RUST {
            if line.contains(text) {
                report(number, format!("`{text}`: {advice}"));
            }
        }
    }
    problems
}

/// A text on a line of its own, which breaking would make harder to read.
fn begins_with_text(line: &str) -> bool {
    let opened = line.trim_start().trim_start_matches(['b', 'r', '#']);
    opened.starts_with('"')
}

/// Links of a Markdown file to files that are not there.
fn check_links(source: &Source, exists: impl Fn(&str) -> bool) -> Vec<Problem> {
    let mut problems = Vec::new();
    let mut in_code = false;
    for (number, line) in source.lines() {
        if line.trim_start().starts_with("```") {
            in_code = !in_code;
        }
        for target in (!in_code).then(|| link_targets(line)).into_iter().flatten() {
            let file = target.split(['#', ' ']).next().unwrap_or_default();
            if file.is_empty() || target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let folder = source.path.rsplit_once('/').map_or("", |(folder, _)| folder);
            if !exists(&format!("{folder}/{file}")) {
                let advice = format!("the link leads nowhere: {target}");
                problems.push(Problem {
                    path: source.path.clone(),
                    line: number,
                    advice,
                });
            }
        }
    }
    problems
}

/// What stands between `](` and `)`, outside of code.
fn link_targets(line: &str) -> Vec<&str> {
    let outside = |at: usize| line[..at].matches('`').count().is_multiple_of(2);
    line.match_indices("](")
        .filter(|(at, _)| outside(*at))
        .filter_map(|(at, open)| line[at + open.len()..].split_once(')').map(|(target, _)| target))
        .collect()
}

/// A member of the workspace that does not take over its lints.
fn check_manifest(source: &Source) -> Vec<Problem> {
    // The root declares the lints, and `fuzz` is a workspace of its own.
    if matches!(source.path.as_str(), "Cargo.toml" | "fuzz/Cargo.toml")
        || !source.path.ends_with("/Cargo.toml")
    {
        return Vec::new();
    }
    if source.text.contains("[lints]\nworkspace = true\n") {
        return Vec::new();
    }
    let advice = "take the workspace's lints over: [lints] workspace = true".to_owned();
    vec![Problem {
        path: source.path.clone(),
        line: source.lines().count(),
        advice,
    }]
}

fn assert_none(problems: &[Problem]) {
    let text: Vec<String> = problems.iter().map(ToString::to_string).collect();
    assert!(
        problems.is_empty(),
        "{} places break a house rule:\n{}",
        problems.len(),
        text.join("\n")
    );
}

#[test]
fn every_text_file_is_clean() {
    let texts = sources(&["rs", "md", "toml", "py", "sh", ".ci/run", ".gitignore"]);
    assert!(texts.len() > 40, "the walk found only {} files", texts.len());
    assert_none(&texts.iter().flat_map(check_text).collect::<Vec<_>>());
}

#[test]
fn every_rust_file_is_clean() {
    let files = sources(&["rs"]);
    assert!(
        files.iter().any(|file| file.path == "formats/src/lib.rs"),
        "the walk missed the crates"
    );
    assert_none(&files.iter().flat_map(check_rust).collect::<Vec<_>>());
}

#[test]
fn every_link_in_a_document_leads_somewhere() {
    let exists = |path: &str| root().join(path.trim_start_matches('/')).exists();
    let documents = sources(&["md"]);
    assert_none(
        &documents
            .iter()
            .flat_map(|file| check_links(file, exists))
            .collect::<Vec<_>>(),
    );
}

#[test]
fn every_crate_has_the_workspace_lints() {
    let manifests = sources(&["Cargo.toml"]);
    assert!(
        manifests.len() >= 6,
        "the walk found only {} manifests",
        manifests.len()
    );
    assert_none(&manifests.iter().flat_map(check_manifest).collect::<Vec<_>>());
}

#[test]
fn every_rule_catches_its_example() {
    let flawed = [
        "white space at the end ".to_owned(),
        "a\ttab".to_owned(),
        "carriage return\r".to_owned(),
        "no line end".to_owned(),
    ];
    for text in flawed {
        let text = if text.starts_with("no") {
            text
        } else {
            format!("{text}\n")
        };
        assert_eq!(check_text(&Source::new("x.md", &text)).len(), 1, "{text:?}");
    }
    for (text, _) in FORBIDDEN_EVERYWHERE {
        assert_eq!(
            check_text(&Source::new("x.md", &format!("see {text}\n"))).len(),
            1,
            "{text}"
        );
    }
    for (text, _) in FORBIDDEN_IN_RUST {
        let problems = check_rust(&Source::new("x.rs", &format!("//! About.\n{text}\n")));
        assert!(
            problems.iter().any(|problem| problem.advice.contains(text)),
            "{text}"
        );
    }
    assert_eq!(check_rust(&Source::new("x.rs", "fn main() {}\n")).len(), 1);
    let long = format!("//! About.\n{}", "\n".repeat(FILE_LINES_MAX));
    assert_eq!(check_rust(&Source::new("x.rs", &long)).len(), 1);
    let wide = format!("//! About.\n// {}\n", "\u{e9}".repeat(LINE_COLUMNS_MAX - 2));
    assert_eq!(check_rust(&Source::new("x.rs", &wide)).len(), 1);
    let text = wide.replace("// ", "    br#\"");
    assert_eq!(check_rust(&Source::new("x.rs", &text)), [], "a text stays whole");
    let linked = "[a](b.md) [c](d.md#e) [f](https://g) `[h](i)`\n```\n[j](k)\n```\n[l](#m)\n";
    let problems = check_links(&Source::new("docs/x.md", linked), |path| path == "docs/b.md");
    assert_eq!(problems.len(), 1);
    assert!(problems[0].advice.contains("d.md"));
    assert_eq!(
        check_manifest(&Source::new("x/Cargo.toml", "[package]\n")).len(),
        1
    );
    let inside = format!(
        "target{} $HOME{}\n",
        FORBIDDEN_EVERYWHERE[0].0, FORBIDDEN_EVERYWHERE[2].0
    );
    assert_eq!(
        check_text(&Source::new("x.md", &inside)),
        [],
        "the end of a longer path is no path of a machine"
    );
}
