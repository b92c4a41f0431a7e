//! The shapes of a model's layers. Rows of windowed layers include the padding that is computed; the
//! cross-attention to the memories runs an eighth of its queries, to keep a run short.

use sam2_model::config::{Config, HieraConfig, TrunkConfig, VitConfig};

use super::shapes::{Attention, Conv, ConvTranspose, Depthwise, Gemm, GridAttention, Shapes};

/// The shapes of a model.
pub fn shapes(config: &Config) -> Shapes {
    let mut list = List(Shapes::default());
    match &config.trunk {
        TrunkConfig::Hiera(trunk) => list.hiera(config, trunk),
        TrunkConfig::RepVitM1 => list.repvit(config),
        TrunkConfig::Vit(trunk) => list.vit(config, trunk),
        other => unreachable!("no layers are listed for {other:?}"),
    }
    list.memory(config);
    list.decoder(config);
    list.0
}

/// The shapes listed so far.
struct List(Shapes);

impl List {
    fn gemm(&mut self, name: impl Into<String>, (m, k, n): (usize, usize, usize)) {
        self.0.gemm.push(Gemm { name: name.into(), m, k, n });
    }

    /// Attention of equally wide queries, keys and values.
    fn attention(
        &mut self,
        name: impl Into<String>,
        (batch, heads): (usize, usize),
        (queries, keys): (usize, usize),
        d: usize,
    ) {
        let name = name.into();
        self.0.attention.push(Attention { name, batch, heads, queries, keys, d, dv: None });
    }

    fn conv(
        &mut self,
        name: impl Into<String>,
        side: usize,
        (inputs, outputs): (usize, usize),
        (kernel, stride, padding): (usize, usize, usize),
    ) {
        let (name, height, width) = (name.into(), side, side);
        self.0.conv.push(Conv { name, height, width, inputs, outputs, kernel, stride, padding });
    }

    /// The linear layers of transformer blocks of `c` channels on a map of `side`, and their attention within
    /// windows.
    fn blocks(&mut self, stage: &str, (side, c): (usize, usize), heads: usize, window: usize) {
        let (rows, windows) = (side * side, side.div_ceil(window).pow(2));
        self.gemm(format!("{stage}.qkv"), (windows * window * window, c, 3 * c));
        self.gemm(format!("{stage}.proj"), (rows, c, c));
        self.gemm(format!("{stage}.mlp.0"), (rows, c, 4 * c));
        self.gemm(format!("{stage}.mlp.1"), (rows, 4 * c, c));
        let (name, tokens) = (format!("{stage}.window{window}"), window * window);
        self.attention(name, (windows, heads), (tokens, tokens), c / heads);
    }

    fn hiera(&mut self, config: &Config, trunk: &HieraConfig) {
        let mut first_block = 0;
        for stage in 0..4 {
            let (side, c) = ((config.image_size / 4) >> stage, trunk.embed_dim << stage);
            let (heads, name) = (trunk.num_heads << stage, format!("stage{}", stage + 1));
            self.blocks(&name, (side, c), heads, trunk.window_spec[stage]);
            let blocks = first_block..first_block + trunk.stages[stage];
            first_block = blocks.end;
            if trunk.global_att_blocks.iter().any(|block| blocks.contains(block)) {
                let rows = side * side;
                self.attention(format!("{name}.global"), (1, heads), (rows, rows), c / heads);
            }
        }
        let (cells, d, [c1, c2, c4, _]) = (config.grid().pow(2), config.d_model, trunk.channels());
        self.gemm("neck.high_res0", (16 * cells, c1, d / 8));
        self.gemm("neck.high_res1", (4 * cells, c2, d / 4));
        self.gemm("neck.level2", (cells, c4, d));
        self.conv("patch_embed", config.image_size, (3, c1), (7, 4, 3));
    }

    fn repvit(&mut self, config: &Config) {
        let d = config.d_model;
        for (stage, c) in [48, 96, 192, 384].into_iter().enumerate() {
            let side = (config.image_size / 4) >> stage;
            let rows = side * side;
            self.gemm(format!("stage{stage}.channel_mixer.conv1"), (rows, c, 2 * c));
            self.gemm(format!("stage{stage}.channel_mixer.conv2"), (rows, 2 * c, c));
            let name = format!("stage{stage}.token_mixer");
            self.0.depthwise.push(Depthwise { name, height: side, width: side, channels: c, kernel: 3 });
        }
        let cells = config.grid().pow(2);
        self.gemm("neck.high_res0", (16 * cells, 48, d / 8));
        self.gemm("neck.high_res1", (4 * cells, 96, d / 4));
        self.gemm("neck.level2", (cells, 192, d));
        self.conv("stem.conv1", config.image_size, (3, 24), (3, 2, 1));
        self.conv("stem.conv2", config.image_size / 2, (24, 48), (3, 2, 1));
    }

    fn vit(&mut self, config: &Config, trunk: &VitConfig) {
        let (side, c, heads, d) = (config.grid(), trunk.embed_dim, trunk.num_heads, config.d_model);
        let rows = side * side;
        self.blocks("trunk", (side, c), heads, trunk.window_size);
        self.attention("trunk.global", (1, heads), (rows, rows), c / heads);
        self.gemm("neck.conv_1x1", (rows, c, d));
        self.conv("patch_embed", config.image_size, (3, c), (16, 16, 0));
        self.conv("neck.conv_3x3", side, (d, d), (3, 1, 1));
    }

