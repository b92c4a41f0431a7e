"""Writes tests/golden/kernels.npz: inputs and outputs of PyTorch, torchvision and Pillow for every kernel.

    python tools/kernel_fixtures.py [OUT]

Arrays are named `op/case/field`. Maps are channels-last, weights have PyTorch's layout, and `dims` holds the
integer parameters in the order of the Rust test (crates/kernels/tests/fixtures.rs).
"""

import pathlib
import sys

import numpy as np
import PIL
import torch
import torch.nn.functional as F
from PIL import Image
from torchvision.transforms.v2 import functional as TF

RNG = np.random.default_rng(20240729)
ARRAYS: dict[str, np.ndarray] = {}


def draw(*shape: int, scale: float = 1.0) -> torch.Tensor:
    return torch.from_numpy((RNG.standard_normal(shape) * scale).astype(np.float32))


def add(op: str, dims: tuple[int, ...], **arrays: torch.Tensor | np.ndarray) -> None:
    case = sum(1 for name in ARRAYS if name.startswith(f"{op}/") and name.endswith("/dims"))
    ARRAYS[f"{op}/{case}/dims"] = np.array(dims, dtype=np.int64)
    for field, array in arrays.items():
        array = array.numpy() if isinstance(array, torch.Tensor) else array
        ARRAYS[f"{op}/{case}/{field}"] = np.ascontiguousarray(array)


def hwc(x_nchw: torch.Tensor) -> torch.Tensor:
    return x_nchw[0].permute(1, 2, 0)


