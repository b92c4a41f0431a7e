"""Reads Wavefront OBJ and MTL files into compact triangle meshes, split by group and material."""

import io
import pathlib
import zipfile

import numpy as np

LARGEST = 1_300_000  # bytes of an OBJ file; larger ones are left out
VERTICES = 65_535
PARTS = 24  # most parts of a model; the smallest groups beyond that are merged into the last one
GLASS = 0.4  # opacity below which a material is not drawn


def material_library(text: str, folder: str) -> dict[str, dict]:
    """Colour, opacity, gloss and texture path by material name."""
    found, now = {}, {}
    for line in text.splitlines():
        words = line.split()
        if len(words) < 2:
            continue
        if words[0] == "newmtl":
            now = found[" ".join(words[1:])] = {"colour": [0.7, 0.7, 0.7], "opacity": 1.0, "gloss": 0.0}
        elif words[0] == "Kd" and len(words) >= 4:
            now["colour"] = [min(max(float(w), 0.0), 1.0) for w in words[1:4]]
        elif words[0] == "Ks" and len(words) >= 4:
            now["gloss"] = min(max(sum(float(w) for w in words[1:4]) / 3, 0.0), 1.0)
        elif words[0] == "d":
            now["opacity"] = float(words[-1])
        elif words[0] == "map_Kd":
            now["texture"] = str(pathlib.PurePosixPath(folder) / words[-1])
    return found


def corner(word: str, counts: tuple[int, int, int]) -> tuple[int, int, int]:
    """Zero-based indices of position, texture coordinate and normal; -1 for none."""
    fields = (word.split("/") + ["", ""])[:3]
    return tuple((int(f) - 1 if int(f) > 0 else n + int(f)) if f else -1 for f, n in zip(fields, counts))


def read(text: str):
    """Positions, texture coordinates, normals; corners [triangles, 3, 3] and the pair of names of each."""
    v, vt, vn, triangles, names = [], [], [], [], []
    group = material = ""
    for line in text.splitlines():
        kind, _, rest = line.partition(" ")
        if kind == "v":
            v.append(rest.split()[:3])
        elif kind == "vt":
            vt.append(rest.split()[:2])
        elif kind == "vn":
            vn.append(rest.split()[:3])
        elif kind == "f":
            counts = len(v), len(vt), len(vn)
            corners = [corner(word, counts) for word in rest.split()]
            for k in range(1, len(corners) - 1):
                triangles.append((corners[0], corners[k], corners[k + 1]))
                names.append((group, material))
        elif kind in ("g", "o"):
            group = rest.strip()
        elif kind == "usemtl":
            material = rest.strip()
    arrays = [np.array(a, np.float32).reshape(-1, n) for a, n in ((v, 3), (vt, 2), (vn, 3))]
    return *arrays, np.array(triangles, np.int64).reshape(-1, 3, 3), names


def normals_of(v: np.ndarray, faces: np.ndarray) -> np.ndarray:
    """Area-weighted vertex normals [len(v), 3] of triangles [n, 3]."""
    a, b, c = v[faces[:, 0]], v[faces[:, 1]], v[faces[:, 2]]
    flat = np.cross(b - a, c - a)
    total = np.zeros_like(v)
    for k in range(3):
        np.add.at(total, faces[:, k], flat)
    return total / np.maximum(np.linalg.norm(total, axis=1, keepdims=True), 1e-12)


def pack(archive: zipfile.ZipFile, path: str) -> tuple[bytes, list[dict], list[str]] | None:
    """A model as the bytes of an .npz file, its materials, and paths of its textures; None if unsuitable.

    position f16 [n, 3] in a cube of side 1 about the origin, normal i8 [n, 3], uv f16 [n, 2], faces u16
    [m, 3], part u8 [m] and material u8 [m].
    """
    if archive.getinfo(path).file_size > LARGEST:
        return None
    text = archive.read(path).decode("latin-1")
    v, vt, vn, corners, names = read(text)
    if len(corners) < 4 or not np.isfinite(v).all():
        return None
    folder = str(pathlib.PurePosixPath(path).parent)
    library = {}
    for line in text.splitlines():
        if line.startswith("mtllib"):
            name = str(pathlib.PurePosixPath(folder) / line.split(None, 1)[1].strip())
            library |= material_library(archive.read(name).decode("latin-1"), folder)
    plain = {"colour": [0.7, 0.7, 0.7], "opacity": 1.0, "gloss": 0.0}
    used = sorted({m for _, m in names})[:255]
    materials = [library.get(m, plain) for m in used]
    keep = np.array([m in used and library.get(m, plain)["opacity"] >= GLASS for _, m in names])
    if keep.sum() < 4:
        return None
    corners, names = corners[keep], [n for n, k in zip(names, keep) if k]
    # A group is a part; a model of a single group is divided by material.
    labels = [g for g, _ in names] if len({g for g, _ in names}) > 1 else [m for _, m in names]
    seen, part, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    rank = np.empty(len(seen), np.int64)
    rank[np.argsort(-sizes, kind="stable")] = np.arange(len(seen))
    part = np.minimum(rank[part], PARTS - 1)
    if not len(vn) or (corners[..., 2] < 0).any():
        vn = normals_of(v, corners[..., 0])
        corners[..., 2] = corners[..., 0]
    unique, faces = np.unique(corners.reshape(-1, 3), axis=0, return_inverse=True)
    if len(unique) > VERTICES:
        return None
    position = v[unique[:, 0]]
    low, high = position.min(0), position.max(0)
    position = (position - (low + high) / 2) / max((high - low).max(), 1e-9)
    normal = vn[unique[:, 2]]
    normal = normal / np.maximum(np.linalg.norm(normal, axis=1, keepdims=True), 1e-9)
    uv = vt[unique[:, 1]] if len(vt) else np.zeros((len(unique), 2), np.float32)
    uv[unique[:, 1] < 0] = 0
    data = io.BytesIO()
    np.savez_compressed(
        data,
        position=position.astype(np.float16),
        normal=np.rint(normal * 127).astype(np.int8),
        uv=uv.clip(-1000, 1000).astype(np.float16),
        faces=faces.reshape(-1, 3).astype(np.uint16),
        part=part.astype(np.uint8),
        material=np.array([used.index(m) for _, m in names], np.uint8),
    )
    textures = sorted({m["texture"] for m in materials if "texture" in m})
    return data.getvalue(), materials, textures
