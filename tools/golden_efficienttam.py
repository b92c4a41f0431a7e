"""Goldens of EfficientTAM from its published code: python tools/golden_efficienttam.py CHECKOUT [GROUP ...]

CHECKOUT is a clone of github.com/yformer/EfficientTAM at abcd061 (Apache-2.0). Writes
tests/golden/efficienttam_GROUP.safetensors, and without a GROUP also the inventories and
tests/golden/seeded_efficienttam.json, which verify the Rust twin of seeded.py.

Its predictors are those of sam2 1.1.0 under other names, so the recorders of the other scripts serve here
too.
"""

import importlib
import json
import math
import pathlib
import sys

import hydra.utils
import numpy as np
import torch
from omegaconf import OmegaConf

import families
import golden_seeded
import golden_video
import oracle
import seeded
import taps as t
from golden_modules import add_margins, vision_feats
from probes import Probes

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
PACKAGE = "efficient_track_anything"
# Modules with explicit float32.
EXPLICIT = (
    "modeling.backbones.image_encoder",
    "modeling.position_encoding",
    "modeling.efficienttam_base",
    "modeling.efficienttam_utils",
    "efficienttam_image_predictor",
    "efficienttam_video_predictor",
    "utils.misc",
)
TINY = "efficienttam_ti_512x512"
# Whether every case also runs in float64, which gives the rounding error of float32 itself.
FLOAT64 = False
# The five keys that the published builder of the video predictor sets.
EXTRA = {
    "dynamic_multimask_via_stability": True,
    "dynamic_multimask_stability_delta": 0.05,
    "dynamic_multimask_stability_thresh": 0.98,
}


def use(checkout: str) -> None:
    """Makes the package importable and prepares it."""
    sys.path.insert(0, checkout)
    for name in EXPLICIT:
        oracle.PATCHED.append(importlib.import_module(f"{PACKAGE}.{name}"))
    misc = importlib.import_module(f"{PACKAGE}.utils.misc")
    video = importlib.import_module(f"{PACKAGE}.efficienttam_video_predictor")
    misc.tqdm = video.tqdm = lambda frames, **_: frames


def build(name: str) -> torch.nn.Module:
    """The video predictor with seeded weights, as the published builder makes it, but not compiled."""
    package = pathlib.Path(importlib.import_module(PACKAGE).__path__[0])
    config = OmegaConf.load(package / "configs" / "efficienttam" / f"{name}.yaml")
    config.model._target_ = f"{PACKAGE}.efficienttam_video_predictor.EfficientTAMVideoPredictor"
    config.model.compile_image_encoder = False
    config.model.binarize_mask_from_pts_for_mem_enc = True
    config.model.fill_hole_area = 8
    config.model.sam_mask_decoder_extra_args = EXTRA
    model = hydra.utils.instantiate(config.model, _recursive_=True).eval()
    model.load_state_dict(oracle.seeded_state_dict(name, model), strict=True)
    return model.requires_grad_(False)


def build_float64(name: str) -> torch.nn.Module:
    model = build(name).double()
    oracle.rebuild_rope(model)
    return model


def both(name: str, case, *args) -> tuple[dict, dict | None]:
    """Runs a case in float32 and, if that is asked for, in float64."""
    with torch.inference_mode():
        single = {k: v.clone() for k, v in case(build(name), *args).items()}
        if not FLOAT64:
            return single, None
        with oracle.float64():
            double = case(build_float64(name), *args)
    return single, double


