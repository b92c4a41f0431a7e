//! Kernels and twins against PyTorch, torchvision and Pillow: tests/golden/kernels.npz, made by
//! tools/kernel_fixtures.py.

#[macro_use]
mod common;

use std::collections::BTreeMap;
use std::path::Path;

use kernels::attention::{Shape, attention};
use kernels::conv::{Conv2d, ConvTranspose2x2, Depthwise};
use kernels::gemm::{Activation, Epilogue, PackedB, Rows, gemm};
use kernels::rope::Rope;
use kernels::{Isa, image, reference, rows};
use tensor::npy::NpyArray;
use tensor::{Tensor, Tolerance, assert_close};

on_every_isa! {
    float_resizes_match_pytorch,
    pil_resize_equals_pillow,
    nearest_and_pooling_equal_pytorch,
    element_wise_functions_match_pytorch,
    softmax_and_layer_norms_match_pytorch,
    linear_layers_match_pytorch,
    attention_matches_pytorch,
    rope_matches_pytorch,
    convolutions_match_pytorch,
}

/// One case of one operation.
struct Case {
    name: String,
    dims: Vec<usize>,
    arrays: BTreeMap<String, NpyArray>,
}

impl Case {
    fn f32(&self, field: &str) -> Vec<f32> {
        let array = self.arrays.get(field).unwrap_or_else(|| panic!("{}: no field {field}", self.name));
        array.clone().into_f32().expect("float32").into_vec()
    }

    fn u8(&self, field: &str) -> Vec<u8> {
        Tensor::<u8>::try_from(self.arrays[field].clone()).expect("uint8").into_vec()
    }

    fn dims<const N: usize>(&self) -> [usize; N] {
        self.dims.clone().try_into().unwrap_or_else(|d| panic!("{}: dims {d:?}", self.name))
    }

    /// Checks one result; `who` names the implementation.
    #[track_caller]
    fn check(&self, who: &str, field: &str, actual: &[f32], max_abs: f64) {
        let name = format!("{}/{field} by {who}", self.name);
        let c = assert_close(&name, actual, &self.f32(field), Tolerance::max_abs(max_abs));
        println!("{name}: {:.1e} of {max_abs:.0e}", c.max_abs);
    }
}

/// All cases of `op`, at least one.
fn cases(op: &str) -> Vec<Case> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/golden/kernels.npz");
    let mut found: BTreeMap<String, BTreeMap<String, NpyArray>> = BTreeMap::new();
    for (name, array) in tensor::npz::read(path).expect("fixtures are read") {
        let (case, field) = name.rsplit_once('/').expect("op/case/field");
        if case.split('/').next() == Some(op) {
            found.entry(case.to_owned()).or_default().insert(field.to_owned(), array);
        }
    }
    assert!(!found.is_empty(), "no fixtures for {op}");
    let case = |(name, mut arrays): (String, BTreeMap<String, NpyArray>)| {
        let dims = Tensor::<i64>::try_from(arrays.remove("dims").expect("dims")).expect("int64");
        Case { name, dims: dims.data().iter().map(|&d| d as usize).collect(), arrays }
    };
    found.into_iter().map(case).collect()
}

type Resize = fn(Isa, &[f32], (usize, usize), usize, (usize, usize)) -> Vec<f32>;
type Twin = fn(&[f32], (usize, usize), usize, (usize, usize)) -> Vec<f32>;

fn float_resizes_match_pytorch(isa: Isa) {
    let table: [(&str, Resize, Twin, f64); 3] = [
        ("bilinear", image::resize_bilinear, reference::bilinear, 1e-6),
        ("antialias", image::resize_bilinear_antialias, reference::bilinear_antialias, 1e-6),
        ("bicubic", image::resize_bicubic, reference::bicubic, 2e-6),
    ];
    for (op, fast, twin, tolerance) in table {
        for case in cases(op) {
            let [h, w, c, oh, ow] = case.dims();
            let x = case.f32("x");
            case.check(isa.name(), "y", &fast(isa, &x, (h, w), c, (oh, ow)), tolerance);
            // The twin places its taps in f64, PyTorch in f32.
            case.check("reference", "y", &twin(&x, (h, w), c, (oh, ow)), 1e-5);
        }
    }
}

