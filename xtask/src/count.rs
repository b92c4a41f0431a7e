//! Instructions that an AArch64 build executes on the embedded model, counted under an emulator: exact
//! numbers for a processor that nobody here has, on any host.

use std::process::Command;

use serde_json::Value;

use crate::shell::{self, cargo, program};
use crate::steps::ARM;

/// Precision, part and the number of instructions held: a run with more than [`MARGIN`] above it fails, and
/// one with as much below it is reported, so that the number can be lowered.
const HELD: [(&str, &str, u64); 4] = [
    ("f32", "click", 391_780_470),
    ("f32", "frame", 445_540_992),
    ("int8", "click", 328_085_312),
    ("int8", "frame", 323_333_751),
];

/// What another compiler of the same year may change, as a share.
const MARGIN: f64 = 0.02;

/// The script that runs the emulator.
const SCRIPT: &str = "tools/count_aarch64/count.py";

pub fn run() -> Result<(), String> {
    shell::target(ARM)?;
    if shell::output(program("qemu-aarch64").arg("--version")).is_err() {
        return Err("qemu-aarch64 is missing: apt-get install qemu-user".to_owned());
    }
    let mut build = cargo();
    build
        .args(["build", "--release", "-p", "sam2-cli", "--target", ARM])
        .env("CARGO_TARGET_AARCH64_UNKNOWN_LINUX_MUSL_LINKER", "rust-lld");
    shell::run(&mut build)?;
    let binary = shell::target_folder().join(ARM).join("release/sam2");
    let mut script: Command = program("python3");
    script.arg(SCRIPT).arg(&binary);
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
            println!("  xtask/src/count.rs could hold {count}");
        }
    }
    shell::report(faults)
}
