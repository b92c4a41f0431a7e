//! ARM without an ARM processor: tests, lints and counted instructions under an emulator.
//!
//! All of it takes the crates of one release build, which `capi` uses too.

use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::shell::{self, cargo, program};

const TARGET: &str = "aarch64-unknown-linux-musl";
/// The linker comes with Rust.
const LINKER: (&str, &str) = ("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
const RUNNER: &str = "CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_RUNNER";
pub const EMULATOR: &str = "qemu-aarch64";
/// Always the same, so that their dependencies have the same features and are compiled once.
const PACKAGES: [&str; 6] = ["-p", "sam2-kernels", "-p", "sam2-capi", "-p", "sam2-micro"];

/// The script that runs the emulator with a plugin.
const SCRIPT: &str = "tools/count_aarch64/count.py";

/// Precision, part and the number of instructions held: a run with more than [`MARGIN`] above it fails, and
/// one with as much below it is reported, so that the number can be lowered.
const HELD: [(&str, &str, u64); 4] = [
    ("f32", "click", 378_500_000),
    ("f32", "frame", 443_080_000),
    ("int8", "click", 306_610_000),
    ("int8", "frame", 302_780_000),
];

/// What another compiler of the same year may change, as a share.
const MARGIN: f64 = 0.02;

/// A cargo command for ARM in the release profile. One that builds the example has the features of the tests.
fn cross(command: &str) -> Command {
    let mut cross = cargo();
    cross.args([command, "--release", "--target", TARGET]).args(PACKAGES).env(LINKER.0, LINKER.1);
    cross
}

/// Makes sure that what ARM needs is there.
fn installed() -> Result<(), String> {
    shell::target(TARGET)?;
    shell::output(program(EMULATOR).arg("--version"))
        .map_err(|_| format!("{EMULATOR} is missing: apt-get install qemu-user"))?;
    Ok(())
}

/// Builds the static C library for ARM.
pub fn library() -> Result<PathBuf, String> {
    installed()?;
    shell::run(cross("build").args(["--lib", "--example", "count"]))?;
    Ok(shell::target_folder().join(TARGET).join("release/libsam2_c.a"))
}

/// Lints of what is compiled for ARM alone.
pub fn clippy() -> Result<(), String> {
    shell::target(TARGET)?;
    let args = ["clippy", "-p", "sam2-kernels", "--tests", "--target", TARGET, "--", "-D", "warnings"];
    shell::run(cargo().args(args))
}

/// Kernels under the emulator, as they are shipped.
pub fn tests() -> Result<(), String> {
    installed()?;
    let tests = ["isa", "gemm", "bf16", "int8", "attention", "attention_int8", "math", "rows"]
        .iter()
        .flat_map(|test| ["--test", *test]);
    let mut command = cross("test");
    command.arg("--lib").args(tests).env(RUNNER, EMULATOR).env("SAM2_REQUIRE_ISA", "i8mm");
    shell::counted(&mut command, shell::passed, "test")
}

/// Instructions that the embedded model takes: exact numbers for a processor that nobody here has.
pub fn count() -> Result<(), String> {
    installed()?;
    shell::run(cross("build").args(["--example", "count"]))?;
    let example = shell::target_folder().join(TARGET).join("release/examples/count");
    let mut script: Command = program("python3");
    script.arg(SCRIPT).arg(&example);
    let counts: Value =
        serde_json::from_str(&shell::output(&mut script)?).map_err(|error| format!("{SCRIPT}: {error}"))?;
    let mut faults = Vec::new();
    for (precision, part, held) in HELD {
        let count = counts[precision][part]
            .as_u64()
            .filter(|&count| count > 0)
            .ok_or_else(|| format!("{SCRIPT} counts no {part} in {precision}"))?;
        let ratio = count as f64 / held as f64;
        println!("{precision} {part}: {count} instructions, held are {held}: {ratio:.3}");
        if ratio > 1.0 + MARGIN {
            faults.push(format!("a {part} in {precision} takes more instructions than are held"));
        } else if ratio < 1.0 - MARGIN {
            println!("  xtask/src/arm.rs could hold {count}");
        }
    }
    shell::report(faults)
}
