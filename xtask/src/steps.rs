//! The steps that run cargo.

use std::fs;
use std::path::PathBuf;

use serde_json::Value;

use crate::arm;
use crate::fuzz;
use crate::shell::{self, cargo, program};

/// The commands at the top of the README, which `ci` runs as they stand there.
const TEST: &str = "cargo test --workspace";
const DEMO: &str = "cargo run --release -- demo";

/// Packages that are no use outside of this workspace, whose goldens and sources their code reads, and the
/// native part of the Python package, which is packed as a wheel, and the C library.
const UNPACKAGED: [&str; 5] = ["sam2-tests", "sam2-benches", "sam2-py", "sam2-capi", "xtask"];

/// Bytes of the release binary with the embedded model, the clip and the page, and without. The second guards
/// what was reached, 9.35 MB; its goal is 8.0 MB.
const SIZE: u64 = 21_500_000;
const SIZE_BARE: u64 = 9_420_000;

const WASM: &str = "wasm32-unknown-unknown";

pub fn fmt() -> Result<(), String> {
    shell::run(cargo().args(["fmt", "--all", "--check"]))?;
    shell::run(fuzz::cargo_there().args(["fmt", "--check"]))
}

pub fn clippy() -> Result<(), String> {
    shell::run(cargo().args([
        "clippy",
        "--workspace",
        "--all-targets",
        "--all-features",
        "--",
        "-D",
        "warnings",
    ]))?;
    arm::clippy()
}

pub fn doc() -> Result<(), String> {
    let args = ["doc", "--workspace", "--all-features", "--no-deps", "--document-private-items"];
    shell::run(cargo().args(args).env("RUSTDOCFLAGS", "-D warnings"))
}

/// The arguments of a command of the README, which must still be there.
fn from_readme(command: &'static str) -> Result<Vec<&'static str>, String> {
    let readme =
        fs::read_to_string(shell::root().join("README.md")).map_err(|error| format!("README.md: {error}"))?;
    if !readme.lines().any(|line| line.trim() == command || line.starts_with(&format!("{command} "))) {
        return Err(format!("README.md has no line `{command}`"));
    }
    println!("$ {command}");
    Ok(command.split(' ').skip(1).collect())
}

pub fn test() -> Result<(), String> {
    shell::counted(cargo().args(from_readme(TEST)?), shell::passed, "test")
}

/// Runs every benchmark once. All packages at once: for one package alone, dependencies would have other
/// features and be compiled again.
pub fn benches() -> Result<(), String> {
    let args = ["test", "--workspace", "--bench", "*"];
    shell::counted(cargo().args(args), |line| u64::from(line.trim() == "Success"), "benchmark")
}

pub fn wasm() -> Result<(), String> {
    shell::target(WASM)?;
    shell::run(cargo().args(["check", "-p", "sam2-model", "--target", WASM]))
}

/// The oldest compiler that the manifests promise.
pub fn msrv() -> Result<(), String> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let version = packages
        .iter()
        .find(|package| package["name"] == "sam2-model")
        .and_then(|package| package["rust_version"].as_str())
        .ok_or("sam2-model has no rust-version")?;
    let mut command = program("rustup");
    command.args(["run", version, "cargo", "check", "--workspace", "--exclude", "sam2-benches"]);
    // Benchmarks are excluded for their dependencies, which may ask for a newer compiler.
    shell::run(&mut command).map_err(|error| {
        format!("{error}; is it installed? rustup toolchain install {version} --profile minimal")
    })
}

/// Packs the workspace's packages and builds them from their packed files. Cargo resolves unpublished
/// packages among themselves only if they may be published at all, so this runs in a copy where `publish` is
/// not off.
pub fn package() -> Result<(), String> {
    let copy = shell::target_folder().join("unpublished");
    let failed = |error: std::io::Error| format!("{}: {error}", copy.display());
    if copy.exists() {
        fs::remove_dir_all(&copy).map_err(failed)?;
    }
    for file in shell::files(&[""])? {
        let place = shell::relative(&file);
        if place.starts_with("tests/golden") {
            continue;
        }
        let target = copy.join(&place);
        fs::create_dir_all(target.parent().unwrap_or(&copy)).map_err(failed)?;
        fs::copy(&file, &target).map_err(failed)?;
    }
    let manifest = copy.join("Cargo.toml");
    let text = fs::read_to_string(&manifest).map_err(failed)?;
    let open = text.replace("publish = false", "publish = true");
    if open == text {
        return Err("Cargo.toml: no line `publish = false`".to_owned());
    }
    fs::write(&manifest, open).map_err(failed)?;

    let excluded = UNPACKAGED.iter().flat_map(|name| ["--exclude", *name]);
    let mut command = cargo();
    command
        .current_dir(&copy)
        .args(["package", "--workspace", "--allow-dirty"])
        .args(excluded)
        .arg("--config")
        .arg(package_profile(&text)?)
        .env("CARGO_TARGET_DIR", shell::target_folder());
    shell::run(&mut command)
}

