//! Seeded weights and inputs, bit-identical to `tools/seeded.py`.
//!
//! A tensor is a pure function of its name and shape: SplitMix64 in counter mode, seeded with the FNV-1a hash
//! of the name. All arithmetic is exact in integers or f64, except one f64 multiplication and one addition,
//! which IEEE 754 defines, and one rounding to f32.

use std::collections::BTreeMap;

use crate::golden;

/// FNV-1a of the bytes, 64 bits.
#[must_use]
pub fn fnv1a64(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xCBF2_9CE4_8422_2325, |h, &b| (h ^ u64::from(b)).wrapping_mul(0x0000_0100_0000_01B3))
}

/// Output `counter` (from 0) of SplitMix64.
#[inline]
#[must_use]
pub fn splitmix64(seed: u64, counter: u64) -> u64 {
    let mut z = seed.wrapping_add((counter.wrapping_add(1)).wrapping_mul(0x9E37_79B9_7F4A_7C15));
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
    z ^ (z >> 31)
}

/// `count` uniform values with the given mean and standard deviation.
#[must_use]
pub fn draw(name: &str, count: usize, mean: f64, std: f64) -> Vec<f32> {
    draws(name, count, mean, std).collect()
}

fn draws(name: &str, count: usize, mean: f64, std: f64) -> impl Iterator<Item = f32> {
    let (seed, amp) = (fnv1a64(name.as_bytes()), std * 3f64.sqrt());
    (0..count as u64).map(move |i| {
        let u = (splitmix64(seed, i) >> 40) as f64 * (1.0 / 16_777_216.0);
        let s = 2.0 * u - 1.0;
        (mean + amp * s) as f32
    })
}

/// A field `[height, width]`: bilinear interpolation of a seeded grid (half-pixel centres, clamped border).
///
/// `cell` is a power of two that divides both sides. `std` is the grid's standard deviation; the field's is
/// about two thirds of it.
#[must_use]
pub fn smooth(name: &str, height: usize, width: usize, cell: usize, mean: f64, std: f64) -> Vec<f32> {
    assert!(cell.is_power_of_two() && height.is_multiple_of(cell) && width.is_multiple_of(cell));
    let (gh, gw, seed) = (height / cell, width / cell, fnv1a64(name.as_bytes()));
    let grid: Vec<i64> =
        (0..(gh * gw) as u64).map(|i| (splitmix64(seed, i) >> 40) as i64 * 2 - (1 << 24)).collect();
    let full = 2 * cell as i64;
    let tap = |at: usize, cells: usize| {
        let t = 2 * at as i64 + 1 - cell as i64;
        let i0 = t.div_euclid(full);
        let clamp = |i: i64| i.clamp(0, cells as i64 - 1) as usize;
        (clamp(i0), clamp(i0 + 1), t - full * i0)
    };
    let unit = ((1i64 << 24) * full * full) as f64;
    let amp = std * 3f64.sqrt();
    let mut out = Vec::with_capacity(height * width);
    for y in 0..height {
        let (y0, y1, fy) = tap(y, gh);
        for x in 0..width {
            let (x0, x1, fx) = tap(x, gw);
            let row = |y: usize| grid[y * gw + x0] * (full - fx) + grid[y * gw + x1] * fx;
            let s = (row(y0) * (full - fy) + row(y1) * fy) as f64 / unit;
            out.push((mean + amp * s) as f32);
        }
    }
    out
}

/// A synthetic RGB image `[height, width, 3]`: three octaves of value noise under six shapes that move with
/// `frame`. Integer arithmetic only.
#[must_use]
pub fn photo(name: &str, width: usize, height: usize, frame: usize) -> Vec<u8> {
    let mut image = vec![0i64; height * width * 3];
    for (cell, weight) in [(64, 9), (16, 4), (4, 3)] {
        let (gh, gw) = (height / cell + 2, width / cell + 2);
        let seed = fnv1a64(format!("{name}.noise{cell}").as_bytes());
        let grid: Vec<i64> = (0..(gh * gw * 3) as u64).map(|i| (splitmix64(seed, i) >> 56) as i64).collect();
        let side = cell as i64;
        for y in 0..height {
            let (y0, fy) = (y / cell, (y % cell) as i64);
            for x in 0..width {
                let (x0, fx) = (x / cell, (x % cell) as i64);
                for c in 0..3 {
                    let at = |y: usize, x: usize| grid[(y * gw + x) * 3 + c];
                    let row = |y: usize| at(y, x0) * (side - fx) + at(y, x0 + 1) * fx;
                    let value = (row(y0) * (side - fy) + row(y0 + 1) * fy) / (side * side);
                    image[(y * width + x) * 3 + c] += weight * value;
                }
            }
        }
    }
    image.iter_mut().for_each(|v| *v /= 16);
    for k in 0..6 {
        Shape::new(name, k, width, height, frame as i64).paint(&mut image, width);
    }
    image.iter().map(|&v| v as u8).collect()
}

