//! Reads the modules of a crate: which names a file defines, which it imports, which paths it uses.
//!
//! Works on tokens, so paths inside of macros count as well. Items under `#[cfg(test)]` are left out: a test
//! may use everything.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use proc_macro2::{Delimiter, TokenStream, TokenTree};

/// A path in the source, with its line.
#[derive(Clone, Debug)]
pub struct Reference {
    pub path: Vec<String>,
    pub line: usize,
    /// Number of inline modules around it, which `super` leaves first.
    pub inline: usize,
}

/// One leaf of a `use` item: `use a::{b as c}` binds `c` to `a::b`.
#[derive(Clone, Debug)]
pub struct Import {
    pub name: String,
    pub target: Reference,
    pub reexport: bool,
    pub glob: bool,
}

/// A file of a crate.
#[derive(Debug, Default)]
pub struct Module {
    pub file: PathBuf,
    pub children: BTreeSet<String>,
    pub items: BTreeSet<String>,
    pub imports: Vec<Import>,
    pub paths: Vec<Reference>,
    /// Single identifiers outside of `use` items.
    pub words: BTreeSet<String>,
}

/// All files of a crate by module path; the root has the empty one.
pub type Modules = BTreeMap<Vec<String>, Module>;

/// Reads the crate whose root file is `root`, following `mod name;`.
pub fn read(root: &Path) -> Result<Modules, String> {
    let mut modules = Modules::new();
    let folder = root.parent().ok_or("a crate root without a folder")?;
    let mut pending = vec![(Vec::<String>::new(), root.to_path_buf())];
    while let Some((path, file)) = pending.pop() {
        let text = fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
        let tokens: TokenStream =
            text.parse().map_err(|error| format!("{}: not Rust: {error}", file.display()))?;
        let mut module = Module { file, ..Module::default() };
        walk(tokens, &mut module, 0, true);
        for child in &module.children {
            let mut path = path.clone();
            path.push(child.clone());
            let base = path.iter().fold(folder.to_path_buf(), |base, name| base.join(name));
            let flat = base.with_extension("rs");
            pending.push((path, if flat.exists() { flat } else { base.join("mod.rs") }));
        }
        modules.insert(path, module);
    }
    Ok(modules)
}

fn is_punct(token: Option<&TokenTree>, wanted: char) -> bool {
    matches!(token, Some(TokenTree::Punct(punct)) if punct.as_char() == wanted)
}

fn ident(token: Option<&TokenTree>) -> Option<String> {
    match token {
        Some(TokenTree::Ident(ident)) => Some(ident.to_string()),
        _ => None,
    }
}

fn group(token: Option<&TokenTree>, delimiter: Delimiter) -> Option<TokenStream> {
    match token {
        Some(TokenTree::Group(group)) if group.delimiter() == delimiter => Some(group.stream()),
        _ => None,
    }
}

fn is_cfg_test(attribute: &TokenStream) -> bool {
    let text = attribute.to_string();
    text.starts_with("cfg") && text.contains("test") && !text.contains("not")
}

