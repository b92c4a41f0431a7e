//! `sam2 serve`: a page in the browser.

use std::fs;
use std::net::IpAddr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, bail};
use clap::Args;
use sam2_media::outputs::Plan;
use sam2_web::{Options, Server};

use crate::console::Console;
use crate::embedded;
use crate::folder;
use crate::model;
use crate::options::{ModelArgs, OUTPUTS};
use crate::signals;

const PORT: u16 = 7272;
const SERVER: &str = "Server";

const EXAMPLES: &str = "\
Examples:
  sam2 serve
  sam2 serve photos/ clip.mp4 --open -m sam2.1_hiera_tiny.pt
  sam2 serve clip.mp4 --session clip.session.jsonl -m sam2.1_hiera_tiny.pt";

/// `sam2 serve`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Serve {
    /// Photos, clips, and folders: one of pictures of one size is a clip [default: the bundled clip]
    #[arg(value_name = "PATH")]
    pub paths: Vec<PathBuf>,
    /// Port; without this option the next free one from 7272 on
    #[arg(help_heading = SERVER, long, value_name = "N")]
    pub port: Option<u16>,
    /// Address to listen on; others than those of this machine let other machines in that have the token
    #[arg(help_heading = SERVER, long, value_name = "IP", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// Open the page in the browser
    #[arg(help_heading = SERVER, long)]
    pub open: bool,
    /// Answer every program of this machine, not only those that have the printed address
    #[arg(help_heading = SERVER, long)]
    pub no_token: bool,
    /// Bytes that all uploads together may have, such as 500MB
    #[arg(
        help_heading = SERVER,
        long,
        value_name = "SIZE",
        default_value = "2GB",
        value_parser = parse_size
    )]
    pub max_upload: u64,
    /// Also answer POST /api/generate, as osam does
    #[arg(help_heading = SERVER, long)]
    pub osam: bool,
    /// File that keeps every prompt and mask, and continues from them [default: a new one in the cache]
    #[arg(help_heading = OUTPUTS, long, value_name = "FILE")]
    pub session: Option<PathBuf>,
    /// Let the page write exports into this folder
    #[arg(help_heading = OUTPUTS, long, value_name = "DIR", value_parser = folder::parser())]
    pub allow_write: Option<PathBuf>,
    #[command(flatten)]
    pub model: ModelArgs,
}

/// Runs the command with this many threads until a signal ends it.
pub fn run(args: &Serve, threads: usize, console: &Console) -> Result<()> {
    let session = match &args.session {
        Some(path) => path.clone(),
        None => new_session()?,
    };
    let mut plan = Plan::default();
    args.paths.iter().for_each(|path| plan.reads_frames(path));
    args.model.plan(&mut plan);
    plan.writes(&session);
    plan.check()?;
    if let Some(folder) = &args.allow_write {
        sam2_media::files::prepare_folder(folder)?;
    }
    if !args.host.is_loopback() {
        if args.no_token {
            bail!("--host {} can be reached from other machines: leave out --no-token", args.host);
        }
        console.note(&format!(
            "note: {} can be reached from other machines; who has the printed address can use the page",
            args.host
        ));
    }
    let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
    let pool = pool.with_context(|| format!("cannot start {threads} threads"))?;
    let model = pool.install(|| model::open(&args.model, console))?;
    drop(pool);
    let file = args.model.model.as_deref().and_then(Path::file_name);
    let name = file.map_or("embedded".to_owned(), |name| name.to_string_lossy().into_owned());
    let options = Options {
        paths: args.paths.clone(),
        embedded_clip: embedded::demos().ok().map(|[demo, _]| ("demo.gif", demo.clip)),
        host: args.host,
        port: args.port.unwrap_or(PORT),
        fixed_port: args.port.is_some(),
        session: session.clone(),
        allow_write: args.allow_write.clone(),
        max_upload: args.max_upload,
        token: !args.no_token,
        osam: args.osam,
        threads,
        model_name: name,
        embedded: args.model.model.is_none(),
    };
    let mut server = Server::start(model, options)?;
    let link = server.link();
    let own = args.session.is_none();
    let path = session.clone();
    signals::until_the_end(Box::new(move || {
        server.stop();
        // Nothing was done, so nothing is kept.
        if own && server.is_unused() {
            let _ = fs::remove_file(path);
        }
        Ok(None)
    }));
    console.result(&link)?;
    console.note(&format!("note: prompts and masks are kept in {}", session.display()));
    if args.open && !open_browser(&link) {
        console.note("note: no browser could be opened: open the address in one");
    }
    loop {
        std::thread::park();
    }
}

/// A file of its own in the user's cache, or in the folder of temporary files.
fn new_session() -> Result<PathBuf> {
    let given = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let cache = given("XDG_CACHE_HOME").or_else(|| given("LOCALAPPDATA"));
    let cache = cache.or_else(|| Some(given("HOME")?.join(".cache")));
    let folders = cache.into_iter().chain([std::env::temp_dir()]).map(|folder| folder.join("sam2"));
    let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_secs());
    for folder in folders {
        if sam2_media::files::prepare_folder(&folder).is_ok() {
            return Ok(folder.join(format!("serve-{now}-{}.jsonl", std::process::id())));
        }
    }
    bail!("there is no folder for the session: give a file with --session");
}

/// Starts the browser of the desktop. Returns whether there is a program that does.
fn open_browser(link: &str) -> bool {
    let programs: &[&[&str]] = if cfg!(target_os = "macos") {
        &[&["open"]]
    } else if cfg!(windows) {
        &[&["rundll32", "url.dll,FileProtocolHandler"]]
    } else {
        &[&["xdg-open"], &["gio", "open"], &["sensible-browser"]]
    };
    programs.iter().any(|words| {
        let mut command = Command::new(words[0]);
        command.args(&words[1..]).arg(link);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command.spawn().is_ok()
    })
}

/// `2GB`, `500MB`, `1.5GiB`, or a number of bytes.
fn parse_size(text: &str) -> Result<u64, String> {
    const UNITS: [(&str, f64); 8] = [
        ("KiB", 1024.0),
        ("MiB", 1_048_576.0),
        ("GiB", 1_073_741_824.0),
        ("TB", 1e12),
        ("GB", 1e9),
        ("MB", 1e6),
        ("kB", 1e3),
        ("B", 1.0),
    ];
    let text = text.trim();
    let unit = UNITS.iter().find_map(|&(unit, bytes)| Some((text.strip_suffix(unit)?, bytes)));
    let (number, bytes) = unit.unwrap_or((text, 1.0));
    let number: Option<f64> = number.trim().parse().ok();
    match number.map(|number| number * bytes) {
        Some(bytes) if (1.0..=1e15).contains(&bytes) => Ok(bytes as u64),
        _ => Err("it is no size such as 2GB, 500MB or 4096".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("2GB", 2_000_000_000),
            ("1.5 MiB", 1_572_864),
            ("500MB", 500_000_000),
            ("4096", 4096),
            ("7B", 7),
        ] {
            assert_eq!(parse_size(text), Ok(bytes), "{text}");
        }
        for text in ["", "GB", "-1", "0", "2XB", "nan", "1e99", "inf"] {
            assert!(parse_size(text).is_err(), "{text}");
        }
    }
}
