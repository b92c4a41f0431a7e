//! The Python package: builds the wheel and tests it, installed into empty environments.

use std::fs;
use std::path::{Path, PathBuf};

use crate::shell::{self, program};

/// Bytes of the wheel, with the embedded model.
const WHEEL: u64 = 20_000_000;

/// Test programs. `supervision` reads masks as annotation tools do.
const TOOLS: [&str; 3] = ["pytest==9.*", "pillow", "tqdm"];
const NEWEST: [&str; 3] = ["numpy", "supervision", "mypy==1.*"];

/// The newest environment gets it last: Ray asks for ranges of other packages' versions.
const RAY: &str = "ray[data]==2.60.0";

/// The test that needs Ray.
const RAY_TEST: &str = "test_ray.py";

/// The oldest NumPy that is promised and that this Python has a wheel of.
const OLDEST: &str = "import sys; print('1.24.4' if sys.version_info < (3, 12) else \
                      '1.26.4' if sys.version_info < (3, 13) else '2.1.3')";

pub fn run() -> Result<(), String> {
    let folder = shell::target_folder().join("python");
    if folder.exists() {
        fs::remove_dir_all(&folder).map_err(|error| format!("{}: {error}", folder.display()))?;
    }
    let build = environment(&folder.join("build"), &["maturin==1.16.0"])?;
    let crate_folder = shell::root().join("crates/sam2-py");
    let wheels = folder.join("wheels");
    shell::run(
        program(&build.join("maturin").to_string_lossy())
            .current_dir(&crate_folder)
            .args(["build", "--release", "--locked", "--out"])
            .arg(&wheels)
            .env("PYO3_PYTHON", build.join("python")),
    )?;
    let wheel = only_file(&wheels)?;
    let bytes = fs::metadata(&wheel).map_err(|error| format!("{}: {error}", wheel.display()))?.len();
    println!("{}: {bytes} bytes", wheel.display());
    if bytes > WHEEL {
        return Err(format!("{} has {bytes} bytes, at most {WHEEL} are wanted", wheel.display()));
    }
    let oldest = shell::output(program(&build.join("python").to_string_lossy()).args(["-c", OLDEST]))?;
    let oldest = format!("numpy=={}", oldest.trim());
    test(&folder.join("oldest"), &wheel, &[&oldest])?;
    let newest = test(&folder.join("newest"), &wheel, &NEWEST)?;
    install(&newest, &[RAY])?;
    run_tests(&newest, &[tests().join(RAY_TEST)])?;
    let stubs = ["-m", "mypy.stubtest", "sam2_cpu._native", "--ignore-missing-stub"];
    shell::run(program(&newest.join("python").to_string_lossy()).current_dir(&folder).args(stubs))
}

/// Tests the wheel in an environment of its own.
fn test(folder: &Path, wheel: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    let wheel = wheel.to_string_lossy();
    let mut all = vec![&*wheel];
    all.extend(packages);
    all.extend(TOOLS);
    let programs = environment(folder, &all)?;
    let except = format!("--ignore={}", tests().join(RAY_TEST).display());
    run_tests(&programs, &[tests(), PathBuf::from(except)])?;
    Ok(programs)
}

fn tests() -> PathBuf {
    shell::root().join("tests/python")
}

/// Runs test files, from a folder where the checkout's package cannot be imported.
fn run_tests(programs: &Path, which: &[PathBuf]) -> Result<(), String> {
    shell::run(
        program(&programs.join("python").to_string_lossy())
            .current_dir(programs)
            .args(["-m", "pytest", "-q", "--durations=5", "-p", "no:cacheprovider"])
            .args(which)
            .env("PYTHONDONTWRITEBYTECODE", "1"),
    )
}

/// Makes a virtual environment with these packages and returns the folder of its programs.
fn environment(folder: &Path, packages: &[&str]) -> Result<PathBuf, String> {
    shell::run(program("python3").args(["-m", "venv"]).arg(folder))?;
    let programs = folder.join("bin");
    install(&programs, packages)?;
    Ok(programs)
}

fn install(programs: &Path, packages: &[&str]) -> Result<(), String> {
    let pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check"];
    shell::run(program(&programs.join("python").to_string_lossy()).args(pip).args(packages))
}

/// The file in a folder that has one.
fn only_file(folder: &Path) -> Result<PathBuf, String> {
    let failed = |error: std::io::Error| format!("{}: {error}", folder.display());
    let mut files = fs::read_dir(folder).map_err(failed)?;
    match (files.next(), files.next()) {
        (Some(file), None) => Ok(file.map_err(failed)?.path()),
        _ => Err(format!("{}: exactly one wheel was expected", folder.display())),
    }
}
