//! Panics of decoders. Those of other crates may panic on a damaged file; that is an error of the file, not a
//! bug of the program.

use std::cell::Cell;
use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::error::PictureError;

thread_local! {
    static DECODING: Cell<bool> = const { Cell::new(false) };
}

/// Whether this thread is inside a decoder, whose panic becomes an error of the file. For panic hooks, which
/// run before that.
///
/// ```
/// std::panic::set_hook(Box::new(|panic| {
///     if !sam2_media::decoding() {
///         eprintln!("error: {panic}");
///     }
/// }));
/// ```
#[must_use]
pub fn decoding() -> bool {
    DECODING.get()
}

/// Runs a decoder.
///
/// # Errors
/// Its own, or [`PictureError::Panic`].
pub(crate) fn guarded<T>(decode: impl FnOnce() -> Result<T, PictureError>) -> Result<T, PictureError> {
    let outer = DECODING.replace(true);
    // What a decoder leaves behind is dropped with it.
    let result = catch_unwind(AssertUnwindSafe(decode));
    DECODING.set(outer);
    result.unwrap_or(Err(PictureError::Panic))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_panic_is_an_error_of_the_file() {
        let result = guarded(|| -> Result<(), PictureError> {
            assert!(decoding());
            let empty: &[u8] = &[];
            // As in a decoder, the index comes from the file.
            let at = std::hint::black_box(3);
            Err(PictureError::CutShort(empty[at].to_string()))
        });
        assert!(matches!(result, Err(PictureError::Panic)) && !decoding());
        assert!(matches!(guarded(|| guarded(|| Ok(decoding()))), Ok(true)) && !decoding());
    }
}
