//! The two streams: results on stdout, everything else on stderr. Write errors never panic, and no text of a
//! file or of a file's name acts on the terminal.

use std::ffi::OsString;
use std::io::{self, IsTerminal, Write};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use anyhow::{Context, Result, bail};
use sam2_media::error::{in_full, printable, printable_lines};
use serde_json::{Value, json};

use crate::environment;

/// Whether stderr gets an object of JSON per line.
static JSON: AtomicBool = AtomicBool::new(false);

/// Takes the form of stderr's lines from the command line, or else from the environment, before either is
/// checked: what is wrong with them is said in that form too.
pub fn choose_log(args: impl IntoIterator<Item = OsString>) {
    let mut args = args.into_iter();
    let mut json = environment::log_is_json();
    while let Some(arg) = args.next() {
        match arg.to_str() {
            Some("--") => break,
            Some("--log") => json = args.next().is_some_and(|form| form == "json"),
            Some(arg) => json = arg.strip_prefix("--log=").map_or(json, |form| form == "json"),
            None => {}
        }
    }
    JSON.store(json, Ordering::Relaxed);
}

/// Output of the program: results on stdout, remarks on stderr by verbosity.
#[derive(Debug)]
pub struct Console {
    quiet: bool,
    verbose: bool,
    stdout_closed: AtomicBool,
}

impl Console {
    /// `quiet` suppresses notes, `verbose` adds some.
    pub fn new(quiet: bool, verbose: bool) -> Self {
        Self { quiet, verbose, stdout_closed: AtomicBool::new(false) }
    }

    /// Prints a line of results. A closed pipe (`sam2 ... | head`) ends the printing, not the work;
    /// [`Self::finish`] tells of it.
    ///
    /// # Errors
    /// If stdout cannot be written, for instance on a full disk.
    pub fn result(&self, line: &str) -> Result<()> {
        if self.stdout_closed.load(Ordering::Relaxed) {
            return Ok(());
        }
        let mut out = io::stdout().lock();
        let line = printable_lines(line);
        match out.write_all(line.as_bytes()).and_then(|()| out.write_all(b"\n")).and_then(|()| out.flush()) {
            Err(e) if e.kind() == io::ErrorKind::BrokenPipe => {
                self.stdout_closed.store(true, Ordering::Relaxed);
                Ok(())
            }
            other => other.context("cannot write to stdout"),
        }
    }

    /// Writes a whole file to stdout.
    ///
    /// # Errors
    /// As [`Self::result`].
    pub fn stream(&self, bytes: &[u8]) -> Result<()> {
        let mut out = io::stdout().lock();
        out.write_all(bytes).and_then(|()| out.flush()).context("cannot write to stdout")
    }

    /// Ends the output.
    ///
    /// # Errors
    /// If results were not printed because nobody reads them.
    pub fn finish(&self) -> Result<()> {
        if self.reader_is_gone() {
            bail!("cannot write to stdout: its reader has closed it");
        }
        Ok(())
    }

    /// Whether the reader of stdout has closed it.
    pub fn reader_is_gone(&self) -> bool {
        self.stdout_closed.load(Ordering::Relaxed)
    }

    /// A note on stderr, unless `--quiet`.
    pub fn note(&self, line: &str) {
        if !self.quiet {
            stderr_line(line);
        }
    }

    /// A note about a file, if there is one.
    pub fn note_about(&self, path: &Path, note: Option<&str>) {
        if let Some(note) = note {
            self.note(&format!("note: {}: {note}", path.display()));
        }
    }

    /// A note on stderr with `--verbose`.
    pub fn detail(&self, line: &str) {
        if self.verbose {
            stderr_line(line);
        }
    }

    /// Whether to show a progress bar: stderr is a terminal, and not `--quiet`.
    pub fn shows_progress(&self) -> bool {
        !self.quiet && !JSON.load(Ordering::Relaxed) && io::stderr().is_terminal()
    }

    /// Whether to write progress as events.
    pub fn logs_progress(&self) -> bool {
        !self.quiet && JSON.load(Ordering::Relaxed)
    }
}

/// Prints one line on stderr; a closed stderr is ignored. With `--log json` it is an event whose level its
/// first word names.
pub fn stderr_line(line: &str) {
    if JSON.load(Ordering::Relaxed) {
        let (level, message) = match line.split_once(": ") {
            Some((level @ ("error" | "note"), message)) => (level, message),
            _ => ("info", line),
        };
        event(level, "message", json!({ "message": message }));
    } else {
        let _ = writeln!(io::stderr().lock(), "{}", printable(line));
    }
}

/// Writes an event on stderr: an object with `ts`, `level`, `event` and these fields.
pub fn event(level: &str, event: &str, fields: Value) {
    let ts = humantime::format_rfc3339_millis(SystemTime::now()).to_string();
    let mut line = json!({ "ts": ts, "level": level, "event": event });
    if let (Some(line), Value::Object(fields)) = (line.as_object_mut(), fields) {
        line.extend(fields);
    }
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// An error and its causes in one line.
pub fn describe(error: &anyhow::Error) -> String {
    in_full(error.as_ref())
}

#[cfg(test)]
mod tests {
    use super::describe;
    use std::io::{Error, ErrorKind};

    #[derive(Debug)]
    struct Verbose(Error);

    impl std::fmt::Display for Verbose {
        fn fmt(&self, f: &mut std::fmt::Formatter) -> std::fmt::Result {
            write!(f, "cannot open x: {}", self.0)
        }
    }

    impl std::error::Error for Verbose {
        fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
            Some(&self.0)
        }
    }

    #[test]
    fn a_cause_is_named_once() {
        let cause = || Error::new(ErrorKind::NotFound, "no\n  such file");
        let plain = anyhow::Error::from(cause()).context("outer");
        assert_eq!(describe(&plain), "outer: no such file");
        let verbose = anyhow::Error::from(Verbose(cause())).context("outer");
        assert_eq!(describe(&verbose), "outer: cannot open x: no such file");
    }
}
