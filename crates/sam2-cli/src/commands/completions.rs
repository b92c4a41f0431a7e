//! `sam2 completions`: what a shell completes after `sam2`.

use anyhow::Result;
use clap::{Args, CommandFactory};
use clap_complete::Shell;

use crate::cli::Cli;
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

/// Runs the command.
pub fn run(args: &Completions, console: &Console) -> Result<()> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "sam2", &mut script);
    console.stream(&script)
}
