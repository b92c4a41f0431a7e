//! Feature maps of one image.

/// Output of the image encoder, input of the mask decoder and the memory.
#[derive(Clone, Debug)]
pub struct Features {
    /// `[grid, grid, D]`: the raw map of stride 16.
    pub(crate) level2: Vec<f32>,
    /// Absent in families whose neck has one level; the mask decoder then adds nothing.
    pub(crate) high_res: Option<HighRes>,
}

/// The two finest levels as the mask decoder adds them.
#[derive(Clone, Debug)]
pub(crate) struct HighRes {
    /// `[4·grid, 4·grid, D/8]`, the output of `conv_s0`.
    pub s0: Vec<f32>,
    /// `[2·grid, 2·grid, D/4]`, the output of `conv_s1`.
    pub s1: Vec<f32>,
}

impl Features {
    /// From their three maps: `[g, g, D]`, `[4g, 4g, D/8]`, `[2g, 2g, D/4]`.
    ///
    /// ```
    /// # use sam2_model::advanced::Features;
    /// let (grid, width) = (2, 8);
    /// let level2 = vec![0.5; grid * grid * width];
    /// let features = Features::from_parts(level2.clone(), vec![0.0; 64], vec![0.0; 32]);
    /// assert_eq!(features.level2(), level2);
    /// ```
    pub fn from_parts(level2: Vec<f32>, high_res0: Vec<f32>, high_res1: Vec<f32>) -> Self {
        Self { level2, high_res: Some(HighRes { s0: high_res0, s1: high_res1 }) }
    }

    /// From the one map of a family without high-resolution maps, `[g, g, D]`.
    pub fn from_level2(level2: Vec<f32>) -> Self {
        Self { level2, high_res: None }
    }

    /// The raw map of stride 16.
    pub fn level2(&self) -> &[f32] {
        &self.level2
    }

    /// All maps: `level2`, then those of [`HighRes`].
    pub(crate) fn maps(&self) -> Vec<&[f32]> {
        let high_res = self.high_res.iter().flat_map(|maps| [&maps.s0[..], &maps.s1]);
        std::iter::once(&self.level2[..]).chain(high_res).collect()
    }

    /// From all maps, in the order of [`Self::maps`].
    pub(crate) fn from_maps(maps: Vec<Vec<f32>>) -> Self {
        let mut maps = maps.into_iter();
        let level2 = maps.next().unwrap_or_default();
        Self { level2, high_res: maps.next().zip(maps.next()).map(|(s0, s1)| HighRes { s0, s1 }) }
    }
}
