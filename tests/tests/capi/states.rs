//! Calls in the wrong order, use after reset, two threads on one handle, owners of a model, saved sessions.

use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};

use super::*;

#[test]
fn calls_in_the_wrong_order() {
    let (image, click) = (image(), click());
    let (image, click) = (&raw const image, &raw const click);
    let (mut p, mut t, mut v, mut s) = (null_mut(), null_mut(), null_mut(), null_mut());
    // SAFETY: pointers to living values; every handle is freed once.
    unsafe {
        holds(sam2_image_predictor_new(model(), &raw mut p));
        fails(sam2_image_predict(p, click, 1, 1, &raw mut s), SAM2_BAD_STATE, "set an image first");
        sam2_image_predictor_free(p);

        holds(sam2_tracker_new(model(), SIDE, SIDE, null(), &raw mut t));
        fails(sam2_tracker_prompt(t, 1, click, 0, null_mut()), SAM2_BAD_STATE, "frame first");
        fails(sam2_tracker_remove(t, 1), SAM2_INVALID_ARGUMENT, "no object 1");
        let mut frames = 9;
        holds(sam2_tracker_frames(t, &raw mut frames));
        assert_eq!(frames, 0);
        sam2_tracker_free(t);

        holds(sam2_video_new(model(), SIDE, SIDE, 3, null(), &raw mut v));
        let mut next = 5;
        fails(sam2_video_next(v, &raw mut next), SAM2_BAD_STATE, "sam2_video_begin");
        assert_eq!(next, 5, "nothing is written");
        fails(sam2_video_begin(v, -1, -1, 0), SAM2_BAD_STATE, "no object");
        fails(sam2_video_track(v, 0, image, null_mut()), SAM2_BAD_STATE, "sam2_video_begin");
        fails(sam2_video_clear(v, 0, 1), SAM2_INVALID_ARGUMENT, "no prompt");
        holds(sam2_video_prompt(v, 0, image, 1, click, 0, null_mut()));
        holds(sam2_video_begin(v, -1, 1, SAM2_FORWARD));
        fails(sam2_video_track(v, 2, image, null_mut()), SAM2_INVALID_ARGUMENT, "frame 0 is next");
        for at in [0, 1] {
            holds(sam2_video_next(v, &raw mut next));
            assert_eq!(next, at);
            holds(sam2_video_track(v, at, image, &raw mut s));
            assert_eq!((sam2_masks_frame_idx(s), sam2_masks_prompts(s)), (at, 1));
            sam2_masks_free(s);
        }
        holds(sam2_video_next(v, &raw mut next));
        assert_eq!(next, -1);
        fails(sam2_video_track(v, 2, image, null_mut()), SAM2_INVALID_ARGUMENT, "at its end");
        sam2_video_free(v);
    }
}

#[test]
fn use_after_reset() {
    let h = Handles::new();
    let (image, click) = (image(), click());
    let (image, click) = (&raw const image, &raw const click);
    let mut s = null_mut();
    // SAFETY: pointers to living values; every handle is freed once.
    unsafe {
        holds(sam2_tracker_reset(h.tracker));
        fails(sam2_tracker_remove(h.tracker, 1), SAM2_INVALID_ARGUMENT, "no object");
        holds(sam2_tracker_push(h.tracker, image, &raw mut s));
        assert_eq!((sam2_masks_prompts(s), sam2_masks_frame_idx(s)), (0, 1));
        sam2_masks_free(s);
        holds(sam2_tracker_prompt(h.tracker, 5, click, 0, &raw mut s));
        let mut mask = empty_mask();
        holds(sam2_masks_get(s, 0, 0, &raw mut mask));
        // Masks outlive the tracker's objects.
        holds(sam2_tracker_reset(h.tracker));
        assert_eq!(mask.obj_id, 5);
        assert!((0..SIDE * SIDE).all(|i| [0, 255].contains(&*mask.data.add(i as usize))));
        sam2_masks_free(s);

        holds(sam2_video_reset(h.video));
        fails(sam2_video_track(h.video, 0, image, null_mut()), SAM2_BAD_STATE, "no pass");
        fails(sam2_video_begin(h.video, -1, -1, 0), SAM2_BAD_STATE, "no object");
        holds(sam2_video_prompt(h.video, 2, image, 9, click, 0, null_mut()));
        holds(sam2_video_begin(h.video, -1, -1, SAM2_REVERSE));
        holds(sam2_video_remove(h.video, 9));
        fails(sam2_video_next(h.video, &mut 0), SAM2_BAD_STATE, "no pass");
    }
}

