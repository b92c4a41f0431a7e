"""Fetches the training material that is not drawn by formulas, and packs it: FOLDER/things.zip.

    python tools/train_micro/assets.py FOLDER

Three Debian packages are downloaded (`apt-get download`, or put the .deb files there) and unpacked into
FOLDER, outside the repository: openclipart-png (public domain), fonts-noto-color-emoji (OFL 1.1) and
sweethome3d-furniture, of which only collections under CC0 or CC-BY 3.0 are read. The pack (at most 64 MB)
holds sprites with alpha, textures and meshes; licences, authors and counts are written to
FOLDER/TRAINING-DATA.md, the origin of assets/TRAINING-DATA.md.
"""

import argparse
import collections
import io
import json
import pathlib
import re
import subprocess
import zipfile

import cv2
import numpy as np
from PIL import Image, ImageDraw, ImageFont

import mesh

PACKAGES = "openclipart-png", "fonts-noto-color-emoji", "sweethome3d-furniture"
# Collections of sweethome3d-furniture and their licences, as its copyright file states them.
COLLECTIONS = {
    "BlendSwap-CC-0": "CC0 1.0",
    "BlendSwap-CC-BY": "CC-BY 3.0",
    "KatorLegaz": "CC-BY 3.0 US",
    "Reallusion": "CC-BY 3.0 US",
    "Scopia": "CC-BY 3.0",
}
LINKS = {
    "CC0 1.0": "https://creativecommons.org/publicdomain/zero/1.0/",
    "CC-BY 3.0": "https://creativecommons.org/licenses/by/3.0/",
    "CC-BY 3.0 US": "https://creativecommons.org/licenses/by/3.0/us/",
}
# Attribution that a collection asks for, instead of its catalogue's creators.
HOLDERS = {
    "KatorLegaz": "© 2003-2008 Andrew Kator and Jennifer Legaz",
    "Reallusion": "© 2008-2013 Reallusion, <http://www.reallusion.com>",
    "Scopia": "© 2010-2020 Emmanuel Puybaret / eTeks <info@eteks.com> and Scopia Visual Interfaces Systems,"
    " s.l., <http://www.scopia.es>",
}
# Folders of openclipart with things; shapes, symbols, logos and patterns are left out.
CLIPART = (
    *("animals", "buildings", "computer", "containers", "decorations", "education", "electronics", "food"),
    *("office", "people", "plants", "recreation", "science", "tools", "transportation", "unsorted"),
)
EMOJI = (0x2600, 0x27C0), (0x1F300, 0x1F650), (0x1F680, 0x1F700), (0x1F900, 0x1FB00)
EMOJI_SIZE = 109  # the only size of the font's bitmaps
SPRITE = 224  # longer side of a sprite in pixels
TEXTURE = 224  # longer side of a texture in pixels
LARGEST = 4_000_000  # pixels; a few pictures have far more
SOLID = 0.18, 0.97  # fraction of a sprite's box that must be opaque


def fetch(folder: pathlib.Path) -> pathlib.Path:
    """Downloads and unpacks the packages; returns the folder `usr/share` of their files."""
    tree = folder / "unpacked"
    for package in PACKAGES:
        if not list(folder.glob(f"{package}_*.deb")):
            subprocess.run(["apt-get", "download", package], cwd=folder, check=True)
        if not (tree / "usr/share/doc" / package).exists():
            archive = next(folder.glob(f"{package}_*.deb"))
            subprocess.run(["dpkg-deb", "-x", archive, tree], check=True)
    return tree / "usr/share"


def shrink(image: Image.Image, side: int) -> Image.Image:
    """At most `side` pixels on the longer side."""
    share = side / max(image.size)
    size = [max(1, round(n * share)) for n in image.size]
    return image.resize(size, Image.Resampling.BOX) if share < 1 else image


def encoded(image: Image.Image, quality: int) -> bytes:
    data = io.BytesIO()
    image.save(data, "WEBP", quality=quality, alpha_quality=80, method=2)
    return data.getvalue()


def sprite(image: Image.Image) -> bytes | None:
    """A sprite cut to its opaque box, or None where it is too small, nearly empty or a full rectangle."""
    image = image.convert("RGBA")
    opaque = np.asarray(image)[..., 3] > 128
    if opaque.sum() < 900:
        return None
    rows, columns = np.flatnonzero(opaque.any(1)), np.flatnonzero(opaque.any(0))
    box = columns[0], rows[0], columns[-1] + 1, rows[-1] + 1
    filled = opaque[box[1] : box[3], box[0] : box[2]]
    large = cv2.connectedComponentsWithStats(filled.astype(np.uint8))[2][1:, cv2.CC_STAT_AREA].max()
    if not SOLID[0] < filled.mean() < SOLID[1] or large < 0.6 * filled.sum():
        return None
    return encoded(shrink(image.crop(tuple(map(int, box))), SPRITE), 70)


def clipart(share: pathlib.Path):
    """(name, bytes) of every usable picture of openclipart, once each."""
    seen = set()
    for folder in CLIPART:
        for path in sorted((share / "openclipart/png" / folder).rglob("*.png")):
            if "duplicates" in path.parts or "flag" in path.name or "icons" in path.parts:
                continue
            try:
                image = Image.open(path)
                made = sprite(image) if image.width * image.height < LARGEST else None
            except (OSError, ValueError, Image.DecompressionBombError):  # a few are damaged
                continue
            if made and made not in seen:
                seen.add(made)
                yield f"{folder}/{len(seen):04d}-{path.stem}", made


