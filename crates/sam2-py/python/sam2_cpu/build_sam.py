"""Models from checkpoints. Meta: ``sam2/build_sam.py``."""

from __future__ import annotations

import json
import os
import warnings

from . import _native
from ._errors import CheckpointError
from ._model import SAM2Model

_SIZES = {"t": "tiny", "s": "small", "b+": "base_plus", "l": "large"}

HF_MODEL_ID_TO_FILENAMES = {
    f"facebook/sam{version}-hiera-{size.replace('_', '-')}": (
        f"configs/sam{version}/sam{version}_hiera_{short}.yaml",
        f"sam{version}_hiera_{size}.pt",
    )
    for version in ("2", "2.1")
    for short, size in _SIZES.items()
}

_STEM_OF_CONFIG = {
    os.path.basename(config): os.path.splitext(checkpoint)[0]
    for config, checkpoint in HF_MODEL_ID_TO_FILENAMES.values()
}
_STEM_OF_CONFIG["edgetam.yaml"] = "edgetam"
for _stem in ("efficienttam_s", "efficienttam_ti"):
    for _suffix in ("", "_1", "_2", "_512x512"):
        _STEM_OF_CONFIG[f"{_stem}{_suffix}.yaml"] = f"{_stem}{_suffix}"

_DECODER = "sam_mask_decoder_extra_args"
_OVERRIDES = {
    "fill_hole_area",
    "non_overlap_masks",
    "clear_non_cond_mem_around_input",
    "add_all_frames_to_correct_as_cond",
    "binarize_mask_from_pts_for_mem_enc",
    "max_cond_frames_in_attn",
    "memory_temporal_stride_for_eval",
    "image_size",
    f"{_DECODER}.dynamic_multimask_via_stability",
    f"{_DECODER}.dynamic_multimask_stability_delta",
    f"{_DECODER}.dynamic_multimask_stability_thresh",
}
_IGNORED = {"_target_", "compile_image_encoder"}

_warned = False


def _check_device(device, mode) -> None:
    global _warned
    if mode != "eval":
        raise NotImplementedError(f"mode={mode!r}: only inference is supported, mode='eval'")
    name = getattr(device, "type", None) or str(device)
    if name.split(":")[0] != "cpu" and not _warned:
        _warned = True
        warnings.warn(f"sam2_cpu runs on the CPU; device={name!r} is not used", UserWarning, stacklevel=3)


def _parse(value: str):
    lowered = value.strip().lower()
    if lowered in ("true", "false"):
        return lowered == "true"
    if lowered in ("null", "none"):
        return None
    for kind in (int, float):
        try:
            return kind(value)
        except ValueError:
            pass
    return value


def _overrides(extra) -> dict:
    found = {}
    for text in extra:
        key, equals, value = str(text).partition("=")
        key = key.strip().lstrip("+").removeprefix("model.")
        if not equals or key not in _OVERRIDES | _IGNORED:
            known = ", ".join(sorted(_OVERRIDES))
            raise ValueError(f"hydra_overrides_extra: {text!r} has no effect here; keys with one: {known}")
        if key not in _IGNORED:
            found[key] = _parse(value)
    return found


def _apply(config: str, overrides: dict) -> str:
    document = json.loads(config)
    for path, value in overrides.items():
        section = document.setdefault("model", document) if "model" in document else document
        *parents, key = path.split(".")
        for parent in parents:
            section = section.setdefault(parent, {})
        section[key] = value
    return json.dumps(document)


def _named(config_file) -> str | None:
    """The stem of the checkpoint that one of Meta's configurations belongs to."""
    return _STEM_OF_CONFIG.get(os.path.basename(str(config_file)))


def _load(
    config_file, ckpt_path, overrides: dict, precision: str, image_size: int | None
) -> _native.NativeModel:
    if ckpt_path is None:
        raise ValueError(
            "ckpt_path is None: an untrained model is of no use; build_sam2_micro() needs no file"
        )
    path = os.fspath(ckpt_path)
    if not os.path.exists(path) and os.sep not in path and not os.path.splitext(path)[1]:
        path = os.fspath(_native.find_checkpoint(path))

    def opened(config: str | None, origin: str) -> _native.NativeModel:
        return _native.NativeModel.open(path, config, origin, precision, image_size)

    if config_file is None:
        model = opened(None, path)
        return opened(_apply(model.config, overrides), path) if overrides else model
    origin = os.fspath(config_file)
    stem = _named(origin)
    if stem is None and not os.path.exists(origin):
        known = ", ".join(sorted(_STEM_OF_CONFIG))
        raise ValueError(f"config_file {origin!r} is neither a file nor one of {known}")
    if stem is not None and not os.path.exists(origin):
        config = _native.named_config(stem)
    else:
        with open(origin, encoding="utf-8") as file:
            config = file.read()
        if overrides:
            config = _apply(opened(config, origin).config, overrides)
            overrides = {}
    try:
        return opened(_apply(config, overrides) if overrides else config, origin)
    except CheckpointError:
        # A sound file of another model deserves another sentence.
        try:
            variant = _native.NativeModel.open(path, None, path, precision, None).variant
        except CheckpointError:
            variant = None
        if variant is None:
            raise
        raise ValueError(
            f"config_file {origin!r} does not fit the checkpoint {path!r}, which is {variant}"
        ) from None


def _image_overrides(apply_postprocessing: bool) -> dict:
    return {} if apply_postprocessing else {f"{_DECODER}.dynamic_multimask_via_stability": False}


