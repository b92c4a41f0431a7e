"""Times our binary against Meta's code in PyTorch, same machine, same number of threads, same work.

Usage: python tools/bench_vs_torch.py [--threads 2] [--repeat 5] [--rounds 2] [--binary target/release/sam2]

Both run tiny with seeded weights on a synthetic 854x480 clip; the rounds alternate, and each number is the median over
all rounds of the median of a round. What is timed (the keys of `sam2 bench --json`):
  encode_ms            an RGB picture in memory to image features: resize, normalise, encode
  click_ms             one click to three masks at the size of the picture
  memory_attention_ms  by itself, over 7 spatial memories and 16 object pointers
  track_ms             a whole tracked frame of one object over such a bank: resize, encode, memory attention, mask
                       decoder, memory encoder, mask at the size of the frame
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
from sam2.sam2_image_predictor import SAM2ImagePredictor

import golden_modules
import oracle
import seeded

ROOT = pathlib.Path(__file__).resolve().parent.parent
MODEL = "sam2.1_hiera_tiny"
SIZE = (854, 480)
# Frames until the memory bank is full.
WARM_UP = 16
KEYS = ("encode_ms", "click_ms", "memory_attention_ms", "track_ms")


def median_ms(run, repeat: int) -> float:
    run()
    times = []
    for _ in range(repeat):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return statistics.median(times)


def normalised(picture: np.ndarray) -> torch.Tensor:
    """As Meta's loader of frames does it."""
    resized = np.array(Image.fromarray(picture).resize((1024, 1024)))
    image = torch.from_numpy(resized / 255.0).permute(2, 0, 1).float()
    image -= torch.tensor((0.485, 0.456, 0.406))[:, None, None]
    image /= torch.tensor((0.229, 0.224, 0.225))[:, None, None]
    return image


class Torch:
    def __init__(self):
        self.model = oracle.build(MODEL, video=True)
        self.picture = seeded.photo("bench", *SIZE)

    @torch.inference_mode()
    def times(self, repeat: int) -> dict:
        predictor = SAM2ImagePredictor(self.model)
        click = {"point_coords": np.array([[427.0, 240.0]]), "point_labels": np.array([1])}
        out = {"encode_ms": median_ms(lambda: predictor.set_image(self.picture), repeat)}
        out["click_ms"] = median_ms(lambda: predictor.predict(**click), repeat)
        out["memory_attention_ms"] = self.memory_attention(repeat)
        out["track_ms"] = self.track(repeat)
        return out

    def bank(self) -> dict:
        return golden_modules.bank(self.model, "bench", [0], list(range(1, WARM_UP)))

    def memory_attention(self, repeat: int) -> float:
        level2 = torch.from_numpy(seeded.draw("bench.level2", (4096, 1, 256), 0.0, 1.0))
        pos = self.model.image_encoder.neck.position_encoding(torch.zeros(1, 1, 64, 64)).flatten(2).permute(2, 0, 1)
        stored = self.bank()

        def run():
            self.model._prepare_memory_conditioned_features(
                frame_idx=WARM_UP,
                is_init_cond_frame=False,
                current_vision_feats=[level2],
                current_vision_pos_embeds=[pos],
                feat_sizes=[(64, 64)],
                output_dict=stored,
                num_frames=WARM_UP + repeat,
            )

        return median_ms(run, repeat)

    def track(self, repeat: int) -> float:
        stored = self.bank()

        def run():
            state = {
                "images": {WARM_UP: normalised(self.picture)},
                "num_frames": WARM_UP + repeat,
                "device": torch.device("cpu"),
                "storage_device": torch.device("cpu"),
                "video_width": SIZE[0],
                "video_height": SIZE[1],
                "cached_features": {},
                "constants": {},
            }
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
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeat", type=int, default=5)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--binary", type=pathlib.Path, default=ROOT / "target" / "release" / "sam2")
    parser.add_argument("--json", action="store_true", help="print one line of JSON instead of the table")
    args = parser.parse_args()
    warnings.simplefilter("ignore")  # hole filling announces its absence on every frame
    torch.set_num_threads(args.threads)
    reference = Torch()
    ours, theirs = [], []
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = pathlib.Path(folder) / f"{MODEL}.safetensors"
        save_file({k: v.contiguous() for k, v in reference.model.state_dict().items()}, checkpoint)
        command = [args.binary, "bench", "-m", checkpoint, "--json"]
        command += ["--threads", str(args.threads), "--repeat", str(args.repeat)]
        for _ in range(args.rounds):
            ours.append(json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout))
            theirs.append(reference.times(args.repeat))
    rows = {
        key: (statistics.median(r[key] for r in ours), statistics.median(r[key] for r in theirs)) for key in KEYS
    }
    if args.json:
        print(json.dumps({key: {"ours": a, "torch": b, "ratio": a / b} for key, (a, b) in rows.items()}))
        return
    print(f"{MODEL}, {args.threads} threads, {ours[0].get('isa', '?')}, torch {torch.__version__}")
    print(f"{'':22}{'ours':>10}{'torch':>10}{'ours/torch':>12}")
    for key, (a, b) in rows.items():
        print(f"{key:22}{a:10.1f}{b:10.1f}{a / b:12.2f}")


if __name__ == "__main__":
    main()
