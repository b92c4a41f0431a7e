//! The C library: builds and installs it, and checks it with programs in C and C++.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::arm as emulated;
use crate::shell::{self, cargo, program};

/// As crates/sam2-capi/build.rs names it.
const SONAME: &str = "libsam2.so.1";
const WARNINGS: [&str; 4] = ["-Wall", "-Wextra", "-Wpedantic", "-Werror"];
/// What a Rust program takes from the system, for the static library.
const SYSTEM: [&str; 3] = ["-lpthread", "-ldl", "-lm"];
/// The click of the bundled clip's prompts.
const CLICK: [&str; 2] = ["109.5", "90.5"];
/// A click on the object in the middle of the clip.
const MIDDLE: [&str; 2] = ["64", "64"];

fn folder() -> PathBuf {
    shell::root().join("crates/sam2-capi")
}

/// The program that finds the same masks in Rust.
fn reference() -> PathBuf {
    shell::target_folder().join("release/examples/reference")
}

fn failed(path: &Path) -> impl FnOnce(std::io::Error) -> String {
    let path = path.display().to_string();
    move |error| format!("{path}: {error}")
}

fn read(path: &Path) -> Result<Vec<u8>, String> {
    fs::read(path).map_err(failed(path))
}

fn write(path: &Path, bytes: impl AsRef<[u8]>) -> Result<(), String> {
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder).map_err(failed(folder))?;
    }
    fs::write(path, bytes).map_err(failed(path))
}

/// Builds the release libraries and writes them under `prefix` with headers, the files of pkg-config and
/// CMake, and the bundled clip as PPM pictures.
pub fn install(prefix: &Path) -> Result<(), String> {
    install_with(prefix, &[])
}

/// [`install`], built together with other packages, whose compiled crates it then shares.
fn install_with(prefix: &Path, packages: &[&str]) -> Result<(), String> {
    if !cfg!(target_os = "linux") {
        let other = "cargo build --release -p sam2-capi makes the libraries";
        return Err(format!("only Linux is known here; {other}"));
    }
    let args = ["build", "--release", "-p", "sam2-capi", "--lib", "--bins", "--example", "reference"];
    shell::run(cargo().args(args).args(packages))?;
    let built = shell::target_folder().join("release");
    write(&prefix.join("share/sam2/clip.ppm"), bytes(Command::new(reference()).arg("clip"))?)?;
    let (lib, include) = (prefix.join("lib"), prefix.join("include"));
    // The crate `sam2` has the file name libsam2 in the target folder.
    write(&lib.join(SONAME), read(&built.join("libsam2_c.so"))?)?;
    write(&lib.join("libsam2.a"), read(&built.join("libsam2_c.a"))?)?;
    let link = lib.join("libsam2.so");
    if link.is_symlink() {
        fs::remove_file(&link).map_err(failed(&link))?;
    }
    #[cfg(unix)]
    std::os::unix::fs::symlink(SONAME, &link).map_err(failed(&link))?;
    for name in ["sam2.h", "sam2.hpp"] {
        write(&include.join(name), read(&folder().join("include").join(name))?)?;
    }
    let version = env!("CARGO_PKG_VERSION");
    for (from, to) in [
        ("sam2.pc.in", "lib/pkgconfig/sam2.pc"),
        ("sam2-config.cmake", "lib/cmake/sam2/sam2-config.cmake"),
        ("sam2-config-version.cmake.in", "lib/cmake/sam2/sam2-config-version.cmake"),
    ] {
        let text = String::from_utf8_lossy(&read(&folder().join("install").join(from))?).into_owned();
        write(&prefix.join(to), text.replace("@VERSION@", version))?;
    }
    println!("installed into {}", prefix.display());
    Ok(())
}

/// How a program is linked.
#[derive(Clone, Copy, Debug)]
enum Link {
    Shared,
    Static,
}

/// What the checks use: the installed library, the clip, and a place for programs.
struct Bench {
    prefix: PathBuf,
    programs: PathBuf,
    clip: PathBuf,
}

impl Bench {
    fn new() -> Result<Self, String> {
        let place = shell::target_folder().join("capi");
        if place.exists() {
            fs::remove_dir_all(&place).map_err(failed(&place))?;
        }
        let prefix = place.join("prefix");
        install_with(&prefix, &["-p", "sam2-cli"])?;
        let clip = prefix.join("share/sam2/clip.ppm");
        let bench = Self { prefix, programs: place.join("programs"), clip };
        fs::create_dir_all(&bench.programs).map_err(failed(&bench.programs))?;
        Ok(bench)
    }

    /// What the Rust program of this crate prints.
    fn rust(&self, args: &[&str]) -> Result<Vec<u8>, String> {
        bytes(Command::new(reference()).args(args))
    }

