"""For code that cannot be edited: this package's modules under Meta's names.

``import sam2_cpu.as_sam2`` registers them; it must run before anything imports ``sam2``. ``python -m
sam2_cpu.as_sam2 script.py args…`` runs a script so.
"""

from __future__ import annotations

import importlib
import sys

_MODULES = [
    "",
    ".build_sam",
    ".sam2_image_predictor",
    ".sam2_video_predictor",
    ".automatic_mask_generator",
    ".utils",
    ".utils.amg",
]


def register() -> None:
    """Registers all modules or, if ``sam2`` was imported already, none.

    Raises:
        RuntimeError: if another ``sam2`` was imported already.
    """
    here = importlib.import_module("sam2_cpu")
    if sys.modules.get("sam2", here) is not here:
        raise RuntimeError("sam2 was imported already; import sam2_cpu.as_sam2 before it")
    modules = {f"sam2{name}": importlib.import_module(f"sam2_cpu{name}") for name in _MODULES}
    sys.modules.update(modules)


register()

if __name__ == "__main__":
    import runpy

    if len(sys.argv) < 2:
        raise SystemExit("usage: python -m sam2_cpu.as_sam2 script.py [arguments]")
    sys.argv = sys.argv[1:]
    runpy.run_path(sys.argv[0], run_name="__main__")
