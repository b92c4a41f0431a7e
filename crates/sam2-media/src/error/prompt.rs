//! Errors of prompts and commands.

use std::path::PathBuf;

use sam2_model::text::message;

use crate::limits::{MAX_LINE, MAX_WAITING, MAX_WAITING_BYTES};

/// A prompt is invalid, or does not match its image or clip.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidPrompt {
    /// A text that is not a click.
    #[error("a click is x,y or x,y,label")]
    ClickForm,
    /// A label of a click that is neither 1 nor 0.
    #[error("a label is 1 (the object) or 0 (not the object)")]
    LabelForm,
    /// A text that is not a box.
    #[error("a box is x0,y0,x1,y1")]
    BoxForm,
    /// A text that is not a number.
    #[error("{0:?} is not a number")]
    NotANumber(String),
    /// A text of a number that is infinite or not a number.
    #[error("{0:?} is not a finite number")]
    NotFinite(String),
    /// A line that is not the JSON of a prompt.
    #[error("{reason} (column {column})")]
    Json {
        /// What the parser expects.
        reason: String,
        /// Counted from 1.
        column: usize,
    },
    /// A line in another encoding.
    #[error("it is not UTF-8 text")]
    NotText,
    /// A field of a line has the wrong type or value.
    #[error("`{field}` is {found}, and {expected} is expected")]
    Field {
        /// Its name.
        field: String,
        /// What it should be.
        expected: &'static str,
        /// What it is, shortened.
        found: String,
    },
    /// A field that has no meaning.
    #[error("unknown field `{field}`; known are {known}")]
    UnknownField {
        /// Its name.
        field: String,
        /// Names that have a meaning.
        known: &'static str,
    },
    /// Two names of one field.
    #[error("`{first}` and `{second}` are the same field: give one")]
    SameField {
        /// One name.
        first: String,
        /// The other.
        second: String,
    },
    /// A box that may be corners or sides.
    #[error(
        "`bbox` may be x0,y0,x1,y1 or x,y,width,height: call it `box`, with --box-format xywh if it is that"
    )]
    AmbiguousBox,
    /// Several boxes in one prompt.
    #[error("`{field}` has {count} boxes, and each is an object: give each a line with an obj_id of its own")]
    SeveralBoxes {
        /// The field.
        field: String,
        /// Number of boxes.
        count: usize,
    },
    /// A line that is longer than a prompt can be.
    #[error("it is {:.1} MB long, and a prompt has at most {} MB", *bytes as f64 / 1e6, MAX_LINE >> 20)]
    LongLine {
        /// Its length.
        bytes: usize,
    },
    /// More clicks than one prompt may have.
    #[error("there are {count} clicks for one object on one frame, and at most {most} are taken")]
    ManyClicks {
        /// Their number.
        count: usize,
        /// The limit.
        most: usize,
    },
    /// No number of an object.
    #[error("obj_id is missing")]
    NoObjId,
    /// The number of an object does not fit the palette of the masks.
    #[error("obj_id is {0}, and masks in a palette have the objects 1 to 255")]
    ObjId(u32),
    /// A mask beside clicks or a box.
    #[error("a mask cannot be combined with points, labels or a box")]
    MaskAndPoints,
    /// Neither points nor box nor mask.
    #[error("one of points, box and mask is needed")]
    Nothing,
    /// As many labels as points are needed.
    #[error("there are {points} points and {labels} labels")]
    LabelCount {
        /// Number of points.
        points: usize,
        /// Number of labels.
        labels: usize,
    },
    /// A coordinate that is infinite or not a number.
    #[error("a point is not a finite number")]
    PointNotFinite,
    /// A label that is neither 1 nor 0.
    #[error(
        "a label is {0}: 1 means the object, 0 not the object; the corners of a box are given as \"box\""
    )]
    Label(i32),
    /// Two boxes for one object on one frame.
    #[error("object {obj_id} already has a box on frame {frame}")]
    TwoBoxes {
        /// The object.
        obj_id: u32,
        /// The frame.
        frame: usize,
    },
    /// A mask and another prompt for one object on one frame.
    #[error(
        "object {obj_id} already has a prompt on frame {frame}, and a mask cannot be combined with another \
         prompt"
    )]
    MaskAndPrompt {
        /// The object.
        obj_id: u32,
        /// The frame.
        frame: usize,
    },
    /// A frame that the clip does not have.
    #[error(
        "there is no frame {frame} in {}, which has {num_frames} frames (0 to {})",
        clip.display(), num_frames - 1
    )]
    NoFrame {
        /// The frame.
        frame: usize,
        /// The clip.
        clip: PathBuf,
        /// Number of its frames.
        num_frames: usize,
    },
    /// A click outside the picture.
    #[error(
        "the click {x},{y} is outside {}, which has {}x{} pixels; {advice}",
        picture.display(), size.0, size.1
    )]
    ClickOutside {
        /// Pixels.
        x: f32,
        /// Pixels.
        y: f32,
        /// The picture.
        picture: PathBuf,
        /// Its width and height.
        size: (u32, u32),
        /// The likely cause.
        advice: &'static str,
    },
    /// A label that is neither 1 nor 0, with its click.
    #[error("the click {x},{y} has label {label}: 1 means the object, 0 not the object")]
    ClickLabel {
        /// Pixels.
        x: f32,
        /// Pixels.
        y: f32,
        /// The label.
        label: i32,
    },
    /// A box that has no pixel of the picture.
    #[error(
        "the box {},{},{},{} does not touch {}, which has {}x{} pixels; it may be of a resized picture, or \
         written otherwise than x0,y0,x1,y1 in pixels (--box-format, --normalized)",
        corners[0], corners[1], corners[2], corners[3], picture.display(), size.0, size.1
    )]
    BoxOutside {
        /// x0, y0, x1, y1.
        corners: [f32; 4],
        /// The picture.
        picture: PathBuf,
        /// Its width and height.
        size: (u32, u32),
    },
    /// A box without pixels.
    #[error(
        "the box {},{},{},{} is empty or inverted: it is x0,y0,x1,y1 with x0 < x1 and y0 < y1; if it is \
         x,y,width,height, add --box-format xywh, with both sides above 0",
        corners[0], corners[1], corners[2], corners[3]
    )]
    BoxEmpty {
        /// x0, y0, x1, y1.
        corners: [f32; 4],
    },
    /// No click and no box.
    #[error("neither a click nor a box is given")]
    NoPoints,
    /// A file without prompts.
    #[error("the prompts file {0} holds no prompts")]
    NoPrompts(String),
    /// Every prompt was left out.
    #[error("none of the prompts can be used for {0}")]
    NonLeft(String),
}

