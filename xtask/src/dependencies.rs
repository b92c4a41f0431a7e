//! Licences, sources and double versions of dependencies, by the lists in `deny.toml`.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;

use crate::shell;

pub fn check() -> Result<(), String> {
    let file = shell::root().join("deny.toml");
    let text = fs::read_to_string(&file).map_err(|error| format!("deny.toml: {error}"))?;
    let allowed = list(&text, "allow")?;
    let excepted = exceptions(&text)?;
    let skipped = list(&text, "skip")?;

    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let mut faults = Vec::new();
    let mut versions: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    for package in packages {
        let name = package["name"].as_str().unwrap_or_default();
        let version = package["version"].as_str().unwrap_or_default();
        versions.entry(name).or_default().insert(version);
        if let Some(source) = package["source"].as_str()
            && source != "registry+https://github.com/rust-lang/crates.io-index"
        {
            faults.push(format!("{name} {version}: comes from {source}, not from crates.io"));
        }
        let license = package["license"].as_str().unwrap_or_default();
        let excepted = excepted.iter().any(|pair| *pair == (license.to_owned(), name.to_owned()));
        if !excepted && !is_allowed(license, &allowed) {
            faults.push(format!("{name} {version}: licence {license:?} is not in deny.toml"));
        }
    }
    for (name, versions) in &versions {
        match (versions.len(), skipped.contains(*name)) {
            (2.., false) => faults.push(format!("{name}: several versions: {versions:?}")),
            (1, true) => faults.push(format!("{name}: one version; remove it from bans.skip of deny.toml")),
            _ => {}
        }
    }
    for name in skipped.iter().filter(|name| !versions.contains_key(name.as_str())) {
        faults.push(format!("{name}: no dependency; remove it from bans.skip of deny.toml"));
    }
    println!("{} packages, {} licences allowed", packages.len(), allowed.len());
    shell::report(faults)
}

/// The strings of `key = [` … `]`, one a line.
fn list(text: &str, key: &str) -> Result<BTreeSet<String>, String> {
    let start = format!("{key} = [");
    let mut lines = text.lines().skip_while(|line| *line != start).skip(1).peekable();
    if lines.peek().is_none() {
        return Err(format!("deny.toml: no list {key:?}"));
    }
    Ok(lines
        .take_while(|line| *line != "]")
        .filter_map(|line| line.split('"').nth(1).map(str::to_owned))
        .collect())
}

/// Licence and crate of each line `{ allow = ["…"], crate = "…" },` of `exceptions`.
fn exceptions(text: &str) -> Result<Vec<(String, String)>, String> {
    let mut lines = text.lines().skip_while(|line| *line != "exceptions = [").skip(1).peekable();
    if lines.peek().is_none() {
        return Err("deny.toml: no list \"exceptions\"".to_owned());
    }
    let pair = |line: &str| {
        let mut words = line.split('"').skip(1).step_by(2).map(str::to_owned);
        Some((words.next()?, words.next()?))
    };
    Ok(lines.take_while(|line| *line != "]").filter_map(pair).collect())
}

/// Whether the terms of an SPDX expression can be met with `allowed`. `/` is an old way to write `OR`; an
/// exception behind `WITH` only adds rights.
fn is_allowed(expression: &str, allowed: &BTreeSet<String>) -> bool {
    let spaced = expression.replace('(', " ( ").replace(')', " ) ").replace('/', " OR ");
    let words: Vec<&str> = spaced.split_whitespace().collect();
    let mut at = 0;
    let met = any(&words, &mut at, allowed);
    met && at == words.len()
}

fn any(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = all(words, at, allowed);
    while words.get(*at) == Some(&"OR") {
        *at += 1;
        met |= all(words, at, allowed);
    }
    met
}

fn all(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let mut met = term(words, at, allowed);
    while words.get(*at) == Some(&"AND") {
        *at += 1;
        met &= term(words, at, allowed);
    }
    met
}

fn term(words: &[&str], at: &mut usize, allowed: &BTreeSet<String>) -> bool {
    let Some(&word) = words.get(*at) else { return false };
    *at += 1;
    if word == "(" {
        let met = any(words, at, allowed);
        *at += 1;
        return met;
    }
    if words.get(*at) == Some(&"WITH") {
        *at += 2;
    }
    allowed.contains(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expressions_are_met_by_allowed_licences_only() {
        let allowed = BTreeSet::from(["MIT".to_owned(), "Zlib".to_owned()]);
        for (expression, expected) in [
            ("MIT", true),
            ("GPL-3.0-only", false),
            ("", false),
            ("GPL-3.0-only/MIT", true),
            ("(GPL-3.0-only OR MIT) AND Zlib", true),
            ("MIT AND GPL-3.0-only", false),
            ("MIT WITH LLVM-exception", true),
            ("GPL-3.0-only OR MIT AND Zlib", true),
        ] {
            assert_eq!(is_allowed(expression, &allowed), expected, "{expression}");
        }
    }
}
