//! The decoder with and without high-resolution maps.

use crate::features::{Features, HighRes};
use crate::mask_decoder::Gate;
use crate::model::Model;
use crate::prompt_encoder::ModelPoint;
use crate::tap::NoTap;
use crate::workspace::Workspace;

fn noise(n: usize, seed: usize) -> Vec<f32> {
    (0..n).map(|i| ((i * 37 + seed * 101) % 211) as f32 / 100.0 - 1.0).collect()
}

#[test]
fn absent_high_resolution_maps_count_as_zeros_and_present_ones_change_the_masks() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/sam2.1_micro.safetensors");
    let model = Model::open(path).expect("the embedded model loads");
    let (d, grid) = (model.config.d_model, model.config.grid());
    let sizes = [16 * grid * grid * d / 8, 4 * grid * grid * d / 4];
    let maps = |[s0, s1]: [Vec<f32>; 2]| Some(HighRes { s0, s1 });
    let points = [ModelPoint { x: 100.0, y: 60.0, label: 1 }, ModelPoint::PADDING];
    let mut workspace = Workspace::default();
    let mut masks = |high_res: Option<HighRes>| {
        let features = Features { level2: noise(grid * grid * d, 1), high_res };
        let mut tap = NoTap;
        let mut run = model.run(&mut workspace, &mut tap);
        model.decode(&mut run, &features.level2, &features, &points, None, &Gate::default()).masks
    };
    let absent = masks(None);
    assert!(absent.iter().all(|x| x.is_finite()));
    assert!(absent == masks(maps(sizes.map(|n| vec![0.0; n]))));
    assert!(absent != masks(maps(sizes.map(|n| noise(n, 2)))));
}
