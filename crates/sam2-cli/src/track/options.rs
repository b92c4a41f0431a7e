//! Options of tracking: which frames, which way, and what is remembered.

use clap::Args;
use sam2_model::{Direction, MemoryPolicyKind, VideoOptions};

/// Which frames are tracked, and in which order.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct PassArgs {
    /// Track backwards, from the first prompted frame (or --start) to the beginning
    #[arg(long, conflicts_with = "both")]
    pub reverse: bool,
    /// Track forwards to the end, then from the same frame back to the beginning
    #[arg(long)]
    pub both: bool,
    /// Begin at this frame, counted from 0 [default: the first prompted one]
    #[arg(long, value_name = "N")]
    pub start: Option<usize>,
    /// Track this many frames in each direction, the first one included
    #[arg(long, value_name = "N", value_parser = crate::args::parse_count)]
    pub length: Option<usize>,
}

impl PassArgs {
    /// The passes, one after the other.
    pub fn directions(self) -> &'static [Direction] {
        match (self.both, self.reverse) {
            (true, _) => &[Direction::Forward, Direction::Reverse],
            (_, true) => &[Direction::Reverse],
            _ => &[Direction::Forward],
        }
    }
}

/// What is remembered, and how masks are cleaned up.
#[derive(Args, Clone, Copy, Debug)]
pub struct MemoryArgs {
    /// Memory policy: sam2 as published, samurai (motion), dam4sam (look-alikes), sam2long (three hypotheses)
    #[arg(long = "memory", value_name = "POLICY", default_value = "sam2")]
    pub policy: MemoryPolicyKind,
    /// Look at the N closest prompted frames only [default: all of them]
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(2..))]
    pub max_cond_frames: Option<u16>,
    /// When a prompted frame is passed, drop what was remembered of the frames around it
    #[arg(long)]
    pub clear_around_prompts: bool,
    /// Fill holes of at most N pixels in the masks at low resolution; Meta does 8 on a GPU
    #[arg(long, value_name = "N", default_value_t = 0)]
    pub fill_holes: usize,
    /// Let every pixel belong to one object at most, the likeliest
    #[arg(long)]
    pub non_overlap: bool,
}

impl MemoryArgs {
    /// The same for the library.
    pub fn options(self) -> VideoOptions {
        VideoOptions {
            fill_hole_area: self.fill_holes,
            non_overlap: self.non_overlap,
            clear_non_cond_mem_around_input: self.clear_around_prompts,
            max_cond_frames_in_attn: self.max_cond_frames.map(usize::from),
            memory: self.policy,
            ..VideoOptions::default()
        }
    }
}
