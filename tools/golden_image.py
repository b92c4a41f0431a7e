"""Goldens of the image predictor end to end, for every model, and of image and frame preprocessing."""

import numpy as np
import torch
import torch.nn.functional as F
from PIL import Image
from sam2.sam2_image_predictor import SAM2ImagePredictor
from sam2.utils.transforms import SAM2Transforms

import golden_seeded
import oracle
import seeded
import taps as t
from golden_modules import add_margins
from probes import Probes

PHOTOS = {"photo.a": (1024, 683), "photo.b": (1024, 1024)}
# Pixels of the photo.
PROMPTS = {
    "click": {"points": [(700.0, 110.0)], "labels": [1]},
    "clicks": {"points": [(560.5, 300.25), (660.0, 560.0)], "labels": [0, 1]},
    "box": {"box": (210.0, 574.0, 640.0, 683.0)},
    "box_click": {"box": (480.0, 500.0, 845.0, 683.0), "points": [(250.0, 600.0)], "labels": [0]},
    "mask": {"mask": True},
}


def mask_prompt() -> np.ndarray:
    return seeded.smooth("input.mask_logits", 256, 256, 16, 0.0, 5.0)[None]


def image_case(model, photos) -> dict:
    predictor = SAM2ImagePredictor(model)
    out = {}
    for photo in photos:
        encoded = []
        plain = model.forward_image
        model.forward_image = lambda image: encoded.append(plain(image)) or encoded[-1]
        predictor.set_image(seeded.photo(photo, *PHOTOS[photo]))
        del model.forward_image
        features = encoded[0]["backbone_fpn"]
        names = ("image_encoder.conv_s0", "image_encoder.conv_s1", "image_encoder.neck.level2")
        out |= {f"{photo}/{name}": t.hwc(f) for name, f in zip(names, features)}
        for case, prompt in PROMPTS.items():
            for multimask in (True, False):
                taps = {}
                with t.decoder_recorder(model, taps):
                    masks, iou, low = predictor.predict(
                        point_coords=np.array(prompt["points"]) if "points" in prompt else None,
                        point_labels=np.array(prompt["labels"]) if "labels" in prompt else None,
                        box=np.array(prompt["box"]) if "box" in prompt else None,
                        mask_input=mask_prompt() if "mask" in prompt else None,
                        multimask_output=multimask,
                        return_logits=True,
                    )
                prefix = f"{photo}/{case}/{'multi' if multimask else 'single'}/"
                out |= {prefix + "low_res": low, prefix + "iou": iou, prefix + "logits": masks}
                if multimask:
                    prefix = f"{photo}/{case}/"
                    names = ("iou", "object_score", "mask_logits")
                    out |= {f"{prefix}sam_mask_decoder.{n}": taps[f"sam_mask_decoder.{n}"] for n in names}
    return out


def image(model_name: str) -> Probes:
    """Predictions for every prompt. `logits` have the size of the photo, `low_res` is clamped to +-32."""
    photos = list(PHOTOS) if model_name == "sam2.1_hiera_tiny" else ["photo.a"]
    single = image_case(oracle.build(model_name), photos)
    with oracle.float64():
        double = image_case(oracle.build_float64(model_name), photos)
    probes = Probes()
    probes.add_all("", single, double)
    add_facts(probes, single, photos)
    return probes


def add_facts(probes: Probes, single: dict, photos: list) -> None:
    """Sizes, prompts and decision margins."""
    for photo in photos:
        probes.fact(photo + "#size", PHOTOS[photo], np.int64)
        for case in PROMPTS:
            add_margins(probes, f"{photo}/{case}/", single)
    for case, prompt in PROMPTS.items():
        for name, dtype in (
            ("points", np.float32),
            ("labels", np.int32),
            ("box", np.float32),
            ("mask", np.uint8),
        ):
            if name in prompt:
                probes.fact(f"{case}#{name}", prompt[name], dtype)


# (width, height): below 1024, above it, equal to it, and mixed.
SIZES = ((1024, 683), (1024, 1024), (60, 40), (333, 1500), (2100, 1111), (480, 270))
FRAME_SIZES = (
    ((480, 270), 1024),
    ((1280, 720), 1024),
    ((60, 40), 1024),
    ((1024, 600), 1024),
    ((320, 240), 256),
)


def preprocess() -> Probes:
    probes = Probes()
    transforms = SAM2Transforms(resolution=1024, mask_threshold=0.0)
    for width, height in SIZES:
        picture = seeded.photo("photo.p", width, height)
        tensor = transforms(picture)
        with oracle.float64():
            truth = transforms(picture)
        probes.add(f"image/{width}x{height}", tensor.permute(1, 2, 0), truth.permute(1, 2, 0), samples=1024)
    for (width, height), side in FRAME_SIZES:
        picture = Image.fromarray(seeded.photo("photo.p", width, height))
        # As in load_video_frames_from_jpg_images, with Pillow's default filter.
        resized = np.array(picture.convert("RGB").resize((side, side)))
        name = f"frame/{width}x{height}-{side}"
        probes.add(name, resized)
        probes.fact(name + "#fnv", [golden_seeded.fnv_bytes(resized)], np.uint64)
    # The mask prompt of a video: antialiased bilinear to 1024, then >= 0.5.
    mask = torch.from_numpy(seeded.smooth("input.mask", 256, 512, 32, 0.0, 1.0) > 0)[None, None]
    resized = F.interpolate(mask.float(), (1024, 1024), mode="bilinear", align_corners=False, antialias=True)
    probes.add("mask/512x256", resized[0, 0])
    probes.fact("mask/512x256#area", [int((resized >= 0.5).sum())], np.int64)
    mask = torch.from_numpy(seeded.smooth("input.mask", 1536, 1280, 64, 0.0, 1.0) > 0)[None, None]
    resized = F.interpolate(mask.float(), (1024, 1024), mode="bilinear", align_corners=False, antialias=True)
    probes.add("mask/1280x1536", resized[0, 0])
    probes.fact("mask/1280x1536#area", [int((resized >= 0.5).sum())], np.int64)
    return probes
