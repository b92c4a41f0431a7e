//! Records which commit and compiler made the binary, for `sam2 info`. Both are optional.

use std::path::Path;
use std::process::Command;

fn first_line(program: &str, args: &[&str]) -> Option<String> {
    let output = Command::new(program).args(args).output().ok().filter(|o| o.status.success())?;
    let line = String::from_utf8(output.stdout).ok()?.lines().next()?.trim().to_owned();
    (!line.is_empty()).then_some(line)
}

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    // A path that does not exist would make cargo run this script on every build.
    let log = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.git/logs/HEAD");
    if log.exists() {
        println!("cargo::rerun-if-changed={}", log.display());
        if let Some(commit) = first_line("git", &["rev-parse", "--short=12", "HEAD"]) {
            println!("cargo::rustc-env=SAM2_BUILD_COMMIT={commit}");
        }
    }
    let rustc = std::env::var("RUSTC").unwrap_or_else(|_| "rustc".to_owned());
    if let Some(version) = first_line(&rustc, &["--version"]) {
        println!("cargo::rustc-env=SAM2_BUILD_RUSTC={version}");
    }
    if let Ok(target) = std::env::var("TARGET") {
        println!("cargo::rustc-env=SAM2_BUILD_TARGET={target}");
    }
}
