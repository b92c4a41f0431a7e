//! One libFuzzer program for all targets: `FUZZ_TARGET` names one; without it, their names are printed. With
//! `FUZZ_SEEDS`, the program writes the seeds of the target into that folder and ends.

#![no_main]

mod seeds;
mod targets;

use std::path::Path;
use std::sync::OnceLock;

use targets::{TARGETS, Target};

static TARGET: OnceLock<&'static Target> = OnceLock::new();

fn start() {
    let Ok(name) = std::env::var("FUZZ_TARGET") else {
        TARGETS.iter().for_each(|target| println!("{}", target.name));
        std::process::exit(0);
    };
    let Some(target) = TARGETS.iter().find(|target| target.name == name) else {
        eprintln!("there is no target {name:?}; without FUZZ_TARGET, the program lists them");
        std::process::exit(2);
    };
    if let Some(folder) = std::env::var_os("FUZZ_SEEDS") {
        let written = seeds::write(target, Path::new(&folder));
        std::process::exit(match written {
            Ok(count) => {
                println!("{name}: {count} seeds");
                0
            }
            Err(error) => {
                eprintln!("{name}: {error}");
                1
            }
        });
    }
    // Clips that are damaged may be tried with ffmpeg too, which is not found then.
    // SAFETY: libFuzzer calls this before it starts a thread.
    unsafe { std::env::set_var("PATH", "/nowhere") };
    // Some seeds need a model. It is loaded now, before the time of an input is measured.
    drop((target.seeds)());
    TARGET.get_or_init(|| target);
}

libfuzzer_sys::fuzz_target!(init: start(), |data: &[u8]| {
    if let Some(target) = TARGET.get() {
        (target.run)(data);
    }
});
