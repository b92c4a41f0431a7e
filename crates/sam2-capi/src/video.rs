//! Masks through a clip of known length. The caller decodes the frames.

use std::ptr;
use std::sync::Arc;

use sam2_model::VideoPredictor;
use sam2_model::video::{TrackRange, VideoInfo};

use crate::border;
use crate::failure::Failure;
use crate::handle::Handle;
use crate::masks::Masks;
use crate::model::Model;
use crate::options::{direction, flag};
use crate::status::enter;
use crate::tracker::{give, video_options, wanted};
use crate::types::{Image, Prompt, Status, VideoOptions};

/// A clip and its objects.
#[derive(Debug)]
pub struct Video(Handle<Clip>);

#[derive(Debug)]
struct Clip {
    predictor: VideoPredictor,
    pass: Option<Pass>,
}

/// A pass, and the frame that it needs next: none at its end.
#[derive(Debug)]
struct Pass {
    rest: TrackRange,
    next: Option<usize>,
}

fn index(frame_idx: i64) -> Result<usize, Failure> {
    usize::try_from(frame_idx).map_err(|_| Failure::argument(format!("frame {frame_idx}; they count from 0")))
}

/// -1 stands for none.
fn optional(name: &str, value: i64) -> Result<Option<usize>, Failure> {
    match value {
        -1 => Ok(None),
        _ => match usize::try_from(value) {
            Ok(value) => Ok(Some(value)),
            Err(_) => Err(Failure::argument(format!("{name} is {value}; -1 or a number from 0 on is meant"))),
        },
    }
}

/// A clip of num_frames frames of width * height pixels. options may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_new(
    model: *mut Model,
    width: i32,
    height: i32,
    num_frames: i64,
    options: *const VideoOptions,
    out: *mut *mut Video,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, model, options) = unsafe {
            let out = border::place(out, "out", ptr::null_mut())?;
            let model = border::reference(model, "model")?;
            (out, model, video_options(options, model)?)
        };
        let (width, height) = border::size(width, height)?;
        let frames = usize::try_from(num_frames)
            .map_err(|_| Failure::argument(format!("a clip of {num_frames} frames")))?;
        let info = VideoInfo::new(width, height, frames);
        let predictor = VideoPredictor::new(Arc::clone(&model.model), info, options)?;
        *out = Box::into_raw(Box::new(Video(Handle::new(Clip { predictor, pass: None }))));
        Ok(())
    })
}

/// Gives a clip back. NULL is fine.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_free(video: *mut Video) {
    // SAFETY: as the header says: NULL, or from this library and not given back before.
    unsafe { border::free(video) }
}

/// Points and a box on an object in a frame, whose image is given. As sam2_tracker_prompt().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_prompt(
    video: *mut Video,
    frame_idx: i64,
    image: *const Image,
    obj_id: i64,
    prompt: *const Prompt,
    append: i32,
    masks: *mut *mut Masks,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, video, view, points) = unsafe {
            let out = wanted(masks)?;
            let video = border::reference(video, "video")?;
            (out, video, border::frame(image)?, border::frame_prompt(prompt)?)
        };
        let (at, obj_id, append) = (index(frame_idx)?, border::object(obj_id)?, flag("append", append)?);
        let output = video.0.with(|clip| {
            Ok(if append {
                clip.predictor.add_more_points(at, view, obj_id, &points)?
            } else {
                clip.predictor.add_points(at, view, obj_id, &points)?
            })
        })?;
        give(output, out);
        Ok(())
    })
}

/// The mask of an object in a frame, whose image is given. As sam2_tracker_mask().
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_mask(
    video: *mut Video,
    frame_idx: i64,
    image: *const Image,
    obj_id: i64,
    mask: *const u8,
    width: i32,
    height: i32,
    masks: *mut *mut Masks,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, video, view, mask) = unsafe {
            let out = wanted(masks)?;
            let video = border::reference(video, "video")?;
            (out, video, border::frame(image)?, border::mask(mask, width, height)?)
        };
        let (at, obj_id) = (index(frame_idx)?, border::object(obj_id)?);
        let output = video.0.with(|clip| Ok(clip.predictor.add_mask(at, view, obj_id, &mask)?))?;
        give(output, out);
        Ok(())
    })
}