def block_taps(block, x: torch.Tensor, prefix: str, internals: bool) -> tuple[torch.Tensor, dict]:
    """Runs one block on x [1, H, W, C]; returns its output and taps."""
    utils = importlib.import_module(f"{PACKAGE}.modeling.backbones.utils")
    taps = {}
    rows = normed = block.norm1(x)
    if block.window_size:
        rows, padded = utils.window_partition(normed, block.window_size)
    with t.hooked([(block.attn.qkv, lambda m, i, o: taps.update({".attn.qkv": o.flatten(1, 2)}))]):
        attended = block.attn(rows)
    if block.window_size:
        attended = utils.window_unpartition(attended, block.window_size, padded, normed.shape[1:3])
    out = x + attended
    mlp = block.mlp(block.norm2(out))
    out = out + mlp
    assert torch.equal(out, block(x)), prefix
    taps |= {".norm1": normed[0], ".attn": attended[0], ".mlp": mlp[0]}
    kept = {prefix + name: tap for name, tap in taps.items()} if internals else {}
    return out, kept | {prefix: out[0]}


def position(trunk, side: int) -> torch.Tensor:
    utils = importlib.import_module(f"{PACKAGE}.modeling.backbones.utils")
    return utils.get_abs_pos(trunk.pos_embed, True, (side, side))[0]


def encoder_case(model) -> dict:
    """End to end, and blocks of every kind from their own inputs: windows with padding, global, the last."""
    encoder, side = model.image_encoder, model.image_size // 16
    trunk, width = encoder.trunk, encoder.trunk.pos_embed.shape[-1]
    image = seeded.draw("input.image", (model.image_size, model.image_size, 3), 0.0, 1.0)
    x = trunk.patch_embed(oracle.hwc_to_nchw(image))
    pos = position(trunk, side)
    out = {"image_encoder.trunk.patch_embed": x[0], "image_encoder.trunk.pos_embed": pos}
    x = x + pos
    for i, block in enumerate(trunk.blocks):
        x, more = block_taps(block, x, f"image_encoder.trunk.blocks.{i}", False)
        out |= more
    convs = encoder.neck.convs[0]
    names = {"conv_1x1": "image_encoder.neck.convs.0.conv_1x1", "norm_0": "image_encoder.neck.convs.0.norm_0"}
    names |= {"conv_3x3": "image_encoder.neck.convs.0.conv_3x3", "norm_1": "image_encoder.neck.level2"}
    y = x.permute(0, 3, 1, 2)
    for layer, name in names.items():
        y = getattr(convs, layer)(y)
        out[name] = t.hwc(y)
    assert torch.equal(y, encoder(oracle.hwc_to_nchw(image))["vision_features"])
    for i in (0, 2, 11):
        x = oracle.tensor(seeded.draw(f"input.block{i}", (side, side, width), 0.0, 1.0))[None]
        _, more = block_taps(trunk.blocks[i], x, f"image_encoder.trunk.blocks.{i}", True)
        out |= {"module/" + name: tap for name, tap in more.items()}
    return out


def encoder(name: str) -> Probes:
    probes = Probes()
    probes.add_all("", *both(name, encoder_case), samples=256)
    return probes


# name -> (points in model pixels, labels, mask prompt, multimask), for an input of 512. Box corners are
# points with labels 2 and 3; without points the tokens are the two padding tokens of a tracked frame.
PROMPTS = {
    "click": ([(250.0, 187.5)], [1], False, True),
    "box_click": ([(37.5, 137.5), (456.0, 425.0), (287.5, 375.0)], [2, 3, 0], False, False),
    "click_mask": ([(250.0, 187.5)], [1], True, True),
    "none": (None, None, False, True),
}


def mask_prompt(model) -> torch.Tensor:
    side = model.image_size // 4
    return oracle.tensor(seeded.smooth("input.mask_logits", side, side, 16, 0.0, 5.0))[None, None]


