//! Zeros from the system: large buffers are maps of their own on huge pages.

#[cfg(target_os = "linux")]
use memmap2::{Advice, MmapMut};

/// Bytes from which a buffer is a map of its own: two huge pages.
#[cfg(target_os = "linux")]
const MAPPED: usize = 4 << 20;

/// Floats that stay initialised.
#[derive(Debug)]
pub(super) enum Floats {
    Heap(Vec<f32>),
    /// Anonymous and private: no file, so that nothing outside can shorten it.
    #[cfg(target_os = "linux")]
    Map(MmapMut),
}

impl Floats {
    /// `len` zeros.
    pub fn zeroed(len: usize) -> Self {
        #[cfg(target_os = "linux")]
        if len * size_of::<f32>() >= MAPPED
            && let Ok(map) = MmapMut::map_anon(len * size_of::<f32>())
        {
            // A system without huge pages refuses, and the map is as good as any memory.
            let _ = map.advise(Advice::HugePage);
            return Self::Map(map);
        }
        Self::Heap(vec![0.0; len])
    }

    pub fn as_slice(&self) -> &[f32] {
        match self {
            Self::Heap(floats) => floats,
            // Maps begin at a page.
            #[cfg(target_os = "linux")]
            Self::Map(map) => bytemuck::cast_slice(map),
        }
    }

    pub fn as_mut_slice(&mut self) -> &mut [f32] {
        match self {
            Self::Heap(floats) => floats,
            #[cfg(target_os = "linux")]
            Self::Map(map) => bytemuck::cast_slice_mut(map),
        }
    }
}

impl Default for Floats {
    fn default() -> Self {
        Self::Heap(Vec::new())
    }
}

impl From<Vec<f32>> for Floats {
    fn from(floats: Vec<f32>) -> Self {
        Self::Heap(floats)
    }
}

#[cfg(test)]
mod tests {
    use super::Floats;

    #[test]
    fn small_and_large_buffers_are_zeros_that_can_be_written() {
        for len in [0, 1, 1000, (4 << 18) - 1, 4 << 18, (4 << 18) + 1, 3_000_001] {
            let mut floats = Floats::zeroed(len);
            assert!(floats.as_slice().len() == len && floats.as_slice().iter().all(|&x| x == 0.0));
            floats.as_mut_slice().iter_mut().enumerate().for_each(|(i, x)| *x = i as f32);
            assert!(floats.as_slice().iter().enumerate().all(|(i, &x)| x == i as f32));
            #[cfg(target_os = "linux")]
            assert_eq!(matches!(floats, Floats::Map(_)), len >= 4 << 18, "{len}");
        }
    }
}