    /// Compiles a C or C++ source against the installed library.
    fn compile(&self, source: &str, link: Link, flags: &[&str]) -> Result<PathBuf, String> {
        let source = shell::root().join(source);
        let is_c = source.extension() == Some(OsStr::new("c"));
        let stem = source.file_stem().unwrap_or_default().to_string_lossy().into_owned();
        let program = self.programs.join(format!("{stem}-{link:?}{}", flags.concat()).to_lowercase());
        let lib = self.prefix.join("lib");
        let (compiler, standard) = if is_c { ("cc", "-std=c99") } else { ("c++", "-std=c++17") };
        let mut command = Command::new(compiler);
        command.arg(standard).args(WARNINGS).args(flags).arg(&source).arg("-o").arg(&program);
        command.arg("-I").arg(self.prefix.join("include"));
        command.arg("-I").arg(shell::root().join("examples/c"));
        match link {
            Link::Shared => {
                command.arg("-L").arg(&lib).arg("-lsam2").arg(format!("-Wl,-rpath,{}", lib.display()))
            }
            Link::Static => command.arg(lib.join("libsam2.a")).args(SYSTEM),
        };
        shell::run(&mut command)?;
        Ok(program)
    }

    /// What a command prints that reads the clip.
    fn on_clip(&self, command: &mut Command) -> Result<Vec<u8>, String> {
        let clip = fs::File::open(&self.clip).map_err(failed(&self.clip))?;
        bytes(command.stdin(clip))
    }
}

/// What a command prints, whatever it is; its exit code must be 0. Its errors are shown.
fn bytes(command: &mut Command) -> Result<Vec<u8>, String> {
    let name = Path::new(command.get_program()).display().to_string();
    let output = command.stderr(Stdio::piped()).output().map_err(|error| format!("{name}: {error}"))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    Err(format!("{name}: {}\n{}", output.status, String::from_utf8_lossy(&output.stderr)))
}

/// Whether a program is there.
fn has(name: &str) -> bool {
    Command::new(name).arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status().is_ok()
}

fn equal(what: &str, found: &[u8], expected: &[u8]) -> Result<(), String> {
    let differ = found.iter().zip(expected).filter(|(a, b)| a != b).count();
    if found.len() != expected.len() || differ > 0 || expected.is_empty() {
        let (found, expected) = (found.len(), expected.len());
        return Err(format!(
            "{what}: {differ} bytes differ from Rust's masks; {found} bytes, not {expected}"
        ));
    }
    if !expected.contains(&255) {
        return Err(format!("{what}: all masks are empty"));
    }
    println!("{what}: {} bytes, those of Rust", found.len());
    Ok(())
}

/// A source and what its program is called with: the arguments of the Rust program.
const PROGRAMS: [(&str, &str, [&str; 2]); 3] = [
    ("examples/c/segment.c", "segment", CLICK),
    ("examples/c/track.c", "track", CLICK),
    ("crates/sam2-capi/tests/c/clip.cpp", "video", MIDDLE),
];

pub fn run() -> Result<(), String> {
    let bench = Bench::new()?;
    symbols(&bench)?;
    for language in ["c", "c++"] {
        let standard = if language == "c" { "-std=c99" } else { "-std=c++17" };
        let header = folder().join("include/sam2.h");
        let mut command = Command::new(if language == "c" { "cc" } else { "c++" });
        // A header alone has no use for the macro that marks it as included twice.
        shell::run(command.args([standard, "-fsyntax-only", "-x", language]).args(WARNINGS).arg(header))?;
    }
    for source in ["init.c", "fork.c"] {
        let program = bench.compile(&format!("crates/sam2-capi/tests/c/{source}"), Link::Shared, &[])?;
        shell::run(&mut Command::new(program))?;
    }
    for (source, what, click) in PROGRAMS {
        let expected = bench.rust(&[what, click[0], click[1]])?;
        for link in [Link::Shared, Link::Static] {
            let program = bench.compile(source, link, &[])?;
            let found = bench.on_clip(Command::new(program).args(click))?;
            equal(&format!("{source}, {link:?}"), &found, &expected)?;
        }
    }
    pkg_config(&bench)?;
    cmake(&bench)?;
    arm(&bench)
}

/// The shared library exports the functions of the header and nothing else.
fn symbols(bench: &Bench) -> Result<(), String> {
    let library = bench.prefix.join("lib").join(SONAME);
    let list = shell::output(program("nm").args(["-D", "--defined-only"]).arg(&library))?;
    let mut found: Vec<&str> = list.lines().filter_map(|line| line.split_whitespace().nth(2)).collect();
    found.sort_unstable();
    let golden = folder().join("tests/symbols.txt");
    let text = String::from_utf8_lossy(&read(&golden)?).into_owned();
    let expected: Vec<&str> = text.lines().collect();
    let missing: Vec<_> = expected.iter().filter(|name| !found.contains(name)).collect();
    let extra: Vec<_> = found.iter().filter(|name| !expected.contains(name)).collect();
    if !missing.is_empty() || !extra.is_empty() || found.is_empty() {
        return Err(format!("exported symbols: {missing:?} missing, {extra:?} not in {}", golden.display()));
    }
    println!("{} exported symbols", found.len());
    Ok(())
}

