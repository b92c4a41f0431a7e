//! Width of lines, dead links, length of the README.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use crate::shell;

/// Columns of code and comments.
const WIDTH: usize = 110;
/// Lines of the README.
const README_LINES: usize = 160;

fn read(path: &Path) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))
}

/// Files whose lines are short.
const CODE: [&str; 12] =
    [".rs", ".c", ".h", ".cpp", ".hpp", ".py", ".sh", ".ci/run", ".js", ".mjs", ".css", ".html"];

pub fn width() -> Result<(), String> {
    let mut faults = Vec::new();
    for file in shell::files(&CODE)? {
        for (number, line) in read(&file)?.lines().enumerate() {
            let columns = line.chars().count();
            if columns > WIDTH {
                let name = shell::relative(&file);
                faults.push(format!("{}:{}: {columns} columns", name.display(), number + 1));
            }
        }
    }
    shell::report(faults)
}

pub fn links() -> Result<(), String> {
    let mut faults = Vec::new();
    let mut count = 0;
    for file in shell::files(&[".md"])? {
        let text = read(&file)?;
        for (number, line) in prose(&text) {
            for target in targets(line) {
                count += 1;
                if let Some(fault) = dead(&file, &text, target)? {
                    faults.push(format!("{}:{number}: {fault}", shell::relative(&file).display()));
                }
            }
        }
    }
    if count == 0 {
        return Err("no link in any .md file".to_owned());
    }
    let readme = read(&shell::root().join("README.md"))?.lines().count();
    if readme > README_LINES {
        faults.push(format!("README.md: {readme} lines, at most {README_LINES}"));
    }
    println!("{count} links");
    shell::report(faults)
}

/// The message of an error must not hold its cause, which `source` returns: whoever prints both, as
/// `{error:#}` does, would say it twice.
pub fn errors() -> Result<(), String> {
    const MESSAGE: &str = "#[error(";
    let (mut faults, mut count) = (Vec::new(), 0);
    for file in shell::files(&[".rs"])?.iter().filter(|file| file.starts_with(shell::root().join("crates"))) {
        let text = read(file)?;
        for (at, _) in text.match_indices(MESSAGE) {
            count += 1;
            let rest = &text[at + MESSAGE.len()..];
            let (message, variant) = rest.split_once(")]\n").unwrap_or((rest, ""));
            let variant = variant.lines().next().unwrap_or_default();
            let names_field = message.contains("{0") || message.contains(".0");
            let is_cause = variant.contains("#[from]") || variant.contains("#[source]");
            if message.contains("{source") || names_field && is_cause {
                let line = text[..at].lines().count();
                faults
                    .push(format!("{}:{line}: the message holds its cause", shell::relative(file).display()));
            }
        }
    }
    if count == 0 {
        return Err("no message of an error in crates".to_owned());
    }
    println!("{count} messages");
    shell::report(faults)
}

/// Lines outside of fenced blocks, with their numbers.
fn prose(text: &str) -> impl Iterator<Item = (usize, &str)> {
    let mut fenced = false;
    text.lines().enumerate().filter_map(move |(number, line)| {
        let fence = line.trim_start().starts_with("```");
        fenced ^= fence;
        (!fenced && !fence).then_some((number + 1, line))
    })
}

/// Targets of `[text](target)`, of `[text]: target`, and of `src="…"` and `href="…"`.
fn targets(line: &str) -> Vec<&str> {
    let mut found = Vec::new();
    if line.starts_with('[') {
        found.extend(line.split_once("]: ").and_then(|(_, rest)| rest.split_whitespace().next()));
    }
    for (open, close) in [("](", ')'), ("src=\"", '"'), ("href=\"", '"')] {
        for (start, _) in line.match_indices(open) {
            let rest = &line[start + open.len()..];
            found.extend(rest.split_once(close).map(|(target, _)| target));
        }
    }
    found
}

fn dead(file: &Path, text: &str, target: &str) -> Result<Option<String>, String> {
    if target.contains("://") || target.starts_with("mailto:") {
        return Ok(None);
    }
    let (path, anchor) = target.split_once('#').unwrap_or((target, ""));
    let place = file.parent().unwrap_or(Path::new("")).join(path);
    let missing = Some(format!("{target} does not exist"));
    if !path.is_empty() && !place.exists() {
        return Ok(missing);
    }
    let is_page = path.is_empty() || path.ends_with(".md");
    if anchor.is_empty() || !is_page {
        return Ok(None);
    }
    let found = if path.is_empty() { anchors(text) } else { anchors(&read(&place)?) };
    Ok(if found.contains(anchor) { None } else { missing })
}

/// The anchors that a Git host makes of headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (_, line) in prose(text) {
        let heading = line.trim_start_matches('#');
        if heading.len() == line.len() || !heading.starts_with(' ') {
            continue;
        }
        let slug: String = heading
            .trim()
            .to_lowercase()
            .chars()
            .filter(|c| c.is_alphanumeric() || [' ', '-', '_'].contains(c))
            .map(|c| if c == ' ' { '-' } else { c })
            .collect();
        let repeated = (1..).map(|n| format!("{slug}-{n}"));
        let free = std::iter::once(slug.clone()).chain(repeated).find(|name| !found.contains(name));
        found.extend(free);
    }
    found
}
