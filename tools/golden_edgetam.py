"""Goldens of EdgeTAM from its published code: python tools/golden_edgetam.py CHECKOUT [GROUP ...]

CHECKOUT is a clone of github.com/facebookresearch/EdgeTAM at 9cc44bf (Apache-2.0); its fork of sam2 replaces
the package. Also needs timm. Writes tests/golden/edgetam_GROUP.safetensors, and without a GROUP also the
inventory and tests/golden/seeded_edgetam.json, which verify the Rust twin of seeded.py.

The published video predictor fails with two objects. The clip with two is tracked by the predictor of sam2
1.1.0 over the published model, with one method adapted to its memories; with one object the two predictors
must give the same bits, or the script ends.
"""

import importlib
import importlib.metadata
import importlib.util
import json
import math
import pathlib
import sys

import numpy as np
import torch

import families

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
NAME = "edgetam"
# Whether every case also runs in float64, which gives the rounding error of float32 itself.
FLOAT64 = False
# Replaced by main once the checkout is importable.
oracle = seeded = t = golden_video = golden_image = golden_seeded = None


def use(checkout: str) -> None:
    """Imports the checkout's sam2, then the modules that build on it."""
    sys.path.insert(0, checkout)
    import sam2.modeling.backbones.timm as backbone

    create = backbone.create_model
    # The published constructor downloads ImageNet weights, which the checkpoint replaces anyway.
    backbone.create_model = lambda name, pretrained, **rest: create(name, pretrained=False, **rest)
    for name in ("oracle", "seeded", "golden_video", "golden_image", "golden_seeded"):
        globals()[name] = importlib.import_module(name)
    globals()["t"] = importlib.import_module("taps")
    oracle.CONFIGS[NAME] = "configs/edgetam.yaml"