def resampling() -> None:
    def bilinear(x, size):
        return F.interpolate(x, size=size, mode="bilinear", align_corners=False)

    def antialias(x, size):
        return TF.resize(x, list(size), antialias=True)

    def bicubic(x, size):
        return F.interpolate(x, size=size, mode="bicubic", align_corners=False)

    up_down = [
        (5, 7, 1, 20, 28),
        (9, 6, 1, 4, 11),
        (13, 3, 3, 13, 17),
        (16, 16, 1, 37, 53),
        (31, 2, 3, 7, 2),
        (1, 6, 1, 4, 3),
    ]
    for op, resize in (("bilinear", bilinear), ("antialias", antialias), ("bicubic", bicubic)):
        for h, w, c, oh, ow in up_down:
            x = draw(1, c, h, w)
            add(op, (h, w, c, oh, ow), x=hwc(x), y=hwc(resize(x, (oh, ow))))
    # Hiera's background position embedding with fewer channels.
    x = draw(1, 9, 7, 7)
    add("bicubic", (7, 7, 9, 16, 16), x=hwc(x), y=hwc(bicubic(x, (16, 16))))

    for h, w, c, oh, ow in [
        (23, 31, 3, 11, 9),
        (11, 9, 3, 23, 31),
        (40, 8, 1, 6, 33),
        (12, 12, 3, 12, 5),
        (12, 12, 4, 29, 12),
        (50, 37, 3, 16, 21),
    ]:
        # Black and white columns make the cubic filter overshoot, so that clipping is exercised.
        x = RNG.integers(0, 256, (h, w, c), dtype=np.uint8)
        x[:, : w // 3] = 255 * RNG.integers(0, 2, (h, w // 3, c), dtype=np.uint8)
        image = Image.fromarray(x[..., 0] if c == 1 else x, {1: "L", 3: "RGB", 4: "CMYK"}[c])
        # Pillow up to 12 always resized columns first; two calls, one per axis, do that in every version.
        columns_first = image.resize((ow, h), Image.Resampling.BICUBIC).resize(
            (ow, oh), Image.Resampling.BICUBIC
        )
        direct = image.resize((ow, oh), Image.Resampling.BICUBIC)
        y, y13 = (np.asarray(i).reshape(oh, ow, c) for i in (columns_first, direct))
        add("pil", (h, w, c, oh, ow), x=x, y=y, y13=y13)

    for h, w, c in [(3, 5, 7), (4, 2, 33)]:
        x, fine = draw(1, c, h, w), draw(1, c, 2 * h, 2 * w)
        y = fine + F.interpolate(x, scale_factor=2.0, mode="nearest")
        add("nearest_add", (h, w, c), x=hwc(x), fine=hwc(fine), y=hwc(y))
    for h, w, c in [(6, 8, 5), (7, 5, 19)]:
        x = draw(1, c, h, w)
        add("max_pool", (h, w, c), x=hwc(x), y=hwc(F.max_pool2d(x, 2, 2)))


def rows() -> None:
    x = torch.cat(
        [
            torch.linspace(-12, 12, 481),
            draw(100, scale=4),
            torch.tensor([0.0, -0.0, 1e-20, -1e-20, 60.0, -60.0]),
        ]
    )
    add("gelu", (), x=x, y=F.gelu(x))
    add("sigmoid", (), x=x, y=torch.sigmoid(x))
    for n, cols in [(3, 1), (5, 7), (2, 196), (3, 65)]:
        x = draw(n, cols, scale=5)
        add("softmax", (n, cols), x=x, y=F.softmax(x, -1))
    for n, cols, eps in [(5, 7, 1e-6), (3, 96, 1e-6), (4, 33, 1e-5)]:
        # A common offset stresses the variance.
        x, gamma, beta = draw(n, cols, scale=2) + 30, draw(cols) + 1, draw(cols)
        add(
            "layer_norm",
            (n, cols),
            x=x,
            gamma=gamma,
            beta=beta,
            eps=np.float32([eps]),
            y=F.layer_norm(x, (cols,), gamma, beta, eps),
        )
    for h, w, c in [(3, 4, 16), (2, 5, 33)]:
        # LayerNorm2d of sam2/modeling/sam2_utils.py, spelled out.
        x, gamma, beta = draw(1, c, h, w, scale=3), draw(c) + 1, draw(c)
        u = x.mean(1, keepdim=True)
        s = (x - u).pow(2).mean(1, keepdim=True)
        y = gamma[:, None, None] * ((x - u) / torch.sqrt(s + 1e-6)) + beta[:, None, None]
        add("layer_norm_2d", (h, w, c), x=hwc(x), gamma=gamma, beta=beta, y=hwc(y))


def matrices() -> None:
    for m, k, n in [(1, 1, 1), (3, 5, 7), (5, 270, 9), (8, 16, 33)]:
        x, weight, bias, residual = draw(m, k), draw(n, k, scale=k**-0.5), draw(n), draw(m, n)
        y = F.linear(x, weight, bias)
        add(
            "linear",
            (m, k, n),
            x=x,
            weight=weight,
            bias=bias,
            residual=residual,
            y=y,
            gelu=F.gelu(y),
            relu_residual=F.relu(y) + residual,
        )
    for batch, heads, nq, nk, d, dv in [
        (1, 1, 5, 7, 16, 16),
        (2, 3, 5, 6, 24, 24),
        (1, 2, 4, 33, 32, 8),
        (1, 1, 3, 270, 8, 12),
        (3, 1, 1, 1, 4, 4),
    ]:
        q, k, v = draw(batch, nq, heads, d), draw(batch, nk, heads, d), draw(batch, nk, heads, dv)
        y = F.scaled_dot_product_attention(q.transpose(1, 2), k.transpose(1, 2), v.transpose(1, 2)).transpose(
            1, 2
        )
        add("attention", (batch, heads, nq, nk, d, dv), q=q, k=k, v=v, y=y)
    for side, dim, repeats in [(3, 16, 1), (4, 32, 2)]:
        # compute_axial_cis and apply_rotary_enc of sam2/modeling/position_encoding.py, with complex numbers.
        freqs = 1.0 / (10000.0 ** (torch.arange(0, dim, 4)[: dim // 4].float() / dim))
        t = torch.arange(side * side, dtype=torch.float32)
        angles = torch.cat(
            [torch.outer(t % side, freqs), torch.outer(torch.div(t, side, rounding_mode="floor"), freqs)], -1
        )
        cis = torch.polar(torch.ones_like(angles), angles).repeat(repeats, 1)
        x = draw(repeats * side * side, dim)
        y = torch.view_as_real(torch.view_as_complex(x.reshape(len(x), -1, 2)) * cis).flatten(1)
        add("rope", (side, dim), x=x, y=y)


def convolutions() -> None:
    for h, w, cin, cout, k, stride, pad in [
        (15, 18, 3, 17, 7, 4, 3),
        (9, 12, 4, 16, 3, 2, 1),
        (8, 8, 1, 4, 3, 2, 1),
        (5, 6, 16, 9, 1, 1, 0),
    ]:
        x, weight, bias = draw(1, cin, h, w), draw(cout, cin, k, k, scale=(cin * k * k) ** -0.5), draw(cout)
        add(
            "conv2d",
            (h, w, cin, k, stride, pad),
            x=hwc(x),
            weight=weight,
            bias=bias,
            y=hwc(F.conv2d(x, weight, bias, stride, pad)),
        )
    for h, w, c, k in [(9, 17, 17, 7), (4, 3, 16, 7), (5, 12, 3, 3)]:
        x, weight, bias = draw(1, c, h, w), draw(c, 1, k, k, scale=1 / k), draw(c)
        add(
            "depthwise",
            (h, w, k),
            x=hwc(x),
            weight=weight,
            bias=bias,
            y=hwc(F.conv2d(x, weight, bias, 1, k // 2, groups=c)),
        )
    for h, w, cin, cout in [(3, 5, 8, 6), (4, 3, 17, 9)]:
        x, weight, bias = draw(1, cin, h, w), draw(cin, cout, 2, 2, scale=cin**-0.5), draw(cout)
        add(
            "conv_transpose",
            (h, w, cin),
            x=hwc(x),
            weight=weight,
            bias=bias,
            y=hwc(F.conv_transpose2d(x, weight, bias, 2)),
        )


def main() -> None:
    assert int(PIL.__version__.split(".")[0]) >= 13, (
        f"Pillow {PIL.__version__}: y13 needs the order of Pillow 13"
    )
    default = pathlib.Path(__file__).parent.parent / "tests" / "golden" / "kernels.npz"
    out = pathlib.Path(sys.argv[1]) if len(sys.argv) > 1 else default
    torch.manual_seed(0)
    resampling()
    rows()
    matrices()
    convolutions()
    np.savez_compressed(out, **ARRAYS)
    print(f"{out}: {len(ARRAYS)} arrays, {out.stat().st_size} bytes")


if __name__ == "__main__":
    main()