/// One ellipse or rectangle of [`photo`].
struct Shape {
    centre: (i64, i64),
    radius: (i64, i64),
    ellipse: bool,
    stripe: i64,
    colour: [i64; 3],
}

impl Shape {
    fn new(name: &str, k: usize, width: usize, height: usize, frame: i64) -> Self {
        let seed = fnv1a64(format!("{name}.shape{k}").as_bytes());
        let h = |i: u64, modulus: usize| (splitmix64(seed, i) % modulus as u64) as i64;
        let velocity = (h(0, 13) - 6, h(1, 9) - 4);
        let colour = splitmix64(seed, 8);
        Self {
            centre: (h(2, width) + velocity.0 * frame, h(3, height) + velocity.1 * frame),
            radius: ((width / 16) as i64 + h(4, width / 6), (height / 16) as i64 + h(5, height / 6)),
            ellipse: h(6, 2) == 0,
            stripe: h(7, 64),
            colour: [0, 8, 16].map(|shift| ((colour >> shift) & 255) as i64),
        }
    }

    fn paint(&self, image: &mut [i64], width: usize) {
        let (rx, ry) = self.radius;
        for (i, pixel) in image.chunks_exact_mut(3).enumerate() {
            let dx = (i % width) as i64 - self.centre.0;
            let dy = (i / width) as i64 - self.centre.1;
            let inside = if self.ellipse {
                dx * dx * (ry * ry) + dy * dy * (rx * rx) <= rx * rx * ry * ry
            } else {
                dx.abs() <= rx && dy.abs() <= ry
            };
            if inside {
                let stripe = (dx + dy + 4096).div_euclid(8).rem_euclid(2) * self.stripe;
                for (value, colour) in pixel.iter_mut().zip(self.colour) {
                    *value = ((colour * 12 + *value * 4) / 16 - stripe).max(0);
                }
            }
        }
    }
}

/// The models with goldens. `sam2.1_hiera_tiny_absent` is tiny with a lower object score: the object is
/// absent on every frame.
pub const MODELS: [&str; 6] = [
    "sam2.1_hiera_tiny",
    "sam2.1_hiera_tiny_absent",
    "sam2.1_hiera_small",
    "sam2.1_hiera_base_plus",
    "sam2.1_hiera_large",
    "sam2_hiera_tiny",
];
/// EfficientTAM. The variants of one size have the same tensors, hence the same seeded weights.
pub const EFFICIENTTAM: [&str; 8] = [
    "efficienttam_s",
    "efficienttam_s_1",
    "efficienttam_s_2",
    "efficienttam_s_512x512",
    "efficienttam_ti",
    "efficienttam_ti_1",
    "efficienttam_ti_2",
    "efficienttam_ti_512x512",
];

/// EdgeTAM.
pub const EDGETAM: &str = "edgetam";

