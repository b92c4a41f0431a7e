//! Every shape as something that can be run.

use kernels::Isa;
use kernels::attention::{self, GridKeys, GridTokens};
use kernels::conv::{Conv2d, ConvTranspose2x2, Depthwise};
use kernels::gemm::bf16::{self, PackedB16};
use kernels::gemm::int8::{self, PackedB8};
use kernels::gemm::{Activation, Epilogue, PackedB, Rows, gemm};
use kernels::rope::Rope;
use ndarray::linalg::general_mat_mul;
use ndarray::{ArrayView2, ArrayViewMut2};
use sam2_model::models::Precision;

use super::shapes::{self, Shapes};
use super::timing::Work;
use crate::commands::bench::args::Part;

/// A kernel with its operands, ready to run.
pub type Run = Box<dyn FnMut() + Send>;

/// A kernel at one shape.
pub struct Case {
    /// Such as `gemm_f32`.
    pub kernel: &'static str,
    /// The layer, or the user's name.
    pub name: String,
    /// Such as `4096x384x1536`.
    pub size: String,
    pub work: Work,
    /// Makes the operands; they live as long as the run.
    pub prepare: Box<dyn Fn(Isa) -> Run + Sync>,
    /// The same product by the crate `matrixmultiply`, on one thread.
    pub baseline: Option<Box<dyn Fn() -> Run + Sync>>,
}

/// Every wanted kernel at every shape.
pub fn all(shapes: &Shapes, parts: &[Part], precision: Precision) -> Vec<Case> {
    let int8 = precision == Precision::Int8;
    let mut cases = Vec::new();
    if parts.contains(&Part::Gemm) {
        cases.extend(shapes.gemm.iter().map(|shape| product(shape, precision)));
    }
    if parts.contains(&Part::Attention) {
        cases.extend(shapes.attention.iter().map(|shape| attend(shape, int8)));
        cases.extend(shapes.grid_attention.iter().map(|shape| attend_grid(shape, int8)));
    }
    if parts.contains(&Part::Conv) {
        cases.extend(shapes.conv.iter().map(dense));
        cases.extend(shapes.conv_transpose.iter().map(transposed));
        cases.extend(shapes.depthwise.iter().map(depthwise));
    }
    cases
}

fn case(
    kernel: &'static str,
    name: &str,
    size: String,
    work: Work,
    prepare: impl Fn(Isa) -> Run + Sync + 'static,
) -> Case {
    let name = if name.is_empty() { "-".to_owned() } else { name.to_owned() };
    Case { kernel, name, size, work, prepare: Box::new(prepare), baseline: None }
}

fn floats(count: usize) -> Work {
    Work { floats: count as u64, ..Work::default() }
}

fn product(shape: &shapes::Gemm, precision: Precision) -> Case {
    let shapes::Gemm { m, k, n, .. } = *shape;
    let (size, count) = (format!("{m}x{k}x{n}"), 2 * m * k * n);
    if precision == Precision::Bf16 {
        return case("gemm_bf16", &shape.name, size, floats(count), move |isa| {
            let (a, b, mut out) = (noise(m * k), PackedB16::from_nk(isa, &noise(k * n), n, k), noise(m * n));
            Box::new(move || bf16::gemm(isa, &a, m, &b, &mut out, &Epilogue::default()))
        });
    }
    if precision == Precision::Int8 {
        let work = Work { bytes: count as u64, ..Work::default() };
        return case("gemm_int8", &shape.name, size, work, move |isa| {
            let (a, b, mut out) = (noise(m * k), PackedB8::from_nk(isa, &noise(k * n), n, k), noise(m * n));
            Box::new(move || int8::gemm(isa, &a, m, &b, &mut out, &Epilogue::default()))
        });
    }
    let baseline = move || -> Run {
        let (a, b, mut out) = (noise(m * k), noise(k * n), noise(m * n));
        Box::new(move || {
            let views = (
                ArrayView2::from_shape((m, k), &a),
                ArrayView2::from_shape((k, n), &b),
                ArrayViewMut2::from_shape((m, n), &mut out),
            );
            // The buffers were made with these sizes.
            if let (Ok(a), Ok(b), Ok(mut out)) = views {
                general_mat_mul(1.0, &a, &b, 0.0, &mut out);
            }
        })
    };
    let case = case("gemm_f32", &shape.name, size, floats(count), move |isa| {
        let (a, b, mut out) = (noise(m * k), PackedB::from_nk(isa, &noise(k * n), n, k), noise(m * n));
        Box::new(move || gemm(isa, &a, m, &b, &mut out, &Epilogue::default()))
    });
    Case { baseline: Some(Box::new(baseline)), ..case }
}

