//! Running programs and reporting faults.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

/// The workspace's folder.
pub fn root() -> PathBuf {
    let folder = env::var_os("CARGO_MANIFEST_DIR").map(PathBuf::from);
    let folder = folder.unwrap_or_else(|| PathBuf::from(env!("CARGO_MANIFEST_DIR")));
    folder.parent().map_or(folder.clone(), Path::to_path_buf)
}

/// Where cargo builds.
pub fn target_folder() -> PathBuf {
    env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |folder| root().join(folder))
}

/// A path below the workspace's folder, for messages.
pub fn relative(path: &Path) -> PathBuf {
    path.strip_prefix(root()).unwrap_or(path).to_path_buf()
}

/// The cargo that runs this program.
pub fn cargo() -> Command {
    program(env::var("CARGO").as_deref().unwrap_or("cargo"))
}

/// A program that starts in the workspace's folder.
pub fn program(name: &str) -> Command {
    let mut command = Command::new(name);
    command.current_dir(root());
    command
}

fn shown(command: &Command) -> String {
    let name =
        Path::new(command.get_program()).file_name().unwrap_or_default().to_string_lossy().into_owned();
    let args = command.get_args().map(|arg| arg.to_string_lossy().into_owned());
    std::iter::once(name).chain(args).collect::<Vec<_>>().join(" ")
}

/// Runs a command and fails with it.
pub fn run(command: &mut Command) -> Result<(), String> {
    println!("$ {}", shown(command));
    let status = command.status().map_err(|error| format!("{}: {error}", shown(command)))?;
    if status.success() { Ok(()) } else { Err(format!("{}: {status}", shown(command))) }
}

/// Runs a test command, whose output must have at least one line that `counts`.
pub fn counted(command: &mut Command, counts: fn(&str) -> u64, of: &str) -> Result<(), String> {
    let mut child = command.stdout(Stdio::piped()).spawn().map_err(|error| format!("cargo: {error}"))?;
    let mut count = 0;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines().map_while(Result::ok) {
            count += counts(&line);
            println!("{line}");
        }
    }
    let status = child.wait().map_err(|error| format!("cargo: {error}"))?;
    match (status.success(), count) {
        (false, _) => Err(format!("{status}")),
        (true, 0) => Err(format!("no {of} has run")),
        (true, count) => {
            println!("{count} {of}s");
            Ok(())
        }
    }
}

/// `test result: ok. 12 passed; …` counts 12.
pub fn passed(line: &str) -> u64 {
    let rest = line.strip_prefix("test result: ok. ").unwrap_or("");
    rest.split(' ').next().and_then(|count| count.parse().ok()).unwrap_or(0)
}

/// What a command prints to stdout; its exit code must be 0.
pub fn output(command: &mut Command) -> Result<String, String> {
    let output =
        command.stderr(Stdio::inherit()).output().map_err(|error| format!("{}: {error}", shown(command)))?;
    if !output.status.success() {
        return Err(format!("{}: {}", shown(command), output.status));
    }
    String::from_utf8(output.stdout).map_err(|error| format!("{}: {error}", shown(command)))
}

/// `cargo metadata` with all dependencies.
pub fn metadata() -> Result<Value, String> {
    let text = output(cargo().args(["metadata", "--format-version", "1", "--locked"]))?;
    serde_json::from_str(&text).map_err(|error| format!("cargo metadata: {error}"))
}

/// Makes sure that Rust's library for a target is installed.
pub fn target(name: &str) -> Result<(), String> {
    let installed = output(program("rustup").args(["target", "list", "--installed"]))?;
    if installed.lines().any(|line| line == name) {
        return Ok(());
    }
    run(program("rustup").args(["target", "add", name]))
}

/// Files that git tracks or would add, by the ends of their names.
pub fn files(ends: &[&str]) -> Result<Vec<PathBuf>, String> {
    let args = ["ls-files", "--cached", "--others", "--exclude-standard", "-z"];
    let list = output(program("git").args(args))?;
    let mut files: Vec<PathBuf> = list
        .split('\0')
        .filter(|name| ends.iter().any(|end| name.ends_with(end)))
        .map(|name| root().join(name))
        .filter(|path| path.is_file())
        .collect();
    files.sort();
    if files.is_empty() {
        return Err(format!("no file whose name ends with one of {ends:?}"));
    }
    Ok(files)
}

/// Prints all faults; fails if there is one.
pub fn report(faults: Vec<String>) -> Result<(), String> {
    for fault in &faults {
        println!("{fault}");
    }
    match faults.len() {
        0 => Ok(()),
        1 => Err("1 fault".to_owned()),
        count => Err(format!("{count} faults")),
    }
}