const EMBEDDINGS: [&str; 11] = [
    "maskmem_tpos_enc",
    "no_mem_embed",
    "no_mem_pos_enc",
    "no_obj_ptr",
    "no_obj_embed_spatial",
    "point_embeddings",
    "not_a_point_embed",
    "no_mask_embed",
    "iou_token",
    "mask_tokens",
    "obj_score_token",
];
const CONV_TRANSPOSE: [&str; 2] = ["output_upscaling.0.", "output_upscaling.3."];
/// (parts of the name, gain relative to 1/sqrt(fan_in)); reasons in `tools/seeded.py`.
const GAINS: [(&[&str], f64); 9] = [
    (&["neck.convs."], 0.3),
    (&[".attn.qkv."], 1.3),
    (&["memory_attention.layers.", ".q_proj."], 1.7),
    (&["memory_attention.layers.", ".k_proj."], 1.7),
    (&["memory_attention.layers.", ".v_proj."], 2.0),
    (&["output_hypernetworks_mlps.0.layers.2."], 1.0),
    (&["output_hypernetworks_mlps.", ".layers.2."], 3.0),
    (&["iou_prediction_head.layers.2."], 4.0),
    (&["pred_obj_score_head.layers.2."], 4.0),
];
/// Tensors that only EdgeTAM has: (parts of the name, mean, std); the first match wins.
const OF_EDGETAM: [(&[&str], f64, f64); 11] = [
    (&["running_var"], 1.0, 0.25),
    (&["running_mean"], 0.0, 0.2),
    (&[COUNTER], 0.0, 0.0),
    (&[".token_mixer.conv1.c.weight"], 0.0, 0.3),
    (&[".token_mixer.", ".bn.weight"], 0.5, 0.1),
    (&[".channel_mixer.conv2.bn.weight"], 0.4, 0.1),
    (&[".ffn.conv2.bn.weight"], 0.4, 0.1),
    (&[".se.fc2.bias"], 0.5, 0.5),
    (&["spatial_perceiver.latents"], 0.0, 1.0),
    (&["spatial_perceiver.", ".to_q."], 0.0, 0.25),
    (&["spatial_perceiver.", ".to_kv."], 0.0, 0.1875),
];
/// Counters of a batch norm: 64-bit integers, all zero.
const COUNTER: &str = "num_batches_tracked";
/// The bias of the object score.
pub const OBJECT_SCORE_BIAS: &str = "sam_mask_decoder.pred_obj_score_head.layers.2.bias";
const SINGLE_MASK_HEAD: &str = "sam_mask_decoder.output_hypernetworks_mlps.0.layers.2.weight";
/// (model or "" for all, tensor, mean, std); the last match wins.
const OVERRIDES: [(&str, &str, f64, f64); 8] = [
    ("", OBJECT_SCORE_BIAS, 3.0, 0.2),
    ("sam2.1_hiera_tiny_absent", OBJECT_SCORE_BIAS, -5.0, 0.2),
    ("seeded.micro_fickle", OBJECT_SCORE_BIAS, 5.8, 0.2),
    ("seeded.micro_present", OBJECT_SCORE_BIAS, 9.0, 0.2),
    ("sam2.1_hiera_small", SINGLE_MASK_HEAD, 0.0, 1.0),
    ("sam2.1_hiera_base_plus", SINGLE_MASK_HEAD, 0.0, 0.03),
    ("sam2.1_hiera_large", SINGLE_MASK_HEAD, 0.0, 0.25),
    ("sam2_hiera_tiny", SINGLE_MASK_HEAD, 0.0, 1.0),
];

/// (mean, standard deviation) of a checkpoint tensor.
fn rule(model: &str, name: &str, shape: &[usize]) -> (f64, f64) {
    let special = OVERRIDES.iter().rev().find(|o| (o.0.is_empty() || o.0 == model) && o.1 == name);
    if let Some(&(_, _, mean, std)) = special {
        return (mean, std);
    }
    let of_edgetam = OF_EDGETAM.iter().find(|(parts, ..)| parts.iter().all(|part| name.contains(part)));
    if let Some(&(_, mean, std)) = of_edgetam {
        return (mean, std);
    }
    if name.ends_with("positional_encoding_gaussian_matrix") {
        return (0.0, 1.0);
    }
    if name.contains("pos_embed") || EMBEDDINGS.iter().any(|e| name.contains(e)) {
        return (0.0, 0.5);
    }
    if name.ends_with(".gamma") {
        return (0.5, 0.2);
    }
    if name.ends_with(".bias") {
        return (0.0, 0.2);
    }
    if shape.len() == 1 {
        return (1.0, 0.2);
    }
    let transposed = CONV_TRANSPOSE.iter().any(|c| name.contains(c));
    let fan_in: usize = if transposed { shape[0] } else { shape[1..].iter().product() };
    let gain = GAINS.iter().find(|(parts, _)| parts.iter().all(|p| name.contains(p)));
    (0.0, gain.map_or(1.0, |g| g.1) / (fan_in as f64).sqrt())
}

