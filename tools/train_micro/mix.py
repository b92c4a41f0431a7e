"""Writes the weighted mean of two checkpoints of train.py: FOLDER/micro.safetensors and micro.pt.

python tools/train_micro/mix.py assets/sam2.1_micro.safetensors RUN/micro.pt FOLDER --share 0.7
"""

import argparse
import pathlib

import torch

import model

OBJECT_SCORE = "sam_mask_decoder.pred_obj_score_head.layers.2.bias"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("first", type=pathlib.Path)
    parser.add_argument("second", type=pathlib.Path)
    parser.add_argument("folder", type=pathlib.Path)
    parser.add_argument("--share", type=float, default=0.5, help="weight of the second checkpoint")
    parser.add_argument(
        "--object-score", type=float, default=0.0, help="added to the bias of the object score"
    )
    args = parser.parse_args()
    first, second = model.load(args.first), model.load(args.second)
    mean = {name: torch.lerp(first[name], second[name], args.share) for name in first}
    mean[OBJECT_SCORE] += args.object_score
    model.export(mean, args.folder)


if __name__ == "__main__":
    main()
