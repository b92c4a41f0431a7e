//! What the server's thread asks of the others.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use axum::body::Bytes;
use sam2_model::video::MemoryPolicyKind;
use sam2_model::{Frame, Mask, Points};
use tokio::sync::oneshot;

use crate::error::ApiError;
use crate::media::Media;
use crate::state::{MaskEntry, Prompt};
use crate::wire::{Predict, Predicted, PromptAnswer, PromptRequest, TrackDirection};

/// Where the answer to a job goes.
pub type Reply<T> = oneshot::Sender<Result<T, ApiError>>;

/// A job about a single picture or frame.
pub enum Click {
    /// Masks that are not kept.
    Predict { media: Arc<Media>, client: String, request: Predict, reply: Reply<Predicted> },
    /// A prompt that is kept.
    Prompt { media: Arc<Media>, request: PromptRequest, reply: Reply<PromptAnswer> },
    /// The three masks of a single click.
    Choose { media: Arc<Media>, frame: usize, prompt: Prompt, choice: usize, reply: Reply<MaskEntry> },
    /// The mask of a prompt about a picture that is not in the list.
    Once { picture: Frame, points: Points, reply: Reply<(Mask, f32)> },
    /// A frame that will be asked about.
    Encode { media: Arc<Media>, frame: usize },
}

impl Click {
    /// The number of a preview of this client.
    pub fn preview_of(&self, client: &str) -> Option<u64> {
        match self {
            Self::Predict { client: known, request, .. } if request.preview && known == client => {
                Some(request.seq)
            }
            _ => None,
        }
    }
}

/// The answer to a preview that nobody waits for any more.
pub fn stale() -> ApiError {
    ApiError::conflict("stale", "a newer preview was asked for")
}

/// A job about clips and their tracking.
pub enum Task {
    /// A prompt about a frame of a clip; `chosen` is the mask if one of three was chosen.
    Prompt {
        media: Arc<Media>,
        request: PromptRequest,
        chosen: Option<MaskEntry>,
        reply: Reply<PromptAnswer>,
    },
    /// A prompt was set, and its mask is a preview.
    Follow { media: Arc<Media>, frame: usize, obj_id: u32 },
    /// An object was removed.
    Remove { media: Arc<Media>, obj_id: u32 },
    /// An upload was removed.
    Forget { id: String },
    /// A pass over the clip.
    Track { media: Arc<Media>, job: Arc<Job>, pass: Pass },
}

/// What is to be tracked.
#[derive(Clone, Copy, Debug)]
pub struct Pass {
    pub start: Option<usize>,
    pub end: Option<usize>,
    pub direction: TrackDirection,
    pub policy: Option<MemoryPolicyKind>,
}

/// A job about files.
pub enum Read {
    /// A frame as JPEG.
    Frame { media: Arc<Media>, frame: usize, reply: Reply<Bytes> },
    /// A file that was uploaded, its name and its bytes.
    Open { path: PathBuf, name: String, bytes: u64, reply: Reply<Arc<Media>> },
    /// Results in the files of other programs.
    Work { work: Box<dyn FnOnce() + Send> },
}

/// The pass in work.
#[derive(Debug)]
pub struct Job {
    pub id: u64,
    pub clip: String,
    pub stop: AtomicBool,
}
