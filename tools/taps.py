"""Runs parts of Meta's model and returns the intermediate tensors by tap name, in this repository's layout.

Images and feature maps are [H, W, C], token matrices [N, C]. Where no module of Meta's ends at a tap, the
forward pass is repeated here on Meta's submodules and its result compared with Meta's.
"""

import contextlib
import math

import torch
import torch.nn.functional as F
from sam2.modeling.backbones.hieradet import do_pool
from sam2.modeling.backbones.utils import window_partition, window_unpartition


def hwc(x: torch.Tensor) -> torch.Tensor:
    return x[0].permute(1, 2, 0)


@contextlib.contextmanager
def hooked(wanted: list):
    """Registers forward hooks while the context is open; `wanted` lists (module, hook)."""
    handles = [module.register_forward_hook(fn) for module, fn in wanted]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


def block_taps(block, x: torch.Tensor, prefix: str, internals: bool) -> tuple[torch.Tensor, dict]:
    """Runs one Hiera block on x [1, H, W, C]; returns its output and taps."""
    taps = {}
    normed = block.norm1(x)
    shortcut = x if block.dim == block.dim_out else do_pool(block.proj(normed), block.pool)
    window, size = block.window_size, normed.shape[1:3]
    rows = normed
    if window:
        rows, padded = window_partition(normed, window)
    with hooked([(block.attn.qkv, lambda m, i, o: taps.update({".attn.qkv": o.flatten(1, 2)}))]):
        attended = block.attn(rows)
    if block.q_stride:
        query = taps[".attn.qkv"][..., : block.dim_out].unflatten(1, rows.shape[1:3])
        taps[".attn.q_pooled"] = do_pool(query, block.attn.q_pool).flatten(1, 2)
        if window:
            window //= block.q_stride[0]
            size = shortcut.shape[1:3]
            padded = [s + (-s) % window for s in size]
    if window:
        attended = window_unpartition(attended, window, padded, size)
    out = shortcut + attended
    mlp = block.mlp(block.norm2(out))
    out = out + mlp
    assert torch.equal(out, block(x)), prefix
    taps |= {".norm1": normed[0], ".attn": attended[0], ".shortcut": shortcut[0], ".mlp": mlp[0]}
    kept = {prefix + name: t for name, t in taps.items()} if internals else {}
    return out, kept | {prefix: out[0]}


def encoder_taps(model, image: torch.Tensor, internals=()) -> dict:
    """Taps of the encoder for image [1, 3, S, S]; blocks in `internals` also give their inner taps."""
    trunk = model.image_encoder.trunk
    x = trunk.patch_embed(image)
    pos = trunk._get_pos_embed(x.shape[1:3])
    taps = {"image_encoder.trunk.patch_embed": x[0], "image_encoder.trunk.pos_embed": pos[0]}
    x = x + pos
    stages = []
    for i, block in enumerate(trunk.blocks):
        x, more = block_taps(block, x, f"image_encoder.trunk.blocks.{i}", i in internals)
        taps |= more
        if i in trunk.stage_ends:
            stages.append(x.permute(0, 3, 1, 2))
    features, _ = model.image_encoder.neck(stages)
    return taps | features_taps(model, features)


def features_taps(model, features) -> dict:
    return {
        "image_encoder.neck.level2": hwc(features[2]),
        "image_encoder.conv_s0": hwc(model.sam_mask_decoder.conv_s0(features[0])),
        "image_encoder.conv_s1": hwc(model.sam_mask_decoder.conv_s1(features[1])),
    }


