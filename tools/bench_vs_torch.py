"""Times the program against the published code in PyTorch: same machine, same number of threads, same work.

Usage: python tools/bench_vs_torch.py [--model tiny] [--checkout FOLDER] [--parts encode,click,..]
                                      [--objects 1] [--precision f32,int8] [--threads 2] [--repeat 5]
                                      [--rounds 2] [--binary target/release/sam2]

--model is a size of SAM 2.1, `edgetam`, or a configuration of EfficientTAM such as `efficienttam_ti_512x512`;
the last two need --checkout, a clone of their published code (tools/README.md). They run with PyTorch's
blocked attention kernel.

Both run the model with seeded weights on a synthetic 854x480 clip. Each round alternates between them part by
part, so that compared runs are seconds apart. A time is the median over rounds of each round's median; a
ratio is the median of the rounds' ratios. The timed parts (those of `sam2 bench`):
  encode_ms            RGB image in memory to image features: resize, normalise, encode
  click_ms             one click to three masks at the size of the image
  memory_attention_ms  memory attention alone, over 7 spatial memories and 16 object pointers
  track_ms             a whole tracked frame over such a bank per object: resize, encode, memory attention,
                       mask decoder, memory encoder, masks at the size of the frame
  everything_ms        all masks of an encoded image from 32x32 clicks, once; only if named in --parts
"""

import argparse
import json
import pathlib
import statistics
import subprocess
import tempfile
import time
import warnings

import numpy as np
import torch
from PIL import Image
from safetensors.torch import save_file

import originals
import seeded

ROOT = pathlib.Path(__file__).resolve().parent.parent
SIZE = (854, 480)
# Frames until the memory bank is full.
WARM_UP = 16
PARTS = ("encode", "click", "memory-attention", "track", "everything")


def median_ms(run, repeat: int) -> float:
    run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def disc() -> np.ndarray:
    """The first frame of `sam2 bench`: the number of masks above the thresholds depends on the image."""
    x, y = np.meshgrid(np.arange(SIZE[0]), np.arange(SIZE[1]))
    shade = 60 + x * 60 // SIZE[0] + (((x * 73_856_093) ^ (y * 19_349_663)) >> 4 & 31)
    picture = np.stack([shade, shade, shade + 20], -1)
    picture[np.hypot(x - SIZE[0] * 0.5, y - SIZE[1] * 0.5) < SIZE[1] * 0.15] = 230, 170, 40
    return picture.astype(np.uint8)


def normalised(picture: np.ndarray, size: int) -> torch.Tensor:
    """The image as Meta's frame loader resizes and normalises it, [3, size, size]."""
    resized = np.array(Image.fromarray(picture).resize((size, size)))
    image = torch.from_numpy(resized / 255.0).permute(2, 0, 1).float()
    image -= torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    image /= torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    return image