    fn memory(&mut self, config: &Config) {
        let (grid, d, m) = (config.grid(), config.d_model, config.mem_dim);
        let (cells, hidden) = (grid * grid, config.dim_feedforward);
        let tokens = config.num_maskmem * config.memory_tokens() + config.max_obj_ptrs_in_encoder * (d / m);
        self.gemm("memory_attention.q_proj", (cells, d, d));
        self.gemm("memory_attention.ffn.0", (cells, d, hidden));
        self.gemm("memory_attention.ffn.1", (cells, hidden, d));
        self.gemm("memory_attention.cross.k_proj", (tokens, m, d));
        self.gemm("memory_encoder.fuser.pwconv1", (cells, d, 4 * d));
        self.gemm("memory_encoder.fuser.pwconv2", (cells, 4 * d, d));
        self.attention("memory_attention.self", (1, 1), (cells, cells), d);
        self.attention("memory_attention.cross.eighth", (1, 1), (cells.div_ceil(8), tokens), d);
        if config.memory_tokens() == cells {
            let name = "memory_attention.cross.unprojected.eighth".to_owned();
            let (queries, copies, side) = (cells.div_ceil(8), config.num_maskmem, grid);
            self.0.grid_attention.push(GridAttention { name, queries, copies, side, d, m });
        }
        // Every layer halves the side and quadruples the channels.
        for layer in 0..4 {
            let inputs = 1 << (2 * layer);
            let name = format!("mask_downsampler.{}", 3 * layer);
            self.conv(name, config.image_size >> layer, (inputs, 4 * inputs), (3, 2, 1));
        }
        let name = "memory_encoder.fuser.dwconv".to_owned();
        self.0.depthwise.push(Depthwise { name, height: grid, width: grid, channels: d, kernel: 7 });
    }

    fn decoder(&mut self, config: &Config) {
        let (grid, d) = (config.grid(), config.d_model);
        let cells = grid * grid;
        self.gemm("mask_decoder.token.q_proj", (8, d, d / 2));
        self.attention("mask_decoder.token_to_image", (1, 8), (8, cells), d / 16);
        self.attention("mask_decoder.image_to_token", (1, 8), (cells, 8), d / 16);
        for (layer, side, inputs, outputs) in [(0, grid, d, d / 4), (3, 2 * grid, d / 4, d / 8)] {
            let name = format!("mask_decoder.upscaling.{layer}");
            self.0.conv_transpose.push(ConvTranspose { name, height: side, width: side, inputs, outputs });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn gemm(shapes: &Shapes, name: &str) -> (usize, usize, usize) {
        let s = shapes.gemm.iter().find(|s| s.name == name).expect(name);
        (s.m, s.k, s.n)
    }

    fn attention(shapes: &Shapes, name: &str) -> (usize, usize, usize, usize, usize, usize) {
        let s = shapes.attention.iter().find(|s| s.name == name).expect(name);
        (s.batch, s.heads, s.queries, s.keys, s.d, s.dv())
    }

    #[test]
    fn shapes_of_tiny_are_those_of_its_layers() {
        let tiny = shapes(&Config::published("tiny", true).expect("published"));
        assert_eq!(gemm(&tiny, "stage1.qkv"), (65_536, 96, 288));
        assert_eq!(gemm(&tiny, "stage3.qkv"), (4_900, 384, 1_152));
        assert_eq!(gemm(&tiny, "stage4.qkv"), (1_225, 768, 2_304));
        assert_eq!(gemm(&tiny, "stage4.mlp.0"), (1_024, 768, 3_072));
        assert_eq!(gemm(&tiny, "neck.level2"), (4_096, 384, 256));
        assert_eq!(gemm(&tiny, "memory_attention.cross.k_proj"), (28_736, 64, 256));
        assert_eq!(attention(&tiny, "stage1.window8"), (1_024, 1, 64, 64, 96, 96));
        assert_eq!(attention(&tiny, "stage2.window4"), (1_024, 2, 16, 16, 96, 96));
        assert_eq!(attention(&tiny, "stage3.window14"), (25, 4, 196, 196, 96, 96));
        assert_eq!(attention(&tiny, "stage3.global"), (1, 4, 4_096, 4_096, 96, 96));
        assert_eq!(attention(&tiny, "memory_attention.cross.eighth"), (1, 1, 512, 28_736, 256, 256));
        assert_eq!(tiny.attention.iter().filter(|s| s.name.ends_with("global")).count(), 1);
        assert_eq!(tiny.conv[4].output(), (64, 64));
        assert_eq!((tiny.conv[4].inputs, tiny.conv[4].outputs), (64, 256));
        assert!(tiny.check().is_ok());
    }

    #[test]
    fn shapes_of_every_published_model_can_be_run() {
        for name in Config::names() {
            let shapes = shapes(&Config::named(&name).expect("it is in the list"));
            assert!(shapes.check().is_ok(), "{name}");
        }
        let small = shapes(&Config::named("efficienttam_ti_512x512").expect("published"));
        assert_eq!(gemm(&small, "trunk.qkv"), (9 * 196, 192, 576));
        assert_eq!(attention(&small, "trunk.global"), (1, 3, 1_024, 1_024, 64, 64));
        assert_eq!(gemm(&small, "memory_attention.cross.k_proj"), (7_232, 64, 256));
        assert_eq!(small.conv[0].output(), (32, 32));
    }
}
