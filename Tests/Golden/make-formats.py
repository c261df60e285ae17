#!/usr/bin/env python3
"""Tests/Golden/make-formats.py: writes formats.json and formats.bin, frames in every pixel format that camd reads and what
has to come out of them. Needs numpy only. README.md says what the numbers mean.

  Tests/Golden/make-formats.py            write both, beside this script
  Tests/Golden/make-formats.py --check    write nothing: compare the files that are there with what would be written, and
                                          the references with ffmpeg, libv4lconvert, colour-science and
                                          colour-demosaicing, where there are these; exit 1 if anything differs
"""

import argparse
import builtins
import json
import sys
import zlib
from pathlib import Path

import numpy as np

import layout
import malvar
import picture
import ycbcr
from v4l2_formats import FORMATS, components, depths, rows_of, samples_of

HERE = Path(__file__).resolve().parent
COLORS = [(m, r) for r in ("limited", "full") for m in ("bt601", "bt709", "bt2020")]
# These get a third geometry, the one that a driver of today might give.
ALSO_PADDED = (
    "YUYV", "UYVY", "NV12", "NV16", "NV24", "YU12", "YM12", "GREY", "RGB3", "AB24", "BA81", "RG10", "pRAA", "pGCC",
)
# Most formats from here on are others with their bytes or bits in another order: smaller pictures do.
FIRST_SMALL = "NV42"


