//! Which file of a crate depends on which.
//!
//! A file depends on the file that **defines** what it imports. Re-exports are followed: a child that imports
//! a sibling through their parent depends on the sibling. Declaring a child and re-exporting its items is no
//! dependency, unless the parent uses the item itself. So a folder's `mod.rs` may put its files together, or
//! it may hold what they share, but a parent and a child that use each other's items are a circle.

use std::collections::{BTreeMap, BTreeSet};

use super::source::{Import, Module, Modules, Reference};

/// Where a file uses another one: the line and the path written there.
pub struct Edge {
    pub line: usize,
    pub path: String,
}

/// For every file, by its module path, the files that it depends on.
pub type Graph = BTreeMap<Vec<String>, BTreeMap<Vec<String>, Edge>>;

enum Target {
    Module(Vec<String>),
    /// An item of this file.
    Item(Vec<String>),
}

pub fn of(modules: &Modules) -> Graph {
    let mut graph = Graph::new();
    for (at, module) in modules {
        let mut edges = BTreeMap::new();
        let mut add = |reference: &Reference, to: Vec<String>| {
            if to != *at {
                let path = reference.path.join("::");
                edges.entry(to).or_insert(Edge { line: reference.line, path });
            }
        };
        for import in &module.imports {
            match resolve(modules, at, &import.target, &mut BTreeSet::new()) {
                Some(Target::Module(to)) if import.glob && !import.reexport => add(&import.target, to),
                Some(Target::Item(to)) if !import.reexport || module.words.contains(&import.name) => {
                    add(&import.target, to);
                }
                // A module's name alone is no use of it; its paths are.
                _ => {}
            }
        }
        for path in &module.paths {
            if let Some(Target::Item(to)) = resolve(modules, at, path, &mut BTreeSet::new()) {
                add(path, to);
            }
        }
        graph.insert(at.clone(), edges);
    }
    graph
}

type Visited = BTreeSet<(Vec<String>, String)>;

/// The file that a path written in the file `at` leads to; `None` for other crates and the prelude.
fn resolve(modules: &Modules, at: &[String], reference: &Reference, visited: &mut Visited) -> Option<Target> {
    let names = reference.path.as_slice();
    let module = &modules[at];
    match names.first()?.as_str() {
        "crate" => descend(modules, Vec::new(), &names[1..], visited),
        "self" => descend(modules, at.to_vec(), &names[1..], visited),
        "super" => {
            let ups = names.iter().take_while(|name| *name == "super").count();
            let keep = at.len().checked_sub(ups.saturating_sub(reference.inline))?;
            descend(modules, at[..keep].to_vec(), &names[ups..], visited)
        }
        first if module.children.contains(first) => descend(modules, at.to_vec(), names, visited),
        first if module.items.contains(first) => Some(Target::Item(at.to_vec())),
        first => {
            let import = named(module, first)?;
            if !visited.insert((at.to_vec(), first.to_owned())) {
                return None;
            }
            match resolve(modules, at, &import.target, visited)? {
                Target::Module(to) => descend(modules, to, &names[1..], visited),
                item @ Target::Item(_) => Some(item),
            }
        }
    }
}

fn named<'a>(module: &'a Module, name: &str) -> Option<&'a Import> {
    module.imports.iter().find(|import| !import.glob && import.name == name)
}

fn descend(
    modules: &Modules,
    mut at: Vec<String>,
    names: &[String],
    visited: &mut Visited,
) -> Option<Target> {
    for (i, name) in names.iter().enumerate() {
        if modules.get(&at)?.children.contains(name) {
            at.push(name.clone());
            continue;
        }
        return match definition(modules, &at, name, visited)? {
            Target::Module(to) => descend(modules, to, &names[i + 1..], visited),
            item @ Target::Item(_) => Some(item),
        };
    }
    Some(Target::Module(at))
}

/// The file that defines `name`, which the file `at` defines or re-exports.
fn definition(modules: &Modules, at: &[String], name: &str, visited: &mut Visited) -> Option<Target> {
    let module = modules.get(at)?;
    let own = Some(Target::Item(at.to_vec()));
    if module.items.contains(name) || !visited.insert((at.to_vec(), name.to_owned())) {
        return own;
    }
    if let Some(import) = named(module, name) {
        return resolve(modules, at, &import.target, visited);
    }
    for glob in module.imports.iter().filter(|import| import.glob) {
        if let Some(Target::Module(from)) = resolve(modules, at, &glob.target, visited)
            && modules[&from].items.contains(name)
        {
            return Some(Target::Item(from));
        }
    }
    // Made by a macro: the file that names it.
    own
}

/// A shortest circle through each group of files that depend on each other.
pub fn circles(graph: &Graph) -> Vec<Vec<Vec<String>>> {
    let mut found: Vec<Vec<Vec<String>>> = Vec::new();
    let mut done = BTreeSet::new();
    for start in graph.keys() {
        if done.contains(start) {
            continue;
        }
        if let Some(circle) = shortest_circle(graph, start) {
            done.extend(circle.iter().cloned());
            found.push(circle);
        }
    }
    found
}

fn shortest_circle(graph: &Graph, start: &Vec<String>) -> Option<Vec<Vec<String>>> {
    let mut before: BTreeMap<&Vec<String>, &Vec<String>> = BTreeMap::new();
    let mut queue = std::collections::VecDeque::from([start]);
    while let Some(at) = queue.pop_front() {
        for next in graph.get(at)?.keys() {
            if next == start {
                let mut circle = vec![at.clone()];
                while let Some(from) = before.get(circle.last()?) {
                    circle.push((*from).clone());
                }
                circle.reverse();
                return Some(circle);
            }
            if !before.contains_key(next) {
                before.insert(next, at);
                queue.push_back(next);
            }
        }
    }
    None
}
