//! Options of prompts that several commands share.

use std::ops::RangeInclusive;

use anyhow::{Result, bail};
use clap::Args;
use sam2_media::MediaError;
use sam2_media::error::in_full;
use sam2_media::prompts::{BoxFormat, BoxPrompt, Click, Convention, Prompt, looks_normalized};

use crate::console::Console;
use crate::options::PROMPTS;

/// Numbers of objects in masks with a palette.
pub const PALETTE_IDS: RangeInclusive<u32> = 1..=255;

/// Notes about prompts that are left out; of more, only the number is said.
const MAX_NOTES: usize = 20;

/// Clicks and boxes.
#[derive(Args, Clone, Debug, Default)]
pub struct PointArgs {
    /// A click: x,y or x,y,label with label 1 = the object (default), 0 = not the object; may be repeated
    #[arg(
        help_heading = PROMPTS,
        short,
        long = "point",
        value_name = "X,Y[,LABEL]",
        allow_hyphen_values = true
    )]
    pub points: Vec<Click>,
    /// A box around the object; several boxes are several objects
    #[arg(
        help_heading = PROMPTS,
        short,
        long = "box",
        value_name = "X0,Y0,X1,Y1",
        allow_hyphen_values = true
    )]
    pub boxes: Vec<BoxPrompt>,
}

impl PointArgs {
    /// Whether there is neither click nor box.
    pub fn is_empty(&self) -> bool {
        self.points.is_empty() && self.boxes.is_empty()
    }

    /// A prompt for every object, as it was written: one, or one per box.
    ///
    /// # Errors
    /// If a click could belong to any of several boxes.
    pub fn prompts(&self) -> Result<Vec<Prompt>> {
        let clicks = || self.points.clone();
        match self.boxes.as_slice() {
            [] if self.points.is_empty() => Ok(Vec::new()),
            [] => Ok(vec![Prompt::Points { clicks: clicks(), bbox: None }]),
            [bbox] => Ok(vec![Prompt::Points { clicks: clicks(), bbox: Some(*bbox) }]),
            _ if !self.points.is_empty() => bail!(
                "several boxes are several objects, and a click would belong to one of them: give one box"
            ),
            several => {
                let prompt = |&bbox| Prompt::Points { clicks: Vec::new(), bbox: Some(bbox) };
                Ok(several.iter().map(prompt).collect())
            }
        }
    }
}

/// How coordinates are written.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct CoordinateArgs {
    /// The numbers of a box: x0,y0,x1,y1 (xyxy); x0,y0,width,height (xywh); or centre, width, height (cxcywh)
    #[arg(help_heading = PROMPTS, long, value_name = "xyxy|xywh|cxcywh", default_value_t)]
    pub box_format: BoxFormat,
    /// Coordinates are shares of width and height, from 0 to 1, instead of pixels
    #[arg(help_heading = PROMPTS, long, alias = "normalised")]
    pub normalized: bool,
}

impl CoordinateArgs {
    /// The convention of the library.
    pub fn convention(self) -> Convention {
        Convention { boxes: self.box_format, normalized: self.normalized }
    }

    /// A note if the prompts look like shares of the sides and are taken as pixels.
    pub fn note<'a>(self, prompts: impl IntoIterator<Item = &'a Prompt>, size: (u32, u32)) -> Option<String> {
        let shares = !self.normalized && looks_normalized(prompts, size);
        shares.then(|| {
            format!(
                "note: all coordinates are at most 1, on {}x{} pixels; if they are shares of width and \
                 height, add --normalized",
                size.0, size.1
            )
        })
    }
}

/// Decides about prompts that cannot be used: an error, or a note.
pub struct Refusals<'a> {
    skip: bool,
    count: usize,
    console: &'a Console,
}

impl<'a> Refusals<'a> {
    /// `skip`: whether such prompts are left out.
    pub fn new(skip: bool, console: &'a Console) -> Self {
        Self { skip, count: 0, console }
    }

    /// Passes the error on, or notes it.
    pub fn decide(&mut self, error: MediaError) -> Result<(), MediaError> {
        if !self.skip {
            return Err(error);
        }
        self.count += 1;
        if self.count <= MAX_NOTES {
            self.console.note(&format!("note: skipped: {}", in_full(&error)));
        }
        Ok(())
    }

    /// Notes how many were left out, if not every one was noted.
    pub fn finish(self) {
        if self.count > MAX_NOTES {
            self.console.note(&format!("note: {} prompts were skipped", self.count));
        }
    }
}
