"""Writes tests/golden/edgetam_hf_saved.json: a checksum per tensor that `EdgeTamVideoModel.save_pretrained`
writes for the seeded EdgeTAM. The Rust tests convert the same weights and compare checksums.

Run with transformers 5.23.0 and timm, after golden_edgetam.py, whose inventory it reads. Transformers loads
the renamed tensors strictly, which shows that every name and shape is right.
"""

import json
import pathlib
import re
import tempfile

import safetensors.numpy
import torch
import transformers

import golden_hf
import golden_seeded
import seeded

GOLDEN = golden_hf.OUT.parent
TRUNK = "image_encoder.trunk.body."
# Parts of a layer of the perceiver.
PERCEIVER = {
    "attn.norm_x": "layer_norm_input",
    "attn.norm_latents": "layer_norm_latents",
    "attn.to_q": "cross_attention.q_proj",
    "attn.to_out": "cross_attention.o_proj",
    "ff.0": "mlp.layer_norm",
    "ff.1": "mlp.up_proj",
    "ff.3": "mlp.down_proj",
    "self_attn.norm": "layer_norm_self",
    "self_attn.to_q": "self_attention.q_proj",
    "self_attn.to_out": "self_attention.o_proj",
    "self_ff.0": "self_mlp.layer_norm",
    "self_ff.1": "self_mlp.up_proj",
    "self_ff.3": "self_mlp.down_proj",
}
BOTH = {"attn.to_kv": "cross_attention", "self_attn.to_kv": "self_attention"}


def state() -> dict:
    """The seeded tensors by the published names."""
    shapes = json.loads((GOLDEN / "inventory" / "edgetam.json").read_text())
    out = {}
    for name, shape in shapes.items():
        drawn = torch.from_numpy(seeded.draw(name, shape, *seeded.rule("edgetam", name, shape)))
        out[name] = drawn.long() if name.endswith("num_batches_tracked") else drawn
    return out


def renamed(tensors: dict) -> dict:
    out, others = {}, {}
    for name, tensor in tensors.items():
        layer = re.fullmatch(r"spatial_perceiver\.layers\.(\d)\.(.+)\.(weight|bias)", name)
        if name.startswith(TRUNK):
            out["vision_encoder.backbone.timm_model." + name.removeprefix(TRUNK)] = tensor
        elif layer and layer[2] in BOTH:
            keys, values = tensor.chunk(2)
            stem = f"spatial_perceiver.layers.{layer[1]}.{BOTH[layer[2]]}"
            out |= {f"{stem}.k_proj.weight": keys, f"{stem}.v_proj.weight": values}
        elif layer:
            out[f"spatial_perceiver.layers.{layer[1]}.{PERCEIVER[layer[2]]}.{layer[3]}"] = tensor
        elif name.startswith("spatial_perceiver."):
            named = re.sub(r"\.latents$", ".latents_1d", name).replace(".norm.", ".layer_norm.")
            out[named] = tensor
        elif name.startswith("memory_attention.") and ".linear" in name:
            others[name.replace("linear1", "mlp.up_proj").replace("linear2", "mlp.down_proj")] = tensor
        else:
            others[name] = tensor
    return out | golden_hf.renamed(others)


def main() -> None:
    backbone = transformers.TimmWrapperConfig(
        architecture="repvit_m1.dist_in1k",
        model_args={"in_chans": 3, "features_only": True, "out_indices": [0, 1, 2, 3]},
    )
    config = transformers.EdgeTamVideoConfig(
        vision_config=transformers.EdgeTamVisionConfig(backbone_config=backbone),
        enable_temporal_pos_encoding_for_object_pointers=False,
        enable_occlusion_spatial_embedding=False,
    )
    model = transformers.EdgeTamVideoModel(config).eval()
    model.load_state_dict(renamed(state()), strict=True)
    with tempfile.TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tensors = safetensors.numpy.load_file(pathlib.Path(folder) / "model.safetensors")
    facts = {k: f"{golden_seeded.checksum(t):016x}" for k, t in sorted(tensors.items())}
    path = GOLDEN / "edgetam_hf_saved.json"
    path.write_text(json.dumps({"edgetam": {"tensors": facts}}, indent=0) + "\n")
    print(path.name, path.stat().st_size, "bytes,", len(facts), "tensors, transformers", end=" ")
    print(transformers.__version__)


if __name__ == "__main__":
    main()
