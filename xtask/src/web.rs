//! The page of `sam2 serve` in a real browser.

use std::env;
use std::path::Path;

use crate::shell::{self, cargo, program};

/// Where distributions put Chromium; `CHROMIUM` names another place.
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

/// Skipped without a browser or npm, unless `SAM2_REQUIRE_BROWSER` is set, as it is in CI.
pub fn run() -> Result<(), String> {
    let browser = env::var_os("CHROMIUM").is_some() || BROWSERS.iter().any(|path| Path::new(path).exists());
    let npm = shell::output(program("npm").arg("--version")).is_ok();
    if !(browser && npm) {
        let missing = if browser { "npm" } else { "Chromium" };
        if env::var_os("SAM2_REQUIRE_BROWSER").is_some() {
            return Err(format!("{missing} is missing: apt-get install chromium nodejs npm"));
        }
        println!("skipped: {missing} is not installed (apt-get install chromium nodejs npm)");
        return Ok(());
    }
    // The whole workspace, as for the tests: for one package alone, dependencies would have other features.
    shell::run(cargo().args(["build", "--workspace", "--bins"]))?;
    let folder = shell::root().join("tests/web");
    let quiet = ["ci", "--no-audit", "--no-fund", "--loglevel=error"];
    shell::run(program("npm").current_dir(&folder).args(quiet))?;
    let sam2 = shell::target_folder().join("debug/sam2");
    shell::run(program("npm").current_dir(&folder).args(["test", "--silent"]).env("SAM2", sam2))
}