fn pil_resize_equals_pillow(isa: Isa) {
    for case in cases("pil") {
        let [h, w, c, oh, ow] = case.dims();
        let (x, expected) = (case.u8("x"), case.u8("y"));
        assert_eq!(image::resize_pil_bicubic_u8(isa, &x, (h, w), c, (oh, ow)), expected, "{}", case.name);
        assert_eq!(
            reference::pil_bicubic_u8(&x, (h, w), c, (oh, ow)),
            expected,
            "{} by reference",
            case.name
        );
    }
}

fn nearest_and_pooling_equal_pytorch(isa: Isa) {
    for case in cases("nearest_add") {
        let [h, w, c] = case.dims();
        {
            let mut fine = case.f32("fine");
            image::upsample_nearest_2x_add(isa, &case.f32("x"), (h, w), c, &mut fine);
            case.check(isa.name(), "y", &fine, 0.0);
        }
    }
    for case in cases("max_pool") {
        let [h, w, c] = case.dims();
        let x = case.f32("x");
        {
            let mut y = vec![f32::NAN; h / 2 * (w / 2) * c];
            image::max_pool_2x2(isa, &x, (h, w), c, &mut y);
            case.check(isa.name(), "y", &y, 0.0);
        }
        case.check("reference", "y", &reference::max_pool_2x2(&x, (h, w), c), 0.0);
    }
}

