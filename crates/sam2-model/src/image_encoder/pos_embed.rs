//! Absolute position embedding of the trunk: a small background, interpolated, plus a tiled window.
//!
//! Meta: `sam2/modeling/backbones/hieradet.py`, `Hiera._get_pos_embed`.

use kernels::{Isa, image};

use crate::config::Config;
use crate::error::LoadError;
use crate::weights::Scope;
use tensor::relayout;

/// `[side, side, E]`, with `side` the size of the patch grid.
pub(crate) fn load(scope: &Scope, isa: Isa, config: &Config) -> Result<Vec<f32>, LoadError> {
    let c = config.trunk.embed_dim;
    let side = config.image_size / 4;
    let [h, w] = config.trunk.window_pos_embed_bkg_spatial_size;
    let window = config.trunk.window_spec[0];
    let background = relayout::chw_to_hwc(&scope.tensor("pos_embed", &[1, c, h, w])?, c, h, w);
    let tile =
        relayout::chw_to_hwc(&scope.tensor("pos_embed_window", &[1, c, window, window])?, c, window, window);
    let mut out = image::resize_bicubic(isa, &background, (h, w), c, (side, side));
    for (i, pixel) in out.chunks_exact_mut(c).enumerate() {
        let (y, x) = (i / side % window, i % side % window);
        let tile = &tile[(y * window + x) * c..][..c];
        for (a, b) in pixel.iter_mut().zip(tile) {
            *a += b;
        }
    }
    Ok(out)
}