/// A file with the profile of the packages' builds; the packed manifests have none. Dependencies have the
/// workspace's, so that those with the same features are not compiled again. The packages are compiled for
/// messages alone, each twice, and not optimised: kernels take a third of the time.
fn package_profile(workspace: &str) -> Result<PathBuf, String> {
    let metadata = shell::metadata()?;
    let packages = metadata["packages"].as_array().ok_or("cargo metadata lists no packages")?;
    let own = packages.iter().filter(|package| package["source"].is_null());
    let own: Vec<&str> = own.filter_map(|package| package["name"].as_str()).collect();
    let (mut inside, mut last, mut profile) = (false, "", String::new());
    for line in workspace.lines() {
        if line.starts_with('[') {
            inside = line.starts_with("[profile.dev");
            last = if inside { line } else { last };
        }
        let key = line.split(' ').next().unwrap_or("");
        if inside && key != "#" && !own.contains(&key) {
            profile.push_str(line);
            profile.push('\n');
        }
    }
    // The lines that follow belong to it.
    if last != "[profile.dev.package]" {
        return Err("Cargo.toml: [profile.dev.package] is not the last section of the profile dev".to_owned());
    }
    for name in own {
        profile.push_str(&format!("{name} = {{ opt-level = 0, debug = 0 }}\n"));
    }
    let path = shell::target_folder().join("package-profile.toml");
    fs::write(&path, profile).map_err(|error| format!("{}: {error}", path.display()))?;
    Ok(path)
}

/// Runs every example of the package `sam2`, without arguments.
pub fn examples() -> Result<(), String> {
    let metadata = shell::metadata()?;
    let empty = Vec::new();
    let list = |value: &Value| value.as_array().unwrap_or(&empty).clone();
    let names: Vec<String> = list(&metadata["packages"])
        .iter()
        .filter(|package| package["name"] == "sam2")
        .flat_map(|package| list(&package["targets"]))
        .filter(|target| target["kind"][0] == "example")
        .filter_map(|target| target["name"].as_str().map(str::to_owned))
        .collect();
    if names.is_empty() {
        return Err("the package sam2 has no example".to_owned());
    }
    // The whole workspace, as for the tests: for one package alone, dependencies would have other features.
    shell::run(cargo().args(["build", "--workspace", "--examples"]))?;
    for name in &names {
        let path = shell::target_folder().join("debug/examples").join(name);
        shell::run(&mut program(&path.to_string_lossy()))?;
    }
    println!("{} examples", names.len());
    Ok(())
}

/// The release binary's first run, and its size with and without the embedded model.
pub fn demo() -> Result<(), String> {
    let folder = shell::target_folder().join("demo");
    let mut command = cargo();
    command.args(from_readme(DEMO)?).arg("--overwrite").arg("-o").arg(&folder);
    shell::run(&mut command)?;
    size("with the embedded model", SIZE)
}

pub fn bare() -> Result<(), String> {
    shell::run(cargo().args(["build", "--release", "-p", "sam2-cli", "--no-default-features"]))?;
    size("without it", SIZE_BARE)
}

fn size(which: &str, most: u64) -> Result<(), String> {
    let path = shell::target_folder().join("release/sam2");
    let bytes = path.metadata().map_err(|error| format!("{}: {error}", path.display()))?.len();
    println!("binary {which}: {bytes} bytes, at most {most}");
    if bytes > most { Err("the binary is too large".to_owned()) } else { Ok(()) }
}

/// Spelling, by a program of that name.
pub fn typos() -> Result<(), String> {
    shell::run(program("typos").args(["--format", "brief"]))
        .map_err(|error| format!("{error}; is it installed? pip install typos"))
}
