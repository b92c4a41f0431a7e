//! Fuzzing: builds the program in `fuzz/` and runs each of its targets for a few seconds.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::sync::Mutex;
use std::thread;

use crate::shell::{self, cargo, program};

/// Seconds that each target runs.
const SECONDS: u32 = 2;
/// Lines of libFuzzer's output that a fault is reported with.
const LINES: usize = 30;

/// A `cargo` of the workspace in `fuzz/`.
pub fn cargo_there() -> Command {
    let mut command = cargo();
    command.current_dir(shell::root().join("fuzz"));
    // Cargo sets the first for this program, and prefers each to the settings in `fuzz/.cargo`.
    for name in ["CARGO_TARGET_DIR", "RUSTFLAGS", "CARGO_ENCODED_RUSTFLAGS", "RUSTC_WRAPPER"] {
        command.env_remove(name);
    }
    command
}

pub fn run() -> Result<(), String> {
    shell::run(cargo_there().args(["build", "--locked"]))?;
    let folder = shell::root().join("target/fuzz");
    let fuzzer = built(&folder)?;
    let names = said(&mut program(&fuzzer.to_string_lossy()))?.stdout;
    let names = String::from_utf8_lossy(&names).into_owned();
    let names: Vec<&str> = names.lines().collect();
    if names.is_empty() {
        return Err("the program in fuzz/ has no target".to_owned());
    }
    let threads = thread::available_parallelism().map_or(1, usize::from);
    println!("{} targets, {SECONDS} s each, {threads} at a time", names.len());
    let (left, faults) = (Mutex::new(names.into_iter()), Mutex::new(Vec::new()));
    let next = || left.lock().ok().and_then(|mut left| left.next());
    thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(name) = next() {
                    if let Err(fault) = target(&fuzzer, &folder, name)
                        && let Ok(mut faults) = faults.lock()
                    {
                        faults.push(format!("{name}: {fault}"));
                    }
                }
            });
        }
    });
    shell::report(faults.into_inner().map_err(|_| "a thread panicked")?)
}

/// The program, below the folder of its target triple.
fn built(folder: &Path) -> Result<PathBuf, String> {
    let triples = fs::read_dir(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    let mut programs = triples.flatten().map(|triple| triple.path().join("debug/fuzz"));
    programs.find(|path| path.is_file()).ok_or_else(|| format!("no program fuzz in {}", folder.display()))
}

/// Runs one target on its seeds, and on what earlier runs here have found.
fn target(fuzzer: &Path, folder: &Path, name: &str) -> Result<(), String> {
    let place = |what: &str| folder.join(what).join(name);
    let (seeds, corpus, crashes) = (place("seeds"), place("corpus"), place("crashes"));
    for folder in [&corpus, &crashes] {
        fs::create_dir_all(folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let mut command = program(&fuzzer.to_string_lossy());
    said(command.env("FUZZ_TARGET", name).env("FUZZ_SEEDS", &seeds))?;
    let mut command = program(&fuzzer.to_string_lossy());
    command
        .env("FUZZ_TARGET", name)
        .args(["-rss_limit_mb=512", "-timeout=10", "-print_final_stats=1"])
        // A run of chance would make a landing a matter of luck; long runs, which choose other seeds, search.
        .arg("-seed=1")
        .arg(format!("-max_total_time={SECONDS}"))
        .arg(format!("-artifact_prefix={}/", crashes.display()))
        .args([corpus, seeds]);
    let errors = said(&mut command)?.stderr;
    let text = String::from_utf8_lossy(&errors);
    let runs = text.lines().find_map(|line| line.strip_prefix("stat::number_of_executed_units:"));
    let runs: u64 = runs.and_then(|runs| runs.trim().parse().ok()).unwrap_or(0);
    println!("{name}: {runs} executions");
    if runs == 0 { Err("nothing has run".to_owned()) } else { Ok(()) }
}

/// What the program prints; if it fails, the end of what it says about that.
fn said(command: &mut Command) -> Result<Output, String> {
    let output = command.output().map_err(|error| format!("the program fuzz: {error}"))?;
    if output.status.success() {
        return Ok(output);
    }
    let text = String::from_utf8_lossy(&output.stderr);
    let lines: Vec<&str> = text.lines().collect();
    Err(format!("{}\n{}", output.status, lines[lines.len().saturating_sub(LINES)..].join("\n")))
}
