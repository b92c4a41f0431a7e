//! `struct_size`: none, too small, of an older header, exact, of a newer header; buffers for run lengths.

use super::*;

/// A struct of a newer header.
#[repr(C)]
struct Newer<T> {
    known: T,
    tail: [u64; 3],
}

#[test]
fn a_size_that_is_none_is_refused() {
    let h = Handles::new();
    for size in [0, 1, 7, 4097, usize::MAX] {
        let (image, prompt) =
            (Image { struct_size: size, ..image() }, Prompt { struct_size: size, ..click() });
        let mut mask = Mask { struct_size: size, ..empty_mask() };
        // SAFETY: pointers to living values.
        unsafe {
            let words = "struct_size";
            fails(sam2_image_set(h.predictor, &raw const image), SAM2_INVALID_ARGUMENT, words);
            let mut out = null_mut();
            let status = sam2_image_predict(h.predictor, &raw const prompt, 1, 1, &raw mut out);
            fails(status, SAM2_INVALID_ARGUMENT, "SAM2_PROMPT_INIT");
            fails(sam2_masks_get(h.masks, 0, 0, &raw mut mask), SAM2_INVALID_ARGUMENT, words);
        }
    }
}

#[test]
fn missing_fields_take_their_defaults() {
    // Without `format` and `stride`: RGB, rows without a gap. Half of a field counts as none.
    let stride_at = std::mem::offset_of!(Image, stride);
    for size in [stride_at, stride_at + 3] {
        let short = Image { struct_size: size, stride: 1, format: 77, ..image() };
        let h = Handles::new();
        // SAFETY: pointers to living values.
        unsafe {
            holds(sam2_image_set(h.predictor, &raw const short));
            let whole = Image { stride: 0, format: SAM2_RGB8, ..image() };
            assert_eq!(area_of(h.predictor), {
                holds(sam2_image_set(h.predictor, &raw const whole));
                area_of(h.predictor)
            });
        }
    }
    let options = VideoOptions {
        struct_size: size_of::<usize>(),
        memory: 99,
        fill_hole_area: -99,
        non_overlap: 99,
        keep_everything: 99,
        max_cond_frames: -99,
    };
    let mut out = null_mut();
    // SAFETY: pointers to living values; the tracker is freed once.
    unsafe {
        holds(sam2_tracker_new(model(), 9, 9, &raw const options, &raw mut out));
        sam2_tracker_free(out);
    }
}

/// # Safety
/// A predictor that is not freed.
unsafe fn area_of(predictor: *mut ImagePredictor) -> u64 {
    let (mut masks, mut mask, click) = (null_mut(), empty_mask(), click());
    // SAFETY: pointers to living values; the masks are freed once.
    unsafe {
        holds(sam2_image_predict(predictor, &raw const click, 1, 0, &raw mut masks));
        holds(sam2_masks_get(masks, 0, 0, &raw mut mask));
        sam2_masks_free(masks);
    }
    mask.area
}

#[test]
fn a_newer_struct_is_taken_if_it_asks_for_nothing_new() {
    let h = Handles::new();
    let size = size_of::<Newer<Image>>();
    let mut newer = Newer { known: Image { struct_size: size, ..image() }, tail: [0; 3] };
    // SAFETY: a predictor and a struct of the stated size, which live.
    let set = |newer: &Newer<Image>| unsafe { sam2_image_set(h.predictor, (&raw const *newer).cast()) };
    holds(set(&newer));
    newer.tail[2] = 1 << 56;
    fails(set(&newer), SAM2_UNSUPPORTED, "newer header");

    let size = size_of::<Newer<Mask>>();
    let mut newer = Newer { known: Mask { struct_size: size, ..empty_mask() }, tail: [0; 3] };
    // SAFETY: as above.
    let get = |newer: &mut Newer<Mask>| unsafe { sam2_masks_get(h.masks, 0, 0, (&raw mut *newer).cast()) };
    holds(get(&mut newer));
    assert_eq!((newer.known.struct_size, newer.known.width, newer.tail), (size, SIDE, [0; 3]));
    newer.tail[0] = 1;
    fails(get(&mut newer), SAM2_UNSUPPORTED, "newer header");
}

