"""Writes tests/golden/hf_saved.json: a checksum per tensor that `Sam2VideoModel.save_pretrained` writes.

The models are the two seeded tiny ones. The Rust tests convert the same weights and compare checksums.

Run with transformers 5.23.0: python tools/golden_hf.py [FOLDER]. FOLDER receives the models as written by
transformers and by `torch.save`. The script also runs Meta's model and the saved one on one image and prints
their distance, which shows that the name mapping is right.
"""

import json
import pathlib
import re
import sys
import tempfile

import numpy as np
import safetensors.numpy
import torch
import transformers
from safetensors import safe_open
from safetensors.torch import save_file
from sam2.sam2_image_predictor import SAM2ImagePredictor

import golden_seeded
import oracle
import seeded
from probes import rel_l2

OUT = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden" / "hf_saved.json"
MODELS = {"sam2.1_hiera_tiny": True, "sam2_hiera_tiny": False}
HEADS = r"(obj_ptr_proj|output_hypernetworks_mlps\.\d|iou_prediction_head|pred_obj_score_head)"
LAYERS = {"0": "proj_in", "1": "layers.0", "2": "proj_out"}
RULES = [
    (HEADS + r"\.layers\.(\d)", lambda m: f"{m[1]}.{LAYERS[m[2]]}"),
    (r"mlp\.layers\.0", "mlp.proj_in"),
    (r"mlp\.layers\.1", "mlp.proj_out"),
    (r"mask_downsampler\.encoder\.12", "mask_downsampler.final_conv"),
    (
        r"mask_downsampler\.encoder\.(\d+)",
        lambda m: f"mask_downsampler.layers.{int(m[1]) // 3}.{'layer_norm' if int(m[1]) % 3 else 'conv'}",
    ),
    (r"output_upscaling\.0", "upscale_conv1"),
    (r"output_upscaling\.1", "upscale_layer_norm"),
    (r"output_upscaling\.3", "upscale_conv2"),
    (r"mask_downscaling\.0", "mask_embed.conv1"),
    (r"mask_downscaling\.1", "mask_embed.layer_norm1"),
    (r"mask_downscaling\.3", "mask_embed.conv2"),
    (r"mask_downscaling\.4", "mask_embed.layer_norm2"),
    (r"mask_downscaling\.6", "mask_embed.conv3"),
    (r"\.norm", ".layer_norm"),
    (r"memory_encoder\.out_proj", "memory_encoder.projection"),
    (r"out_proj", "o_proj"),
    (r"dwconv", "depthwise_conv"),
    (r"pwconv", "pointwise_conv"),
    (r"fuser", "memory_fuser"),
    (r"gamma$", "scale"),
    (r"pix_feat_proj", "feature_projection"),
    (r"pe_layer\.positional_encoding_gaussian_matrix", "shared_embedding.positional_embedding"),
    (r"obj_ptr_tpos_proj", "temporal_positional_encoding_projection_layer"),
    (r"no_obj_embed_spatial", "occlusion_spatial_embedding_parameter"),
    (r"maskmem_tpos_enc", "memory_temporal_positional_encoding"),
    (r"no_mem_embed", "no_memory_embedding"),
    (r"no_mem_pos_enc", "no_memory_positional_encoding"),
    (r"obj_ptr_proj", "object_pointer_proj"),
    (r"no_obj_ptr", "no_object_pointer"),
    (r"patch_embed\.proj", "patch_embed.projection"),
    (r"(neck\.convs\.\d)\.conv", r"\1"),
    (r"image_encoder\.trunk", "vision_encoder.backbone"),
    (r"image_encoder\.neck", "vision_encoder.neck"),
    (r"sam_prompt_encoder", "prompt_encoder"),
    (r"sam_mask_decoder", "mask_decoder"),
]


def renamed(state: dict) -> dict:
    out, points = {}, {}
    for name, tensor in state.items():
        if row := re.search(r"point_embeddings\.(\d)", name):
            points[int(row[1])] = tensor
            continue
        for pattern, replacement in RULES:
            name = re.sub(pattern, replacement, name)
        out[name] = tensor
    out["prompt_encoder.point_embed.weight"] = torch.cat([points[i] for i in range(4)])
    out["shared_image_embedding.positional_embedding"] = out[
        "prompt_encoder.shared_embedding.positional_embedding"
    ].clone()
    return out


def distances(meta: torch.nn.Module, folder: pathlib.Path) -> tuple:
    """Relative distances of the saved model from Meta's on one image: features, and mask logits for a box."""
    model = transformers.Sam2Model.from_pretrained(folder).eval()
    predictor = SAM2ImagePredictor(meta)
    photo = seeded.photo("photo.a", 1024, 1024, 0).reshape(1024, 1024, 3)
    box = np.array([200.0, 150.0, 800.0, 700.0])
    with torch.inference_mode():
        predictor.set_image(photo)
        expected = predictor.predict(box=box, multimask_output=True)[2]
        pixels = predictor._transforms(photo)[None]
        features = model.get_image_embeddings(pixels)
        found = model(
            image_embeddings=features, input_boxes=torch.tensor(box)[None, None], multimask_output=True
        ).pred_masks
    return rel_l2(features[-1], predictor.get_image_embedding()), rel_l2(found.clamp(-32, 32), expected)


def main() -> None:
    keep = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else None
    facts = {}
    for name, v21 in MODELS.items():
        meta = oracle.build(name, video=True)
        state = meta.state_dict()
        config = transformers.Sam2VideoConfig(
            enable_temporal_pos_encoding_for_object_pointers=v21, enable_occlusion_spatial_embedding=v21
        )
        model = transformers.Sam2VideoModel(config).eval()
        model.load_state_dict(renamed(state), strict=True)
        with tempfile.TemporaryDirectory() as folder:
            folder = keep / f"{name}_hf" if keep else pathlib.Path(folder)
            model.save_pretrained(folder)
            print(name, "features and masks, relative distance from Meta's:", distances(meta, folder))
            if keep:
                torch.save({"model": state}, keep / f"{name}.pt")
                save_file({k: v.contiguous() for k, v in state.items()}, keep / f"{name}.safetensors")
            file = folder / "model.safetensors"
            with safe_open(file, "np") as opened:
                metadata = opened.metadata()
            tensors = safetensors.numpy.load_file(file)
        assert all(t.dtype == np.float32 for t in tensors.values())
        facts[name] = {
            "metadata": metadata,
            "tensors": {k: f"{golden_seeded.checksum(t):016x}" for k, t in sorted(tensors.items())},
        }
    OUT.write_text(json.dumps(facts, indent=0) + "\n")
    print(OUT.name, OUT.stat().st_size, "bytes, transformers", transformers.__version__)


if __name__ == "__main__":
    main()
