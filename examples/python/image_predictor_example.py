"""Masks of a picture from clicks, boxes and earlier masks: the calls of Meta's notebook of this name.

    python examples/python/image_predictor_example.py [FOLDER]

Only the import and the checkpoint differ from Meta's: the small model and two bundled pictures, so that
nothing is downloaded. Pictures go to FOLDER, by default ``examples-out``. torch is used if it is there.
"""

import sys
from pathlib import Path

import numpy as np
from drawing import draw, save
from PIL import Image

from sam2_cpu.build_sam import build_sam2
from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor

try:
    import torch

    device = torch.device("cpu")
except ImportError:
    device = "cpu"

assets = Path(__file__).resolve().parents[2] / "assets"
out = Path(sys.argv[1] if len(sys.argv) > 1 else "examples-out")

# Model and picture.
sam2_checkpoint = assets / "sam2.1_micro.safetensors"
model_cfg = assets / "sam2.1_micro.yaml"
image = Image.open(assets / "balloon.gif")
image = np.array(image.convert("RGB"))
sam2_model = build_sam2(model_cfg, sam2_checkpoint, device=device)
predictor = SAM2ImagePredictor(sam2_model)
predictor.set_image(image)

# One click: three candidates, the best first.
input_point = np.array([[58, 100]])
input_label = np.array([1])
print(predictor._features["image_embed"].shape, predictor._features["image_embed"][-1].shape)
masks, scores, logits = predictor.predict(
    point_coords=input_point,
    point_labels=input_label,
    multimask_output=True,
)
sorted_ind = np.argsort(scores)[::-1]
masks = masks[sorted_ind]
scores = scores[sorted_ind]
logits = logits[sorted_ind]
print(masks.shape, scores)
save(out, "image_click", *(draw(image, [mask], input_point, input_label) for mask in masks))

# A second click, with the best mask so far; then one off the object.
input_point = np.array([[58, 100], [58, 172]])
input_label = np.array([1, 1])
mask_input = logits[np.argmax(scores), :, :]
masks, scores, _ = predictor.predict(
    point_coords=input_point,
    point_labels=input_label,
    mask_input=mask_input[None, :, :],
    multimask_output=False,
)
print(masks.shape)
with_basket = draw(image, masks, input_point, input_label)
input_label = np.array([1, 0])
mask_input = logits[np.argmax(scores), :, :]
masks, scores, _ = predictor.predict(
    point_coords=input_point,
    point_labels=input_label,
    mask_input=mask_input[None, :, :],
    multimask_output=False,
)
save(out, "image_two_clicks", with_basket, draw(image, masks, input_point, input_label))

# A box, and a box with a click off the object.
input_box = np.array([2, 38, 114, 182])
masks, scores, _ = predictor.predict(
    point_coords=None,
    point_labels=None,
    box=input_box[None, :],
    multimask_output=False,
)
from_box = draw(image, masks, boxes=[input_box])
input_point = np.array([[58, 172]])
input_label = np.array([0])
masks, scores, logits = predictor.predict(
    point_coords=input_point,
    point_labels=input_label,
    box=input_box,
    multimask_output=False,
)
save(out, "image_box", from_box, draw(image, masks, input_point, input_label, [input_box]))

# Several boxes in one call.
input_boxes = np.array([[2, 38, 114, 182], [114, 0, 216, 239], [260, 30, 290, 72]])
masks, scores, _ = predictor.predict(
    point_coords=None,
    point_labels=None,
    box=input_boxes,
    multimask_output=False,
)
print(masks.shape)
save(out, "image_boxes", draw(image, masks.squeeze(1), boxes=input_boxes))

# Several pictures with several boxes each.
image1 = image
image1_boxes = input_boxes
image2 = Image.open(assets / "demo.gif")
image2 = np.array(image2.convert("RGB"))
image2_boxes = np.array([[75, 53, 165, 128], [8, 58, 50, 100]])
img_batch = [image1, image2]
boxes_batch = [image1_boxes, image2_boxes]
predictor.set_image_batch(img_batch)
masks_batch, scores_batch, _ = predictor.predict_batch(
    None, None, box_batch=boxes_batch, multimask_output=False
)
shown = zip(img_batch, boxes_batch, masks_batch)
save(out, "image_batch_of_boxes", *(draw(i, masks.squeeze(1), boxes=boxes) for i, boxes, masks in shown))

# Several pictures with several clicks each: the best of three masks for each.
image1_pts = np.array([[[58, 100]], [[160, 150]], [[275, 48]]])
image1_labels = np.array([[1], [1], [1]])
image2_pts = np.array([[[109.5, 90.5]], [[28, 79]]])
image2_labels = np.array([[1], [1]])
pts_batch = [image1_pts, image2_pts]
labels_batch = [image1_labels, image2_labels]
masks_batch, scores_batch, _ = predictor.predict_batch(
    pts_batch, labels_batch, box_batch=None, multimask_output=True
)
best_masks = []
for masks, scores in zip(masks_batch, scores_batch):
    best_masks.append(masks[range(len(masks)), np.argmax(scores, axis=-1)])
shown = zip(img_batch, pts_batch, labels_batch, best_masks)
save(out, "image_batch_of_clicks", *(draw(i, masks, pts, labels) for i, pts, labels, masks in shown))