@contextlib.contextmanager
def decoder_recorder(model, taps: dict):
    """Records intermediates of the prompt encoder and mask decoder in `taps` while the context is open."""
    decoder = model.sam_mask_decoder
    wanted, hyper = [], {}
    for n, layer in enumerate(decoder.transformer.layers):
        for norm in ("norm1", "norm2", "norm3", "norm4"):
            name = f"sam_mask_decoder.transformer.layers.{n}.{norm}"
            wanted.append((getattr(layer, norm), lambda m, i, o, name=name: taps.update({name: o[0]})))
    wanted.append(
        (decoder.transformer.norm_final_attn, lambda m, i, o: taps.update({"sam_mask_decoder.hs": o[0]}))
    )
    for at, name in ((2, "upscaled1"), (4, "upscaled2")):
        wanted.append(
            (
                decoder.output_upscaling[at],
                lambda m, i, o, name=name: taps.update({f"sam_mask_decoder.{name}": hwc(o)}),
            )
        )
    for n, mlp in enumerate(decoder.output_hypernetworks_mlps):
        wanted.append((mlp, lambda m, i, o, n=n: hyper.update({n: o[0]})))

    def prompts(module, inputs, output):
        taps["sam_prompt_encoder.sparse"] = output[0][0]
        taps["sam_prompt_encoder.dense"] = hwc(output[1])

    wanted.append((model.sam_prompt_encoder, prompts))
    plain = decoder.predict_masks

    def predict_masks(**kwargs):
        masks, iou, tokens, score = plain(**kwargs)
        taps["sam_mask_decoder.hyper_in"] = torch.stack([hyper[n] for n in range(len(hyper))])
        taps["sam_mask_decoder.mask_logits"] = masks[0]
        taps["sam_mask_decoder.iou"] = iou[0]
        taps["sam_mask_decoder.object_score"] = score[0]
        return masks, iou, tokens, score

    decoder.predict_masks = predict_masks
    try:
        with hooked(wanted):
            yield
    finally:
        del decoder.predict_masks


def heads_taps(outputs) -> dict:
    """Taps of the outputs of `_forward_sam_heads` or `_use_mask_as_output`."""
    _, _, _, low, high, pointer, _ = outputs
    return {
        "sam_heads.low_res": low[0, 0],
        "sam_heads.high_res": high[0, 0],
        "sam_heads.obj_ptr": pointer[0],
    }


@contextlib.contextmanager
def memory_encoder_recorder(model, taps: dict):
    encoder = model.memory_encoder
    stages = [m for m in encoder.mask_downsampler.encoder]
    named = {f"memory_encoder.mask_downsampler.{n}": stages[3 * n + 2] for n in range(4)}
    named["memory_encoder.mask_downsampler.out"] = stages[12]
    named["memory_encoder.pix_feat_proj"] = encoder.pix_feat_proj
    named |= {f"memory_encoder.fuser.{n}": layer for n, layer in enumerate(encoder.fuser.layers)}
    wanted = [
        (m, lambda m, i, o, name=name: taps.update({name: hwc(o).clone()})) for name, m in named.items()
    ]
    with hooked(wanted):
        yield


@contextlib.contextmanager
def memory_attention_recorder(model, taps: dict):
    attention = model.memory_attention
    wanted = []

    def inputs(module, args, kwargs):
        taps["memory_attention.memory"] = kwargs["memory"][:, 0]
        taps["memory_attention.memory_pos"] = kwargs["memory_pos"][:, 0]

    for n, layer in enumerate(attention.layers):
        name = f"memory_attention.layers.{n}"
        # The inputs of norm2 and norm3 are the residual stream after self-attention and after
        # cross-attention.
        wanted += [
            (layer.norm2, lambda m, i, o, name=name: taps.update({name + ".self_attn": i[0][0]})),
            (layer.norm3, lambda m, i, o, name=name: taps.update({name + ".cross_attn": i[0][0]})),
            (layer, lambda m, i, o, name=name: taps.update({name + ".ffn": o[0]})),
        ]
    def output(module, args, out):
        side = math.isqrt(out.shape[0])
        taps["memory_attention.out"] = out[:, 0].unflatten(0, (side, side))

    wanted.append((attention, output))
    # Rotated q and k are available only as arguments of scaled_dot_product_attention.
    plain, seen = F.scaled_dot_product_attention, []

    def spy(q, k, v, **kwargs):
        seen.append((q[0, 0].clone(), k[0, 0].clone()) if len(seen) < 2 else None)
        return plain(q, k, v, **kwargs)

    handle = attention.register_forward_pre_hook(inputs, with_kwargs=True)
    F.scaled_dot_product_attention = spy
    try:
        with hooked(wanted):
            yield
        for which, pair in zip(("self_attn", "cross_attn"), seen):
            taps[f"memory_attention.layers.0.{which}.q_rope"] = pair[0]
            taps[f"memory_attention.layers.0.{which}.k_rope"] = pair[1]
    finally:
        handle.remove()
        F.scaled_dot_product_attention = plain
