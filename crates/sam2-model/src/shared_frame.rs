//! Intermediates that all objects of a frame share, computed on first use.

use crate::memory::attention::SharedQueries;
use crate::memory::tokens::MemoryTokens;
use crate::model::Model;
use crate::workspace::{Buffer, Run};

/// Raw features of one frame, `[grid, grid, D]`, and intermediates derived from them.
#[derive(Debug)]
pub(crate) struct SharedFrame<'a> {
    level2: &'a [f32],
    queries: Option<SharedQueries>,
    projected: Option<Buffer>,
}

impl<'a> SharedFrame<'a> {
    pub fn new(level2: &'a [f32]) -> Self {
        Self { level2, queries: None, projected: None }
    }

    /// Computes the object-independent part of the conditioning while the large buffers are free.
    pub fn share(&mut self, model: &Model, run: &mut Run) {
        self.queries.get_or_insert_with(|| model.memory_attention.share(run, self.level2));
    }

    /// The features conditioned on the memories of one object.
    pub fn condition(&mut self, model: &Model, run: &mut Run, memory: MemoryTokens) -> Buffer {
        let queries = self.queries.get_or_insert_with(|| model.memory_attention.share(run, self.level2));
        model.memory_attention.forward(run, queries, memory)
    }

    /// The features as the memory encoder adds them to a mask.
    pub fn projected(&mut self, model: &Model, run: &mut Run) -> &[f32] {
        self.projected.get_or_insert_with(|| model.memory_encoder.project(run, self.level2))
    }

    /// Returns its buffers to the workspace.
    pub fn recycle(self, run: &mut Run) {
        if let Some(queries) = self.queries {
            queries.recycle(run);
        }
        if let Some(projected) = self.projected {
            run.give(projected);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::heads::NO_OBJ_SCORE;
    use crate::memory::encoder::MaskInput;
    use crate::tap::{NoTap, Tap};
    use crate::workspace::Workspace;

    /// Records everything, so that nothing is skipped.
    struct Everything;

    impl Tap for Everything {
        fn enabled(&self) -> bool {
            true
        }
        fn record(&mut self, _: &str, _: &[usize], _: &[f32]) {}
    }

    fn noise(n: usize, seed: usize) -> Vec<f32> {
        (0..n).map(|i| ((i * 37 + seed * 101) % 211) as f32 / 100.0 - 1.0).collect()
    }

    #[test]
    fn shared_parts_change_no_bit() {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../../assets/sam2.1_micro.safetensors");
        let model = Model::open(path).expect("the embedded model loads");
        let (d, m, grid) = (model.config.d_model, model.config.mem_dim, model.config.grid());
        let (mut workspace, mut tap, mut everything) = (Workspace::default(), NoTap, Everything);
        let level2 = noise(grid * grid * d, 1);
        let low = model.low_res_size();
        let mut shared = SharedFrame::new(&level2);
        for object in 0..3 {
            let tokens = MemoryTokens {
                values: noise((grid * grid * (object + 1) + 2 * d / m) * m, object).into(),
                positions: noise((grid * grid * (object + 1) + 2 * d / m) * m, object + 10).into(),
                spans: model.recall.layout().spans(object + 1, 2),
            };
            // The last object is absent.
            let logits = if object == 2 { vec![NO_OBJ_SCORE; low * low] } else { noise(low * low, object) };
            let score = 1.0 - object as f32;
            let mut answer = |frame: &mut SharedFrame, tap: &mut dyn Tap| {
                let mut run = model.run(&mut workspace, tap);
                let conditioned = frame.condition(&model, &mut run, tokens.clone());
                let inputs = [MaskInput::Soft, MaskInput::Binary];
                let memories =
                    inputs.map(|input| model.encode_memory(&mut run, frame, &logits, score, input));
                (conditioned.to_vec(), memories)
            };
            let together = answer(&mut shared, &mut tap);
            let alone = answer(&mut SharedFrame::new(&level2), &mut everything);
            assert!(together == alone, "object {object}");
        }
    }
}
