//! Signals: those that end the program leave no temporary file behind.

use std::io;

/// Handles signals from now on. SIGINT, SIGTERM and SIGHUP end the program with 128 and their number, as
/// shells report it, after its temporary files were removed. A file that grows beyond the limit of the shell
/// is an error of the write, not a signal.
///
/// # Errors
/// If the system lacks what that takes: a thread, or a pair of file descriptors.
pub fn watch() -> io::Result<()> {
    imp::watch()
}

#[cfg(unix)]
mod imp {
    use std::io;
    use std::sync::Arc;
    use std::sync::atomic::AtomicBool;
    use std::thread;

    use sam2_media::files;
    use signal_hook::consts::{SIGABRT, SIGHUP, SIGINT, SIGTERM, SIGXFSZ};
    use signal_hook::flag;
    use signal_hook::iterator::Signals;

    use crate::console;

    /// Of the thread that waits, bytes.
    const STACK: usize = 128 << 10;

    pub fn watch() -> io::Result<()> {
        // Caught, so that the write fails with an error.
        flag::register(SIGXFSZ, Arc::new(AtomicBool::new(false)))?;
        // The standard library aborts when memory runs out, after a line that says so.
        flag::register_conditional_shutdown(SIGABRT, 1, Arc::new(AtomicBool::new(true)))?;
        let ignored = ignored();
        let ends = [SIGINT, SIGTERM, SIGHUP].into_iter().filter(|signal| ignored >> (signal - 1) & 1 == 0);
        let mut signals = Signals::new(ends)?;
        thread::Builder::new().name("signals".to_owned()).stack_size(STACK).spawn(move || {
            if let Some(signal) = signals.forever().next() {
                files::remove_temporary();
                let name = signal_hook::low_level::signal_name(signal).unwrap_or("a signal");
                console::stderr_line(&format!("error: ended by {name}; files that were finished are whole"));
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