def decoder_case(model) -> dict:
    side = model.image_size // 16
    embed = oracle.hwc_to_nchw(seeded.draw("input.image_embed", (side, side, 256), 0.0, 1.0))
    out = {"sam_prompt_encoder.dense_pe": t.hwc(model.sam_prompt_encoder.get_dense_pe())}
    for case, (points, labels, mask, multimask) in PROMPTS.items():
        inputs = None
        if points is not None:
            coords = oracle.tensor(np.array([points]))
            inputs = {"point_coords": coords, "point_labels": torch.tensor([labels])}
        taps = {}
        with t.decoder_recorder(model, taps):
            heads = model._forward_sam_heads(
                backbone_features=embed,
                point_inputs=inputs,
                mask_inputs=mask_prompt(model) if mask else None,
                high_res_features=None,
                multimask_output=multimask,
            )
        if not mask:
            del taps["sam_prompt_encoder.dense"]
        out |= {f"{case}/{name}": tap for name, tap in (taps | t.heads_taps(heads)).items()}
    taps = {}
    field = seeded.smooth("input.mask", model.image_size, model.image_size, 64, 0.0, 1.0)
    with t.decoder_recorder(model, taps):
        heads = model._use_mask_as_output(embed, None, oracle.tensor(field > 0)[None, None])
    return out | {f"mask_as_output/{name}": tap for name, tap in (taps | t.heads_taps(heads)).items()}


def decoder() -> Probes:
    probes = Probes()
    single, double = both(TINY, decoder_case)
    probes.add_all("", single, double, samples=256)
    for case, (points, labels, mask, multimask) in PROMPTS.items():
        if points is not None:
            probes.fact(f"{case}#points", points, np.float32)
            probes.fact(f"{case}#labels", labels, np.int32)
        probes.fact(f"{case}#mask_prompt", [mask], np.uint8)
        probes.fact(f"{case}#multimask", [multimask], np.uint8)
        add_margins(probes, case + "/", single)
    return probes


# name -> (frame, frames in the clip, prompted frames, other frames with outputs, reverse)
BANKS = {
    "one": (1, 10, [0], [], False),
    "two": (2, 10, [0], [1], False),
    "two_cond": (2, 14, [0, 10], [], False),
    "full": (20, 30, [0], list(range(1, 20)), False),
}


def bank(model, prefix: str, cond, recent) -> dict:
    """Seeded memories [1, 64, S, S] and pointers; a memory's values are in [S·S, C] order."""
    side = model.image_size // 16

    def output(frame: int) -> dict:
        rows = seeded.draw(f"{prefix}.memory{frame}", (side * side, 64), 0.0, 1.0)
        memory = torch.from_numpy(rows).to(torch.bfloat16).T.reshape(1, 64, side, side).contiguous()
        pointer = oracle.tensor(seeded.draw(f"{prefix}.pointer{frame}", (1, 256), 0.0, 1.0))
        position = model.memory_encoder.position_encoding(torch.zeros(1, 64, side, side))
        return {"maskmem_features": memory, "maskmem_pos_enc": [position], "obj_ptr": pointer}

    return {
        "cond_frame_outputs": {frame: output(frame) for frame in cond},
        "non_cond_frame_outputs": {frame: output(frame) for frame in recent},
    }


def attention_case(model, cases) -> dict:
    out, side = {}, model.image_size // 16
    curr = oracle.hwc_to_nchw(seeded.draw("input.curr", (side, side, 256), 0.0, 1.0))
    pos = model.image_encoder.neck.position_encoding(torch.zeros(1, 1, side, side))
    for case in cases:
        frame, frames, cond, recent, reverse = BANKS[case]
        taps = {}
        with t.memory_attention_recorder(model, taps):
            model._prepare_memory_conditioned_features(
                frame_idx=frame,
                is_init_cond_frame=False,
                current_vision_feats=vision_feats(curr),
                current_vision_pos_embeds=vision_feats(pos),
                feat_sizes=[(side, side)],
                output_dict=bank(model, f"bank.{case}", cond, recent),
                num_frames=frames,
                track_in_reverse=reverse,
            )
        names = ("memory_attention.memory", "memory_attention.memory_pos", "memory_attention.out")
        kept = taps if case == "two" else {name: taps[name] for name in names}
        out |= {f"{case}/{name}": tap.clone() for name, tap in kept.items()}
    return out


