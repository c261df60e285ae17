#!/usr/bin/env python3
"""Tests/Golden/make-charts.py: a zone plate and a colour checker, as a camera would deliver them. Needs numpy only.

  Tests/Golden/make-charts.py OUT    writes to the folder OUT:

  zoneplate.raw, zoneplate.ppm   768x768, RGGB of 8 bits, and the truth: grey rings that become finer from the middle on,
                                 up to one black and one white pixel at the edges. Any colour in a developed picture is
                                 false; so are rings around any place but the middle.
  chart.yuyv                     the colour checker in YUYV, BT.601, limited range
  bt709-full.nv12, ...           in NV12, of all matrices and ranges
  ba81.raw, rg10.raw, ba12.raw   as mosaics of 8, 10 and 12 bits: light, as a sensor that sees as sRGB does would give it
  ba81.dng, rg10.dng, ba12.dng   light seen through a camera's own primaries, with black level and white balance still in it,
                                 and what there is to know of it
  chart.ppm, chart.json          the truth (sRGB), and: where the patches are, their colours, and what is to be known of
                                 the camera
"""

import argparse
import json
from pathlib import Path

import numpy as np

import dng
import pnm
import ycbcr

# The ColorChecker's colours as its maker gives them, in sRGB.
PATCHES = [
    ("dark skin", (115, 82, 68)), ("light skin", (194, 150, 130)), ("blue sky", (98, 122, 157)),
    ("foliage", (87, 108, 67)), ("blue flower", (133, 128, 177)), ("bluish green", (103, 189, 170)),
    ("orange", (214, 126, 44)), ("purplish blue", (80, 91, 166)), ("moderate red", (193, 90, 99)),
    ("purple", (94, 60, 108)), ("yellow green", (157, 188, 64)), ("orange yellow", (224, 163, 46)),
    ("blue", (56, 61, 150)), ("green", (70, 148, 73)), ("red", (175, 54, 60)),
    ("yellow", (231, 199, 31)), ("magenta", (187, 86, 149)), ("cyan", (8, 133, 161)),
    ("white", (243, 243, 242)), ("neutral 8", (200, 200, 200)), ("neutral 6.5", (160, 160, 160)),
    ("neutral 5", (122, 122, 121)), ("neutral 3.5", (85, 85, 85)), ("black", (52, 52, 52)),
]
PATCH, GAP, FRAME = 80, 16, (38, 38, 38)
# From the camera's numbers, white balance done, to linear sRGB. Rows add up to 1, so that grey stays grey.
CAMERA_TO_SRGB = np.array([[1.62, -0.44, -0.18], [-0.26, 1.58, -0.32], [0.04, -0.56, 1.52]])
GAINS = np.array([1.9, 1.0, 1.6])
# One of each depth: fourcc, colours of the first two rows' cells, bits, black level of the camera's own.
MOSAICS = (("BA81", "BGGR", 8, 16), ("RG10", "RGGB", 10, 64), ("BA12", "GRBG", 12, 256))
# IEC 61966-2-1.
SRGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def zone_plate(size=768):
    """A ring pattern whose frequency at the distance r from the middle is r / size periods a pixel; grey from where it would
    be finer than pixels are."""
    at = np.arange(size) - size / 2
    square = at[:, None] ** 2 + at[None] ** 2
    radius = np.sqrt(square)
    fade = np.clip((size / 2 - radius) / 16 + 1, 0, 1)
    grey = 0.5 + 0.45 * fade * np.cos(np.pi * square / size)
    return np.repeat(ycbcr.to_bytes(grey)[..., None], 3, axis=-1)


def chart():
    """The picture (height, width, 3), bytes, and where each patch is: [x, y, width, height], without its rim."""
    columns, rows = 6, 4
    picture = np.empty((rows * (PATCH + GAP) + GAP, columns * (PATCH + GAP) + GAP, 3), np.uint8)
    picture[...] = FRAME
    places = []
    for index, (_, color) in enumerate(PATCHES):
        x, y = GAP + index % columns * (PATCH + GAP), GAP + index // columns * (PATCH + GAP)
        picture[y : y + PATCH, x : x + PATCH] = color
        places.append([x + PATCH // 4, y + PATCH // 4, PATCH // 2, PATCH // 2])
    return picture, places


def linear(srgb):
    return np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)


def sensor(light, order, bits, black, random):
    """A sensor's numbers of linear light, in 16-bit words, or in bytes. The rounding is dithered, as noise would do it, so that
    a patch's mean is no step of the sensor's."""
    assert 0 <= light.min() and light.max() < 1, "the sensor clips"
    white = (1 << bits) - 1
    cfa = pnm.mosaic(light, order) * (white - black) + black
    return np.floor(cfa + random.random_sample(cfa.shape)).astype("u1" if bits == 8 else "<u2")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", metavar="OUT", type=Path)
    out = parser.parse_args().out
    out.mkdir(parents=True, exist_ok=True)

    plate = zone_plate()
    pnm.write(out / "zoneplate.ppm", plate)
    (out / "zoneplate.raw").write_bytes(pnm.mosaic(plate).tobytes())

    picture, places = chart()
    height, width, _ = picture.shape
    pnm.write(out / "chart.ppm", picture)
    y, cb, cr = ycbcr.from_rgb(picture / 255, "bt601", "limited")
    y, cb, cr = ycbcr.to_bytes(y), *(ycbcr.to_bytes(ycbcr.mean_of_blocks(c, 2, 1)) for c in (cb, cr))
    (out / "chart.yuyv").write_bytes(np.stack([y[:, 0::2], cb, y[:, 1::2], cr], axis=-1).tobytes())
    for matrix in ycbcr.WEIGHTS:
        for range_ in ("limited", "full"):
            y, cb, cr = ycbcr.from_rgb(picture / 255, matrix, range_)
            y, cb, cr = ycbcr.to_bytes(y), *(ycbcr.to_bytes(ycbcr.mean_of_blocks(c, 2, 2)) for c in (cb, cr))
            (out / f"{matrix}-{range_}.nv12").write_bytes(y.tobytes() + np.stack([cb, cr], axis=-1).tobytes())

    # D65 is white here, and both of a DNG's matrices are for it.
    xyz_to_camera = np.diag(1 / GAINS) @ np.linalg.inv(CAMERA_TO_SRGB) @ np.linalg.inv(SRGB_TO_XYZ)
    light, random = linear(picture / 255), np.random.RandomState(24)
    seen = light @ np.linalg.inv(CAMERA_TO_SRGB).T / GAINS
    for fourcc, order, bits, black in MOSAICS:
        name = fourcc.lower()
        (out / f"{name}.raw").write_bytes(sensor(light, order, bits, 0, random).tobytes())
        (out / f"{name}.dng").write_bytes(
            dng.write(sensor(seen, order, bits, black, random), order, black, (1 << bits) - 1, xyz_to_camera, 1 / GAINS))

    description = {
        "width": width, "height": height,
        "patches": [
            {"name": name, "sRGB": list(color), "rectangle": place} for (name, color), place in zip(PATCHES, places)
        ],
    }
    (out / "chart.json").write_text(json.dumps(description, indent=2) + "\n")
    print(f"zone plate 768x768, colour checker {width}x{height}")


if __name__ == "__main__":
    main()
