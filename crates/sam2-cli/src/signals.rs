//! Signals: those that end the program leave no temporary file behind.

use std::io;
use std::sync::atomic::AtomicBool;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// Handles signals from now on. SIGINT, SIGTERM and SIGHUP end the program with 128 and their number, as
/// shells report it, after its temporary files were removed. A file that grows beyond the limit of the shell
/// is an error of the write, not a signal.
///
/// # Errors
/// If the system lacks what that takes: a thread, or a pair of file descriptors.
pub fn watch() -> io::Result<()> {
    imp::watch()
}

/// What is done when a signal ends the program, and the words about it in the program's last line. It runs on
/// a thread of its own while the others go on, and a second signal ends it.
pub type LastWill = Box<dyn FnOnce() -> anyhow::Result<Option<String>> + Send>;

/// Whether a signal is how the program ends.
static ENDS_BY_SIGNAL: AtomicBool = AtomicBool::new(false);

static LAST_WILL: Mutex<Option<LastWill>> = Mutex::new(None);

fn last_will() -> MutexGuard<'static, Option<LastWill>> {
    LAST_WILL.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Sets what is done when a signal ends the program.
pub fn before_the_end(will: LastWill) {
    *last_will() = Some(will);
}

/// As [`before_the_end`], for a program that runs until a signal ends it: that is then no failure.
#[cfg(feature = "serve")]
pub fn until_the_end(will: LastWill) {
    before_the_end(will);
    ENDS_BY_SIGNAL.store(true, std::sync::atomic::Ordering::Relaxed);
}

/// To be called last. While a signal is ending the program this does not return, so that what is done then,
/// such as writing a file, comes to its end.
pub fn finish() {
    last_will().take();
}

#[cfg(unix)]
mod imp {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::thread;

    use sam2_media::files;
    use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    use super::{ENDS_BY_SIGNAL, last_will};
    use crate::console;

    /// Of the thread that waits, bytes.
    const STACK: usize = 256 << 10;

    pub fn watch() -> io::Result<()> {
        // Caught, so that the write fails with an error.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        // The standard library aborts after a second panic in a row, and has then said what it was.
        flag::register_conditional_shutdown(SIGABRT, 1, Arc::new(AtomicBool::new(true)))?;
        let ignored = ignored();
        let ends = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let ending = Arc::new(AtomicBool::new(false));
        for signal in ends.clone() {
            flag::register_conditional_shutdown(signal, 128 + signal, Arc::clone(&ending))?;
        }
        let mut signals = Signals::new(ends)?;
        thread::Builder::new().name("signals".to_owned()).stack_size(STACK).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                ending.store(true, Ordering::Relaxed);
                let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
                // Locked until the process ends: `finish` waits for it.
                let mut will = last_will();
                let done = will.take().map_or(Ok(None), |will| will());
                files::remove_temporary();
                if done.is_ok() && ENDS_BY_SIGNAL.load(Ordering::Relaxed) {
                    std::process::exit(0);
                }
                let words = match done {
                    Ok(None) => "files that were finished are whole".to_owned(),
                    Ok(Some(words)) => format!("{words}; files that were finished are whole"),
                    Err(e) => console::describe(&e),
                };
                console::stderr_line(&format!("error: ended by {name}; {words}"));
                std::process::exit(128 + signal);
            }
        })?;
        Ok(())
    }

    /// The signals that this process was told to ignore at its start, as by `nohup`: bit 0 is signal 1.
    fn ignored() -> u64 {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0)
    }
}

#[cfg(not(unix))]
mod imp {
    pub fn watch() -> std::io::Result<()> {
        Ok(())
    }
}