/// Names and shapes of a model's tensors, sorted by name.
///
/// # Panics
/// If `model` is not in [`MODELS`] or [`EFFICIENTTAM`] and not [`EDGETAM`], or its inventory cannot be read.
#[must_use]
pub fn inventory(model: &str) -> Vec<(String, Vec<usize>)> {
    let variants = EFFICIENTTAM.contains(&model);
    assert!(variants || model == EDGETAM || MODELS.contains(&model), "no seeded model is called {model}");
    let name = if variants {
        model.split('_').take(2).collect::<Vec<_>>().join("_")
    } else {
        model.trim_end_matches("_absent").to_owned()
    };
    let file = golden(&format!("inventory/{name}.json"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
    let map: BTreeMap<String, Vec<usize>> = serde_json::from_str(&text).expect("inventory is name -> shape");
    map.into_iter().collect()
}

/// One tensor of a model's checkpoint, row-major in Meta's layout.
#[must_use]
pub fn tensor(model: &str, name: &str, shape: &[usize]) -> Vec<f32> {
    let (mean, std) = rule(model, name, shape);
    draw(name, shape.iter().product(), mean, std)
}

/// A whole checkpoint as a safetensors file in memory: Meta's names, f32 (counters I64), no metadata.
///
/// # Panics
/// As [`inventory`].
#[must_use]
pub fn checkpoint(model: &str) -> Vec<u8> {
    checkpoint_with(model, None)
}

/// [`checkpoint`] with a configuration, as the JSON form of Meta's YAML, in its metadata.
///
/// # Panics
/// As [`inventory`].
#[must_use]
pub fn checkpoint_with(model: &str, config: Option<&str>) -> Vec<u8> {
    let inventory = inventory(model);
    let mut header = serde_json::Map::new();
    if let Some(config) = config {
        header.insert("__metadata__".to_owned(), serde_json::json!({ "sam2.config": config }));
    }
    let mut end = 0;
    for (name, shape) in &inventory {
        let start = end;
        let (dtype, size) = if name.ends_with(COUNTER) { ("I64", 8) } else { ("F32", 4) };
        end += size * shape.iter().product::<usize>();
        let entry = serde_json::json!({"dtype": dtype, "shape": shape, "data_offsets": [start, end]});
        header.insert(name.clone(), entry);
    }
    let mut text = serde_json::to_string(&header).expect("a map of plain values");
    // The format requires that the data starts at a multiple of 8.
    text.extend(std::iter::repeat_n(' ', (8 - text.len() % 8) % 8));
    let mut file = Vec::with_capacity(8 + text.len() + end);
    file.extend_from_slice(&(text.len() as u64).to_le_bytes());
    file.extend_from_slice(text.as_bytes());
    for (name, shape) in &inventory {
        if name.ends_with(COUNTER) {
            file.extend_from_slice(&0_i64.to_le_bytes());
            continue;
        }
        let (mean, std) = rule(model, name, shape);
        let values = draws(name, shape.iter().product(), mean, std);
        values.for_each(|v| file.extend_from_slice(&v.to_le_bytes()));
    }
    file
}

#[cfg(test)]
mod tests {
    use safetensors::SafeTensors;
    use serde_json::Value;

    use super::*;

    /// Sum of `bits[i] * (2 i + 1)`, as in `tools/golden_seeded.py`.
    fn checksum(values: impl Iterator<Item = f32>) -> u64 {
        values.zip(0u64..).fold(0, |sum, (v, i)| {
            sum.wrapping_add(u64::from(v.to_bits()).wrapping_mul(i.wrapping_mul(2).wrapping_add(1)))
        })
    }

    fn facts(file: &str) -> Value {
        serde_json::from_str(&std::fs::read_to_string(golden(file)).unwrap()).unwrap()
    }

    fn hex(value: &Value) -> u64 {
        u64::from_str_radix(value.as_str().unwrap(), 16).unwrap()
    }

    #[test]
    fn inputs_equal_those_of_python() {
        let facts = facts("seeded.json");
        let tensor = draw("input.check", 3 * 5 * 7, 0.25, 2.0);
        assert_eq!(facts["draw"]["first"][1].as_f64().unwrap(), f64::from(tensor[1]));
        assert_eq!(checksum(tensor.into_iter()), hex(&facts["draw"]["checksum"]));
        let field = smooth("input.check", 64, 128, 16, -0.5, 3.0);
        assert_eq!(checksum(field.into_iter()), hex(&facts["smooth"]["checksum"]));
        let picture = photo("photo.check", 150, 100, 3);
        assert_eq!(fnv1a64(&picture), hex(&facts["photo"]["photo.check 150x100 frame 3"]));
    }

    #[test]
    fn checkpoints_equal_those_of_python() {
        let facts = facts("seeded.json");
        MODELS.iter().for_each(|model| check(model, &facts));
    }

    #[test]
    fn checkpoints_of_efficienttam_equal_those_of_python() {
        let facts = facts("seeded_efficienttam.json");
        EFFICIENTTAM
            .iter()
            .filter(|model| model.ends_with("_512x512"))
            .for_each(|model| check(model, &facts));
    }

    #[test]
    fn the_checkpoint_of_edgetam_equals_that_of_python() {
        check(EDGETAM, &facts("seeded_edgetam.json"));
    }

    fn check(model: &str, facts: &Value) {
        let file = checkpoint(model);
        let parsed = SafeTensors::deserialize(&file).unwrap();
        let expected = &facts["checkpoints"][model];
        assert_eq!(parsed.len() as u64, expected["tensors"].as_u64().unwrap(), "{model}");
        let (mut sum, mut parameters) = (0u64, 0);
        for (name, tensor) in parsed.tensors() {
            parameters += tensor.shape().iter().product::<usize>() as u64;
            let values = tensor.data().chunks_exact(4).map(|b| f32::from_le_bytes(b.try_into().unwrap()));
            sum = sum.wrapping_add(fnv1a64(name.as_bytes()).wrapping_mul(checksum(values)));
        }
        assert_eq!(parameters, expected["parameters"].as_u64().unwrap(), "{model}");
        assert_eq!(sum, hex(&expected["checksum"]), "{model}");
    }
}
