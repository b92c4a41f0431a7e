//! Memory that a step needs, compared with what is left before the step begins: the system would end the
//! program in the middle of it. What is left is read from /proc and /sys; where it is unknown, nothing is
//! checked.

use std::fs;
use std::path::Path;

use anyhow::{Result, bail};
use sam2_media::frames::photo;
use sam2_model::Model;
use sam2_model::config::TrunkConfig;

use crate::allocator;
use crate::system::megabytes;

/// For the program itself: arguments, tables, small files.
const BASE: u64 = 6 << 20;
/// Stack of a thread and what the allocator keeps for it.
const THREAD: u64 = 5 << 19;

/// Whether there is memory to start.
pub fn can_start() -> bool {
    allocator::has(BASE as usize)
}

/// Checks that this many threads can start.
///
/// # Errors
/// If memory is missing.
pub fn check_threads(threads: usize) -> Result<()> {
    check(BASE / 2 + (threads as u64 - 1) * THREAD, "to start the threads")
}

/// Checks that weights of this many bytes can be loaded.
///
/// # Errors
/// The text says how much memory is missing.
pub fn check_weights(bytes: u64) -> Result<(), String> {
    check(bytes + (2 << 20), "to load the model").map_err(|e| e.to_string())
}

/// Checks that a picture can be decoded, from what its header says.
///
/// # Errors
/// If memory is missing.
pub fn check_photo(path: &Path) -> Result<()> {
    // Stdin and pipes can be read once, and what is wrong with a file is said when it is decoded.
    let file = path != Path::new("-") && path.is_file();
    let Some((width, height)) = file.then(|| photo::dimensions(path).ok()).flatten() else {
        return Ok(());
    };
    // Up to four channels of 16 bits, and three of 8.
    check(u64::from(width) * u64::from(height) * 11, &format!("to decode {}", path.display()))
}

/// Checks that pictures of this size can be segmented or tracked.
///
/// # Errors
/// If memory is missing.
pub fn check_picture(model: &Model, (width, height): (usize, usize)) -> Result<()> {
    let config = model.config();
    // Measured for Hiera: 90 MB at 1024 pixels and 96 channels, in proportion to both. Other trunks have
    // smaller maps, and their channels say less.
    let width_of_map = match &config.trunk {
        TrunkConfig::Hiera(hiera) => hiera.embed_dim,
        other => other.width().min(96),
    };
    let side = config.image_size as u64;
    let buffers = side * side * width_of_map as u64 * 9 / 10;
    // Three masks as numbers, the picture, and one drawn on.
    let picture = width as u64 * height as u64 * 18;
    check(buffers + picture + (2 << 20), &format!("for pictures of {width}x{height} pixels"))
}

/// Bytes that are left, and what limits them.
type Left = (u64, &'static str);

fn check(need: u64, purpose: &str) -> Result<()> {
    compare(need, left(), purpose)
}

fn compare(need: u64, left: Option<Left>, purpose: &str) -> Result<()> {
    match left {
        Some((left, limit)) if left < need => bail!(
            "not enough memory {purpose}: about {} are needed, {limit} leaves {}; {} are missing",
            megabytes(need),
            megabytes(left),
            megabytes(need - left)
        ),
        _ => Ok(()),
    }
}

/// What the tightest limit leaves.
fn left() -> Option<Left> {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let (limits, status) = (read("/proc/self/limits"), read("/proc/self/status"));
    let space =
        |limit: &str, used: &str| Some(limit_of(&limits, limit)?.saturating_sub(kilobytes(&status, used)?));
    let places = [
        (space("Max address space", "VmSize:"), "the limit of the address space (ulimit -v)"),
        (space("Max data size", "VmData:"), "the limit of the data size (ulimit -d)"),
        (free(&read("/proc/meminfo")), "this machine"),
        (group(&read("/proc/self/cgroup"), Path::new("/sys/fs/cgroup")), "the control group"),
    ];
    places.into_iter().filter_map(|(left, limit)| Some((left?, limit))).min()
}

/// A soft limit of `/proc/self/limits`, bytes; `None` if it is unlimited.
fn limit_of(limits: &str, name: &str) -> Option<u64> {
    limits.lines().find_map(|line| line.strip_prefix(name))?.split_whitespace().next()?.parse().ok()
}

/// A value of a table of the kernel in kilobytes, as bytes.
fn kilobytes(table: &str, name: &str) -> Option<u64> {
    let value = table.lines().find_map(|line| line.strip_prefix(name))?;
    Some(value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()? * 1024)
}

/// Memory and swap that are free, with what the system can take back.
fn free(meminfo: &str) -> Option<u64> {
    Some(kilobytes(meminfo, "MemAvailable:")? + kilobytes(meminfo, "SwapFree:").unwrap_or(0))
}

/// What the control groups of this process leave, of both versions, the ones above it included.
fn group(groups: &str, root: &Path) -> Option<u64> {
    let mut least = None;
    for line in groups.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let (root, names) = match controllers {
            "" => (root.to_owned(), ["memory.max", "memory.current"]),
            "memory" => (root.join("memory"), ["memory.limit_in_bytes", "memory.usage_in_bytes"]),
            _ => continue,
        };
        // In a container the path may be that of the host, so that only its root is there.
        let path = Path::new(path.trim_start_matches('/'));
        let folders = path.ancestors().map(|part| root.join(part));
        for left in folders.filter_map(|folder| left_in(&folder, names)) {
            least = Some(least.map_or(left, |least: u64| least.min(left)));
        }
    }
    least
}

