//! `sam2`: segment a photo, track objects through a clip, on the CPU.
#![deny(unsafe_code)]

mod address;
mod allocator;
mod cli;
mod commands;
mod console;
mod embedded;
mod environment;
mod exporting;
mod folder;
mod memory;
mod model;
mod numbers;
mod options;
mod progress;
mod prompting;
mod signals;
mod system;
mod tracking;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::error::ErrorKind;
use clap::{CommandFactory, Parser};

use cli::{Cli, Command};
use commands::{
    bench, compare, completions, convert, demo, eval, everything, export, info, man, segment, stream, track,
    vos,
};
use console::Console;
use sam2_media::error::one_line;

#[global_allocator]
static ALLOCATOR: allocator::Allocator = allocator::Allocator;

/// Exit code of a wrong command line; other failures exit with [`Command::failure`].
const USAGE: u8 = 2;

fn main() -> ExitCode {
    console::choose_log(std::env::args_os().skip(1));
    if !memory::can_start() {
        console::stderr_line("error: not enough memory to start: about 6 MB are needed");
        return ExitCode::FAILURE;
    }
    report_bugs_in_one_line();
    let mut cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(e) => return usage(&e),
    };
    if let Some(refusal) = std::env::args_os().skip(1).find_map(|arg| address::refusal(&arg)) {
        console::stderr_line(&format!("error: {refusal}"));
        return ExitCode::from(USAGE);
    }
    allocator::fail_with(cli.command.failure());
    let console = Console::new(cli.common.quiet, cli.common.verbose > 0);
    let done = cli.command.choose_checkpoint().and_then(|()| run(&cli, &console));
    let code = match done.and_then(|answer| console.finish().map(|()| answer)) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(e) => {
            console::stderr_line(&format!("error: {}", console::describe(&e)));
            ExitCode::from(cli.command.failure())
        }
    };
    signals::finish();
    code
}

/// Runs the command; `false` is a negative result of a comparison, not a failure.
fn run(cli: &Cli, console: &Console) -> Result<bool> {
    environment::check_log()?;
    kernels::Isa::from_env()?;
    signals::watch().context("cannot handle signals")?;
    let (cores, wanted) = (system::cores(), cli.common.threads.map(usize::from));
    let threads = wanted.unwrap_or(cores).min(cores);
    if let Some(wanted) = wanted.filter(|&wanted| wanted > threads) {
        console.note(&format!("note: {threads} threads for {cores} cores; {wanted} would not be faster"));
    }
    memory::check_threads(threads)?;
    #[cfg(feature = "serve")]
    if let Command::Serve(args) = &cli.command {
        // It has threads of its own, since this one only waits.
        return commands::serve::run(args, threads, console).map(|()| true);
    }
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        // This thread is one of them: it needs no second stack, and works while it waits.
        .use_current_thread()
        .build_global()
        .with_context(|| format!("cannot start {threads} threads"))?;
    // On a thread of the pool: work handed over from outside would put one thread to sleep and wake another.
    rayon::scope(|_| {
        match &cli.command {
            Command::Segment(args) => segment::run(args, console),
            Command::Everything(args) => everything::run(args, console),
            Command::Track(args) => track::run(args, console),
            Command::Stream(args) => stream::run(args, console),
            #[cfg(feature = "serve")]
            Command::Serve(_) => Ok(()),
            Command::Vos(args) => vos::run(args, console),
            Command::Eval(args) => eval::run(args, console),
            Command::Export(args) => export::run(args, console),
            Command::Demo(args) => demo::run(args, console),
            Command::Convert(args) => convert::run(args, console),
            Command::Info(args) => info::run(args, console),
            Command::Bench(args) => bench::run(args, console),
            Command::Compare(args) => return compare::run(args, console),
            Command::Completions(args) => completions::run(args, Cli::command(), console),
            Command::Man(args) => man::run(args, Cli::command(), console),
        }
        .map(|()| true)
    })
}

/// Help and version go to stdout, errors to stderr in one line.
fn usage(error: &clap::Error) -> ExitCode {
    let help = matches!(
        error.kind(),
        ErrorKind::DisplayHelp
            | ErrorKind::DisplayVersion
            | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
    );
    if help {
        if let Err(e) = error.print().and_then(|()| std::io::Write::flush(&mut std::io::stdout())) {
            console::stderr_line(&format!("error: cannot print the help: {e}"));
            return ExitCode::FAILURE;
        }
        return ExitCode::from(if error.use_stderr() { USAGE } else { 0 });
    }
    let help = cli::help_for(std::env::args_os().skip(1));
    console::stderr_line(&format!("error: {} (see `{help}`)", cli::one_line(error)));
    ExitCode::from(USAGE)
}

/// Makes a panic, which is a bug of this program, end with one line that helps to report it.
fn report_bugs_in_one_line() {
    if std::env::var_os("RUST_BACKTRACE").is_some() {
        return;
    }
    std::panic::set_hook(Box::new(|panic| {
        // A decoder that panics has met a damaged file, which its reader reports.
        if sam2_media::decoding() {
            return;
        }
        let payload = panic.payload();
        let text = payload.downcast_ref::<String>().map(String::as_str);
        let what = text.or(payload.downcast_ref::<&str>().copied()).unwrap_or("unknown cause");
        let place = panic.location().map(|l| format!(" at {}:{}", l.file(), l.line())).unwrap_or_default();
        console::stderr_line(&format!(
            "error: internal error{place}: {}; this is a bug in sam2, please report it",
            one_line(what)
        ));
    }));
}
