//! A hash of tensors.

/// Hash of one tensor: multiply and fold, two values at a time, in eight chains that overlap in time.
///
/// Saved sessions and embeddings hold sums of these hashes, so it must not change.
pub(crate) fn fingerprint(name: &str, shape: &[usize], values: &[f32]) -> u64 {
    const FACTOR: u64 = 0x9e37_79b9_7f4a_7c15;
    let mix = |hash: u64, word: u64| (hash ^ word).wrapping_mul(FACTOR).rotate_left(29);
    let start = name.bytes().map(u64::from).chain(shape.iter().map(|&side| side as u64)).fold(FACTOR, mix);
    let mut chains: [u64; 8] = std::array::from_fn(|i| start.wrapping_add(i as u64));
    let (blocks, rest) = values.as_chunks::<16>();
    let last = std::array::from_fn(|i| rest.get(i).copied().unwrap_or(0.0));
    for block in blocks.iter().chain([&last]) {
        for (chain, pair) in chains.iter_mut().zip(block.as_chunks::<2>().0) {
            *chain = mix(*chain, u64::from(pair[1].to_bits()) << 32 | u64::from(pair[0].to_bits()));
        }
    }
    chains.into_iter().fold(values.len() as u64, mix)
}