/// Begins a pass at frame start, or with -1 at the first prompted one, over at most max_frames more frames,
/// or with -1 to the end, in a direction: SAM2_FORWARD or SAM2_REVERSE.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_begin(
    video: *mut Video,
    start: i64,
    max_frames: i64,
    direction: i32,
) -> Status {
    enter(|| {
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let video = unsafe { border::reference(video, "video")? };
        let (start, most) = (optional("start", start)?, optional("max_frames", max_frames)?);
        let direction = self::direction(direction)?;
        video.0.with(|clip| {
            let mut rest = clip.predictor.begin(start, most, direction)?;
            let next = rest.next();
            clip.pass = Some(Pass { rest, next });
            Ok(())
        })
    })
}

/// The frame that the pass needs next, for sam2_video_track(); -1 at its end. Asking changes nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_next(video: *mut Video, frame_idx: *mut i64) -> Status {
    enter(|| {
        border::check(frame_idx, "frame_idx")?;
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let video = unsafe { border::reference(video, "video")? };
        let next = video.0.with(|clip| Ok(clip.current()?.next))?;
        // SAFETY: `check` found it neither NULL nor misaligned.
        unsafe { frame_idx.write(next.map_or(-1, |at| at as i64)) };
        Ok(())
    })
}

/// Tracks all objects into the next frame of the pass. masks may be NULL.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_track(
    video: *mut Video,
    frame_idx: i64,
    image: *const Image,
    masks: *mut *mut Masks,
) -> Status {
    enter(|| {
        // SAFETY: pointers of the caller under the rules of the header; each is checked.
        let (out, video, view) = unsafe {
            let out = wanted(masks)?;
            (out, border::reference(video, "video")?, border::frame(image)?)
        };
        let at = index(frame_idx)?;
        let output = video.0.with(|clip| {
            let wanted = clip.current()?.next;
            if wanted != Some(at) {
                let next =
                    wanted.map_or("the pass is at its end".to_owned(), |at| format!("frame {at} is next"));
                return Err(Failure::argument(format!("frame {at} was given where {next}")));
            }
            let output = clip.predictor.track_frame(at, view)?;
            let pass = clip.current()?;
            pass.next = pass.rest.next();
            Ok(output)
        })?;
        give(output, out);
        Ok(())
    })
}

impl Clip {
    fn current(&mut self) -> Result<&mut Pass, Failure> {
        self.pass.as_mut().ok_or_else(|| Failure::state("no pass; sam2_video_begin begins one"))
    }
}

/// Removes an object.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_remove(video: *mut Video, obj_id: i64) -> Status {
    enter(|| {
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let video = unsafe { border::reference(video, "video")? };
        let id = border::object(obj_id)?;
        video.0.with(|clip| {
            if !clip.predictor.remove_object(id) {
                return Err(Failure::argument(format!("there is no object {id}")));
            }
            if clip.predictor.object_ids().is_empty() {
                clip.pass = None;
            }
            Ok(())
        })
    })
}

/// Removes the prompts of an object on a frame, which becomes a tracked one.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_clear(video: *mut Video, frame_idx: i64, obj_id: i64) -> Status {
    enter(|| {
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let video = unsafe { border::reference(video, "video")? };
        let (at, id) = (index(frame_idx)?, border::object(obj_id)?);
        let had = video.0.with(|clip| Ok(clip.predictor.clear_prompts(at, id)))?;
        let none = || Failure::argument(format!("object {id} has no prompt on frame {at}"));
        if had { Ok(()) } else { Err(none()) }
    })
}

/// Removes all objects and ends the pass.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn sam2_video_reset(video: *mut Video) -> Status {
    enter(|| {
        // SAFETY: a pointer of the caller under the rules of the header, which is checked.
        let video = unsafe { border::reference(video, "video")? };
        video.0.with(|clip| {
            clip.predictor.reset();
            clip.pass = None;
            Ok(())
        })
    })
}
