//! Failures on request, for the tests: with `SAM2_FAIL_WRITE=7` in the environment the seventh step of
//! writing fails as on a full disk, with `7+` every later one too. A step creates, writes, syncs, renames or
//! removes. Builds without debug assertions, such as releases, do not look at the variable.

use std::io;

#[cfg(not(debug_assertions))]
pub(super) fn point() -> io::Result<()> {
    Ok(())
}

/// Fails if this step was chosen to.
#[cfg(debug_assertions)]
pub(super) fn point() -> io::Result<()> {
    use std::sync::LazyLock;
    use std::sync::atomic::{AtomicU64, Ordering};

    /// The step that fails, and whether the later ones do.
    static CHOSEN: LazyLock<Option<(u64, bool)>> = LazyLock::new(|| {
        let text = std::env::var("SAM2_FAIL_WRITE").ok()?;
        let number = text.strip_suffix('+').unwrap_or(&text);
        Some((number.parse().ok()?, text.ends_with('+')))
    });
    static STEPS: AtomicU64 = AtomicU64::new(0);
    let Some((chosen, later)) = *CHOSEN else { return Ok(()) };
    let step = STEPS.fetch_add(1, Ordering::Relaxed) + 1;
    if step == chosen || later && step > chosen {
        return Err(io::ErrorKind::StorageFull.into());
    }
    Ok(())
}