fn element_wise_functions_match_pytorch(isa: Isa) {
    type Function = (&'static str, fn(Isa, &mut [f32]), fn(f64) -> f64, f32);
    let table: [Function; 2] =
        [("gelu", rows::gelu, reference::gelu, 1e-6), ("sigmoid", rows::sigmoid, reference::sigmoid, 3e-7)];
    for (op, fast, twin, tolerance) in table {
        for case in cases(op) {
            {
                let mut y = case.f32("x");
                fast(isa, &mut y);
                // Half a unit of the last place is 4e-6 at the far ends, where only the relative error is
                // meaningful.
                common::assert_near(isa.name(), &y, &case.f32("y"), tolerance, 2.5e-7);
            }
            let y: Vec<f32> = case.f32("x").iter().map(|&v| twin(f64::from(v)) as f32).collect();
            case.check("reference", "y", &y, 1e-6);
        }
    }
}

fn softmax_and_layer_norms_match_pytorch(isa: Isa) {
    for case in cases("softmax") {
        let [_, cols] = case.dims();
        {
            let x: Vec<f32> = case.f32("x").iter().map(|x| x * std::f32::consts::LOG2_E).collect();
            case.check(isa.name(), "y", &common::softmax2_by_eights(isa, &x, cols), 1e-6);
        }
        case.check("reference", "y", &reference::softmax(&case.f32("x"), cols), 1e-6);
    }
    for op in ["layer_norm", "layer_norm_2d"] {
        for case in cases(op) {
            let (x, gamma, beta) = (case.f32("x"), case.f32("gamma"), case.f32("beta"));
            let eps = if op == "layer_norm" { case.f32("eps")[0] } else { 1e-6 };
            {
                let mut y = vec![f32::NAN; x.len()];
                rows::layer_norm(isa, &x, &gamma, &beta, eps, &mut y);
                case.check(isa.name(), "y", &y, 1e-5);
            }
            case.check("reference", "y", &reference::layer_norm(&x, &gamma, &beta, eps), 1e-5);
            if let [h, w, c] = case.dims[..] {
                let chw = tensor::relayout::hwc_to_chw(&x, h, w, c);
                let y = reference::layer_norm_2d(&chw, &gamma, &beta, eps);
                case.check("layer_norm_2d", "y", &tensor::relayout::chw_to_hwc(&y, c, h, w), 1e-5);
            }
        }
    }
}

fn linear_layers_match_pytorch(isa: Isa) {
    for case in cases("linear") {
        let [m, k, n] = case.dims();
        let (x, weight, bias, residual) =
            (case.f32("x"), case.f32("weight"), case.f32("bias"), case.f32("residual"));
        let plain = Epilogue::bias(&bias);
        for (field, epilogue) in [
            ("y", plain),
            ("gelu", plain.activation(Activation::Gelu)),
            ("relu_residual", plain.activation(Activation::Relu).residual(&residual)),
        ] {
            {
                let packed = PackedB::from_nk(isa, &weight, n, k);
                let mut y = vec![f32::NAN; m * n];
                gemm(isa, &x, m, &packed, &mut y, &epilogue);
                case.check(isa.name(), field, &y, 5e-6);
            }
            case.check("reference", field, &reference::linear(&x, &weight, (m, k, n), &epilogue), 5e-6);
        }
    }
}

fn attention_matches_pytorch(isa: Isa) {
    for case in cases("attention") {
        let [batch, heads, nq, nk, d, dv] = case.dims();
        let shape = Shape { batch, heads, nq, nk, d, dv };
        let (q, k, v) = (case.f32("q"), case.f32("k"), case.f32("v"));
        let scale = 1.0 / (d as f32).sqrt();
        {
            let mut y = vec![f32::NAN; batch * nq * heads * dv];
            let rows = |x, width| Rows::new(x, heads * width);
            attention(isa, shape, scale, rows(&q, d), rows(&k, d), rows(&v, dv), &mut y);
            case.check(isa.name(), "y", &y, 3e-6);
        }
        case.check("reference", "y", &reference::attention(shape, scale, &q, &k, &v), 3e-6);
    }
}

fn rope_matches_pytorch(isa: Isa) {
    for case in cases("rope") {
        let [side, dim] = case.dims();
        {
            let mut y = case.f32("x");
            Rope::new(side, dim, 10_000.0).rotate_keys(isa, &mut y);
            case.check(isa.name(), "y", &y, 1e-6);
        }
        case.check("reference", "y", &reference::rope(&case.f32("x"), side, dim, 10_000.0), 1e-6);
    }
}

fn convolutions_match_pytorch(isa: Isa) {
    for case in cases("conv2d") {
        let [h, w, inputs, kernel, stride, padding] = case.dims();
        let (x, weight, bias) = (case.f32("x"), case.f32("weight"), case.f32("bias"));
        {
            let conv = Conv2d::new(isa, &weight, &bias, inputs, kernel, stride, padding);
            let mut y = vec![f32::NAN; case.arrays["y"].len()];
            conv.forward(isa, &x, (h, w), Activation::None, &mut y);
            case.check(isa.name(), "y", &y, 3e-6);
        }
        let y = reference::conv2d(&x, (h, w), &weight, &bias, kernel, stride, padding);
        case.check("reference", "y", &y, 3e-6);
    }
    for case in cases("depthwise") {
        let [h, w, k] = case.dims();
        let (x, weight, bias) = (case.f32("x"), case.f32("weight"), case.f32("bias"));
        let conv = Depthwise::new(&weight, &bias, k);
        case.check(isa.name(), "y", &conv.forward(isa, &x, (h, w)), 3e-6);
        case.check("reference", "y", &reference::depthwise(&x, (h, w), &weight, &bias, (k, 1)), 3e-6);
    }
    for case in cases("conv_transpose") {
        let [h, w, inputs] = case.dims();
        let (x, weight, bias) = (case.f32("x"), case.f32("weight"), case.f32("bias"));
        {
            let mut y = vec![f32::NAN; case.arrays["y"].len()];
            ConvTranspose2x2::new(isa, &weight, &bias, inputs).forward(isa, &x, (h, w), &mut y);
            case.check(isa.name(), "y", &y, 3e-6);
        }
        case.check("reference", "y", &reference::conv_transpose_2x2(&x, (h, w), &weight, &bias), 3e-6);
    }
}
