//! What the threads share.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use sam2_model::Model;
use serde_json::json;

use crate::error::ApiError;
use crate::events::Hub;
use crate::frames::Frames;
use crate::guard::Guard;
use crate::jobs::{Click, Job, Read, Task};
use crate::media::{Library, Media};
use crate::queue::Queue;
use crate::session::Session;
use crate::state::{MaskEntry, Prompt};
use crate::wire::FrameObject;

/// The server's settings that handlers read.
#[derive(Debug)]
pub struct Settings {
    pub model_name: String,
    pub embedded: bool,
    pub threads: usize,
    pub max_upload: u64,
    pub allow_write: Option<PathBuf>,
    pub osam: bool,
    /// The clip inside the program.
    pub embedded_clip: Option<&'static [u8]>,
    /// The folder of uploads and of exports in work.
    pub folder: PathBuf,
}

/// Everything that the threads share.
pub struct App {
    pub model: Arc<Model>,
    pub settings: Settings,
    pub guard: Guard,
    pub library: Library,
    pub frames: Frames,
    pub session: Session,
    pub hub: Hub,
    pub clicks: Queue<Click>,
    pub tasks: Queue<Task>,
    pub reads: Queue<Read>,
    pub jobs: AtomicU64,
    pub uploading: AtomicU64,
    pub exporting: AtomicBool,
    job: Mutex<Option<Arc<Job>>>,
}

impl App {
    pub fn new(model: Arc<Model>, settings: Settings, guard: Guard, session: Session) -> Self {
        Self {
            model,
            settings,
            guard,
            session,
            library: Library::default(),
            frames: Frames::default(),
            hub: Hub::default(),
            clicks: Queue::default(),
            tasks: Queue::default(),
            reads: Queue::default(),
            jobs: AtomicU64::new(0),
            uploading: AtomicU64::new(0),
            exporting: AtomicBool::new(false),
            job: Mutex::new(None),
        }
    }

    /// The pass in work.
    pub fn job(&self) -> MutexGuard<'_, Option<Arc<Job>>> {
        self.job.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether a clip is being tracked.
    pub fn is_tracking(&self) -> bool {
        self.job().is_some()
    }

    /// Writes a prompt with its mask to the session, then shows it.
    ///
    /// # Errors
    /// If the session cannot be written; the prompt is then not set.
    pub fn set_prompt(
        &self,
        media: &Media,
        (frame, obj_id): (usize, u32),
        set: Option<(Prompt, MaskEntry)>,
    ) -> Result<Vec<FrameObject>, ApiError> {
        let mut state = media.state();
        self.session.prompt(&media.key, (frame, obj_id), set.clone())?;
        state.set_prompt(frame, obj_id, set);
        self.hub.send("saved", &json!({ "clip": media.id }));
        Ok(state.on(frame))
    }

    /// Writes masks of a frame to the session, then tells the pages.
    ///
    /// # Errors
    /// If the session cannot be written.
    pub fn set_masks(
        &self,
        media: &Media,
        frame: usize,
        masks: Vec<(u32, MaskEntry)>,
    ) -> Result<(), ApiError> {
        let objects = {
            let mut state = media.state();
            for (obj_id, mask) in masks {
                // An object that was removed meanwhile stays so.
                if state.objects().contains_key(&obj_id) {
                    self.session.mask(&media.key, frame, obj_id, mask.clone())?;
                    state.set_mask(frame, obj_id, mask);
                }
            }
            state.on(frame)
        };
        self.hub.send("mask", &json!({ "clip": media.id, "frame": frame, "objects": objects }));
        Ok(())
    }

    /// Ends the threads of the engine.
    pub fn close(&self) {
        if let Some(job) = self.job().as_ref() {
            job.stop.store(true, Ordering::Relaxed);
        }
        self.clicks.close();
        self.tasks.close();
        self.reads.close();
    }
}
