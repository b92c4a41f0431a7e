//! Checks of this workspace: `cargo xtask STEP…`, and `cargo ci` for all of them.
//!
//! A step that finds nothing to check fails. After a failure the other steps still run.

mod arm;
mod capi;
mod dependencies;
mod fuzz;
mod layers;
mod python;
mod shell;
mod steps;
mod text;
mod web;

use std::path::Path;
use std::process::ExitCode;
use std::time::Instant;

type Step = fn() -> Result<(), String>;

/// All steps, the quick ones first.
const STEPS: &[(&str, &str, Step)] = &[
    ("fmt", "formatting", steps::fmt),
    ("layers", "imports run one way, between crates, modules and files", layers::run),
    ("width", "code and comments have at most 110 columns", text::width),
    ("links", "relative links of documents, length of the README", text::links),
    ("errors", "messages of errors do not hold their causes", text::errors),
    ("deny", "licences, sources and double versions of dependencies", dependencies::check),
    ("typos", "spelling", steps::typos),
    ("test", "all tests", steps::test),
    ("benches", "every benchmark once", steps::benches),
    ("arm", "kernels on an emulated ARM processor", arm::tests),
    ("count", "instructions of a click and a tracked frame on ARM", arm::count),
    ("clippy", "lints, those of the kernels on ARM too", steps::clippy),
    ("doc", "documentation, private items too", steps::doc),
    ("examples", "every example of the package sam2", steps::examples),
    ("package", "packages, built from their packed files", steps::package),
    ("python", "the wheel, installed with the oldest and the newest NumPy", python::run),
    ("capi", "the C library: programs in C and C++, also on an emulated ARM processor", capi::run),
    ("web", "the page of sam2 serve in a browser", web::run),
    ("msrv", "the oldest compiler that is supported", steps::msrv),
    ("wasm", "sam2-model compiles for WebAssembly", steps::wasm),
    ("fuzz", "every reader on damaged files, for seconds", fuzz::run),
    ("demo", "the release binary: first run, size", steps::demo),
    ("bare", "the release binary without the embedded model: size", steps::bare),
];

/// A step that `ci` leaves out.
const ALONE: &[(&str, &str, Step)] =
    &[("memory", "the C and C++ programs under valgrind and with sanitizers", capi::memory)];

fn usage() -> String {
    let lines = |steps: &[(&str, &str, Step)]| {
        steps.iter().map(|(name, about, _)| format!("  {name:10}{about}\n")).collect::<String>()
    };
    let install = "  capi --prefix DIR   installs the C library instead\n";
    let (steps, alone) = (lines(STEPS), lines(ALONE));
    format!("usage: cargo xtask STEP…\n\n{steps}  ci        all of these\n{alone}{install}")
}

fn installed(prefix: &str) -> ExitCode {
    match capi::install(Path::new(prefix)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

fn main() -> ExitCode {
    let names: Vec<String> = std::env::args().skip(1).collect();
    if let [name, flag, prefix] = &names[..]
        && (name.as_str(), flag.as_str()) == ("capi", "--prefix")
    {
        return installed(prefix);
    }
    let mut chosen = Vec::new();
    for name in &names {
        match STEPS.iter().chain(ALONE).find(|(step, ..)| step == name) {
            Some(step) => chosen.push(step),
            None if name == "ci" => chosen.extend(STEPS),
            None => {
                eprint!("error: no step {name:?}\n{}", usage());
                return ExitCode::FAILURE;
            }
        }
    }
    if chosen.is_empty() {
        eprint!("{}", usage());
        return ExitCode::FAILURE;
    }
    let mut times = Vec::new();
    let mut failed = Vec::new();
    for (name, about, step) in chosen {
        println!("\n== {name}: {about}");
        let start = Instant::now();
        let result = step();
        times.push(format!("{name} {}", start.elapsed().as_secs()));
        if let Err(error) = result {
            println!("error: {name}: {error}");
            failed.push(format!("{name}: {error}"));
        }
    }
    println!("\nseconds: {}", times.join(", "));
    for failure in &failed {
        eprintln!("error: {failure}");
    }
    if failed.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
