//! The first step of Hiera and of ViT.

use kernels::conv::Conv2d;
use kernels::gemm::Activation;

use crate::workspace::{Buffer, Run};

/// The patches of `image`, `[side, side, 3]`, whose buffer returns to the workspace; with their height and
/// width.
pub(super) fn forward(run: &mut Run, conv: &Conv2d, image: Buffer, side: usize) -> (Buffer, (usize, usize)) {
    let (h, w) = conv.output_size((side, side));
    let c = conv.out_channels();
    let mut x = run.take(h * w * c);
    conv.forward(run.isa, &image, (side, side), Activation::None, &mut x);
    run.give(image);
    run.tap.tap(|| "image_encoder.trunk.patch_embed".into(), &[h, w, c], &x);
    (x, (h, w))
}
