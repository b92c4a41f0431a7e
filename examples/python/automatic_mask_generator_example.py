"""All masks of a picture: the calls of Meta's notebook of this name.

    python examples/python/automatic_mask_generator_example.py [FOLDER [POINTS_PER_SIDE]]

Only the import and the checkpoint differ from Meta's: the small model and a bundled picture, so that nothing
is downloaded. POINTS_PER_SIDE is that of the second search, by default 64 as in the notebook. Pictures go to
FOLDER, by default ``examples-out``. torch is used if it is there.
"""

import sys
from pathlib import Path

import numpy as np
from drawing import draw, save
from PIL import Image

from sam2_cpu.automatic_mask_generator import SAM2AutomaticMaskGenerator
from sam2_cpu.build_sam import build_sam2

try:
    import torch

    device = torch.device("cpu")
except ImportError:
    device = "cpu"

assets = Path(__file__).resolve().parents[2] / "assets"
out = Path(sys.argv[1] if len(sys.argv) > 1 else "examples-out")


def show_anns(image, anns):
    """The masks on the picture, the largest below."""
    sorted_anns = sorted(anns, key=(lambda x: x["area"]), reverse=True)
    return draw(image, [ann["segmentation"] for ann in sorted_anns])


image = Image.open(assets / "balloon.gif")
image = np.array(image.convert("RGB"))

# With the default options.
sam2_checkpoint = assets / "sam2.1_micro.safetensors"
model_cfg = assets / "sam2.1_micro.yaml"
sam2 = build_sam2(model_cfg, sam2_checkpoint, device=device, apply_postprocessing=False)
mask_generator = SAM2AutomaticMaskGenerator(sam2)
masks = mask_generator.generate(image)
print(len(masks))
print(masks[0].keys())
first = show_anns(image, masks)

# More clicks, on crops of the picture too, and masks that are predicted again from themselves.
mask_generator_2 = SAM2AutomaticMaskGenerator(
    model=sam2,
    points_per_side=int(sys.argv[2]) if len(sys.argv) > 2 else 64,
    points_per_batch=128,
    pred_iou_thresh=0.7,
    stability_score_thresh=0.92,
    stability_score_offset=0.7,
    crop_n_layers=1,
    box_nms_thresh=0.7,
    crop_n_points_downscale_factor=2,
    min_mask_region_area=25.0,
    use_m2m=True,
)
masks2 = mask_generator_2.generate(image)
print(len(masks2))
save(out, "automatic", first, show_anns(image, masks2))