def frames():
    """(name, format, width, height, planes) of each case."""
    small = list(FORMATS).index(FIRST_SMALL)
    for index, format in enumerate(FORMATS.values()):
        name = format.name
        width, height = (40, 16) if index < small else (24, 8)
        yield f"{name}-tight", format, width, height, layout.tight(format, width, height)
        # 46 and 44 where the format has no odd widths; both have rows of 2 bytes more, or 1 less, than whole words.
        width, height = {1: 45, 2: 46, 4: 44}[format.width_step], 19
        if index >= small:
            width, height = {1: 21, 2: 22, 4: 20}[format.width_step], 11
        first = (7, 12)[index % 2]
        yield f"{name}-odd", format, width, height, layout.odd(format, width, height, 5, first, 3)
        if format.fourcc in ALSO_PADDED:
            width, height = (46 if format.width_step < 4 else 44), 18
            row_bytes = layout.sizes_of(format, width, height)[0][0]
            yield f"{name}-padded", format, width, height, layout.padded(format, width, height, -(-row_bytes // 64) * 64, 12)


def numbers_of(format, samples, color, shape):
    """What the samples mean: ("rgb", R'G'B'), ("light", R, G, B of a sensor) or ("ycc", Y', Cb, Cr), for each pixel, in
    float64, not clamped."""
    height, width = shape
    full = (1 << format.bits) - 1
    if format.family == "rgb":
        return "rgb", np.stack([samples[c] / 255 for c in "RGB"], axis=-1)
    if format.family == "word":
        bits = depths(format)
        if "R" in bits:
            return "rgb", np.stack([samples[c] / ((1 << bits[c]) - 1) for c in "RGB"], axis=-1)
        chroma = ((samples[c] << 8 - bits[c]) / 255 for c in ("Cb", "Cr"))
        return "ycc", samples["Y"] / ((1 << bits["Y"]) - 1), *chroma
    if format.family == "bayer":
        return "light", malvar.demosaic(samples["CFA"] / full, format.order)
    y = samples["Y"] / full
    if format.family == "grey":
        return "ycc", y, np.full(y.shape, ycbcr.MIDDLE), np.full(y.shape, ycbcr.MIDDLE)
    rows, columns = np.arange(height) // format.down, np.arange(width) // format.across
    return "ycc", y, *(samples[c][rows][:, columns] / 255 for c in ("Cb", "Cr"))


def output(kind, matrix, range, meaning, color):
    """The bytes of one output."""
    rgb = meaning[1] if meaning[0] in ("rgb", "light") else ycbcr.to_rgb(*meaning[1:], color["matrix"], color["range"])
    if kind == "rgba":
        return np.concatenate([ycbcr.to_bytes(rgb), np.full(rgb.shape[:2] + (1,), 255, np.uint8)], axis=-1).tobytes()
    if meaning[0] == "light":
        # Chroma is of the light of two by two pixels together, cut off at black and white after the mean.
        blocks = np.stack([ycbcr.mean_of_blocks(rgb[..., i], 2, 2) for i in builtins.range(3)], axis=-1)
        y, cb, cr = ycbcr.from_rgb(np.clip(rgb, 0, 1), matrix, range)
        _, cb, cr = ycbcr.from_rgb(np.clip(blocks, 0, 1), matrix, range)
        y, cb, cr = (ycbcr.to_bytes(plane) for plane in (y, cb, cr))
        return y.tobytes() + (cb.tobytes() + cr.tobytes() if kind == "i420" else np.stack([cb, cr], axis=-1).tobytes())
    y, cb, cr = ycbcr.from_rgb(rgb, matrix, range)
    y, cb, cr = ycbcr.to_bytes(y), *(ycbcr.to_bytes(ycbcr.mean_of_blocks(c, 2, 2)) for c in (cb, cr))
    if kind == "i420":
        return y.tobytes() + cb.tobytes() + cr.tobytes()
    return y.tobytes() + np.stack([cb, cr], axis=-1).tobytes()


def build():
    """The manifest and the bytes."""
    cases, data = [], bytearray()

    def append(more):
        data.extend(more)
        return {"offset": len(data) - len(more), "length": len(more)}

    for index, (name, format, width, height, planes) in enumerate(frames()):
        random = np.random.RandomState(zlib.crc32(name.encode()))
        is_rgb = format.family in ("rgb", "bayer") or format.family == "word" and "R" in components(format)
        matrix, range = ("rgb", "full") if is_rgb else COLORS[index % len(COLORS)]
        color = {"matrix": matrix, "range": range}
        rows = rows_of(format, picture.samples(format, width, height, color, random), random)
        buffers = layout.store(planes, rows, random)
        # From here on only the buffers count.
        samples = samples_of(format, layout.load(planes, buffers))
        meaning = numbers_of(format, samples, color, (height, width))
        wanted = [("rgba", "rgb", "full"), ("nv12", "bt709", "limited"), ("i420", "bt601", "full")]
        if not is_rgb and (matrix, range) != ("bt709", "limited"):
            wanted.append(("nv12", matrix, range))
        cases.append({
            "name": name, "fourcc": format.fourcc, "width": width, "height": height, "colorimetry": color,
            "planes": planes, "bufferSizes": [len(b) for b in buffers],
            "inputs": [append(b.tobytes()) for b in buffers],
            "outputs": [
                {"kind": k, "matrix": m, "range": r, **append(output(k, m, r, meaning, color))} for k, m, r in wanted
            ],
        })
    return {"version": 1, "cases": cases}, bytes(data)


def text_of(manifest):
    """One line for each plane, input and output, so that a change can be read in a diff."""
    lines = []
    for case in manifest["cases"]:
        parts = []
        for key, value in case.items():
            if isinstance(value, list) and isinstance(value[0], dict):
                inner = ",\n".join("        " + json.dumps(v) for v in value)
                parts.append(f"      {json.dumps(key)}: [\n{inner}\n      ]")
            else:
                parts.append(f"      {json.dumps(key)}: {json.dumps(value)}")
        lines.append("    {\n" + ",\n".join(parts) + "\n    }")
    return f'{{\n  "version": {manifest["version"]},\n  "cases": [\n' + ",\n".join(lines) + "\n  ]\n}\n"


def main():
    options = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    options.add_argument("--check", action="store_true")
    check = options.parse_args().check
    manifest, data = build()
    text = text_of(manifest)
    assert json.loads(text) == manifest
    if check:
        import check_formats

        sys.exit(0 if check_formats.run(manifest, data, text, HERE) else 1)
    (HERE / "formats.json").write_text(text)
    (HERE / "formats.bin").write_bytes(data)
    print(f"{len(manifest['cases'])} cases of {len(FORMATS)} formats, {len(data)} bytes")


if __name__ == "__main__":
    main()
