//! `sam2 completions`: what a shell completes after `sam2`.

use anyhow::Result;
use clap::{Args, Command};
use clap_complete::Shell;

use crate::console::Console;

const EXAMPLES: &str = "\
Examples:
  sam2 completions bash > ~/.local/share/bash-completion/completions/sam2
  sam2 completions zsh > ~/.zfunc/_sam2
  sam2 completions fish > ~/.config/fish/completions/sam2.fish
  sam2 completions powershell >> $PROFILE";

/// `sam2 completions`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Completions {
    /// The shell
    pub shell: Shell,
}

/// Runs the command; `cli` is the definition of the command line.
pub fn run(args: &Completions, mut cli: Command, console: &Console) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut cli, "sam2", &mut script);
    console.stream(&script)
}
