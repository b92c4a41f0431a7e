"""Goldens of tiny's modules: encoder, prompt encoder and mask decoder, memory encoder, memory attention.

Each `*_case` takes a model and returns named tensors. It runs once in float32 (the golden) and once in
float64, which gives the rounding error of float32 itself.
"""

import functools

import numpy as np
import torch

import oracle
import seeded
import taps as t
from probes import Probes

MODEL = "sam2.1_hiera_tiny"
# Blocks of tiny: first; first with query pooling; first with padded windows; first global; last with query
# pooling (padded windows); last.
INTERNALS = (0, 1, 4, 5, 10, 11)
FRAMES = 10

draw = functools.lru_cache(maxsize=64)(seeded.draw)


def both(case):
    """Runs a case in float32 and in float64."""
    with torch.inference_mode():
        single = case(oracle.build(MODEL, video=True))
        single = {k: v.clone() if isinstance(v, torch.Tensor) else v for k, v in single.items()}
        with oracle.float64():
            double = case(oracle.build_float64(MODEL, video=True))
    return single, double


def image_input():
    return draw("input.image", (1024, 1024, 3), 0.0, 1.0)


def encoder_case(model) -> dict:
    out = t.encoder_taps(model, oracle.hwc_to_nchw(image_input()), INTERNALS)
    side, channels = 256, 96
    for i, block in enumerate(model.image_encoder.trunk.blocks):
        if i in INTERNALS:
            x = oracle.tensor(draw(f"input.block{i}", (side, side, channels), 0.0, 1.0))[None]
            _, more = t.block_taps(block, x, f"image_encoder.trunk.blocks.{i}", True)
            out |= {"module/" + name: tap for name, tap in more.items()}
        side, channels = (side // 2, block.dim_out) if block.q_stride else (side, block.dim_out)
    pe = model.image_encoder.neck.position_encoding(torch.zeros(1, 1, 64, 64))
    out["position_encoding.image"] = t.hwc(pe)
    pe = model.memory_encoder.position_encoding(torch.zeros(1, 1, 64, 64))
    out["position_encoding.memory"] = t.hwc(pe)
    rope = model.memory_attention.layers[0].self_attn.freqs_cis
    out["rope.cos"], out["rope.sin"] = rope.real, rope.imag
    return out


def encoder() -> Probes:
    probes = Probes()
    probes.add_all("", *both(encoder_case))
    return probes


# name -> (points in model pixels, 0..1024, labels, mask prompt, multimask). Points None: the two padding
# tokens of a tracked frame. Box corners are points with labels 2 and 3.
PROMPTS = {
    "click": ([(500.0, 375.0)], [1], False, True),
    "clicks": ([(210.5, 350.25), (700.0, 500.0)], [0, 1], False, False),
    "box": ([(75.0, 275.0), (912.0, 850.0)], [2, 3], False, False),
    "box_click": ([(75.0, 275.0), (912.0, 850.0), (575.0, 750.0)], [2, 3, 0], False, False),
    "click_mask": ([(500.0, 375.0)], [1], True, True),
    "none": (None, None, False, True),
}


def mask_prompt():
    return oracle.tensor(seeded.smooth("input.mask_logits", 256, 256, 16, 0.0, 5.0))[None, None]


def mask_image():
    """Binary mask [1, 1, 1024, 1024], a video's mask prompt."""
    return oracle.tensor(seeded.smooth("input.mask", 1024, 1024, 128, 0.0, 1.0) > 0)[None, None]


def decoder_inputs():
    embed = oracle.hwc_to_nchw(draw("input.image_embed", (64, 64, 256), 0.0, 1.0))
    s0 = oracle.hwc_to_nchw(draw("input.high_res0", (256, 256, 32), 0.0, 0.5))
    s1 = oracle.hwc_to_nchw(draw("input.high_res1", (128, 128, 64), 0.0, 0.7))
    return embed, [s0, s1]


def decoder_case(model) -> dict:
    embed, high_res = decoder_inputs()
    out = {"sam_prompt_encoder.dense_pe": t.hwc(model.sam_prompt_encoder.get_dense_pe())}
    for case, (points, labels, mask, multimask) in PROMPTS.items():
        inputs = None
        if points is not None:
            inputs = {
                "point_coords": oracle.tensor(np.array([points])),
                "point_labels": torch.tensor([labels]),
            }
        taps = {}
        with t.decoder_recorder(model, taps):
            heads = model._forward_sam_heads(
                backbone_features=embed,
                point_inputs=inputs,
                mask_inputs=mask_prompt() if mask else None,
                high_res_features=high_res,
                multimask_output=multimask,
            )
        if not mask:
            del taps["sam_prompt_encoder.dense"]
        out |= {f"{case}/{name}": tap for name, tap in (taps | t.heads_taps(heads)).items()}

    # The image predictor with only a mask prompt: no sparse token.
    taps = {}
    with t.decoder_recorder(model, taps):
        sparse, dense = model.sam_prompt_encoder(points=None, boxes=None, masks=mask_prompt())
        model.sam_mask_decoder(
            image_embeddings=embed,
            image_pe=model.sam_prompt_encoder.get_dense_pe(),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=True,
            repeat_image=False,
            high_res_features=high_res,
        )
    del taps["sam_prompt_encoder.sparse"]
    out |= {f"mask/{name}": tap for name, tap in taps.items()}

    # A video's mask prompt.
    taps = {}
    with t.decoder_recorder(model, taps):
        heads = model._use_mask_as_output(embed, high_res, mask_image())
    out |= {f"mask_as_output/{name}": tap for name, tap in (taps | t.heads_taps(heads)).items()}
    return out


def decision_margins(iou, score, logits) -> list:
    """[IoU gap of the best two of masks 1..3, |object score|, |stability of mask 0 - 0.98|, stability]."""
    best = np.sort(np.float64(iou[1:]))[::-1]
    mask = np.float64(logits[0])
    union = (mask > -0.05).sum()
    stability = (mask > 0.05).sum() / union if union else 1.0
    return [best[0] - best[1], abs(float(score[0])), abs(stability - 0.98), stability]


def add_margins(probes: Probes, prefix: str, taps: dict) -> None:
    values = [taps[prefix + f"sam_mask_decoder.{n}"] for n in ("iou", "object_score", "mask_logits")]
    margins = decision_margins(*[v.numpy() for v in values])
    probes.fact(prefix.rstrip("/") + "#margins", margins, np.float64)


def decoder() -> Probes:
    probes = Probes()
    single, double = both(decoder_case)
    probes.add_all("", single, double)
    for case, (points, labels, mask, multimask) in PROMPTS.items():
        if points is not None:
            probes.fact(f"{case}#points", points, np.float32)
            probes.fact(f"{case}#labels", labels, np.int32)
        probes.fact(f"{case}#mask_prompt", [mask], np.uint8)
        probes.fact(f"{case}#multimask", [multimask], np.uint8)
    for case in [*PROMPTS, "mask"]:
        add_margins(probes, case + "/", single)
    return probes


def vision_feats(level2):
    """List with one level, [(HW), B, C] as in Meta's code."""
    return [level2.flatten(2).permute(2, 0, 1)]


def memory_encoder_case(model) -> dict:
    pix = vision_feats(oracle.hwc_to_nchw(draw("input.pix_feat", (64, 64, 256), 0.0, 1.0)))
    mask = oracle.tensor(seeded.smooth("input.mask_high_res", 1024, 1024, 32, 0.0, 5.0))[None, None]
    out = {}
    # (is_mask_from_pts: a prompted frame's mask is binarised, object score)
    for case, (prompted, score) in {
        "tracked": (False, 3.0),
        "prompted": (True, 3.0),
        "absent": (False, -3.0),
    }.items():
        logits = mask if score > 0 else torch.full_like(mask, -1024.0)
        taps = {}
        handle = model.memory_encoder.register_forward_hook(
            lambda m, i, o: taps.update({"memory_encoder.out": t.hwc(o["vision_features"]).clone()})
        )
        with t.memory_encoder_recorder(model, taps):
            memory, _ = model._encode_new_memory(
                pix, [(64, 64)], logits, oracle.tensor(np.array([[score]])), prompted
            )
        handle.remove()
        taps["memory_encoder.stored"] = t.hwc(memory.to(torch.bfloat16).to(memory.dtype))
        out |= {f"{case}/{name}": tap for name, tap in taps.items()}
    return out


def seeded_memory(name: str) -> torch.Tensor:
    """A stored memory [1, 64, 64, 64] (C, H, W), bfloat16; its seeded values are in [H*W, C] order."""
    rows = seeded.draw(name, (4096, 64), 0.0, 1.0)
    return torch.from_numpy(rows).to(torch.bfloat16).T.reshape(1, 64, 64, 64).contiguous()


def seeded_output(model, prefix: str, frame: int) -> dict:
    """The predictor's stored output of a frame, with seeded memory and pointer."""
    return {
        "maskmem_features": seeded_memory(f"{prefix}.memory{frame}"),
        "maskmem_pos_enc": [model.memory_encoder.position_encoding(torch.zeros(1, 64, 64, 64))],
        "obj_ptr": oracle.tensor(seeded.draw(f"{prefix}.pointer{frame}", (1, 256), 0.0, 1.0)),
    }


def bank(model, prefix: str, cond, recent) -> dict:
    return {
        "cond_frame_outputs": {f: seeded_output(model, prefix, f) for f in cond},
        "non_cond_frame_outputs": {f: seeded_output(model, prefix, f) for f in recent},
    }


# name -> (frame, frames in the clip, cond frames, other frames with outputs, reverse)
BANKS = {
    "two": (2, FRAMES, [0], [1], False),
    "full": (20, 30, [0], list(range(1, 20)), False),
    "two_cond": (12, 14, [0, 10], [1, 2, 3, 4, 5, 7, 8, 9, 11], False),
    "future_cond": (3, 8, [5, 0], [1, 2], False),
    "reverse": (12, 22, [20, 3], [13, 14, 15, 16, 17, 18, 19], True),
}


def condition(model, case: str) -> dict:
    frame, frames, cond, recent, reverse = BANKS[case]
    level2 = vision_feats(oracle.hwc_to_nchw(draw("input.curr", (64, 64, 256), 0.0, 1.0)))
    pos = vision_feats(model.image_encoder.neck.position_encoding(torch.zeros(1, 1, 64, 64)))
    taps = {}
    with t.memory_attention_recorder(model, taps):
        model._prepare_memory_conditioned_features(
            frame_idx=frame,
            is_init_cond_frame=False,
            current_vision_feats=level2,
            current_vision_pos_embeds=pos,
            feat_sizes=[(64, 64)],
            output_dict=bank(model, f"bank.{case}", cond, recent),
            num_frames=frames,
            track_in_reverse=reverse,
        )
    return taps


def memory_attention_case(model) -> dict:
    out = {f"two/{name}": tap for name, tap in condition(model, "two").items()}
    # Larger banks: only the assembled memory and the result.
    for case in BANKS:
        if case != "two":
            taps = condition(model, case)
            kept = ("memory_attention.memory", "memory_attention.memory_pos", "memory_attention.out")
            out |= {f"{case}/{name}": taps[name] for name in kept}
    return out


def memory() -> Probes:
    probes = Probes()
    probes.add_all("", *both(memory_encoder_case))
    probes.add_all("", *both(memory_attention_case))
    for case, (frame, frames, cond, recent, reverse) in BANKS.items():
        probes.fact(f"{case}#frame", [frame, frames, reverse], np.int64)
        probes.fact(f"{case}#cond", cond, np.int64)
        probes.fact(f"{case}#recent", recent, np.int64)
    return probes