def pooled_case(model) -> dict:
    """Memory attention at 1024 pixels over averaged memories, with the averaged keys of layer 0."""
    out = {}
    plain, averaged = torch.nn.functional.avg_pool2d, []
    layer = model.memory_attention.layers[0].cross_attn_image
    projected = []

    def spy(x, *args, **kwargs):
        averaged.append(plain(x, *args, **kwargs))
        return averaged[-1]

    torch.nn.functional.avg_pool2d = spy
    try:
        for case in BANKS:
            averaged.clear()
            projected.clear()
            with t.hooked([(layer.k_proj, lambda m, i, o: projected.append(o[0].clone()))]):
                taps = attention_case(model, [case])
            del taps[f"{case}/memory_attention.memory"], taps[f"{case}/memory_attention.memory_pos"]
            # Scores of averages do not always pass scaled_dot_product_attention.
            out |= {name: tap for name, tap in taps.items() if "_rope" not in name}
            if not averaged:
                continue
            # The first average is that of layer 0's keys, [1, memories x 256, 32, 32].
            keys = averaged[0].reshape(-1, 256, 1024).transpose(1, 2).reshape(-1, 256)
            if "2" in type(layer).__name__:
                keys = keys + 2 * math.log(2)
            memories = keys.shape[0] // 1024
            # Pointers are neither rotated nor averaged.
            keys = torch.cat([keys, projected[0][4096 * memories :]])
            out[f"{case}/memory_attention.layers.0.cross_attn.k_pooled"] = keys
    finally:
        torch.nn.functional.avg_pool2d = plain
    return out


def pooled(name: str) -> Probes:
    probes = Probes()
    probes.add_all("", *both(name, pooled_case), samples=256)
    bank_facts(probes, BANKS)
    return probes