/// The file for pkg-config, where that is installed.
fn pkg_config(bench: &Bench) -> Result<(), String> {
    if !has("pkg-config") {
        println!("skipped: no pkg-config");
        return Ok(());
    }
    let path = bench.prefix.join("lib/pkgconfig");
    let mut query = program("pkg-config");
    let flags = shell::output(query.args(["--cflags", "--libs", "sam2"]).env("PKG_CONFIG_PATH", path))?;
    let program = bench.programs.join("by-pkg-config");
    let source = shell::root().join("examples/c/segment.c");
    shell::run(Command::new("cc").arg(source).args(flags.split_whitespace()).arg("-o").arg(&program))?;
    let mut command = Command::new(program);
    let found = bench.on_clip(command.args(CLICK).env("LD_LIBRARY_PATH", bench.prefix.join("lib")))?;
    equal("pkg-config", &found, &bench.rust(&["segment", CLICK[0], CLICK[1]])?)
}

/// The file for CMake, where that is installed.
fn cmake(bench: &Bench) -> Result<(), String> {
    if !has("cmake") {
        println!("skipped: no cmake");
        return Ok(());
    }
    let build = bench.programs.join("cmake");
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", bench.prefix.display());
    shell::run(program("cmake").args(["-S", "examples/c", &prefix, "-B"]).arg(&build))?;
    shell::run(program("cmake").arg("--build").arg(&build))?;
    let expected = bench.rust(&["segment", CLICK[0], CLICK[1]])?;
    for name in ["segment", "segment_static"] {
        let found = bench.on_clip(Command::new(build.join(name)).args(CLICK))?;
        equal(&format!("cmake, {name}"), &found, &expected)?;
    }
    Ok(())
}

/// One of so many pixels may differ between processors, whose sums have other orders.
const OTHER_PIXELS: usize = 500;

/// The static library on an emulated ARM processor, linked by a C compiler.
fn arm(bench: &Bench) -> Result<(), String> {
    let own = shell::target_folder().join("tools/zig/ziglang/zig");
    let zig = if own.exists() { own } else { PathBuf::from("zig") };
    if shell::output(Command::new(&zig).arg("version")).is_err() {
        return Err("no C compiler for ARM: pip3 install --target target/tools/zig ziglang".to_owned());
    }
    let library = emulated::library()?;
    let program = bench.programs.join("segment-arm");
    let mut command = Command::new(zig);
    command.args(["cc", "-target", "aarch64-linux-musl", "-std=c99", "-static"]).args(WARNINGS);
    command.arg("-I").arg(bench.prefix.join("include"));
    command.arg(shell::root().join("examples/c/segment.c")).arg(library).arg("-o").arg(&program);
    // Rust calls it for the frames of a panic; zig links it on request only.
    shell::run(command.arg("-lunwind"))?;
    let found = bench.on_clip(Command::new(emulated::EMULATOR).arg(&program).args(CLICK))?;
    let expected = bench.rust(&["segment", CLICK[0], CLICK[1]])?;
    let differ = found.iter().zip(&expected).filter(|(a, b)| a != b).count();
    if found.len() != expected.len() || differ * OTHER_PIXELS > expected.len() {
        let (found, expected) = (found.len(), expected.len());
        return Err(format!("ARM: {found} bytes, not {expected}, of which {differ} differ from Rust's here"));
    }
    println!("examples/c/segment.c on ARM: {differ} of {} pixels differ from those here", expected.len());
    Ok(())
}

/// The C and C++ programs under valgrind and with sanitizers. By hand, when pointers are handled anew.
pub fn memory() -> Result<(), String> {
    let mut bench = Bench::new()?;
    for (source, what, click) in PROGRAMS {
        let expected = bench.rust(&[what, click[0], click[1]])?;
        let flags = ["-g", "-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
        for link in [Link::Shared, Link::Static] {
            let program = bench.compile(source, link, &flags)?;
            let found = bench.on_clip(Command::new(program).args(click))?;
            equal(&format!("{source}, {link:?}, sanitized"), &found, &expected)?;
        }
    }
    // An emulated processor takes its time: the first two frames.
    let clip = read(&bench.clip)?;
    let frames = clip.windows(3).filter(|bytes| bytes == b"P6\n").count();
    bench.clip = bench.programs.join("short.ppm");
    write(&bench.clip, &clip[..clip.len() / frames.max(1) * 2])?;
    for (source, _, click) in PROGRAMS {
        let program = bench.compile(source, Link::Shared, &["-g"])?;
        let mut command = Command::new("valgrind");
        // The variables of threads that wait for work at the end are "possibly lost".
        let leaks = ["--leak-check=full", "--show-leak-kinds=definite", "--errors-for-leak-kinds=definite"];
        command.args(["--quiet", "--error-exitcode=9"]).args(leaks);
        // It runs one thread at a time, and has no AVX-512.
        command.arg(program).args(click).env("SAM2_ISA", "avx2").env("RAYON_NUM_THREADS", "1");
        bench.on_clip(&mut command)?;
        println!("{source}: clean under valgrind");
    }
    Ok(())
}
