//! NULL in every pointer position, misaligned pointers, numbers out of range, texts that are none.

use super::*;

/// A pointer that is neither NULL nor to be read.
const STALE: usize = 8;

#[test]
fn null_in_every_place() {
    let h = Handles::new();
    let (image, click) = (image(), click());
    let (image, click) = (&raw const image, &raw const click);
    let path = c"/nowhere/file";
    let mask = pixels().as_ptr();
    // SAFETY: every pointer is NULL or leads to a living value.
    unsafe {
        // Places of handles become NULL whatever fails.
        let mut m: *mut Model = STALE as *mut Model;
        fails(sam2_model_open(null(), null(), &raw mut m), SAM2_INVALID_ARGUMENT, "path is NULL");
        assert!(m.is_null());
        fails(sam2_model_open(path.as_ptr(), null(), null_mut()), SAM2_INVALID_ARGUMENT, "out is NULL");
        fails(sam2_model_open(path.as_ptr(), null(), &raw mut m), SAM2_IO, "/nowhere/file");
        m = STALE as *mut Model;
        fails(sam2_model_from_memory(null(), 9, null(), &raw mut m), SAM2_INVALID_ARGUMENT, "bytes is NULL");
        assert!(m.is_null());
        let bytes = mask.cast();
        fails(sam2_model_from_memory(bytes, 0, null(), &raw mut m), SAM2_BAD_CHECKPOINT, "in memory");
        fails(sam2_model_from_memory(bytes, 99, null(), &raw mut m), SAM2_BAD_CHECKPOINT, "in memory");
        fails(sam2_model_from_memory(bytes, 9, null(), null_mut()), SAM2_INVALID_ARGUMENT, "out");
        fails(
            sam2_model_from_memory(bytes, usize::MAX, null(), &raw mut m),
            SAM2_INVALID_ARGUMENT,
            "address space",
        );
        fails(sam2_model_embedded(null(), null_mut()), SAM2_INVALID_ARGUMENT, "out");
        assert!(sam2_model_retain(null_mut()).is_null());
        assert_eq!((sam2_model_image_size(null()), sam2_model_low_res_size(null())), (0, 0));
        assert!(CStr::from_ptr(sam2_model_name(null())).is_empty());

        let mut p = STALE as *mut ImagePredictor;
        fails(sam2_image_predictor_new(null_mut(), &raw mut p), SAM2_INVALID_ARGUMENT, "model is NULL");
        assert!(p.is_null());
        fails(sam2_image_predictor_new(model(), null_mut()), SAM2_INVALID_ARGUMENT, "out");
        fails(sam2_image_set(null_mut(), image), SAM2_INVALID_ARGUMENT, "predictor");
        fails(sam2_image_set(h.predictor, null()), SAM2_INVALID_ARGUMENT, "sam2_image is NULL");
        let mut s = STALE as *mut Masks;
        fails(sam2_image_predict(null_mut(), click, 1, 1, &raw mut s), SAM2_INVALID_ARGUMENT, "predictor");
        assert!(s.is_null());
        fails(
            sam2_image_predict(h.predictor, null(), 1, 1, &raw mut s),
            SAM2_INVALID_ARGUMENT,
            "sam2_prompt",
        );
        fails(sam2_image_predict(h.predictor, click, 1, 1, null_mut()), SAM2_INVALID_ARGUMENT, "out");
        holds(sam2_image_predict(h.predictor, null(), 0, 1, &raw mut s));
        assert_eq!(sam2_masks_prompts(s), 0);
        sam2_masks_free(s);

        let mut t = STALE as *mut Tracker;
        fails(sam2_tracker_new(null_mut(), 9, 9, null(), &raw mut t), SAM2_INVALID_ARGUMENT, "model");
        assert!(t.is_null());
        fails(sam2_tracker_new(model(), 9, 9, null(), null_mut()), SAM2_INVALID_ARGUMENT, "out");
        fails(sam2_tracker_push(null_mut(), image, null_mut()), SAM2_INVALID_ARGUMENT, "tracker");
        fails(sam2_tracker_push(h.tracker, null(), null_mut()), SAM2_INVALID_ARGUMENT, "sam2_image");
        s = STALE as *mut Masks;
        fails(sam2_tracker_prompt(null_mut(), 1, click, 0, &raw mut s), SAM2_INVALID_ARGUMENT, "tracker");
        assert!(s.is_null());
        fails(sam2_tracker_prompt(h.tracker, 1, null(), 0, null_mut()), SAM2_INVALID_ARGUMENT, "sam2_prompt");
        fails(sam2_tracker_mask(null_mut(), 1, mask, 4, 4, null_mut()), SAM2_INVALID_ARGUMENT, "tracker");
        fails(sam2_tracker_mask(h.tracker, 1, null(), 4, 4, null_mut()), SAM2_INVALID_ARGUMENT, "mask is");
        fails(sam2_tracker_remove(null_mut(), 1), SAM2_INVALID_ARGUMENT, "tracker");
        fails(sam2_tracker_reset(null_mut()), SAM2_INVALID_ARGUMENT, "tracker");
        fails(sam2_tracker_frames(null_mut(), &mut 0), SAM2_INVALID_ARGUMENT, "tracker");
        fails(sam2_tracker_frames(h.tracker, null_mut()), SAM2_INVALID_ARGUMENT, "frames");
        fails(sam2_tracker_save(null_mut(), path.as_ptr()), SAM2_INVALID_ARGUMENT, "tracker");
        fails(sam2_tracker_save(h.tracker, null()), SAM2_INVALID_ARGUMENT, "path");
        fails(sam2_tracker_save(h.tracker, path.as_ptr()), SAM2_IO, "cannot write /nowhere/file");
        fails(sam2_tracker_resume(null_mut(), path.as_ptr(), &raw mut t), SAM2_INVALID_ARGUMENT, "model");
        fails(sam2_tracker_resume(model(), null(), &raw mut t), SAM2_INVALID_ARGUMENT, "path");
        fails(sam2_tracker_resume(model(), path.as_ptr(), null_mut()), SAM2_INVALID_ARGUMENT, "out");
        fails(sam2_tracker_resume(model(), path.as_ptr(), &raw mut t), SAM2_IO, "/nowhere/file");

        let mut v = STALE as *mut Video;
        fails(sam2_video_new(null_mut(), 9, 9, 3, null(), &raw mut v), SAM2_INVALID_ARGUMENT, "model");
        assert!(v.is_null());
        fails(sam2_video_new(model(), 9, 9, 3, null(), null_mut()), SAM2_INVALID_ARGUMENT, "out");
        let none = null_mut();
        fails(sam2_video_prompt(none, 0, image, 1, click, 0, null_mut()), SAM2_INVALID_ARGUMENT, "video");
        let video = h.video;
        fails(sam2_video_prompt(video, 0, null(), 1, click, 0, null_mut()), SAM2_INVALID_ARGUMENT, "sam2_i");
        fails(sam2_video_prompt(video, 0, image, 1, null(), 0, null_mut()), SAM2_INVALID_ARGUMENT, "sam2_p");
        fails(sam2_video_mask(none, 0, image, 1, mask, 4, 4, null_mut()), SAM2_INVALID_ARGUMENT, "video");
        fails(sam2_video_mask(video, 0, null(), 1, mask, 4, 4, null_mut()), SAM2_INVALID_ARGUMENT, "sam2_i");
        fails(sam2_video_mask(video, 0, image, 1, null(), 4, 4, null_mut()), SAM2_INVALID_ARGUMENT, "mask");
        fails(sam2_video_begin(none, -1, -1, 0), SAM2_INVALID_ARGUMENT, "video");
        fails(sam2_video_next(none, &mut 0), SAM2_INVALID_ARGUMENT, "video");
        fails(sam2_video_next(video, null_mut()), SAM2_INVALID_ARGUMENT, "frame_idx");
        fails(sam2_video_track(none, 0, image, null_mut()), SAM2_INVALID_ARGUMENT, "video");
        fails(sam2_video_track(video, 0, null(), null_mut()), SAM2_INVALID_ARGUMENT, "sam2_image");
        fails(sam2_video_remove(none, 1), SAM2_INVALID_ARGUMENT, "video");
        fails(sam2_video_clear(none, 0, 1), SAM2_INVALID_ARGUMENT, "video");
        fails(sam2_video_reset(none), SAM2_INVALID_ARGUMENT, "video");

        assert_eq!((sam2_masks_prompts(null()), sam2_masks_count(null(), 0)), (0, 0));
        assert_eq!((sam2_masks_best(null(), 0), sam2_masks_frame_idx(null())), (0, -1));
        let (mut out, mut logits, mut len) = (empty_mask(), STALE as *const f32, 0);
        fails(sam2_masks_get(null(), 0, 0, &raw mut out), SAM2_INVALID_ARGUMENT, "masks");
        fails(sam2_masks_get(h.masks, 0, 0, null_mut()), SAM2_INVALID_ARGUMENT, "sam2_mask is NULL");
        fails(sam2_masks_low_res(null(), 0, 0, &raw mut logits), SAM2_INVALID_ARGUMENT, "masks");
        assert!(logits.is_null());
        fails(sam2_masks_low_res(h.masks, 0, 0, null_mut()), SAM2_INVALID_ARGUMENT, "logits");
        fails(sam2_masks_rle(null(), 0, 0, null_mut(), &raw mut len), SAM2_INVALID_ARGUMENT, "masks");
        fails(sam2_masks_rle(h.masks, 0, 0, null_mut(), null_mut()), SAM2_INVALID_ARGUMENT, "len");

        sam2_model_free(null_mut());
        sam2_image_predictor_free(null_mut());
        sam2_tracker_free(null_mut());
        sam2_video_free(null_mut());
        sam2_masks_free(null_mut());
        sam2_image_init(null_mut(), 40);
        sam2_prompt_init(null_mut(), 40);
        sam2_model_options_init(null_mut(), 40);
        sam2_video_options_init(null_mut(), 40);
        sam2_mask_init(null_mut(), 40);
    }
}

