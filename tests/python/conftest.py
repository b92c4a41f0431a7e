"""The embedded model and the bundled clip: nothing is downloaded."""

import sys

import numpy as np
import pytest

import sam2_cpu
from sam2_cpu import _native


@pytest.fixture(scope="session")
def model():
    return sam2_cpu.build_sam2_micro()


@pytest.fixture(scope="session")
def video_model():
    return sam2_cpu.build_sam2_micro(video=True)


@pytest.fixture(scope="session")
def frames():
    clip = _native.demo_clip()
    return [clip.frame(i, False) for i in range(len(clip))]


@pytest.fixture(scope="session")
def photo(frames):
    return frames[0]


@pytest.fixture
def predictor(model, photo):
    from sam2_cpu.sam2_image_predictor import SAM2ImagePredictor

    predictor = SAM2ImagePredictor(model)
    predictor.set_image(photo)
    return predictor


CLICK = np.array([[109.5, 90.5]], np.float32)
ON = np.array([1], np.int32)


@pytest.fixture(scope="session", autouse=True)
def installed():
    """The wheel is tested, not the checkout."""
    assert "site-packages" in sam2_cpu.__file__, sys.path
