//! Masks through a stream, whose frames come once.

use std::ffi::c_char;
use std::io::Write;
use std::path::Path;
use std::ptr;
use std::sync::Arc;

use sam2_model::atomic;
use sam2_model::video::FrameOutput;

use crate::border;
use crate::failure::Failure;
use crate::handle::Handle;
use crate::masks::Masks;
use crate::model::Model;
use crate::options::{self, Versioned, flag};
use crate::pool;
use crate::status::enter;
use crate::types::{Image, Prompt, Status, VideoOptions};

/// A stream without an end, and its objects.
#[derive(Debug)]
pub struct Tracker(Handle<sam2_model::Tracker>);

impl Tracker {
    fn give(tracker: sam2_model::Tracker, out: &mut *mut Self) {
        *out = Box::into_raw(Box::new(Self(Handle::new(tracker))));
    }
}

/// # Safety
/// As [`border::record`], or NULL.
pub(crate) unsafe fn video_options(
    options: *const VideoOptions,
    model: &Model,
) -> Result<sam2_model::video::VideoOptions, Failure> {
    let given = if options.is_null() {
        VideoOptions::DEFAULT
    } else {
        // SAFETY: as this function.
        unsafe { border::record(options)? }
    };
    options::video(&given, model.model.config())
}

/// The place of masks, which the caller may not want.
///
/// # Safety
/// As [`border::place`].
pub(crate) unsafe fn wanted<'a>(out: *mut *mut Masks) -> Result<Option<&'a mut *mut Masks>, Failure> {
    if out.is_null() {
        return Ok(None);
    }
    // SAFETY: as this function.
    unsafe { border::place(out, "out", ptr::null_mut()).map(Some) }
}

/// Gives the masks of a frame to a caller who wants them.
pub(crate) fn give(output: FrameOutput, out: Option<&mut *mut Masks>) {
    if let Some(out) = out {
        Masks::of_frame(output).give(out);
    }
}

/// A tracker for frames of width * height pixels. options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_new(
    model: *mut Model,
    width: i32,
    height: i32,
    options: *const VideoOptions,
    out: *mut *mut Tracker,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, model, options) = unsafe {
            let out = border::place(out, "out", ptr::null_mut())?;
            let model = border::reference(model, "model")?;
            (out, model, video_options(options, model)?)
        };
        let (width, height) = border::size(width, height)?;
        let tracker = sam2_model::Tracker::new(Arc::clone(&model.model), width, height, options)?;
        Tracker::give(tracker, out);
        Ok(())
    })
}

/// Gives a tracker back. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_free(tracker: *mut Tracker) {
    // SAFETY: as the header says: NULL, or from this library and not given back before.
    unsafe { border::free(tracker) }
}

/// The next frame: all objects are tracked into it. masks may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_push(
    tracker: *mut Tracker,
    image: *const Image,
    masks: *mut *mut Masks,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, tracker, view) = unsafe {
            let out = wanted(masks)?;
            (out, border::reference(tracker, "tracker")?, border::frame(image)?)
        };
        give(tracker.0.with(|tracker| Ok(tracker.push(view)?))?, out);
        Ok(())
    })
}

/// Points and a box on an object in the last frame: its first prompt, or a correction. With append 1 points
/// are added to earlier ones on this frame, with 0 they replace them. masks, of all objects, may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_prompt(
    tracker: *mut Tracker,
    obj_id: i64,
    prompt: *const Prompt,
    append: i32,
    masks: *mut *mut Masks,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, tracker, points) = unsafe {
            let out = wanted(masks)?;
            (out, border::reference(tracker, "tracker")?, border::frame_prompt(prompt)?)
        };
        let (obj_id, append) = (border::object(obj_id)?, flag("append", append)?);
        let output = tracker.0.with(|tracker| {
            Ok(if append {
                tracker.add_more_points(obj_id, &points)?
            } else {
                tracker.add_points(obj_id, &points)?
            })
        })?;
        give(output, out);
        Ok(())
    })
}

/// The mask of an object in the last frame, width * height bytes of any size, not 0 inside. masks, of all
/// objects, may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_mask(
    tracker: *mut Tracker,
    obj_id: i64,
    mask: *const u8,
    width: i32,
    height: i32,
    masks: *mut *mut Masks,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, tracker, mask) = unsafe {
            let out = wanted(masks)?;
            (out, border::reference(tracker, "tracker")?, border::mask(mask, width, height)?)
        };
        let obj_id = border::object(obj_id)?;
        give(tracker.0.with(|tracker| Ok(tracker.add_mask(obj_id, &mask)?))?, out);
        Ok(())
    })
}

/// Removes an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_remove(tracker: *mut Tracker, obj_id: i64) -> Status {
    enter(|| {
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let tracker = unsafe { border::reference(tracker, "tracker")? };
        let id = border::object(obj_id)?;
        let existed = tracker.0.with(|tracker| Ok(tracker.remove_object(id)))?;
        if existed { Ok(()) } else { Err(Failure::argument(format!("there is no object {id}"))) }
    })
}

/// Removes all objects; the count of frames goes on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_reset(tracker: *mut Tracker) -> Status {
    enter(|| {
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let tracker = unsafe { border::reference(tracker, "tracker")? };
        tracker.0.with(|tracker| {
            tracker.reset();
            Ok(())
        })
    })
}

/// Number of frames so far, also those before sam2_tracker_save().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_frames(tracker: *mut Tracker, frames: *mut i64) -> Status {
    enter(|| {
        border::check(frames, "frames")?;
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let tracker = unsafe { border::reference(tracker, "tracker")? };
        let last = tracker.0.with(|tracker| Ok(tracker.frame_idx()))?;
        // SAFETY: `check` found it neither NULL nor misaligned.
        unsafe { frames.write(last.map_or(0, |last| last as i64 + 1)) };
        Ok(())
    })
}

/// Writes all that later frames depend on into a file, which is complete or absent. A file of this name is
/// replaced.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_save(tracker: *mut Tracker, path: *const c_char) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (tracker, path) =
            unsafe { (border::reference(tracker, "tracker")?, border::text(path, "path")?) };
        let bytes = tracker.0.with(|tracker| Ok(tracker.save_session()))?;
        let path = Path::new(path);
        atomic::write(path, |file| file.write_all(&bytes)).map_err(|error| Failure::write(path, &error))
    })
}

/// A tracker from such a file and the same model. Its results have the same bits as if it had gone on.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_tracker_resume(
    model: *mut Model,
    path: *const c_char,
    out: *mut *mut Tracker,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, model, path) = unsafe {
            let out = border::place(out, "out", ptr::null_mut())?;
            (out, border::reference(model, "model")?, border::text(path, "path")?)
        };
        let model = Arc::clone(&model.model);
        Tracker::give(pool::run(|| Ok(sam2_model::Tracker::open_session(model, path)?))?, out);
        Ok(())
    })
}

/// Writes SAM2_VIDEO_OPTIONS_INIT into a struct of struct_size bytes.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_options_init(options: *mut VideoOptions, struct_size: usize) {
    // SAFETY: the caller has room for `struct_size` bytes.
    unsafe { border::initialise(options, struct_size) }
}
