//! Facts about this process and this machine, from /proc and /sys; any of them may be missing.

use std::fs;
use std::path::Path;

use serde_json::{Value, json};

/// The machine and the build of this program, for records of measurements.
pub fn describe() -> Value {
    json!({
        "version": env!("CARGO_PKG_VERSION"),
        "commit": option_env!("SAM2_BUILD_COMMIT"),
        "rustc": option_env!("SAM2_BUILD_RUSTC"),
        "target": option_env!("SAM2_BUILD_TARGET"),
        "cpu": cpu_name(),
        "cores": cores(),
        "caches": caches(),
    })
}

/// Peak resident memory of this process, in bytes.
pub fn peak_memory() -> Option<u64> {
    parse_peak(&fs::read_to_string("/proc/self/status").ok()?)
}

fn parse_peak(status: &str) -> Option<u64> {
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kilobytes: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kilobytes * 1024)
}

/// One cache of the first core.
#[derive(Clone, Debug, PartialEq, serde::Serialize)]
pub struct Cache {
    /// 1, 2, 3.
    pub level: u32,
    /// `Data`, `Instruction` or `Unified`.
    pub kind: String,
    /// In the form of the Linux kernel, such as `48K`.
    pub size: String,
}

/// The caches of the first core.
pub fn caches() -> Vec<Cache> {
    caches_in(Path::new("/sys/devices/system/cpu/cpu0/cache"))
}

fn caches_in(folder: &Path) -> Vec<Cache> {
    let read = |index: usize, name: &str| {
        let text = fs::read_to_string(folder.join(format!("index{index}/{name}"))).ok()?;
        Some(text.trim().to_owned())
    };
    (0..8)
        .map_while(|index| {
            Some(Cache {
                level: read(index, "level")?.parse().ok()?,
                kind: read(index, "type")?,
                size: read(index, "size")?,
            })
        })
        .collect()
}

/// The processor's name.
pub fn cpu_name() -> Option<String> {
    let text = fs::read_to_string("/proc/cpuinfo").ok()?;
    let line = text.lines().find(|line| line.starts_with("model name"))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}

/// Cores that this process may use.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, usize::from)
}

/// A number of bytes in megabytes, as text.
pub fn megabytes(bytes: u64) -> String {
    format!("{:.1} MB", bytes as f64 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn peak_is_found_among_the_other_lines() {
        assert_eq!(parse_peak("Name:\tsam2\nVmPeak:\t  900 kB\nVmHWM:\t  1234 kB\n"), Some(1_263_616));
        assert_eq!(parse_peak("Name:\tsam2\n"), None);
    }

    #[test]
    fn caches_are_read_until_the_first_gap() {
        let dir = tempfile::tempdir().expect("temporary folder");
        for (index, level, kind, size) in
            [(0, "1\n", "Data\n", "48K\n"), (1, "2\n", "Unified\n", "2048K\n"), (3, "3", "x", "y")]
        {
            let folder = dir.path().join(format!("index{index}"));
            fs::create_dir(&folder).expect("folder");
            for (name, text) in [("level", level), ("type", kind), ("size", size)] {
                fs::write(folder.join(name), text).expect("write");
            }
        }
        let found: Vec<_> = caches_in(dir.path()).into_iter().map(|c| (c.level, c.kind, c.size)).collect();
        assert_eq!(found, [(1, "Data".into(), "48K".into()), (2, "Unified".into(), "2048K".into())]);
        assert!(caches_in(&dir.path().join("absent")).is_empty());
    }
}
