//! Imports run one way: between the crates, between the modules of `sam2-model`, and between the files of
//! each crate, which may not import each other in a circle.

mod graph;
mod source;

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::shell;

/// Crates from the bottom up. A crate depends on crates of the rows above only, and on none of its own row.
const CRATES: &[&[&str]] = &[
    &["sam2-tensor", "xtask"],
    &["sam2-kernels"],
    &["sam2-model"],
    &["sam2-media", "sam2-micro"],
    &["sam2", "sam2-web"],
    &["sam2-cli", "sam2-py", "sam2-capi"],
    &["sam2-tests"],
    &["sam2-benches"],
];

/// Modules of `sam2-model` from the bottom up. A module imports from its own row and the rows above it only.
const MODEL: &[&[&str]] = &[
    &["error"],
    &["types"],
    &["config", "precision", "tap", "atomic", "components", "scores", "published", "text"],
    &["weights"],
    &["nn", "workspace", "features"],
    &["trunk", "neck", "prompt_encoder"],
    &["image_encoder", "transforms"],
    &["mask_decoder"],
    &["memory"],
    &["model", "heads", "shared_frame"],
    &["predictor"],
    &["inspect"],
];

pub fn run() -> Result<(), String> {
    let metadata = shell::metadata()?;
    let packages = packages(&metadata)?;
    let mut faults = crates(&packages);
    for package in &packages {
        for root in &package.roots {
            let modules = source::read(root)?;
            let graph = graph::of(&modules);
            if package.name == "sam2-model" {
                faults.extend(model_modules(&modules, &graph));
            }
            for circle in graph::circles(&graph) {
                faults.push(describe(&modules, &graph, &circle));
            }
            println!("{}: {} files", package.name, modules.len());
        }
    }
    shell::report(faults)
}

struct Package {
    name: String,
    dependencies: Vec<String>,
    /// Root files of its library and its programs.
    roots: Vec<PathBuf>,
}

fn packages(metadata: &Value) -> Result<Vec<Package>, String> {
    let text = |value: &Value, key: &str| value[key].as_str().unwrap_or_default().to_owned();
    let list = |value: &Value, key: &str| value[key].as_array().cloned().unwrap_or_default();
    let mut packages = Vec::new();
    for package in list(metadata, "packages").iter().filter(|package| package["source"].is_null()) {
        let dependencies = list(package, "dependencies")
            .iter()
            .filter(|dependency| dependency["kind"].is_null() && !dependency["path"].is_null())
            .map(|dependency| text(dependency, "name"))
            .collect();
        let roots = list(package, "targets")
            .iter()
            .filter(|target| {
                list(target, "kind").iter().any(|kind| ["lib", "bin"].contains(&kind.as_str().unwrap_or("")))
            })
            .map(|target| PathBuf::from(text(target, "src_path")))
            .collect();
        packages.push(Package { name: text(package, "name"), dependencies, roots });
    }
    if packages.is_empty() {
        return Err("cargo metadata lists no package of this workspace".to_owned());
    }
    Ok(packages)
}

fn row(table: &[&[&str]], name: &str) -> Option<usize> {
    table.iter().position(|row| row.contains(&name))
}

fn crates(packages: &[Package]) -> Vec<String> {
    let mut faults = Vec::new();
    for package in packages {
        let Some(own) = row(CRATES, &package.name) else {
            faults.push(format!("{}: no place in the order of crates (xtask/src/layers)", package.name));
            continue;
        };
        for dependency in &package.dependencies {
            if row(CRATES, dependency).is_none_or(|other| other >= own) {
                faults.push(format!("{} depends on {dependency}, which is not below it", package.name));
            }
        }
    }
    faults
}

fn model_modules(modules: &source::Modules, graph: &graph::Graph) -> Vec<String> {
    let mut faults = Vec::new();
    for name in &modules[&Vec::new()].children {
        if row(MODEL, name).is_none() && !modules[&vec![name.clone()]].items.is_empty() {
            faults.push(format!("sam2-model: module {name} has no place in the order (xtask/src/layers)"));
        }
    }
    for (from, edges) in graph {
        let Some(own) = from.first().and_then(|name| row(MODEL, name)) else { continue };
        for (to, edge) in edges {
            let other = to.first().and_then(|name| row(MODEL, name));
            if other.is_none_or(|other| other > own) {
                let place = place(&modules[from].file, edge.line);
                faults.push(format!("{place}: {} imports upwards: {}", from.join("::"), edge.path));
            }
        }
    }
    faults
}

fn place(file: &Path, line: usize) -> String {
    format!("{}:{line}", shell::relative(file).display())
}

fn describe(modules: &source::Modules, graph: &graph::Graph, circle: &[Vec<String>]) -> String {
    let mut text = "files import each other in a circle:".to_owned();
    for (i, from) in circle.iter().enumerate() {
        let edge = &graph[from][&circle[(i + 1) % circle.len()]];
        let place = place(&modules[from].file, edge.line);
        text.push_str(&format!("\n    {place}: {}", edge.path));
    }
    text
}
