//! `sam2 man`: the manual, from the same definitions as `--help`.

use std::io::Write;
use std::path::PathBuf;

use anyhow::Result;
use clap::{Args, Command};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, roman};
use sam2_media::files;

use crate::console::Console;
use crate::environment::VARIABLES;

const EXAMPLES: &str = "\
Examples:
  sam2 man | man -l -
  sam2 man -o ~/.local/share/man/man1";

/// `sam2 man`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Manual {
    /// Write one page per command into this folder: sam2.1, sam2-segment.1, ...
    #[arg(short, long = "output", value_name = "DIR")]
    pub output: Option<PathBuf>,
}

/// Runs the command: one page of everything on stdout, or a page per command in a folder.
pub fn run(args: &Manual, cli: Command, console: &Console) -> Result<()> {
    let mut root = cli.disable_help_subcommand(true);
    root.build();
    let Some(folder) = &args.output else { return console.stream(&whole(&root)?) };
    files::prepare_folder(folder)?;
    for (name, page) in pages(&root)? {
        files::write_in_series(&folder.join(name), |file| file.write_all(&page))?;
    }
    Ok(files::sync_folder(folder)?)
}

/// File name and text of the page of a command and of those below it.
fn pages(command: &Command) -> Result<Vec<(String, Vec<u8>)>> {
    let man = Man::new(command.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    sections(command, &mut page)?;
    if command.has_subcommands() {
        man.render_subcommands_section(&mut page)?;
    }
    environment(&mut page)?;
    let mut pages = vec![(man.get_filename(), page)];
    for below in command.get_subcommands() {
        pages.extend(self::pages(below)?);
    }
    Ok(pages)
}

/// One page: the program, then a section per command.
fn whole(root: &Command) -> Result<Vec<u8>> {
    let man = Man::new(root.clone());
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    sections(root, &mut page)?;
    for command in commands(root) {
        // Options of every command stand in the section of the program.
        let command = command.mut_args(|arg| if arg.is_global_set() { arg.hide(true) } else { arg });
        let name = command.get_display_name().unwrap_or_else(|| command.get_name()).replace('-', " ");
        Roff::new().control("SH", [name.to_uppercase().as_str()]).to_writer(&mut page)?;
        let mut below = Vec::new();
        sections(&command, &mut below)?;
        page.extend(String::from_utf8(below)?.replace(".SH ", ".SS ").into_bytes());
    }
    environment(&mut page)?;
    man.render_version_section(&mut page)?;
    Ok(page)
}

/// Every command below `root` that does something, in the order of `--help`.
fn commands(root: &Command) -> Vec<Command> {
    let mut found = Vec::new();
    for command in root.get_subcommands() {
        if command.has_subcommands() {
            found.extend(commands(command));
        } else {
            found.push(command.clone());
        }
    }
    found
}

/// Synopsis, description, options and examples.
fn sections(command: &Command, page: &mut Vec<u8>) -> Result<()> {
    let man = Man::new(command.clone());
    man.render_synopsis_section(page)?;
    man.render_description_section(page)?;
    man.render_options_section(page)?;
    if let Some(text) = command.get_after_help() {
        let text = text.to_string();
        let mut roff = Roff::new();
        roff.control("SH", ["EXAMPLES"]).control("nf", []);
        for line in text.lines().filter(|line| *line != "Examples:") {
            roff.text([roman(line)]);
        }
        roff.control("fi", []).to_writer(page)?;
    }
    Ok(())
}

fn environment(page: &mut Vec<u8>) -> Result<()> {
    let mut roff = Roff::new();
    roff.control("SH", ["ENVIRONMENT"]);
    for (name, effect) in VARIABLES {
        roff.control("TP", []).text([roman(name)]).text([roman(effect)]);
    }
    Ok(roff.to_writer(page)?)
}