def _video_overrides(apply_postprocessing: bool) -> dict:
    if apply_postprocessing:
        return {"binarize_mask_from_pts_for_mem_enc": True, "fill_hole_area": 8}
    return {**_image_overrides(False), "binarize_mask_from_pts_for_mem_enc": False, "fill_hole_area": 0}


def build_sam2(
    config_file,
    ckpt_path=None,
    device="cuda",
    mode="eval",
    hydra_overrides_extra=[],
    apply_postprocessing=True,
    *,
    precision="f32",
    image_size=None,
    **kwargs,
):
    """Loads a model for images.

    Arguments:
        config_file (str or None): a name of Meta's, such as ``"configs/sam2.1/sam2.1_hiera_t.yaml"``, the
            path of a YAML file, or None: found from the tensors.
        ckpt_path (path): a ``.pt`` or ``.safetensors`` file, as published or trained on.
        device: accepted for compatibility; the model runs on the CPU.
        hydra_overrides_extra (list of str): such as ``"++model.image_size=512"``.
        apply_postprocessing (bool): an unstable single mask is replaced by the best of three.
        precision (str): ``"f32"``, ``"bf16"`` or ``"int8"`` for linear layers of 16 or 8 bits.
        image_size (int): side to which pictures are resized, pixels; smaller is faster.

    Returns:
        SAM2Model: for ``SAM2ImagePredictor`` and ``SAM2AutomaticMaskGenerator``.

    Raises:
        FileNotFoundError: if there is no such file.
        CheckpointError: if the file holds no model that this package knows.
        ValueError: if the configuration is unknown or does not fit the checkpoint.
    """
    _check_device(device, mode)
    overrides = {**_image_overrides(apply_postprocessing), **_overrides(hydra_overrides_extra)}
    return SAM2Model(_load(config_file, ckpt_path, overrides, precision, image_size), str(ckpt_path))


def build_sam2_video_predictor(
    config_file,
    ckpt_path=None,
    device="cuda",
    mode="eval",
    hydra_overrides_extra=[],
    apply_postprocessing=True,
    vos_optimized=False,
    *,
    precision="f32",
    image_size=None,
    keep="everything",
    memory="config",
    **kwargs,
):
    """Loads a model for videos; see :func:`build_sam2`.

    Arguments:
        apply_postprocessing (bool): besides, masks of prompted frames are binarised for the memory encoder,
            and holes of at most 8 pixels of the low-resolution logits are filled. Overrides of the caller
            win.
        vos_optimized (bool): accepted for compatibility.
        keep (str): ``"everything"``, as Meta, 0.8 MB a frame and object; or ``"needed"``, which is flat: a
            frame that was tracked earlier can then only be prompted anew.
        memory (str): memory policy: ``"sam2"``, ``"samurai"``, ``"dam4sam"``, ``"sam2long"``; ``"config"``
            is what the configuration says.

    Returns:
        SAM2VideoPredictor
    """
    from .sam2_video_predictor import SAM2VideoPredictor

    _check_device(device, mode)
    overrides = {**_video_overrides(apply_postprocessing), **_overrides(hydra_overrides_extra)}
    native = _load(config_file, ckpt_path, overrides, precision, image_size)
    return SAM2VideoPredictor(native, str(ckpt_path), keep=keep, memory=memory)


def build_sam2_micro(
    *,
    video=False,
    hydra_overrides_extra=[],
    apply_postprocessing=True,
    precision="f32",
    image_size=None,
    keep="everything",
    memory="config",
):
    """The embedded model: 4 M parameters, trained on rendered clips, so that examples run without a download.

    Arguments:
        video (bool): a ``SAM2VideoPredictor`` in place of a model for images.

    Other arguments: see :func:`build_sam2` and :func:`build_sam2_video_predictor`.
    """
    from .sam2_video_predictor import SAM2VideoPredictor

    defaults = _video_overrides if video else _image_overrides
    overrides = {**defaults(apply_postprocessing), **_overrides(hydra_overrides_extra)}
    config = None
    if overrides:
        config = _apply(_native.NativeModel.micro(None, "f32", None).config, overrides)
    native = _native.NativeModel.micro(config, precision, image_size)
    if video:
        return SAM2VideoPredictor(native, "embedded", keep=keep, memory=memory)
    return SAM2Model(native, "embedded")


def _hf_download(model_id):
    if model_id in HF_MODEL_ID_TO_FILENAMES:
        config_name, checkpoint_name = HF_MODEL_ID_TO_FILENAMES[model_id]
    elif os.path.exists(model_id):
        return None, model_id
    else:
        known = ", ".join(HF_MODEL_ID_TO_FILENAMES)
        raise KeyError(f"{model_id!r} is neither a file or folder nor one of {known}")
    try:
        from huggingface_hub import hf_hub_download
    except ImportError:
        return config_name, os.fspath(_native.find_checkpoint(os.path.splitext(checkpoint_name)[0]))
    return config_name, hf_hub_download(repo_id=model_id, filename=checkpoint_name)


def build_sam2_hf(model_id, **kwargs):
    """:func:`build_sam2` by the name on Hugging Face, such as ``"facebook/sam2.1-hiera-tiny"``, or a path.

    With the package ``huggingface_hub`` the file is downloaded as in Meta's code, else the local cache
    is read.
    """
    config_name, ckpt_path = _hf_download(model_id)
    return build_sam2(config_file=config_name, ckpt_path=ckpt_path, **kwargs)


def build_sam2_video_predictor_hf(model_id, **kwargs):
    """:func:`build_sam2_video_predictor` by the name on Hugging Face; see :func:`build_sam2_hf`."""
    config_name, ckpt_path = _hf_download(model_id)
    return build_sam2_video_predictor(config_file=config_name, ckpt_path=ckpt_path, **kwargs)
