//! The tokens that a frame attends to.

use super::bank::{Direction, FrameTime, MemoryBank, StoredOutput, to_bf16};
use super::policy::MemoryPolicyKind;
use super::recall::RecallOptions;
use super::tokens::{MemoryTokens, Place, Span};
use crate::model::Model;
use crate::tap::NoTap;
use crate::workspace::Workspace;

fn tokens(bank: &MemoryBank, model: &Model, at: FrameTime, max_cond: Option<usize>) -> MemoryTokens {
    let options = RecallOptions {
        max_cond_frames_in_attn: max_cond,
        memory_temporal_stride_for_eval: 1,
        only_obj_ptrs_in_the_past_for_eval: true,
    };
    let (mut workspace, mut tap) = (Workspace::default(), NoTap);
    let policy = MemoryPolicyKind::Sam2.create(&model.config);
    model.recall.tokens(&mut model.run(&mut workspace, &mut tap), bank, at, &options, &*policy)
}

fn model() -> std::sync::Arc<Model> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/sam2.1_micro.safetensors");
    Model::open(path).expect("the embedded model loads")
}

fn output(model: &Model, frame: usize) -> StoredOutput {
    let fill = |n: usize| (0..n).map(|i| ((frame * 31 + i) % 17) as f32 - 8.0).collect::<Vec<f32>>();
    StoredOutput {
        memory: Some(to_bf16(&fill(model.recall.layout().spatial_len()))),
        low_res: [].into(),
        obj_ptr: fill(model.config.d_model).into(),
        object_score: 1.0,
        iou: 1.0,
        motion: None,
    }
}

#[test]
fn tokens_come_in_the_order_of_the_reference() {
    let model = model();
    let mut bank = MemoryBank::default();
    bank.set_cond(5, output(&model, 5));
    bank.set_cond(0, output(&model, 0));
    for frame in [1, 2, 3] {
        bank.non_cond.insert(frame, output(&model, frame));
    }
    let forward = |frame| FrameTime { frame, num_frames: 20, direction: Direction::Forward };
    let tokens = tokens(&bank, &model, forward(4), None);
    let (d, m) = (model.config.d_model, model.config.mem_dim);
    // The later of the two prompted frames is in the future: its memory is used, its pointer is not.
    let grid = model.config.grid();
    let memories = [Span { tokens: grid * grid, place: Place::Grid(grid) }; 5];
    let pointers = [Span { tokens: d / m, place: Place::Unplaced }; 4];
    assert_eq!(tokens.spans, [&memories[..], &pointers].concat());
    let cells = model.recall.layout().spatial_len() / m;
    assert_eq!(tokens.values.len(), (5 * cells + 4 * d / m) * m);
    let memory = |frame: usize| {
        output(&model, frame).memory.expect("it has one").iter().map(|x| x.to_f32()).collect::<Vec<_>>()
    };
    for (i, frame) in [5, 0, 1, 2, 3].into_iter().enumerate() {
        assert_eq!(tokens.values[i * cells * m..(i + 1) * cells * m], memory(frame), "memory {i}");
    }
    for (i, frame) in [0, 3, 2, 1].into_iter().enumerate() {
        let at = 5 * cells * m + i * d;
        assert_eq!(tokens.values[at..at + d], *output(&model, frame).obj_ptr, "pointer {i}");
    }
}

/// Values of the spatial memories, by frame.
fn spatial_frames(model: &Model, tokens: &MemoryTokens) -> Vec<usize> {
    let size = model.recall.layout().spatial_len();
    let spatial = tokens.spans.iter().filter(|span| span.place != Place::Unplaced).count();
    let is = |i: usize, frame: usize| {
        let memory = output(model, frame).memory.expect("it has one");
        memory.iter().zip(&tokens.values[i * size..]).all(|(a, b)| a.to_f32() == *b)
    };
    (0..spatial).map(|i| (0..17).find(|&frame| is(i, frame)).expect("a stored frame")).collect()
}

#[test]
fn the_closest_prompted_frames_are_attended_to_in_the_order_of_the_reference() {
    let model = model();
    let mut bank = MemoryBank::default();
    for frame in [9, 0, 4, 12, 6] {
        bank.set_cond(frame, output(&model, frame));
    }
    let at = FrameTime { frame: 7, num_frames: 20, direction: Direction::Forward };
    let seen = |max| spatial_frames(&model, &tokens(&bank, &model, at, max));
    assert_eq!(seen(Some(5)), [9, 0, 4, 12, 6]);
    // Before, after, then by distance. The others serve as recent memories if they are near enough.
    assert_eq!(seen(Some(2)), [6, 9, 4]);
    assert_eq!(seen(Some(3)), [6, 9, 4]);
    assert_eq!(seen(Some(4)), [6, 9, 4, 12]);
}

#[test]
fn a_stride_spreads_the_recent_memories_in_both_directions() {
    let at = |frame, direction| FrameTime { frame, num_frames: 40, direction };
    let slots = |at: FrameTime, stride| (1..=6).map(|back| at.recent(back, stride)).collect::<Vec<_>>();
    let frames = |list: [i64; 6]| list.map(|f| usize::try_from(f).ok()).to_vec();
    assert_eq!(slots(at(20, Direction::Forward), 1), frames([19, 18, 17, 16, 15, 14]));
    assert_eq!(slots(at(20, Direction::Forward), 3), frames([19, 18, 15, 12, 9, 6]));
    assert_eq!(slots(at(5, Direction::Forward), 3), frames([4, 3, 0, -1, -1, -1]));
    assert_eq!(slots(at(20, Direction::Reverse), 1), frames([21, 22, 23, 24, 25, 26]));
    assert_eq!(slots(at(20, Direction::Reverse), 3), frames([21, 24, 27, 30, 33, 36]));
    assert_eq!(slots(at(37, Direction::Reverse), 1), frames([38, 39, -1, -1, -1, -1]));
}

#[test]
fn rounding_to_bf16_is_to_nearest_even() {
    let cases = [(1.0_f32, 1.0_f32), (1.003_906_3, 1.0), (1.011_718_8, 1.015_625), (-3.145, -3.140_625)];
    for (x, expected) in cases {
        assert_eq!(to_bf16(&[x])[0].to_f32(), expected, "{x}");
    }
}
