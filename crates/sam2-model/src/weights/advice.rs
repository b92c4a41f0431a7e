//! What was done to the weights of a model, by the names of its tensors, and how to undo it.

/// Parts of names, what they mean, and what to do.
const MARKS: [(&[&str], &str); 5] = [
    (
        &["lora_", ".base_layer."],
        "it has adapters (LoRA), which have to be merged into the model first (merge_and_unload of peft)",
    ),
    (
        &[".parametrizations."],
        "its weights are parametrised; save it after torch.nn.utils.parametrize.remove_parametrizations",
    ),
    (
        &[".weight_orig", ".weight_mask"],
        "its weights are pruned by a mask; save it after torch.nn.utils.prune.remove",
    ),
    (
        &[".weight_g", ".weight_v"],
        "its weights are normalised; save it after torch.nn.utils.remove_weight_norm",
    ),
    (
        &[".quant_state", ".absmax", ".SCB", ".qweight", ".weight_scale", "._packed_params"],
        "its weights are quantised; save it in F32, F16 or BF16",
    ),
];

/// What the names tell, if they tell anything.
pub(super) fn of<'n>(mut names: impl Iterator<Item = &'n str>) -> Option<&'static str> {
    names.find_map(|name| {
        let marked = |marks: &&[&str]| marks.iter().any(|mark| name.contains(mark));
        MARKS.iter().find(|(marks, _)| marked(marks)).map(|(_, advice)| *advice)
    })
}

/// What the name of a file tells: a part of a checkpoint has its number and that of all parts in its name.
pub(super) fn of_file(name: &str) -> Option<&'static str> {
    let stem = name.rsplit_once('.').map_or(name, |(stem, _)| stem);
    let (before, count) = stem.rsplit_once("-of-")?;
    let (_, number) = before.rsplit_once('-')?;
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    (digits(number) && digits(count))
        .then_some("it is one of the parts of a checkpoint; give their folder, or the index (*.index.json)")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_tell_what_was_done() {
        for (name, word) in [
            ("base_model.model.trunk.blocks.0.attn.qkv.lora_A.default.weight", "merge"),
            ("trunk.blocks.0.attn.qkv.base_layer.weight", "merge"),
            ("trunk.blocks.0.attn.qkv.parametrizations.weight.original", "parametrize"),
            ("memory_attention.layers.0.linear1.weight_orig", "prune"),
            ("memory_attention.layers.0.linear1.weight_v", "weight_norm"),
            ("memory_attention.layers.0.linear1.weight.absmax", "quantised"),
        ] {
            assert!(of([name].into_iter()).is_some_and(|advice| advice.contains(word)), "{name}");
        }
        let plain = ["image_encoder.trunk.pos_embed", "no_mem_embed", "exploration.weight"];
        assert_eq!(of(plain.into_iter()), None);
    }

    #[test]
    fn parts_are_known_by_their_names() {
        assert!(of_file("model-00001-of-00002.safetensors").is_some());
        assert!(of_file("pytorch_model-00002-of-00010.bin").is_some());
        assert!(
            of_file("best-of-2.pt").is_none() && of_file("model.pt").is_none() && of_file("x-of-").is_none()
        );
    }
}
