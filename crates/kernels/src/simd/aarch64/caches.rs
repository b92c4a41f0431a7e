//! Sizes of the processor's caches.

use std::fs;
use std::path::Path;

/// The caches that block sizes follow, in bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Caches {
    /// A core's part of the second level.
    pub l2: usize,
    /// The last level, whole.
    pub last: usize,
}

impl Caches {
    /// Of a Cortex-A76 as in small boards: assumed where nothing is known.
    pub const ASSUMED: Self = Self { l2: 512 << 10, last: 2 << 20 };

    /// What `SAM2_CACHES` says, as `L2,LAST` with `K` or `M` after a number, else what Linux reports, else
    /// [`Self::ASSUMED`].
    pub fn of_host() -> Self {
        let named = std::env::var("SAM2_CACHES").ok().and_then(|sizes| Self::parse(&sizes));
        named
            .or_else(|| Self::reported(Path::new("/sys/devices/system/cpu/cpu0/cache")))
            .unwrap_or(Self::ASSUMED)
    }

    /// From `512K,2M`.
    pub fn parse(sizes: &str) -> Option<Self> {
        let (l2, last) = sizes.split_once(',')?;
        Some(Self { l2: bytes(l2)?, last: bytes(last)? })
    }

    /// From a folder of Linux's, which has one folder `index0` and so on for each cache of a core.
    pub fn reported(folder: &Path) -> Option<Self> {
        let (mut l2, mut last) = (None, (0, 0));
        for i in 0.. {
            let cache = folder.join(format!("index{i}"));
            let read = |name: &str| fs::read_to_string(cache.join(name)).ok();
            let Some(level) = read("level").and_then(|level| level.trim().parse::<usize>().ok()) else {
                break;
            };
            let Some(size) = read("size").as_deref().and_then(bytes) else { continue };
            if level == 2 {
                let sharing = read("shared_cpu_list").map_or(1, |list| count(&list));
                l2 = Some(size / sharing.max(1));
            }
            last = last.max((level, size));
        }
        Some(Self { l2: l2?, last: last.1 })
    }
}

/// `48K`, `2M` or a number of bytes.
fn bytes(size: &str) -> Option<usize> {
    let size = size.trim();
    let (number, unit) = match size.strip_suffix(['K', 'M']) {
        Some(number) if size.ends_with('K') => (number, 1 << 10),
        Some(number) => (number, 1 << 20),
        None => (size, 1),
    };
    number.parse::<usize>().ok()?.checked_mul(unit).filter(|&bytes| bytes > 0)
}

/// Processors in a list like `0-3,6`.
fn count(list: &str) -> usize {
    let part = |part: &str| match part.trim().split_once('-') {
        Some((first, last)) => Some(last.parse::<usize>().ok()?.checked_sub(first.parse().ok()?)? + 1),
        None => part.trim().parse::<usize>().ok().map(|_| 1),
    };
    list.split(',').filter_map(part).sum()
}
