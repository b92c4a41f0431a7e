//! Whether a configuration describes a model that can be built.

use super::Config;
use crate::error::LoadError;

impl Config {
    /// Fails, with Meta's name of the key, if a field is out of its range or does not fit the others.
    pub(crate) fn check(&self, origin: &str) -> Result<(), LoadError> {
        self.fault().map_err(|(key, reason)| LoadError::Config {
            origin: origin.to_owned(),
            key: key.to_owned(),
            reason,
        })
    }

    fn fault(&self) -> Result<(), (&'static str, String)> {
        let trunk = &self.trunk;
        let each = [
            ("image_size", 64, 4096, &[self.image_size][..]),
            ("image_encoder.trunk.embed_dim", 8, 2048, &[trunk.embed_dim]),
            ("image_encoder.trunk.num_heads", 1, 64, &[trunk.num_heads]),
            ("image_encoder.trunk.stages", 1, 64, &trunk.stages),
            ("image_encoder.trunk.global_att_blocks", 0, 1023, &trunk.global_att_blocks),
            (
                "image_encoder.trunk.window_pos_embed_bkg_spatial_size",
                1,
                256,
                &trunk.window_pos_embed_bkg_spatial_size,
            ),
            ("image_encoder.trunk.window_spec", 1, 64, &trunk.window_spec),
            ("memory_attention.d_model", 32, 256, &[self.d_model]),
            ("memory_encoder.out_dim", 4, 256, &[self.mem_dim]),
            ("memory_attention.num_layers", 1, 64, &[self.memory_attention_layers]),
            ("memory_attention.layer.dim_feedforward", 1, 65_536, &[self.dim_feedforward]),
            ("num_maskmem", 1, 64, &[self.num_maskmem]),
            ("max_obj_ptrs_in_encoder", 1, 1024, &[self.max_obj_ptrs_in_encoder]),
            ("max_cond_frames_in_attn", 2, 1 << 20, self.max_cond_frames_in_attn.as_slice()),
            ("memory_temporal_stride_for_eval", 1, 1024, &[self.memory_temporal_stride_for_eval]),
        ];
        for (key, least, most, values) in each {
            if let Some(value) = values.iter().find(|value| !(least..=most).contains(*value)) {
                return Err((key, format!("is {value}, expected a number in {least} ..= {most}")));
            }
        }
        if !self.image_size.is_multiple_of(64) {
            return Err(("image_size", format!("{} is not a multiple of 64", self.image_size)));
        }
        let weight = self.samurai.kf_score_weight;
        if !(0.0..=1.0).contains(&weight) {
            return Err(("kf_score_weight", format!("is {weight}, expected a number in 0 ..= 1")));
        }
        let (width, heads) = (trunk.embed_dim, trunk.num_heads);
        if !width.is_multiple_of(heads) || width / heads > kernels::gemm::KC {
            let reason = format!("{heads} heads do not fit a width of {width}");
            return Err(("image_encoder.trunk.num_heads", reason));
        }
        let [first, second, third, _] = trunk.stages;
        let pooling = [first, first + second, first + second + third];
        if let Some(block) = trunk.global_att_blocks.iter().find(|block| pooling.contains(block)) {
            let reason = format!("block {block} pools its queries and cannot be global");
            return Err(("image_encoder.trunk.global_att_blocks", reason));
        }
        let (patches, window) = (self.image_size / 4, trunk.window_spec[0]);
        if !patches.is_multiple_of(window) {
            let reason = format!("{window} does not divide the patch grid of {patches}");
            return Err(("image_encoder.trunk.window_spec", reason));
        }
        if let Some(odd) = trunk.window_spec[..3].iter().find(|window| **window % 2 != 0) {
            let reason = format!("{odd} is odd, so its queries cannot be pooled");
            return Err(("image_encoder.trunk.window_spec", reason));
        }
        if !self.d_model.is_multiple_of(32) || !self.d_model.is_multiple_of(self.mem_dim) {
            let reason = format!("{} with a memory of {}", self.d_model, self.mem_dim);
            return Err(("memory_attention.d_model", reason));
        }
        Ok(())
    }
}
