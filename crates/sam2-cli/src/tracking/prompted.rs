//! Adds the prompts of a clip to a predictor.

use anyhow::Result;
use sam2_media::prompts::{Prompt, Prompts, mask_file, to_points};
use sam2_model::{Frame, VideoPredictor};

/// Gives the predictor the prompts on one frame.
pub fn give_prompts(
    predictor: &mut VideoPredictor,
    index: usize,
    frame: &Frame,
    prompts: &Prompts,
) -> Result<()> {
    for (obj_id, target) in prompts.on(index) {
        match target {
            Prompt::Points { clicks, bbox } => {
                predictor.add_points(index, frame, obj_id, &to_points(clicks, *bbox))?
            }
            Prompt::Mask(path) => {
                predictor.add_mask(index, frame, obj_id, &mask_file::read(path, Some(obj_id))?)?
            }
        };
    }
    Ok(())
}