#[test]
fn an_array_has_elements_of_the_first_ones_size() {
    let h = Handles::new();
    let size = size_of::<Newer<Prompt>>();
    let newer = |struct_size| Newer { known: Prompt { struct_size, ..click() }, tail: [0; 3] };
    let (good, mixed) = ([newer(size), newer(size)], [newer(size), newer(size - 8)]);
    let mut out = null_mut();
    // SAFETY: arrays of two structs of the stated size; the masks are freed once.
    unsafe {
        holds(sam2_image_predict(h.predictor, good.as_ptr().cast(), 2, 0, &raw mut out));
        assert_eq!(sam2_masks_prompts(out), 2);
        sam2_masks_free(out);
        let status = sam2_image_predict(h.predictor, mixed.as_ptr().cast(), 2, 0, &raw mut out);
        fails(status, SAM2_INVALID_ARGUMENT, "prompt 1");
        assert!(out.is_null());
    }
}

#[test]
fn an_older_mask_gets_the_fields_that_it_has() {
    let h = Handles::new();
    let end = std::mem::offset_of!(Mask, height) + 4;
    let mut mask = Mask { struct_size: end, area: 12345, event: 77, ..empty_mask() };
    // SAFETY: pointers to living values.
    unsafe { holds(sam2_masks_get(h.masks, 0, 0, &raw mut mask)) };
    assert_eq!((mask.struct_size, mask.width, mask.height), (end, SIDE, SIDE));
    assert_eq!((mask.area, mask.event, mask.data), (12345, 77, null()));
}

#[test]
fn initialisers_stay_inside_of_the_callers_struct() {
    let size = size_of::<VideoOptions>();
    for struct_size in [0, 1, 8, 12, size, size + 16, 4096, 4097] {
        let mut room = vec![0xee_u8; 8192];
        let at = room.as_mut_ptr().align_offset(8);
        // SAFETY: aligned, with room for 4097 bytes.
        unsafe { sam2_video_options_init(room.as_mut_ptr().add(at).cast(), struct_size) };
        let used = if (8..=4096).contains(&struct_size) { struct_size } else { 0 };
        assert!(room[..at].iter().chain(&room[at + used..]).all(|&byte| byte == 0xee), "{struct_size}");
        if used > 0 {
            assert_eq!(room[at..at + 8], struct_size.to_ne_bytes());
            assert!(room[at..at + used].iter().skip(size).all(|&byte| byte == 0));
        }
    }
}

#[test]
fn run_lengths_need_room() {
    let h = Handles::new();
    let mut need = 0;
    // SAFETY: pointers to living values, and buffers of the stated size.
    unsafe {
        holds(sam2_masks_rle(h.masks, 0, 0, null_mut(), &raw mut need));
        let mut buffer = vec![0x7f_u8; need + 1];
        let mut short = need - 1;
        let status = sam2_masks_rle(h.masks, 0, 0, buffer.as_mut_ptr().cast(), &raw mut short);
        fails(status, SAM2_INVALID_ARGUMENT, "are needed");
        assert!(short == need - 1 && buffer.iter().all(|&byte| byte == 0x7f), "nothing is written");
        let mut room = buffer.len();
        holds(sam2_masks_rle(h.masks, 0, 0, buffer.as_mut_ptr().cast(), &raw mut room));
        assert_eq!((room, buffer[need]), (need, 0x7f));
        let text =
            CStr::from_bytes_with_nul(&buffer[..need]).expect("NUL at the end").to_str().expect("ASCII");
        let mut mask = empty_mask();
        holds(sam2_masks_get(h.masks, 0, 0, &raw mut mask));
        let rle = sam2_model::Rle::from_coco_string(SIDE as usize, SIDE as usize, text).expect("run lengths");
        assert_eq!(rle.area(), mask.area);
        let data = std::slice::from_raw_parts(mask.data, (SIDE * SIDE) as usize);
        assert!(
            rle.mask().data().iter().zip(data).all(|(&inside, &byte)| byte == if inside { 255 } else { 0 })
        );
    }
}