#[test]
fn a_second_thread_gets_busy() {
    let h = Handles::new();
    let predictor = h.predictor as usize;
    let (seen, tries) = (AtomicBool::new(false), 2000);
    let work = || {
        let image = image();
        for _ in 0..tries {
            // SAFETY: a predictor that outlives both threads.
            match unsafe { sam2_image_set(predictor as *mut ImagePredictor, &raw const image) } {
                SAM2_OK => assert_eq!(last_error(), ""),
                SAM2_BUSY => {
                    assert!(last_error().contains("another thread"));
                    seen.store(true, Ordering::Relaxed);
                }
                other => panic!("status {other}: {}", last_error()),
            }
            if seen.load(Ordering::Relaxed) {
                return;
            }
        }
    };
    std::thread::scope(|scope| {
        scope.spawn(work);
        scope.spawn(work);
    });
    assert!(seen.into_inner(), "two threads were never in one handle");
}

#[test]
fn a_model_lives_as_long_as_its_last_owner() {
    let mut m = null_mut();
    let mut p = null_mut();
    let image = image();
    // SAFETY: pointers to living values; each owner frees once.
    unsafe {
        holds(sam2_model_embedded(null(), &raw mut m));
        assert_eq!((sam2_model_image_size(m), sam2_model_low_res_size(m)), (256, 64));
        assert!(CStr::from_ptr(sam2_model_name(m)).to_str().expect("UTF-8").contains("SAM 2.1"));
        assert_eq!(sam2_model_retain(m), m);
        sam2_model_free(m);
        holds(sam2_image_predictor_new(m, &raw mut p));
        sam2_model_free(m);
        holds(sam2_image_set(p, &raw const image));
        sam2_image_predictor_free(p);
    }
}

#[test]
fn a_saved_stream_goes_on_with_the_same_bits() {
    let h = Handles::new();
    let folder = tempfile::tempdir().expect("a folder");
    let path = |name: &str| CString::new(folder.path().join(name).to_str().expect("UTF-8")).expect("no NUL");
    let (session, broken) = (path("session"), path("broken"));
    std::fs::write(folder.path().join("broken"), b"not a session").expect("written");
    let image = image();
    let (mut t, mut a, mut b) = (null_mut(), null_mut(), null_mut());
    // SAFETY: pointers to living values; every handle is freed once.
    unsafe {
        holds(sam2_tracker_save(h.tracker, session.as_ptr()));
        holds(sam2_tracker_resume(model(), session.as_ptr(), &raw mut t));
        let mut frames = 0;
        holds(sam2_tracker_frames(t, &raw mut frames));
        assert_eq!(frames, 1);
        holds(sam2_tracker_push(h.tracker, &raw const image, &raw mut a));
        holds(sam2_tracker_push(t, &raw const image, &raw mut b));
        let bits = |masks| {
            let mut logits = null();
            holds(sam2_masks_low_res(masks, 0, 0, &raw mut logits));
            std::slice::from_raw_parts(logits.cast::<u32>(), 16 * 16).to_vec()
        };
        assert_eq!(bits(a), bits(b));
        sam2_masks_free(a);
        sam2_masks_free(b);
        sam2_tracker_free(t);
        fails(sam2_tracker_resume(model(), broken.as_ptr(), &raw mut t), SAM2_BAD_CHECKPOINT, "broken");
        assert!(t.is_null());
        let mut m = null_mut();
        fails(sam2_model_open(broken.as_ptr(), null(), &raw mut m), SAM2_BAD_CHECKPOINT, "broken");
    }
}