def predictor_of_1_1_0():
    """The class of sam2 1.1.0's video predictor over the published base class."""
    distribution = importlib.metadata.distribution("sam2")
    path = distribution.locate_file("sam2/sam2_video_predictor.py")
    spec = importlib.util.spec_from_file_location("sam2_1_1_0_video_predictor", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    module.tqdm = lambda frames, **_: frames
    plain = module.SAM2VideoPredictor._get_maskmem_pos_enc

    def adapted(self, state, output):
        """The published code expands positions of rank 4; those of the perceiver have rank 3."""
        positions = output["maskmem_pos_enc"]
        if positions is None or positions[0].ndim == 4:
            return plain(self, state, output)
        constants = state["constants"]
        constants.setdefault("maskmem_pos_enc", [x[0:1].clone() for x in positions])
        return [x.expand(positions[0].size(0), -1, -1) for x in constants["maskmem_pos_enc"]]

    module.SAM2VideoPredictor._get_maskmem_pos_enc = adapted
    return module.SAM2VideoPredictor


def build(double: bool = False, video=None) -> torch.nn.Module:
    """The model with seeded weights; `video` replaces the class of its video predictor."""
    model = oracle.build_float64(NAME, video=True) if double else oracle.build(NAME, video=True)
    for module in model.modules():
        if double and hasattr(module, "freqs_cis_q"):
            for name in ("freqs_cis_q", "freqs_cis_k"):
                side = math.isqrt(getattr(module, name).shape[0])
                setattr(module, name, module.compute_cis(end_x=side, end_y=side))
    if video:
        model.__class__ = video
    return model


def both(case, *args, **build_args) -> tuple[dict, dict | None]:
    """Runs a case in float32 and, if that is asked for, in float64."""
    with torch.inference_mode():
        single = {k: torch.as_tensor(v).clone() for k, v in case(build(**build_args), *args).items()}
        if not FLOAT64:
            return single, None
        with oracle.float64():
            double = case(build(double=True, **build_args), *args)
    return single, double


def encoder_case(model) -> dict:
    """Every block of the trunk end to end, one token mixer, and the three maps of the neck."""
    taps = {}
    body = model.image_encoder.trunk.body
    prefix = "image_encoder.trunk.body."
    named = {"stem.conv2": body.stem.conv2}
    for s in range(4):
        stage = getattr(body, f"stages_{s}")
        named |= {f"stages_{s}.blocks.{b}": block for b, block in enumerate(stage.blocks)}
        if s:
            named[f"stages_{s}.downsample"] = stage.downsample
            named[f"stages_{s}.downsample.pre_block.token_mixer"] = stage.downsample.pre_block.token_mixer
    wanted = [
        (module, lambda m, i, o, name=name: taps.update({prefix + name: t.hwc(o).clone()}))
        for name, module in named.items()
    ]
    image = oracle.hwc_to_nchw(seeded.draw("input.image", (1024, 1024, 3), 0.0, 1.0))
    with t.hooked(wanted):
        features, _ = model.image_encoder.neck(model.image_encoder.trunk(image))
    return taps | t.features_taps(model, features)


def encoder():
    probes = golden_seeded.Probes()
    probes.add_all("", *both(encoder_case), samples=256)
    return probes


# name -> (frame, frames in the clip, prompted frames, other frames with outputs, reverse)
BANKS = {
    "one": (1, 10, [0], [], False),
    "two": (2, 10, [0], [1], False),
    "two_cond": (12, 14, [0, 10], [1, 2, 3, 4, 5, 7, 8, 9, 11], False),
    "full": (20, 30, [0], list(range(1, 20)), False),
    "reverse": (12, 22, [20, 3], [13, 14, 15, 16, 17, 18, 19], True),
}


def bank(model, prefix: str, cond, recent) -> dict:
    """Seeded memories [1, 512, 64] and pointers."""
    position = model.spatial_perceiver(torch.zeros(1, 64, 64, 64), torch.zeros(1, 64, 64, 64))[1]

    def output(frame: int) -> dict:
        rows = seeded.draw(f"{prefix}.memory{frame}", (1, 512, 64), 0.0, 1.0)
        pointer = oracle.tensor(seeded.draw(f"{prefix}.pointer{frame}", (1, 256), 0.0, 1.0))
        memory = torch.from_numpy(rows).to(torch.bfloat16)
        return {"maskmem_features": memory, "maskmem_pos_enc": [position], "obj_ptr": pointer}

    return {
        "cond_frame_outputs": {frame: output(frame) for frame in cond},
        "non_cond_frame_outputs": {frame: output(frame) for frame in recent},
    }


def attention_case(model) -> dict:
    from golden_modules import vision_feats

    out = {}
    curr = oracle.hwc_to_nchw(seeded.draw("input.curr", (64, 64, 256), 0.0, 1.0))
    pos = model.image_encoder.neck.position_encoding(torch.zeros(1, 1, 64, 64))
    for case, (frame, frames, cond, recent, reverse) in BANKS.items():
        # Made before recording: the perceiver computes the position of the memories.
        stored, taps = bank(model, f"bank.{case}", cond, recent), {}
        with t.memory_attention_recorder(model, taps):
            model._prepare_memory_conditioned_features(
                frame_idx=frame,
                is_init_cond_frame=False,
                current_vision_feats=vision_feats(curr),
                current_vision_pos_embeds=vision_feats(pos),
                feat_sizes=[(64, 64)],
                output_dict=stored,
                num_frames=frames,
                track_in_reverse=reverse,
            )
        names = ("memory_attention.memory", "memory_attention.memory_pos", "memory_attention.out")
        kept = taps if case == "two" else {name: taps[name] for name in names}
        out |= {f"{case}/{name}": tap.clone() for name, tap in kept.items()}
    return out


def perceiver_case(model) -> dict:
    """The perceiver on a seeded memory: the latents after every layer, the tokens, their position."""
    perceiver, taps = model.spatial_perceiver, {}
    rows = seeded.draw("input.memory", (64, 64, 64), 0.0, 1.0)
    # Every layer runs twice: on the latents of the whole memory, then on those of its squares.
    calls = []
    wanted = [(layer, lambda m, i, o: calls.append(o.reshape(-1, 64).clone())) for layer in perceiver.layers]
    position = model.memory_encoder.position_encoding(torch.zeros(1, 64, 64, 64))
    with t.hooked(wanted):
        tokens, places = perceiver(oracle.hwc_to_nchw(rows), position)
    depth = len(perceiver.layers)
    for i, tap in enumerate(calls):
        kind = "latents" if i < depth else "latents_2d"
        taps[f"spatial_perceiver.layers.{i % depth}.{kind}"] = tap
    return taps | {"spatial_perceiver.out": tokens[0], "spatial_perceiver.position": places[0]}


def memory():
    probes = golden_seeded.Probes()
    probes.add_all("", *both(perceiver_case), samples=256)
    probes.add_all("", *both(attention_case), samples=256)
    for case, (frame, frames, cond, recent, reverse) in BANKS.items():
        probes.fact(f"{case}#frame", [frame, frames, reverse], np.int64)
        probes.fact(f"{case}#cond", cond, np.int64)
        probes.fact(f"{case}#recent", recent, np.int64)
    return probes


def image():
    probes = golden_seeded.Probes()
    single, double = both(golden_image.image_case, ["photo.a"])
    probes.add_all("", single, double, samples=256)
    golden_image.add_facts(probes, single, ["photo.a"])
    return probes


def same_bits_with_one_object(video) -> None:
    """The published predictor and that of sam2 1.1.0, on four frames of one object."""
    golden_video.CLIPS["one"] = (4, golden_video.LONG[1][:1])
    published, other = clip_logits(None), clip_logits(video)
    assert published.keys() == other.keys()
    for frame, logits in published.items():
        assert torch.equal(logits, other[frame]), frame


def clip_logits(video) -> dict:
    model, out = build(video=video), {}
    frames, prompts = golden_video.CLIPS["one"]
    with golden_video.clip_folder(frames) as folder, torch.inference_mode():
        state = model.init_state(folder)
        for frame, obj, prompt in prompts:
            model.add_new_points_or_box(state, frame, obj, **prompt)
        for frame, _, masks in model.propagate_in_video(state):
            out[frame] = masks[0, 0].clone()
    return out


def video():
    # The blocked attention kernel, as in sam2 1.1.0; without it every score of a frame is in memory at once.
    importlib.import_module("sam2.modeling.sam.transformer").ALLOW_ALL_KERNELS = True
    predictor = predictor_of_1_1_0()
    same_bits_with_one_object(predictor)
    golden_video.CLIPS["long"] = golden_video.LONG
    single, double = both(golden_video.clip_case, "long", video=predictor)
    samples = {"low_res": 512, "memory": 256, "obj_ptr": 64, "": 256}
    return golden_video.clip_probes("long", single, double, samples)


GROUPS = {"encoder": encoder, "memory": memory, "image": image, "video": video}


def write_seeded() -> None:
    facts = golden_seeded.checkpoint_facts(build(), GOLDEN, NAME)
    text = json.dumps({"checkpoints": {NAME: facts}}, indent=1)
    (GOLDEN / "seeded_edgetam.json").write_text(text + "\n")


def main() -> None:
    args = families.arguments(__doc__, GROUPS)
    global FLOAT64
    FLOAT64 = args.float64
    use(args.checkout)
    families.write(GOLDEN / "edgetam", GROUPS, args.groups, write_seeded, ("timm", "torch", "torchvision"))


if __name__ == "__main__":
    main()