def memory_encoder_case(model) -> dict:
    size, out = model.image_size, {}
    pix = oracle.hwc_to_nchw(seeded.draw("input.pix_feat", (size // 16, size // 16, 256), 0.0, 1.0))
    mask = oracle.tensor(seeded.smooth("input.mask_high_res", size, size, 32, 0.0, 5.0))[None, None]
    for case, prompted in {"tracked": False, "prompted": True}.items():
        taps, sizes = {}, [(size // 16, size // 16)]
        with t.memory_encoder_recorder(model, taps):
            score = oracle.tensor(np.array([[3.0]]))
            memory, _ = model._encode_new_memory(vision_feats(pix), sizes, mask, score, prompted)
        taps["memory_encoder.out"] = t.hwc(memory)
        out |= {f"{case}/{name}": tap for name, tap in taps.items()}
    return out


def bank_facts(probes: Probes, cases) -> None:
    for case in cases:
        frame, frames, cond, recent, reverse = BANKS[case]
        probes.fact(f"{case}#frame", [frame, frames, reverse], np.int64)
        probes.fact(f"{case}#cond", cond, np.int64)
        probes.fact(f"{case}#recent", recent, np.int64)


def memory() -> Probes:
    probes = Probes()
    probes.add_all("", *both(TINY, memory_encoder_case), samples=256)
    probes.add_all("", *both(TINY, attention_case, BANKS), samples=256)
    bank_facts(probes, BANKS)
    return probes


PHOTO = ("photo.a", (1024, 683))
# Pixels of the photo.
IMAGE_PROMPTS = {
    "click": {"points": [(700.0, 110.0)], "labels": [1]},
    "box_click": {"box": (480.0, 500.0, 845.0, 683.0), "points": [(250.0, 600.0)], "labels": [0]},
    "mask": {"mask": True},
}


def image_case(model) -> dict:
    module = importlib.import_module(f"{PACKAGE}.efficienttam_image_predictor")
    predictor, out = module.EfficientTAMImagePredictor(model), {}
    predictor.set_image(seeded.photo(PHOTO[0], *PHOTO[1]))
    # `image_embed` includes the no-memory embedding.
    embed = t.hwc(predictor.get_image_embedding()) - model.no_mem_embed[0, 0]
    out["image_encoder.neck.level2"] = embed
    for case, prompt in IMAGE_PROMPTS.items():
        for multimask in (True, False):
            taps = {}
            with t.decoder_recorder(model, taps):
                masks, iou, low = predictor.predict(
                    point_coords=np.array(prompt["points"]) if "points" in prompt else None,
                    point_labels=np.array(prompt["labels"]) if "labels" in prompt else None,
                    box=np.array(prompt["box"]) if "box" in prompt else None,
                    mask_input=mask_prompt(model)[0].numpy() if "mask" in prompt else None,
                    multimask_output=multimask,
                    return_logits=True,
                )
            prefix = f"{case}/{'multi' if multimask else 'single'}/"
            values = {"low_res": low, "iou": iou, "logits": masks}
            out |= {prefix + name: torch.from_numpy(value) for name, value in values.items()}
            if multimask:
                names = ("iou", "object_score", "mask_logits")
                out |= {f"{case}/sam_mask_decoder.{n}": taps[f"sam_mask_decoder.{n}"] for n in names}
    return out


def image(name: str) -> Probes:
    probes = Probes()
    single, double = both(name, image_case)
    probes.add_all("", single, double, samples=256)
    probes.fact("photo#size", PHOTO[1], np.int64)
    for case, prompt in IMAGE_PROMPTS.items():
        add_margins(probes, case + "/", single)
        for key, dtype in (("points", np.float32), ("labels", np.int32), ("box", np.float32)):
            if key in prompt:
                probes.fact(f"{case}#{key}", prompt[key], dtype)
        probes.fact(f"{case}#mask", ["mask" in prompt], np.uint8)
    return probes


def video(name: str, frames: int) -> Probes:
    golden_video.CLIPS["long"] = (frames, golden_video.LONG[1])
    single, double = both(name, golden_video.clip_case, "long")
    samples = {"low_res": 512, "memory": 256, "obj_ptr": 64, "": 256}
    return golden_video.clip_probes("long", single, double, samples)


# Models whose seeded weights are verified: the first three variants of a size share theirs with the fourth.
SEEDED = ("efficienttam_s_512x512", TINY)
GROUPS = {
    "encoder": lambda: encoder(TINY),
    "encoder_1024": lambda: encoder("efficienttam_ti"),
    "decoder": decoder,
    "memory": memory,
    "image_ti_512": lambda: image(TINY),
    "image_s_512": lambda: image("efficienttam_s_512x512"),
    "image_s": lambda: image("efficienttam_s"),
    "video_ti_512": lambda: video(TINY, 18),
    "video_ti": lambda: video("efficienttam_ti", 4),
    "video_ti_1": lambda: video("efficienttam_ti_1", 18),
    "video_ti_2": lambda: video("efficienttam_ti_2", 4),
    "memory_1": lambda: pooled("efficienttam_ti_1"),
    "memory_2": lambda: pooled("efficienttam_ti_2"),
}


def write_seeded() -> None:
    facts = {"checkpoints": {}}
    for name in SEEDED:
        inventory = name.removesuffix("_512x512")
        facts["checkpoints"][name] = golden_seeded.checkpoint_facts(build(name), GOLDEN, inventory)
    (GOLDEN / "seeded_efficienttam.json").write_text(json.dumps(facts, indent=1) + "\n")


def main() -> None:
    args = families.arguments(__doc__, GROUPS)
    global FLOAT64
    FLOAT64 = args.float64
    use(args.checkout)
    families.write(GOLDEN / "efficienttam", GROUPS, args.groups, write_seeded, ("torch", "torchvision"))


if __name__ == "__main__":
    main()
