"""Masks in single images. Meta: ``sam2/sam2_image_predictor.py``."""

from __future__ import annotations

import numpy as np

from . import _native
from ._arrays import CPU, boxes_of, finite, labels_of, logits, mask_inputs_of, packed, picture, points_of
from ._errors import MissingLabels, PromptError
from ._model import native_of

_NO_IMAGE = "An image must be set with .set_image(...) before mask prediction."
_NO_LABELS = "point_labels must be supplied if point_coords is supplied."


class SAM2ImagePredictor:
    """Encodes an image once and predicts masks for any number of prompts.

    Arguments:
        sam_model (SAM2Model): of :func:`sam2_cpu.build_sam.build_sam2`.
        mask_threshold (float): logits above it are inside a mask.
        max_hole_area (int): holes of at most this many pixels of the low-resolution logits are filled.
        max_sprinkle_area (int): specks of at most this many pixels are removed.
    """

    def __init__(
        self, sam_model, mask_threshold=0.0, max_hole_area=0.0, max_sprinkle_area=0.0, **kwargs
    ) -> None:
        self.model = sam_model
        self.mask_threshold = mask_threshold
        native = native_of(sam_model)
        self._native = native
        self._predictor = _native.ImageNative(
            native, float(mask_threshold), int(max_hole_area), int(max_sprinkle_area)
        )
        self.reset_predictor()

    @classmethod
    def from_pretrained(cls, model_id, **kwargs):
        """A predictor by the name on Hugging Face, such as ``"facebook/sam2.1-hiera-tiny"``, or a path."""
        from .build_sam import build_sam2_hf

        return cls(build_sam2_hf(model_id, **kwargs), **kwargs)

    def set_image(self, image) -> None:
        """Encodes an image: about a second with the model tiny on two cores.

        Arguments:
            image: ``uint8 (H, W, 3)``, RGB, of any strides, or a PIL picture of any mode.
        """
        array = picture(image)
        self.reset_predictor()
        self._images = [self._predictor.encode(array)]
        self._is_image_set = True

    def set_image_batch(self, image_list) -> None:
        """Encodes several images, for :meth:`predict_batch`."""
        assert isinstance(image_list, list), "image_list must be a list of images"
        assert image_list, "image_list is empty"
        arrays = [picture(image, f"image_list[{i}]") for i, image in enumerate(image_list)]
        self.reset_predictor()
        self._images = [self._predictor.encode(array) for array in arrays]
        self._is_image_set = self._is_batch = True

    def predict(
        self,
        point_coords=None,
        point_labels=None,
        box=None,
        mask_input=None,
        multimask_output=True,
        return_logits=False,
        normalize_coords=True,
        *,
        return_info=False,
    ):
        """Masks for one prompt or for B prompts on the image.

        Arguments:
            point_coords: ``(n, 2)`` or ``(B, n, 2)``, x and y in pixels.
            point_labels: ``(n,)`` or ``(B, n)``: 1 on the object, 0 off it, 2 and 3 corners of a box, -1
                padding.
            box: ``(4,)`` or ``(B, 4)``: x0, y0, x1, y1.
            mask_input: ``(1, s, s)`` or ``(B, 1, s, s)``, low-resolution logits of an earlier prediction.
            multimask_output (bool): three candidates a prompt, else one.
            return_logits (bool): logits in place of masks.
            normalize_coords (bool): coordinates are pixels; False: fractions of width and height.
            return_info (bool): a fourth value, a dict with ``object_score (B,)`` and ``stability``, as
                ``iou``.

        Returns:
            ``masks (C, H, W)``, 0.0 and 1.0, ``iou (C,)`` and ``low_res (C, s, s)``, within ±32, all
            float32; for B > 1 prompts with B as the first axis.
        """
        if not self._is_image_set:
            raise RuntimeError(_NO_IMAGE)
        prompt = (point_coords, point_labels, box, mask_input)
        return self._predict_on(
            self._images[-1], prompt, multimask_output, return_logits, normalize_coords, return_info
        )

    def predict_batch(
        self,
        point_coords_batch=None,
        point_labels_batch=None,
        box_batch=None,
        mask_input_batch=None,
        multimask_output=True,
        return_logits=False,
        normalize_coords=True,
    ):
        """:meth:`predict` for every image of :meth:`set_image_batch`: lists with one entry an image.

        Returns:
            Three lists: masks, predicted IoUs and low-resolution logits.
        """
        if not self._is_batch:
            raise MissingBatch("This function should only be used when in batched mode")
        count = len(self._images)
        given = (point_coords_batch, point_labels_batch, box_batch, mask_input_batch)
        names = ("point_coords_batch", "point_labels_batch", "box_batch", "mask_input_batch")
        for name, values in zip(names, given):
            if values is not None and len(values) != count:
                raise ValueError(f"{name} has {len(values)} entries for {count} images")
        answers = []
        for i, image in enumerate(self._images):
            prompt = tuple(None if values is None else values[i] for values in given)
            answers.append(
                self._predict_on(image, prompt, multimask_output, return_logits, normalize_coords, False)
            )
        masks, ious, low_res = zip(*answers)
        return list(masks), list(ious), list(low_res)

    def _predict_on(self, image, prompt, multimask_output, return_logits, normalize_coords, return_info):
        point_coords, point_labels, box, mask_input = prompt
        if point_coords is None and point_labels is not None:
            labels_of(point_labels)
        coords, labels = points_of(point_coords, point_labels, missing=_NO_LABELS)
        boxes = boxes_of(box)
        masks = mask_inputs_of(mask_input, self._native.low_res_size)
        counts = {len(values) for values in (coords, boxes, masks) if values is not None}
        if not counts:
            raise PromptError("no point, box or mask given")
        if len(counts) > 1 and not (counts == {1, max(counts)} and masks is not None and len(masks) == 1):
            shapes = {"point_coords": coords, "box": boxes, "mask_input": masks}
            given = ", ".join(f"{name} {np.shape(v)}" for name, v in shapes.items() if v is not None)
            raise ValueError(f"the first axes are the prompts and must agree: {given}")
        count = max(counts)
        if coords is None:
            coords, labels = np.zeros((count, 0, 2), np.float32), np.zeros((count, 0), np.int32)
        if masks is not None and len(masks) != count:
            masks = np.broadcast_to(masks, (count, *masks.shape[1:]))
        finite(coords, "point_coords")
        finite(boxes, "box")
        finite(masks, "mask_input")
        if not normalize_coords:
            height, width = image.size
            size = np.array([width, height], np.float32)
            coords = coords * size
            boxes = None if boxes is None else boxes * np.tile(size, 2)
        values = self._predictor.predict(
            image,
            packed(coords),
            packed(labels),
            None if boxes is None else packed(boxes),
            None if masks is None else packed(masks),
            bool(multimask_output),
            bool(return_logits),
            bool(return_info),
        )
        masks, ious, low_res, scores, stability = values
        info = {"object_score": np.asarray(scores, np.float32), "stability": stability}
        if count == 1:
            masks, ious, low_res, info["stability"] = masks[0], ious[0], low_res[0], stability[0]
        return (masks, ious, low_res, info) if return_info else (masks, ious, low_res)

    def get_image_embedding(self):
        """The features of the image, ``(1, C, s/4, s/4)``, float32."""
        if not self._is_image_set:
            raise RuntimeError("An image must be set with .set_image(...) to generate an embedding.")
        return logits(np.concatenate([self._predictor.features(image) for image in self._images]))

    @property
    def _features(self) -> dict:
        """What Meta's notebook prints the shape of."""
        return {"image_embed": self.get_image_embedding()}

    @property
    def device(self):
        """``"cpu"``."""
        return CPU

    def reset_predictor(self) -> None:
        """Forgets the image."""
        self._images = []
        self._is_image_set = self._is_batch = False

    def save_embedding(self, path) -> None:
        """Writes the encoded image, so that another process need not encode it."""
        if len(self._images) != 1:
            raise RuntimeError(_NO_IMAGE)
        self._predictor.save(self._images[0], path)

    def load_embedding(self, path) -> None:
        """Sets an image that :meth:`save_embedding` wrote with the same checkpoint."""
        image = self._predictor.load(path)
        self.reset_predictor()
        self._images, self._is_image_set = [image], True

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} cannot be pickled; send ckpt_path and build it there")


class MissingBatch(AssertionError, ValueError):
    """``predict_batch`` without ``set_image_batch``. Meta's code raises ``AssertionError``."""


__all__ = ["MissingBatch", "MissingLabels", "SAM2ImagePredictor"]
