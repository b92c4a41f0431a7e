"""What a camera and a file format do to a rendered frame, constant over a clip except for its noise."""

import cv2
import numpy as np


class Camera:
    """Exposure, colour cast, contrast, vignette, blur, noise and JPEG artefacts of one clip."""

    def __init__(self, rng: np.random.Generator):
        self.seed = int(rng.integers(2**62))
        self.exposure = np.exp(rng.normal() * 0.22)
        self.cast = np.exp(rng.normal(size=3) * rng.choice([0.02, 0.06, 0.14])).astype(np.float32)
        self.saturation = rng.uniform(0.35, 1.15)
        self.gamma = np.exp(rng.normal() * 0.2 + 0.1)
        self.contrast = rng.uniform(0.75, 1.4)
        self.vignette = rng.uniform(0, 0.45) * (rng.random() < 0.4)
        self.blur = rng.uniform(0.3, 1.3) * (rng.random() < 0.6)
        self.noise = rng.uniform(0, 0.04) * (rng.random() < 0.6)
        self.coarse = rng.random() < 0.3  # noise after the demosaicing blurs over two pixels
        self.quality = int(rng.integers(25, 96)) if rng.random() < 0.75 else 0
        self.sharpen = rng.uniform(0.2, 0.9) * (rng.random() < 0.3)

    def take(self, picture: np.ndarray, t: int = 0) -> np.ndarray:
        """A frame [S, S, 3] u8 of a picture in 0..1 (float, may exceed it)."""
        rng = np.random.default_rng([self.seed, t])
        side = picture.shape[0]
        x = np.maximum(picture, 0) * (self.cast * self.exposure)
        if self.vignette:
            line = np.linspace(-1, 1, side, dtype=np.float32) ** 2
            x = x * (1 - self.vignette * 0.5 * (line[:, None] + line[None]))[..., None]
        grey = x.mean(2, keepdims=True)
        x = grey + (x - grey) * self.saturation
        x = np.maximum(x, 0) ** self.gamma
        x = (x - 0.5) * self.contrast + 0.5
        if self.blur:
            x = cv2.GaussianBlur(x, (0, 0), self.blur * side / 288)
        if self.sharpen:
            x = x + self.sharpen * (x - cv2.GaussianBlur(x, (0, 0), 1.0))
        if self.noise:
            grain = rng.standard_normal(x.shape, dtype=np.float32)
            x = x + self.noise * (cv2.GaussianBlur(grain, (0, 0), 0.8) * 1.6 if self.coarse else grain)
        frame = (x * 255).round().clip(0, 255).astype(np.uint8)
        if self.quality:
            data = cv2.imencode(".jpg", frame[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, self.quality])[1]
            frame = cv2.imdecode(data, cv2.IMREAD_COLOR)[..., ::-1]
        return np.ascontiguousarray(frame)