/// What a group leaves; files that are cached for it can be dropped.
fn left_in(folder: &Path, [limit, usage]: [&str; 2]) -> Option<u64> {
    let number = |name: &str| fs::read_to_string(folder.join(name)).ok()?.trim().parse::<u64>().ok();
    let stat = fs::read_to_string(folder.join("memory.stat")).unwrap_or_default();
    let cached = |name: &str| {
        let line = stat.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
        line.and_then(|value| value.parse::<u64>().ok()).unwrap_or(0)
    };
    let total = if stat.contains("total_inactive_file") { "total_" } else { "" };
    let cached = cached(&format!("{total}inactive_file")) + cached(&format!("{total}active_file"));
    Some(number(limit)?.saturating_sub(number(usage)?.saturating_sub(cached)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tables_of_the_kernel_are_read() {
        let limits = "Limit                     Soft Limit           Hard Limit           Units     \n\
                      Max data size             unlimited            unlimited            bytes     \n\
                      Max address space         67108864             unlimited            bytes     \n";
        assert_eq!(limit_of(limits, "Max address space"), Some(64 << 20));
        assert_eq!(limit_of(limits, "Max data size"), None);
        assert_eq!(free("MemTotal: 9 kB\nMemAvailable:   20 kB\nSwapFree: 4 kB\n"), Some(24 << 10));
        assert_eq!(free("MemTotal: 9 kB\n"), None);
    }

    #[test]
    fn the_narrowest_control_group_counts() {
        let root = tempfile::tempdir().expect("temporary folder");
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().expect("a folder")).expect("folder");
            fs::write(path, text).expect("write");
        };
        assert_eq!(group("0::/a/b\n", root.path()), None);
        write("a/memory.max", "1000\n");
        write("a/memory.current", "700\n");
        write("a/memory.stat", "anon 400\ninactive_file 200\nactive_file 100\n");
        write("a/b/memory.max", "max\n");
        write("a/b/memory.current", "600\n");
        assert_eq!(group("0::/a/b\n", root.path()), Some(600));
        write("memory/memory.limit_in_bytes", "500\n");
        write("memory/memory.usage_in_bytes", "450\n");
        write("memory/memory.stat", "inactive_file 0\ntotal_inactive_file 20\ntotal_active_file 10\n");
        assert_eq!(group("4:memory:/host/path\n0::/a/b\n", root.path()), Some(80));
    }

    #[test]
    fn what_is_missing_is_said() {
        let left = Some((40 << 20, "ulimit"));
        assert!(compare(40 << 20, left, "for x").is_ok() && compare(u64::MAX, None, "for x").is_ok());
        let text = compare(50 << 20, left, "for x").expect_err("too little").to_string();
        assert!(text.contains("for x") && text.contains("52.4 MB"), "{text}");
        assert!(text.contains("10.5 MB are missing"), "{text}");
    }
}
