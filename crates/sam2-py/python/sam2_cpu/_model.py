"""The model that ``build_sam2`` returns."""

from __future__ import annotations

import json

from . import _native
from ._arrays import CPU


class SAM2Model:
    """Weights, shared by predictors; immutable.

    Attributes:
        image_size (int): side of the square that pictures are resized to, pixels.
        device (str): ``"cpu"``.
        variant (str): such as ``"SAM 2.1 tiny"``.
        precision (str): ``"f32"``, ``"bf16"`` or ``"int8"``.
    """

    def __init__(self, native: _native.NativeModel, source: str) -> None:
        self._native = native
        self._source = source

    @property
    def image_size(self) -> int:
        return self._native.image_size

    @property
    def device(self):
        return CPU

    @property
    def variant(self) -> str:
        return self._native.variant

    @property
    def precision(self) -> str:
        return self._native.precision

    @property
    def config(self) -> dict:
        """The configuration with Meta's names."""
        return json.loads(self._native.config)

    def eval(self):
        return self

    def to(self, *_args, **_kwargs):
        return self

    def cpu(self):
        return self

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: {self.variant}, {self.precision}, {self._source}>"

    def __reduce__(self):
        raise TypeError(f"{type(self).__name__} cannot be pickled; send ckpt_path and build it there")


def native_of(model) -> _native.NativeModel:
    """The weights of a model, or of a video predictor, which is one too."""
    native = getattr(model, "_native", None)
    if not isinstance(native, _native.NativeModel):
        raise TypeError(
            f"a model of sam2_cpu.build_sam is needed, got {type(model).__module__}.{type(model).__name__}"
        )
    return native
