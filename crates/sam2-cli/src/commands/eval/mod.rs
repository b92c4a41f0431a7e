//! `sam2 eval`: scores of predictions against ground truth, as by the public evaluators.

mod boundary;
mod davis;
mod lasot;
pub mod region;
mod report;
mod sav;
mod shared;

use anyhow::Result;
use clap::{Args, Subcommand};
use sam2_media::files;
use sam2_media::outputs::Plan;

use crate::console::Console;

const EXAMPLES: &str = "\
Examples:
  sam2 eval davis --gt DAVIS --pred masks
  sam2 eval sav --gt sav_val/Annotations_6fps --pred masks
  sam2 eval lasot --gt LaSOT --pred boxes";

/// `sam2 eval`
#[derive(Args, Debug)]
#[command(after_help = EXAMPLES)]
pub struct Eval {
    #[command(subcommand)]
    rules: Rules,
}

#[derive(Debug, Subcommand)]
enum Rules {
    /// J and F of the DAVIS 2017 semi-supervised task: mean, recall and decay
    Davis(davis::Davis),
    /// J and F as the SA-V evaluator counts them, over per-object folders or label maps
    Sav(sav::Sav),
    /// Success AUC, precision and normalised precision of boxes, as for LaSOT
    Lasot(lasot::Lasot),
}

/// Runs the command.
pub fn run(args: &Eval, console: &Console) -> Result<()> {
    let (outputs, trees, list) = match &args.rules {
        Rules::Davis(args) => (&args.outputs, [&args.gt, &args.pred], None),
        Rules::Sav(args) => (&args.outputs, [&args.gt, &args.pred], None),
        Rules::Lasot(args) => (&args.outputs, [&args.gt, &args.pred], args.list.as_ref()),
    };
    let mut plan = Plan::default();
    trees.into_iter().for_each(|path| plan.reads_tree(path));
    list.into_iter().for_each(|path| plan.reads(path));
    if let Some(path) = &outputs.csv {
        plan.writes(path);
        plan.check()?;
        files::prepare_file(path, "csv")?;
    }
    let report = match &args.rules {
        Rules::Davis(args) => davis::evaluate(args, console)?,
        Rules::Sav(args) => sav::evaluate(args, console)?,
        Rules::Lasot(args) => lasot::evaluate(args, console)?,
    };
    if let Some(path) = &outputs.csv {
        report.details.write_csv(path)?;
    }
    if outputs.json {
        return console.result(&report.json.to_string());
    }
    report.overall.print(console)?;
    console.result("")?;
    report.details.print(console)
}