/// Index behind the item that starts at `at`: behind its `;` or its body.
fn skip_item(tokens: &[TokenTree], mut at: usize) -> usize {
    let mut ends_with_semicolon = false;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if ["use", "const", "static", "type", "let"].iter().any(|w| word == w) => {
                // `const fn` has a body.
                ends_with_semicolon = ident(tokens.get(at + 1)).as_deref() != Some("fn");
            }
            TokenTree::Punct(punct) if punct.as_char() == ';' => return at + 1,
            TokenTree::Group(group) if group.delimiter() == Delimiter::Brace && !ends_with_semicolon => {
                return at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    at
}

fn walk(tokens: TokenStream, module: &mut Module, inline: usize, item_level: bool) {
    let tokens: Vec<TokenTree> = tokens.into_iter().collect();
    let mut at = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Punct(punct) if punct.as_char() == '#' => {
                let bang = is_punct(tokens.get(at + 1), '!');
                let place = at + 1 + usize::from(bang);
                if let Some(attribute) = group(tokens.get(place), Delimiter::Bracket) {
                    at = place + 1;
                    if !bang && is_cfg_test(&attribute) {
                        at = skip_item(&tokens, at);
                    }
                } else {
                    at += 1;
                }
            }
            TokenTree::Ident(word) if word == "use" && !is_punct(tokens.get(at + 1), '<') => {
                let end = (at..tokens.len()).find(|&i| is_punct(tokens.get(i), ';')).unwrap_or(tokens.len());
                let before = tokens[..at].last();
                let reexport = ident(before).as_deref() == Some("pub")
                    || group(before, Delimiter::Parenthesis).is_some()
                        && at >= 2
                        && ident(tokens.get(at - 2)).as_deref() == Some("pub");
                use_tree(&tokens[at + 1..end], &mut Vec::new(), &mut |path, name, line, glob| {
                    module.imports.push(Import {
                        name,
                        target: Reference { path, line, inline },
                        reexport,
                        glob,
                    });
                });
                at = end + 1;
            }
            TokenTree::Ident(word) if word == "mod" && item_level => {
                let name = ident(tokens.get(at + 1)).unwrap_or_default();
                if let Some(body) = group(tokens.get(at + 2), Delimiter::Brace) {
                    module.items.insert(name);
                    walk(body, module, inline + 1, true);
                } else if inline == 0 {
                    module.children.insert(name);
                }
                at += 3;
            }
            TokenTree::Ident(word) => {
                let word = word.to_string();
                let defines = ["fn", "struct", "enum", "union", "trait", "type", "const", "static"];
                if item_level && defines.contains(&word.as_str()) {
                    if let Some(name) = ident(tokens.get(at + 1)) {
                        module.items.insert(name);
                    }
                    // `const fn`: the name follows `fn`.
                    at += if ident(tokens.get(at + 1)).as_deref() == Some("fn") { 1 } else { 2 };
                } else if item_level && word == "macro_rules" {
                    module.items.extend(ident(tokens.get(at + 2)));
                    at += 3;
                } else {
                    at = path(&tokens, at, module, inline);
                }
            }
            TokenTree::Group(inner) => {
                walk(inner.stream(), module, inline, false);
                at += 1;
            }
            _ => at += 1,
        }
    }
}

/// Reads `a::b::c` that starts at `at`; index behind it.
fn path(tokens: &[TokenTree], at: usize, module: &mut Module, inline: usize) -> usize {
    let dot = |i: usize| is_punct(tokens.get(i), '.');
    let is_member = at >= 1 && dot(at - 1) && !(at >= 2 && dot(at - 2));
    let mut names: Vec<String> = ident(tokens.get(at)).into_iter().collect();
    let mut end = at + 1;
    while is_punct(tokens.get(end), ':') && is_punct(tokens.get(end + 1), ':') {
        let Some(name) = ident(tokens.get(end + 2)) else { break };
        names.push(name);
        end += 3;
    }
    if !is_member {
        if names.len() > 1 {
            let line = tokens[at].span().start().line;
            module.paths.push(Reference { path: names, line, inline });
        } else {
            module.words.extend(names);
        }
    }
    end
}

/// Calls `leaf` with path, bound name, line and whether it is `*`, for every leaf of a `use` tree.
fn use_tree(
    tokens: &[TokenTree],
    prefix: &mut Vec<String>,
    leaf: &mut impl FnMut(Vec<String>, String, usize, bool),
) {
    let depth = prefix.len();
    let mut at = 0;
    let mut line = 0;
    while at < tokens.len() {
        match &tokens[at] {
            TokenTree::Ident(word) if word == "as" => {
                let name = ident(tokens.get(at + 1)).unwrap_or_default();
                leaf(prefix.clone(), name, line, false);
                return prefix.truncate(depth);
            }
            TokenTree::Ident(word) => {
                line = word.span().start().line;
                if word != "self" || prefix.is_empty() {
                    prefix.push(word.to_string());
                }
            }
            TokenTree::Punct(punct) if punct.as_char() == '*' => {
                leaf(prefix.clone(), String::new(), punct.span().start().line, true);
                return prefix.truncate(depth);
            }
            TokenTree::Group(group) => {
                let inner: Vec<TokenTree> = group.stream().into_iter().collect();
                for branch in inner.split(|token| is_punct(Some(token), ',')) {
                    if !branch.is_empty() {
                        use_tree(branch, prefix, leaf);
                    }
                }
                return prefix.truncate(depth);
            }
            _ => {}
        }
        at += 1;
    }
    let name = prefix.last().cloned().unwrap_or_default();
    leaf(prefix.clone(), name, line, false);
    prefix.truncate(depth);
}