fn attend(shape: &shapes::Attention, int8: bool) -> Case {
    let (d, dv) = (shape.d, shape.dv());
    let s =
        attention::Shape { batch: shape.batch, heads: shape.heads, nq: shape.queries, nk: shape.keys, d, dv };
    let size = format!("{}x{}h_{}x{}_d{d}", s.batch, s.heads, s.nq, s.nk);
    // Of the two products; the softmax is not counted.
    let pairs = 2 * s.batch * s.heads * s.nq * s.nk;
    let (kernel, work) = if int8 {
        let work = Work { bytes: (pairs * d) as u64, words: (pairs * dv) as u64, floats: 0 };
        ("attention_int8", work)
    } else {
        ("attention_f32", floats(pairs * (d + dv)))
    };
    case(kernel, &shape.name, size, work, move |isa| {
        let (qk, vo) = (s.heads * d, s.heads * dv);
        let (q, k, v) = (noise(s.batch * s.nq * qk), noise(s.batch * s.nk * qk), noise(s.batch * s.nk * vo));
        let mut out = noise(s.batch * s.nq * vo);
        let scale = 1.0 / (d as f32).sqrt();
        let attention = if int8 { attention::int8::attention } else { attention::attention };
        Box::new(move || {
            let (q, k, v) = (Rows::new(&q, qk), Rows::new(&k, qk), Rows::new(&v, vo));
            attention(isa, s, scale, q, k, v, &mut out);
        })
    })
}

/// The memory cross-attention as the model runs it. Operations are those of its products; the additions of
/// the split scores are not counted. The queries are split in single precision.
fn attend_grid(shape: &shapes::GridAttention, int8: bool) -> Case {
    let shapes::GridAttention { queries, copies, side, d, m, .. } = *shape;
    let tokens = copies * side * side;
    let size = format!("{queries}x{tokens}_d{d}_m{m}");
    let keys =
        move |weight: &[f32], bias: &[f32]| GridKeys::new(weight, bias, 0.01, &Rope::new(side, d, 10_000.0));
    let split = 2 * queries * keys(&vec![0.0; d * m], &vec![0.0; d]).split_products();
    let products = 4 * queries * tokens * m;
    let (kernel, work) = if int8 {
        ("attention_int8", Work { words: products as u64, floats: split as u64, ..Work::default() })
    } else {
        ("attention_f32", floats(split + products))
    };
    case(kernel, &shape.name, size, work, move |isa| {
        let (q, z) = (noise(queries * d), noise(tokens * m));
        let (weight, bias, mut out) = (noise(d * m), noise(d), noise(queries * m));
        let keys = keys(&weight, &bias);
        let arrange = if int8 { GridTokens::int8 } else { GridTokens::new };
        let tokens = arrange(isa, (copies, side * side), (&z, m), (&z, m));
        Box::new(move || keys.attend(isa, &q, &tokens, &[], &mut out))
    })
}

fn dense(shape: &shapes::Conv) -> Case {
    let s = shape.clone();
    let (height, width) = s.output();
    let count = 2 * height * width * s.outputs * s.inputs * s.kernel * s.kernel;
    let size = format!(
        "{}x{}_{}to{}_k{}s{}p{}",
        s.height, s.width, s.inputs, s.outputs, s.kernel, s.stride, s.padding
    );
    case("conv_f32", &shape.name, size, floats(count), move |isa| {
        let weight = noise(s.outputs * s.inputs * s.kernel * s.kernel);
        let (x, bias) = (noise(s.height * s.width * s.inputs), noise(s.outputs));
        let mut out = noise(height * width * s.outputs);
        let conv = Conv2d::new(isa, &weight, &bias, s.inputs, s.kernel, s.stride, s.padding);
        let side = (s.height, s.width);
        Box::new(move || conv.forward(isa, &x, side, Activation::None, &mut out))
    })
}

fn transposed(shape: &shapes::ConvTranspose) -> Case {
    let shapes::ConvTranspose { height, width, inputs, outputs, .. } = *shape;
    let elements = 4 * height * width * outputs;
    let size = format!("{height}x{width}_{inputs}to{outputs}");
    case("conv_transpose_f32", &shape.name, size, floats(2 * elements * inputs), move |isa| {
        let (weight, bias) = (noise(inputs * outputs * 4), noise(outputs));
        let (x, mut out) = (noise(height * width * inputs), noise(elements));
        let conv = ConvTranspose2x2::new(isa, &weight, &bias, inputs);
        Box::new(move || conv.forward(isa, &x, (height, width), &mut out))
    })
}

fn depthwise(shape: &shapes::Depthwise) -> Case {
    let shapes::Depthwise { height, width, channels, kernel, .. } = *shape;
    let elements = height * width * channels;
    let size = format!("{height}x{width}_{channels}_k{kernel}");
    case("depthwise_f32", &shape.name, size, floats(2 * elements * kernel * kernel), move |isa| {
        let x = noise(elements);
        let conv = Depthwise::new(&noise(channels * kernel * kernel), &noise(channels), kernel);
        Box::new(move || {
            std::hint::black_box(conv.forward(isa, &x, (height, width)));
        })
    })
}

/// Reproducible values in [−1, 1): written pages, no denormals.
fn noise(n: usize) -> Vec<f32> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let next = |_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 40) as f32 / (1u64 << 23) as f32 - 1.0
    };
    (0..n).map(next).collect()
}