class Torch:
    def __init__(self, original: originals.Original, objects: int):
        self.original, self.model = original, original.model
        self.objects = objects
        self.picture = seeded.photo("bench", *SIZE)

    @torch.inference_mode()
    def times(self, parts: list[str], repeat: int) -> dict:
        predictor = self.original.image_predictor()
        click = {"point_coords": np.array([[427.0, 240.0]]), "point_labels": np.array([1])}
        out = {}
        if "encode" in parts:
            out["encode_ms"] = median_ms(lambda: predictor.set_image(self.picture), repeat)
        if "click" in parts:
            predictor.set_image(self.picture)
            out["click_ms"] = median_ms(lambda: predictor.predict(**click), repeat)
        if "memory-attention" in parts:
            out["memory_attention_ms"] = self.memory_attention(repeat)
        if "track" in parts:
            out["track_ms"] = self.track(repeat)
        if "everything" in parts:
            out["everything_ms"] = self.everything()
        return out

    def everything(self) -> float:
        generator = self.original.mask_generator()
        predictor = generator.predictor
        picture = disc()
        predictor.set_image(picture)
        # `sam2 bench` times an encoded image too.
        predictor.set_image, predictor.reset_predictor = lambda _: None, lambda: None
        start = time.perf_counter()
        generator.generate(picture)
        return (time.perf_counter() - start) * 1e3

    def bank(self) -> dict:
        return self.original.bank([0], list(range(1, WARM_UP)))

    def memory_attention(self, repeat: int) -> float:
        side = self.original.grid
        level2 = torch.from_numpy(seeded.draw("bench.level2", (side * side, 1, 256), 0.0, 1.0))
        pos = (
            self.model.image_encoder.neck.position_encoding(torch.zeros(1, 1, side, side))
            .flatten(2)
            .permute(2, 0, 1)
        )
        stored = self.bank()

        def run():
            self.model._prepare_memory_conditioned_features(
                frame_idx=WARM_UP,
                is_init_cond_frame=False,
                current_vision_feats=[level2],
                current_vision_pos_embeds=[pos],
                feat_sizes=[(side, side)],
                output_dict=stored,
                num_frames=WARM_UP + repeat,
            )

        return median_ms(run, repeat)

    def track(self, repeat: int) -> float:
        stored = self.bank()

        def run():
            state = {
                "images": {WARM_UP: normalised(self.picture, self.original.image_size)},
                "num_frames": WARM_UP + repeat,
                "device": torch.device("cpu"),
                "storage_device": torch.device("cpu"),
                "video_width": SIZE[0],
                "video_height": SIZE[1],
                "cached_features": {},
                "constants": {},
            }
            # One object after another, as in Meta's predictor; the frame is encoded once.
            for _ in range(self.objects):
                _, masks = self.model._run_single_frame_inference(
                    inference_state=state,
                    output_dict=stored,
                    frame_idx=WARM_UP,
                    batch_size=1,
                    is_init_cond_frame=False,
                    point_inputs=None,
                    mask_inputs=None,
                    reverse=False,
                    run_mem_encoder=True,
                )
                self.model._get_orig_video_res_output(state, masks)

        return median_ms(run, repeat)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    names = f"{', '.join(originals.HIERA)}, edgetam or efficienttam_*"
    parser.add_argument("--model", default="tiny", help=names)
    parser.add_argument("--checkout", help="clone of the published code of EdgeTAM or EfficientTAM")
    parser.add_argument("--parts", default=",".join(PARTS[:-1]), help=f"of {', '.join(PARTS)}")
    parser.add_argument("--objects", type=int, default=1, help="number of tracked objects")
    parser.add_argument("--precision", default="f32,int8", help="f32, int8 or both (of the program)")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "sam2")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of the table")
    args = parser.parse_args()
    # Meta's hole filling warns on every frame that its CUDA kernel is missing.
    warnings.simplefilter("ignore")
    torch.set_num_threads(args.threads)
    parts = args.parts.split(",")
    if unknown := set(parts) - set(PARTS):
        parser.error(f"unknown part {', '.join(sorted(unknown))}: choose from {', '.join(PARTS)}")
    original = originals.load(args.model, args.checkout)
    if "everything" in parts and original.mask_generator is None:
        parser.error(f"everything is timed with SAM 2.1 alone, not with {args.model}")
    reference, model = Torch(original, args.objects), original.name
    precisions = args.precision.split(",")
    contenders = ["torch", *precisions]
    found, isa = {}, None  # key -> contender -> one value per round
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = pathlib.Path(folder) / f"{model}.safetensors"
        save_file({k: v.contiguous() for k, v in reference.model.state_dict().items()}, checkpoint)
        command = [args.binary, "bench", "-m", checkpoint, "--json", "--threads", str(args.threads)]
        command += ["--repeat", str(args.repeat), "--objects", str(args.objects)]

        def ours(part: str, precision: str) -> dict:
            asked = [*command, "--parts", part, "--precision", precision]
            return json.loads(subprocess.run(asked, check=True, capture_output=True, text=True).stdout)

        for turn in range(args.rounds):
            for part in parts:
                key = part.replace("-", "_") + "_ms"
                values = found.setdefault(key, {c: [] for c in contenders})
                for contender in contenders[:: -1 if turn % 2 else 1]:
                    times = (
                        reference.times([part], args.repeat)
                        if contender == "torch"
                        else ours(part, contender)
                    )
                    values[contender].append(times[key])
                    isa = times.get("isa", isa)

    rows = {}
    for key, values in found.items():
        rows[key] = {"torch": statistics.median(values["torch"])}
        for precision in precisions:
            ratios = [theirs / mine for theirs, mine in zip(values["torch"], values[precision])]
            faster = {"times_faster": statistics.median(ratios), "least": min(ratios), "most": max(ratios)}
            rows[key][precision] = {"ms": statistics.median(values[precision]), **faster}
    if args.json:
        print(json.dumps(rows))
        return
    print(
        f"{model}, {args.threads} threads, {isa}, torch {torch.__version__}, medians of {args.rounds} rounds"
    )
    print(f"{'ms (times faster)':22}{'torch':>10}" + "".join(f"{precision:>29}" for precision in precisions))
    for key, row in rows.items():
        columns = "".join(
            "{ms:10.1f} ({times_faster:4.2f}x, {least:4.2f}-{most:4.2f})".format(**row[p]) for p in precisions
        )
        print(f"{key:22}{row['torch']:10.1f}{columns}")


if __name__ == "__main__":
    main()
