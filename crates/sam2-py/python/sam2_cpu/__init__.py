"""Segment Anything 2 on the CPU, with the modules, names and signatures of Meta's package ``sam2``.

>>> from sam2_cpu import build_sam2_micro
>>> from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor
>>> predictor = SAM2ImagePredictor(build_sam2_micro())

All work runs in threads of this package's own with the GIL released; results are the same bits for any
number of threads. Nothing here opens a network connection.
"""

from ._errors import CheckpointError, MissingLabels, PromptError
from ._native import __version__, get_num_threads, set_num_threads
from .build_sam import build_sam2_micro

__all__ = [
    "CheckpointError",
    "MissingLabels",
    "PromptError",
    "__version__",
    "build_sam2_micro",
    "get_num_threads",
    "set_num_threads",
]
