//! Where an archive is written to.

use std::cell::RefCell;
use std::io::{self, Seek, SeekFrom, Write};
use std::rc::Rc;

/// A file that accepts everything after its first error, which [`Errors::check`] returns. The archive writer
/// completes the file even when it is dropped, and would print a second failure on stderr.
pub(super) struct Sink<W> {
    inner: W,
    errors: Errors,
    position: u64,
    end: u64,
}

/// The first error of a [`Sink`].
#[derive(Clone, Default)]
pub(super) struct Errors(Rc<RefCell<Option<io::Error>>>);

impl Errors {
    /// The error, if there was one.
    pub fn check(&self) -> io::Result<()> {
        let mut first = self.0.borrow_mut();
        let Some(error) = first.take() else { return Ok(()) };
        // What follows is not written either.
        *first = Some(error.kind().into());
        Err(error)
    }

    fn is_set(&self) -> bool {
        self.0.borrow().is_some()
    }

    fn set(&self, error: io::Error) {
        self.0.borrow_mut().get_or_insert(error);
    }
}

impl<W> Sink<W> {
    pub fn new(inner: W) -> (Self, Errors) {
        let errors = Errors::default();
        (Self { inner, errors: errors.clone(), position: 0, end: 0 }, errors)
    }
}

impl<W: Write> Write for Sink<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut written = bytes.len();
        if !self.errors.is_set() {
            match self.inner.write(bytes) {
                Ok(some) => written = some,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => return Err(error),
                Err(error) => self.errors.set(error),
            }
        }
        self.position += written as u64;
        self.end = self.end.max(self.position);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.errors.is_set()
            && let Err(error) = self.inner.flush()
        {
            self.errors.set(error);
        }
        Ok(())
    }
}

impl<W: Seek> Seek for Sink<W> {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if !self.errors.is_set() {
            match self.inner.seek(to) {
                Ok(position) => {
                    self.position = position;
                    return Ok(position);
                }
                Err(error) => self.errors.set(error),
            }
        }
        self.position = match to {
            SeekFrom::Start(position) => position,
            SeekFrom::Current(by) => self.position.saturating_add_signed(by),
            SeekFrom::End(by) => self.end.saturating_add_signed(by),
        };
        Ok(self.position)
    }
}