#[test]
fn pointers_inside_of_structs() {
    let h = Handles::new();
    // SAFETY: every pointer is NULL, misaligned or leads to a living value.
    unsafe {
        let bad = Image { data: null(), ..image() };
        fails(
            sam2_image_set(h.predictor, &raw const bad),
            SAM2_INVALID_ARGUMENT,
            "data of sam2_image is NULL",
        );
        let predict = |prompt: Prompt| {
            let mut out = null_mut();
            let status = sam2_image_predict(h.predictor, &raw const prompt, 1, 0, &raw mut out);
            assert_eq!(out.is_null(), status != SAM2_OK);
            sam2_masks_free(out);
            status
        };
        let odd = pixels().as_ptr().wrapping_add(1);
        let nothing = Prompt { points: null(), num_points: 0, ..click() };
        fails(predict(nothing), SAM2_BAD_PROMPT, "no point, box or mask");
        fails(predict(Prompt { points: null(), ..click() }), SAM2_INVALID_ARGUMENT, "points of sam2_prompt");
        fails(predict(Prompt { points: odd.cast(), ..click() }), SAM2_INVALID_ARGUMENT, "not aligned");
        fails(predict(Prompt { num_points: usize::MAX, ..click() }), SAM2_BAD_PROMPT, "at most 4096");
        fails(predict(Prompt { r#box: odd.cast(), ..click() }), SAM2_INVALID_ARGUMENT, "not aligned");
        fails(predict(Prompt { mask_logits: odd.cast(), ..click() }), SAM2_INVALID_ARGUMENT, "not aligned");
        for (x0, words) in [(f32::NAN, "not on the image"), (40.0, "inverted")] {
            let corners = [x0, 2.0, 30.0, 30.0];
            let boxed = Prompt { r#box: corners.as_ptr(), ..nothing };
            let status = predict(boxed);
            assert_eq!(status, SAM2_BAD_PROMPT, "{words}: {}", last_error());
        }
        let far = Point { x: -1e6, y: 1e6, label: 0 };
        holds(predict(Prompt { points: &raw const far, ..click() }));
        for bad in
            [Point { x: f32::NAN, ..CLICK }, Point { y: f32::INFINITY, ..CLICK }, Point { label: 4, ..CLICK }]
        {
            fails(predict(Prompt { points: &raw const bad, ..click() }), SAM2_BAD_PROMPT, "");
        }
        let logits = [f32::NAN; 16 * 16];
        fails(predict(Prompt { mask_logits: logits.as_ptr(), ..click() }), SAM2_BAD_PROMPT, "mask prompt");
        let logits = [1.0_f32; 16 * 16];
        holds(predict(Prompt { mask_logits: logits.as_ptr(), ..nothing }));
        let guided = Prompt { mask_logits: logits.as_ptr(), ..click() };
        fails(
            sam2_tracker_prompt(h.tracker, 1, &raw const guided, 0, null_mut()),
            SAM2_UNSUPPORTED,
            "sam2_tracker_mask",
        );
        let odd_image = (&raw const bad).cast::<u8>().wrapping_add(1).cast::<Image>();
        fails(sam2_image_set(h.predictor, odd_image), SAM2_INVALID_ARGUMENT, "not aligned");
    }
}

#[test]
fn numbers_out_of_range() {
    let h = Handles::new();
    let set = |image: Image| {
        // SAFETY: a predictor and a struct that live.
        unsafe { sam2_image_set(h.predictor, &raw const image) }
    };
    for (width, height) in [(0, 4), (4, -1), (i32::MIN, i32::MIN), (i32::MAX, i32::MAX), (65_535, 65_535)] {
        fails(set(Image { width, height, stride: 0, ..image() }), SAM2_INVALID_ARGUMENT, "pixels");
    }
    fails(set(Image { stride: 3, ..image() }), SAM2_INVALID_ARGUMENT, "stride");
    fails(set(Image { stride: usize::MAX, ..image() }), SAM2_INVALID_ARGUMENT, "too large");
    fails(set(Image { stride: usize::MAX / 100, ..image() }), SAM2_INVALID_ARGUMENT, "address space");
    for format in [-1, 5, i32::MAX] {
        fails(set(Image { format, ..image() }), SAM2_INVALID_ARGUMENT, "format");
    }
    let (image, click) = (image(), click());
    let (image, click) = (&raw const image, &raw const click);
    let mask = pixels().as_ptr();
    // SAFETY: every pointer leads to a living value.
    unsafe {
        let mut s = null_mut();
        fails(sam2_image_predict(h.predictor, click, 1, 2, &raw mut s), SAM2_INVALID_ARGUMENT, "multimask");
        fails(sam2_image_predict(h.predictor, click, 2000, 1, &raw mut s), SAM2_INVALID_ARGUMENT, "2000");
        for id in [-1, i64::MIN, 1 << 32] {
            fails(sam2_tracker_prompt(h.tracker, id, click, 0, null_mut()), SAM2_INVALID_ARGUMENT, "obj_id");
            fails(sam2_tracker_mask(h.tracker, id, mask, 4, 4, null_mut()), SAM2_INVALID_ARGUMENT, "obj_id");
            fails(sam2_tracker_remove(h.tracker, id), SAM2_INVALID_ARGUMENT, "obj_id");
            fails(sam2_video_clear(h.video, 0, id), SAM2_INVALID_ARGUMENT, "obj_id");
        }
        fails(sam2_tracker_prompt(h.tracker, 1, click, 2, null_mut()), SAM2_INVALID_ARGUMENT, "append");
        fails(sam2_tracker_mask(h.tracker, 1, mask, 0, 4, null_mut()), SAM2_INVALID_ARGUMENT, "0x4");
        for index in [-1, 3, i64::MAX, i64::MIN] {
            let status = sam2_video_prompt(h.video, index, image, 1, click, 0, null_mut());
            fails(status, SAM2_INVALID_ARGUMENT, "frame");
            fails(sam2_video_track(h.video, index, image, null_mut()), SAM2_INVALID_ARGUMENT, "frame");
        }
        fails(sam2_video_begin(h.video, -2, -1, 0), SAM2_INVALID_ARGUMENT, "start is -2");
        fails(sam2_video_begin(h.video, 3, -1, 0), SAM2_INVALID_ARGUMENT, "past the end");
        fails(sam2_video_begin(h.video, 0, i64::MIN, 0), SAM2_INVALID_ARGUMENT, "max_frames");
        fails(sam2_video_begin(h.video, 0, -1, 2), SAM2_INVALID_ARGUMENT, "direction");
        for frames in [0, -1, i64::MIN] {
            let mut v = null_mut();
            fails(sam2_video_new(model(), 9, 9, frames, null(), &raw mut v), SAM2_INVALID_ARGUMENT, "");
        }
        for (prompt, k) in [(1, 0), (usize::MAX, 0), (0, 3), (0, usize::MAX)] {
            fails(sam2_masks_get(h.masks, prompt, k, &mut empty_mask()), SAM2_INVALID_ARGUMENT, " of ");
            fails(sam2_masks_rle(h.masks, prompt, k, null_mut(), &mut 0), SAM2_INVALID_ARGUMENT, " of ");
            fails(sam2_masks_low_res(h.masks, prompt, k, &mut null()), SAM2_INVALID_ARGUMENT, " of ");
        }
        assert_eq!((sam2_masks_count(h.masks, 1), sam2_masks_best(h.masks, 1)), (0, 0));
    }
    for n in [-1, 1025, i32::MIN] {
        fails(sam2_set_threads(n), SAM2_INVALID_ARGUMENT, "threads");
    }
}

#[test]
fn options_out_of_range() {
    let size = size_of::<VideoOptions>();
    let good = VideoOptions {
        struct_size: size,
        memory: -1,
        fill_hole_area: -1,
        non_overlap: -1,
        keep_everything: 0,
        max_cond_frames: 0,
    };
    for (bad, words) in [
        (VideoOptions { memory: 4, ..good }, "memory"),
        (VideoOptions { memory: -2, ..good }, "memory"),
        (VideoOptions { fill_hole_area: -2, ..good }, "fill_hole_area"),
        (VideoOptions { non_overlap: 2, ..good }, "non_overlap"),
        (VideoOptions { keep_everything: -1, ..good }, "keep_everything"),
        (VideoOptions { max_cond_frames: 1, ..good }, "at least 2"),
        (VideoOptions { max_cond_frames: -1, ..good }, "max_cond_frames"),
    ] {
        let mut out = null_mut();
        // SAFETY: pointers to living values.
        let status = unsafe { sam2_tracker_new(model(), 9, 9, &raw const bad, &raw mut out) };
        fails(status, SAM2_INVALID_ARGUMENT, words);
    }
    let good = ModelOptions {
        struct_size: size_of::<ModelOptions>(),
        precision: 0,
        image_size: 0,
        config_path: null(),
    };
    let bad_text = c"caf\xe9.yaml";
    for (bad, status, words) in [
        (ModelOptions { precision: 3, ..good }, SAM2_INVALID_ARGUMENT, "precision"),
        (ModelOptions { image_size: -64, ..good }, SAM2_INVALID_ARGUMENT, "image_size"),
        (ModelOptions { image_size: 100, ..good }, SAM2_INVALID_ARGUMENT, "multiple of 64"),
        (ModelOptions { image_size: 1 << 20, ..good }, SAM2_INVALID_ARGUMENT, "image_size"),
        (ModelOptions { config_path: bad_text.as_ptr(), ..good }, SAM2_INVALID_ARGUMENT, "UTF-8"),
        (ModelOptions { config_path: c"/nowhere.yaml".as_ptr(), ..good }, SAM2_IO, "/nowhere.yaml"),
    ] {
        let mut out = null_mut();
        // SAFETY: pointers to living values.
        fails(unsafe { sam2_model_embedded(&raw const bad, &raw mut out) }, status, words);
    }
}
