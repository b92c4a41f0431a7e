"""Writes tests/golden/. Usage: python tools/make_goldens.py [--threads N] [GROUP ...]; no GROUP means all."""

import argparse
import functools
import pathlib
import time

import torch

import golden_demo
import golden_everything
import golden_image
import golden_image_scenarios
import golden_labels
import golden_modules
import golden_predictor
import golden_scenarios
import golden_seeded
import golden_video
import scenarios

GOLDEN = pathlib.Path(__file__).resolve().parent.parent / "tests" / "golden"
GROUPS = {
    "encoder_tiny": golden_modules.encoder,
    "decoder_tiny": golden_modules.decoder,
    "memory_tiny": golden_modules.memory,
    "preprocess": golden_image.preprocess,
    "image_tiny": functools.partial(golden_image.image, "sam2.1_hiera_tiny"),
    "image_tiny_2.0": functools.partial(golden_image.image, "sam2_hiera_tiny"),
    "image_small": functools.partial(golden_image.image, "sam2.1_hiera_small"),
    "image_base_plus": functools.partial(golden_image.image, "sam2.1_hiera_base_plus"),
    "image_large": functools.partial(golden_image.image, "sam2.1_hiera_large"),
    "image_scenarios_demo": golden_image_scenarios.embedded,
    "image_scenarios_tiny": golden_image_scenarios.tiny,
    "forced_tiny": golden_video.forced,
    "video_tiny": functools.partial(golden_video.video, "clip"),
    "video_late_tiny": functools.partial(golden_video.video, "late"),
    "micro_demo": golden_demo.demo,
    "micro_everything": golden_everything.everything,
    "scenarios_demo": golden_scenarios.demo,
    "scenarios_fickle": golden_scenarios.fickle,
    "scenarios_tiny_256": functools.partial(golden_scenarios.tiny, 256, scenarios.SEEDED),
    "scenarios_tiny": functools.partial(golden_scenarios.tiny, 1024, scenarios.FULL),
    "micro_predictor": golden_predictor.predictor,
    "micro_labels": golden_labels.labels,
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("groups", nargs="*", metavar="GROUP", help=", ".join(["seeded", *GROUPS]))
    parser.add_argument("--threads", type=int, default=2)
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    GOLDEN.mkdir(parents=True, exist_ok=True)
    for group in args.groups or ["seeded", *GROUPS]:
        start = time.time()
        if group == "seeded":
            golden_seeded.write(GOLDEN)
            print(f"seeded: {time.time() - start:.0f} s")
            continue
        probes = GROUPS[group]()
        path = GOLDEN / f"{group}.safetensors"
        probes.save(path)
        print(f"{path.name}: {path.stat().st_size} bytes, {time.time() - start:.0f} s")
        probes.report()


if __name__ == "__main__":
    main()
