//! Defaults of the structs that begin with their size, and the options of the engine.

use std::mem::offset_of;
use std::ptr::null;

use sam2_model::PixelFormat;
use sam2_model::video::{Direction, MemoryPolicyKind, Retention};

use crate::failure::Failure;
use crate::types::{
    Image, Mask, ModelOptions, Prompt, SAM2_BF16, SAM2_BGR8, SAM2_BGRA8, SAM2_F32, SAM2_FORWARD, SAM2_GRAY8,
    SAM2_INT8, SAM2_MEMORY_DAM4SAM, SAM2_MEMORY_SAM2, SAM2_MEMORY_SAM2LONG, SAM2_MEMORY_SAMURAI,
    SAM2_REVERSE, SAM2_RGB8, SAM2_RGBA8, VideoOptions,
};

/// A struct that may grow. It begins with its size, so that an older caller's can be told.
///
/// # Safety `repr(C)`, `struct_size: usize` is the first field, and any bytes are valid values of all fields:
/// integers, floats and raw pointers.
pub unsafe trait Versioned: Copy {
    /// The name in C.
    const NAME: &'static str;
    /// Where each field ends, in ascending order.
    const ENDS: &'static [usize];
    /// As the macro `…_INIT` of the header.
    const DEFAULT: Self;
}

const fn end<T, F>(offset: usize, _: fn(&T) -> &F) -> usize {
    offset + size_of::<F>()
}

macro_rules! versioned {
    ($type:ident, $name:literal, { $($field:ident: $value:expr),* $(,)? }) => {
        // SAFETY: a struct of `types`: repr(C), begins with its size, and has no other fields than integers,
        // floats and raw pointers.
        unsafe impl Versioned for $type {
            const NAME: &'static str = $name;
            const ENDS: &'static [usize] = &[$(end(offset_of!($type, $field), |x: &$type| &x.$field)),*];
            const DEFAULT: Self = $type { $($field: $value),* };
        }
    };
}

versioned!(Image, "sam2_image", {
    struct_size: size_of::<Image>(),
    data: null(),
    width: 0,
    height: 0,
    stride: 0,
    format: SAM2_RGB8,
});
versioned!(Prompt, "sam2_prompt", {
    struct_size: size_of::<Prompt>(),
    points: null(),
    num_points: 0,
    r#box: null(),
    mask_logits: null(),
});
versioned!(ModelOptions, "sam2_model_options", {
    struct_size: size_of::<ModelOptions>(),
    precision: SAM2_F32,
    image_size: 0,
    config_path: null(),
});
versioned!(VideoOptions, "sam2_video_options", {
    struct_size: size_of::<VideoOptions>(),
    memory: -1,
    fill_hole_area: -1,
    non_overlap: -1,
    keep_everything: 0,
    max_cond_frames: 0,
});
versioned!(Mask, "sam2_mask", {
    struct_size: size_of::<Mask>(),
    obj_id: 0,
    width: 0,
    height: 0,
    data: null(),
    predicted_iou: 0.0,
    stability: 0.0,
    object_score: 0.0,
    area: 0,
    bbox: [0; 4],
    event: 0,
});

fn unknown(what: &str, value: i32, known: &str) -> Failure {
    Failure::argument(format!("{what} is {value}; {known}"))
}

/// 0 or 1.
pub fn flag(name: &str, value: i32) -> Result<bool, Failure> {
    match value {
        0 => Ok(false),
        1 => Ok(true),
        _ => Err(unknown(name, value, "0 or 1 is meant")),
    }
}

pub fn pixel_format(format: i32) -> Result<PixelFormat, Failure> {
    Ok(match format {
        SAM2_RGB8 => PixelFormat::Rgb8,
        SAM2_BGR8 => PixelFormat::Bgr8,
        SAM2_RGBA8 => PixelFormat::Rgba8,
        SAM2_BGRA8 => PixelFormat::Bgra8,
        SAM2_GRAY8 => PixelFormat::Gray8,
        _ => return Err(unknown("format", format, "SAM2_RGB8 to SAM2_GRAY8 are known")),
    })
}

pub fn direction(direction: i32) -> Result<Direction, Failure> {
    match direction {
        SAM2_FORWARD => Ok(Direction::Forward),
        SAM2_REVERSE => Ok(Direction::Reverse),
        _ => Err(unknown("direction", direction, "SAM2_FORWARD and SAM2_REVERSE are known")),
    }
}

pub fn precision(precision: i32) -> Result<sam2_model::models::Precision, Failure> {
    match precision {
        SAM2_F32 => Ok(sam2_model::models::Precision::F32),
        SAM2_INT8 => Ok(sam2_model::models::Precision::Int8),
        SAM2_BF16 => Ok(sam2_model::models::Precision::Bf16),
        _ => Err(unknown("precision", precision, "SAM2_F32, SAM2_INT8 and SAM2_BF16 are known")),
    }
}

/// The engine's options for a model of this configuration.
pub fn video(
    options: &VideoOptions,
    config: &sam2_model::config::Config,
) -> Result<sam2_model::video::VideoOptions, Failure> {
    let mut out = sam2_model::video::VideoOptions::of(config);
    out.memory = match options.memory {
        -1 => out.memory,
        SAM2_MEMORY_SAM2 => MemoryPolicyKind::Sam2,
        SAM2_MEMORY_SAMURAI => MemoryPolicyKind::Samurai,
        SAM2_MEMORY_DAM4SAM => MemoryPolicyKind::Dam4sam,
        SAM2_MEMORY_SAM2LONG => MemoryPolicyKind::Sam2long,
        other => {
            return Err(unknown(
                "memory",
                other,
                "SAM2_MEMORY_SAM2 to SAM2_MEMORY_SAM2LONG and -1 are known",
            ));
        }
    };
    out.fill_hole_area = match options.fill_hole_area {
        -1 => out.fill_hole_area,
        area => usize::try_from(area)
            .map_err(|_| unknown("fill_hole_area", area, "-1, 0 or a number of pixels is meant"))?,
    };
    out.non_overlap = match options.non_overlap {
        -1 => out.non_overlap,
        value => flag("non_overlap", value)?,
    };
    if flag("keep_everything", options.keep_everything)? {
        out.keep = Retention::Everything;
    }
    out.max_cond_frames_in_attn = match options.max_cond_frames {
        0 => out.max_cond_frames_in_attn,
        count => Some(
            usize::try_from(count)
                .map_err(|_| unknown("max_cond_frames", count, "0 or a number from 2 on is meant"))?,
        ),
    };
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ends_are_those_of<T: Versioned>() {
        assert_eq!(T::ENDS[0], size_of::<usize>(), "{}", T::NAME);
        assert!(T::ENDS.is_sorted(), "{}", T::NAME);
        let last = T::ENDS[T::ENDS.len() - 1];
        assert!(last <= size_of::<T>() && size_of::<T>() - last < align_of::<T>(), "{}", T::NAME);
    }

    #[test]
    fn every_field_of_a_struct_has_its_end() {
        ends_are_those_of::<Image>();
        ends_are_those_of::<Prompt>();
        ends_are_those_of::<ModelOptions>();
        ends_are_those_of::<VideoOptions>();
        ends_are_those_of::<Mask>();
    }
}