def emoji(share: pathlib.Path):
    """(name, bytes) of the font's single-character emoji."""
    font = ImageFont.truetype(share / "fonts/truetype/noto/NotoColorEmoji.ttf", EMOJI_SIZE)
    seen = set()
    for first, end in EMOJI:
        for code in range(first, end):
            image = Image.new("RGBA", (160, 160))
            ImageDraw.Draw(image).text((8, 8), chr(code), font=font, embedded_color=True)
            made = sprite(image)
            if made and made not in seen:
                seen.add(made)
                yield f"emoji/{code:x}", made


def catalogue(archive: zipfile.ZipFile) -> dict[str, dict]:
    """Properties of every model by its path in the archive: name, creator, category, sizes in cm."""
    text = archive.read("PluginFurnitureCatalog.properties").decode("latin-1")
    entries = collections.defaultdict(dict)
    for key, number, value in re.findall(r"^(\w+)#(\d+)=(.*)$", text, re.MULTILINE):
        entries[number][key] = value.strip()
    return {e["model"].lstrip("/"): e for e in entries.values() if e.get("model", "").endswith(".obj")}


def picture(archive: zipfile.ZipFile, name: str) -> bytes | None:
    try:
        image = Image.open(io.BytesIO(archive.read(name)))
        image = image.convert("RGBA" if "A" in image.mode or "transparency" in image.info else "RGB")
    except (KeyError, OSError):
        return None
    return encoded(shrink(image, TEXTURE), 70)


def furniture(share: pathlib.Path, put) -> list[dict]:
    """Packs meshes and their textures; returns an index entry per model."""
    index, packed = [], set()
    for collection in COLLECTIONS:
        archive = zipfile.ZipFile(share / f"sweethome3d/furniture/{collection}.sh3f")
        for path, entry in sorted(catalogue(archive).items()):
            try:
                made = mesh.pack(archive, path)
            except KeyError:
                continue
            if made is None:
                continue
            data, materials, textures = made
            for name in textures:
                if name not in packed:
                    packed.add(name)
                    image = picture(archive, name)
                    if image:
                        put(f"textures/{collection}/{name}", image)
            name = f"models/{collection}/{pathlib.PurePath(path).stem}.npz"
            put(name, data)
            sizes = [float(entry.get(k, 50)) for k in ("width", "height", "depth")]
            index.append(
                {
                    "file": name,
                    "collection": collection,
                    "name": entry.get("name", ""),
                    "creator": entry.get("creator", collection),
                    "category": entry.get("category", ""),
                    "cm": sizes,
                    "materials": materials,
                }
            )
    return index


def record(counts: collections.Counter, models: list[dict]) -> str:
    """The text of TRAINING-DATA.md."""
    creators = collections.defaultdict(collections.Counter)
    for model in models:
        creators[model["collection"]][model["creator"]] += 1
    lines = [
        "# Data behind the embedded checkpoint",
        "",
        "`assets/sam2.1_micro.safetensors` is trained on images that the scripts of",
        "[`tools/train_micro`](../tools/train_micro/README.md) render, with exact masks; no photograph of a",
        "scene and no labelled data set is used. What is not drawn by formulas comes from three Debian",
        "packages, which `assets.py` fetches and packs; none of it is in this repository. No picture that",
        "measures the model is among it.",
        "",
        "| material | package | licence | used |",
        "|---|---|---|---|",
        f"| clip art with alpha | `openclipart-png` | public domain | {counts['clipart']} pictures |",
        f"| emoji | `fonts-noto-color-emoji` | OFL 1.1, © Google | {counts['emoji']} glyphs |",
    ]
    for collection, licence in COLLECTIONS.items():
        number = sum(creators[collection].values())
        lines.append(f"| 3-D models: {collection} | `sweethome3d-furniture` | {licence} | {number} models |")
    lines += [
        "",
        f"The models' {counts['textures']} textures, some of them photographs of surfaces, also cover",
        "backgrounds and other objects. Models are scaled, recoloured, retextured, arranged and lit: every",
        "rendered image is a changed version of the originals.",
        "",
        "## Authors of the models",
        "",
    ]
    for collection, licence in COLLECTIONS.items():
        names = ", ".join(sorted(creators[collection], key=str.lower))
        lines += [f"- **{collection}** ([{licence}]({LINKS[licence]})): {HOLDERS.get(collection, names)}"]
    return "\n".join(wrapped(lines)) + "\n"


def wrapped(lines: list[str], width: int = 118) -> list[str]:
    """Long list items broken into lines."""
    out = []
    for line in lines:
        while len(line) > width and not line.startswith("|"):
            cut = line.rindex(" ", 0, width)
            out.append(line[:cut])
            line = "  " + line[cut + 1 :]
        out.append(line)
    return out


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=pathlib.Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    share = fetch(folder)
    counts = collections.Counter()
    with zipfile.ZipFile(folder / "things.zip", "w", zipfile.ZIP_STORED) as pack:

        def put(name: str, data: bytes) -> None:
            counts[name.split("/")[0]] += 1
            pack.writestr(name, data)

        for kind, found in (("clipart", clipart(share)), ("emoji", emoji(share))):
            for name, data in found:
                counts[kind] += 1
                put(f"sprites/{name}.webp", data)
        models = furniture(share, put)
        put("models.json", json.dumps(models).encode())
    (folder / "TRAINING-DATA.md").write_text(record(counts, models))
    size = (folder / "things.zip").stat().st_size / 2**20
    print(f"{dict(counts)}: {folder / 'things.zip'}, {size:.0f} MB")


if __name__ == "__main__":
    main()