/// A command of a stream makes no sense.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum InvalidCommand {
    /// Its JSON, number or prompt is wrong.
    #[error(transparent)]
    Prompt(#[from] InvalidPrompt),
    /// A prompt in a command that takes none.
    #[error("points, labels, box and mask belong to add and more")]
    PromptNotTaken,
    /// An operation that does not exist.
    #[error("`op` is {0:?}, and it is one of add, more, remove, reset, save and quit")]
    UnknownOp(String),
    /// Too many commands for later frames.
    #[error(
        "more than {MAX_WAITING} commands, or {} MB of them, wait for later frames",
        MAX_WAITING_BYTES >> 20
    )]
    TooManyWaiting,
    /// `more` with a box or a mask.
    #[error("more takes clicks only")]
    MoreThanClicks,
    /// `save` without a path.
    #[error("save needs a path")]
    NoPath,
}

impl InvalidPrompt {
    /// serde_json counts lines within the one line it is given; only its column is of use.
    pub(crate) fn json(error: &serde_json::Error) -> Self {
        let text = message(error);
        let reason = text.rsplit_once(" at line ").map_or(text.as_str(), |(reason, _)| reason);
        Self::Json { reason: reason.to_owned(), column: error.column() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_message_of_a_long_line_is_short() {
        let text = format!("{:?}", "x".repeat(MAX_LINE - 2));
        let error = serde_json::from_str::<u8>(&text).expect_err("not a number");
        let text = InvalidPrompt::json(&error).to_string();
        assert!(text.len() < 300 && text.starts_with("invalid type: string"), "{} bytes", text.len());
        assert!(text.ends_with(&format!("(column {MAX_LINE})")), "{text}");
    }
}
