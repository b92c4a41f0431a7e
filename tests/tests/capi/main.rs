//! The C library: its committed header, and calls that no correct program makes: every one ends in a status
//! and a line, never in a crash.

mod arguments;
mod header;
mod sequences;
mod sizes;
mod states;

use std::ffi::CStr;
use std::ptr::{null, null_mut};
use std::sync::OnceLock;

use sam2_c::*;

/// Side of the pictures, pixels.
const SIDE: i32 = 64;

/// Pixels of the largest image of the tests in the widest format: any smaller one lies inside.
fn pixels() -> &'static [u8] {
    static PIXELS: OnceLock<Vec<u8>> = OnceLock::new();
    PIXELS.get_or_init(|| (0..SIDE * SIDE * 4).map(|i| (i * 7 % 251) as u8).collect())
}

fn image() -> Image {
    let stride = SIDE as usize * 4;
    let struct_size = size_of::<Image>();
    Image { struct_size, data: pixels().as_ptr(), width: SIDE, height: SIDE, stride, format: SAM2_RGBA8 }
}

static CLICK: Point = Point { x: 30.0, y: 30.0, label: 1 };

fn click() -> Prompt {
    let struct_size = size_of::<Prompt>();
    Prompt { struct_size, points: &raw const CLICK, num_points: 1, r#box: null(), mask_logits: null() }
}

fn empty_mask() -> Mask {
    // SAFETY: all fields are numbers and raw pointers, for which zeros are valid.
    let mask: Mask = unsafe { std::mem::zeroed() };
    Mask { struct_size: size_of::<Mask>(), ..mask }
}

/// The embedded model at the smallest size, which answers in a millisecond. Never freed.
fn model() -> *mut Model {
    static MODEL: OnceLock<usize> = OnceLock::new();
    let load = || {
        let struct_size = size_of::<ModelOptions>();
        let options = ModelOptions { struct_size, precision: SAM2_F32, image_size: 64, config_path: null() };
        let mut out = null_mut();
        // SAFETY: pointers to this function's variables.
        assert_eq!(unsafe { sam2_model_embedded(&raw const options, &raw mut out) }, SAM2_OK);
        out as usize
    };
    *MODEL.get_or_init(load) as *mut Model
}

fn last_error() -> String {
    // SAFETY: the line of this thread, read before its next call.
    unsafe { CStr::from_ptr(sam2_last_error()) }.to_str().expect("UTF-8").to_owned()
}

/// Checks that a call failed with `status` and says why in one line.
#[track_caller]
fn fails(found: Status, status: Status, words: &str) {
    let line = last_error();
    assert_eq!(found, status, "{line}");
    assert!(line.contains(words) && !line.contains('\n'), "{line:?} lacks {words:?}");
}

#[track_caller]
fn holds(found: Status) {
    assert_eq!(found, SAM2_OK, "{}", last_error());
    assert_eq!(last_error(), "");
}

/// A predictor, a tracker and a clip of three frames, each with a picture and an object.
struct Handles {
    predictor: *mut ImagePredictor,
    tracker: *mut Tracker,
    video: *mut Video,
    masks: *mut Masks,
}

impl Handles {
    fn new() -> Self {
        let mut out =
            Self { predictor: null_mut(), tracker: null_mut(), video: null_mut(), masks: null_mut() };
        let (image, click) = (image(), click());
        let (image, click) = (&raw const image, &raw const click);
        // SAFETY: pointers to living values; the handles are freed by `drop`.
        unsafe {
            holds(sam2_image_predictor_new(model(), &raw mut out.predictor));
            holds(sam2_image_set(out.predictor, image));
            holds(sam2_image_predict(out.predictor, click, 1, 1, &raw mut out.masks));
            holds(sam2_tracker_new(model(), SIDE, SIDE, null(), &raw mut out.tracker));
            holds(sam2_tracker_push(out.tracker, image, null_mut()));
            holds(sam2_tracker_prompt(out.tracker, 1, click, 0, null_mut()));
            holds(sam2_video_new(model(), SIDE, SIDE, 3, null(), &raw mut out.video));
            holds(sam2_video_prompt(out.video, 0, image, 1, click, 0, null_mut()));
            holds(sam2_video_begin(out.video, -1, -1, SAM2_FORWARD));
        }
        out
    }
}

impl Drop for Handles {
    fn drop(&mut self) {
        // SAFETY: handles of `new`, freed once.
        unsafe {
            sam2_image_predictor_free(self.predictor);
            sam2_tracker_free(self.tracker);
            sam2_video_free(self.video);
            sam2_masks_free(self.masks);
        }
    }
}
