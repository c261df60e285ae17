#!/usr/bin/env python3
"""Tests/Golden/deltae.py: how far the colours of a developed colour checker (make-charts.py) are from the truth. Needs
numpy, and Pillow for pictures that are no PPM.

  Tests/Golden/deltae.py DIR/chart.json PICTURE              prints CIEDE2000 of each patch's mean colour, and the mean
  Tests/Golden/deltae.py DIR/chart.json PICTURE --limit 2    exits 1 if the mean is more than 2
  Tests/Golden/deltae.py --check                             checks the formula with Sharma's test pairs

The picture's numbers are taken for sRGB. It may have another size than the chart, but no other crop.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

import pnm

SRGB_TO_XYZ = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])


def lab(srgb):
    """CIE L*a*b* for the white point of sRGB (D65), of sRGB numbers from 0 to 1."""
    light = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    t = light @ SRGB_TO_XYZ.T / SRGB_TO_XYZ.sum(axis=1)
    f = np.where(t > (6 / 29) ** 3, np.cbrt(t), t * (29 / 6) ** 2 / 3 + 4 / 29)
    return np.stack([116 * f[..., 1] - 16, 500 * (f[..., 0] - f[..., 1]), 200 * (f[..., 1] - f[..., 2])], axis=-1)


def ciede2000(one, other):
    """After G. Sharma, W. Wu, E. N. Dalal: "The CIEDE2000 color-difference formula", 2005; its numbers of equations."""
    (l1, a1, b1), (l2, a2, b2) = np.moveaxis(one, -1, 0), np.moveaxis(other, -1, 0)
    mean = (np.hypot(a1, b1) + np.hypot(a2, b2)) / 2  # 2, 3
    g = 0.5 * (1 - np.sqrt(mean**7 / (mean**7 + 25.0**7)))  # 4
    a1, a2 = (1 + g) * a1, (1 + g) * a2  # 5
    c1, c2 = np.hypot(a1, b1), np.hypot(a2, b2)  # 6
    h1, h2 = (np.degrees(np.arctan2(b, a)) % 360 for a, b in ((a1, b1), (a2, b2)))  # 7
    grey = c1 * c2 == 0
    turn = np.where(grey, 0, (h2 - h1 + 180) % 360 - 180)  # 10
    # Of opposite hues the paper takes the difference as it stands. Rounding makes them not quite opposite.
    turn = np.where((turn < 1e-9 - 180) & (h2 > h1), 180, turn)
    dl, dc, dh = l2 - l1, c2 - c1, 2 * np.sqrt(c1 * c2) * np.sin(np.radians(turn / 2))  # 8, 9, 11
    l, c = (l1 + l2) / 2, (c1 + c2) / 2  # 12, 13
    total = h1 + h2
    h = np.where(np.abs(h1 - h2) <= 180 + 1e-9, total / 2, np.where(total < 360, total / 2 + 180, total / 2 - 180))  # 14
    h = np.where(grey, total, h)
    t = (1 - 0.17 * _cos(h - 30) + 0.24 * _cos(2 * h) + 0.32 * _cos(3 * h + 6) - 0.20 * _cos(4 * h - 63))  # 15
    rotation = 30 * np.exp(-(((h - 275) / 25) ** 2))  # 16
    rc = 2 * np.sqrt(c**7 / (c**7 + 25.0**7))  # 17
    sl = 1 + 0.015 * (l - 50) ** 2 / np.sqrt(20 + (l - 50) ** 2)  # 18
    sc, sh = 1 + 0.045 * c, 1 + 0.015 * c * t  # 19, 20
    rt = -np.sin(np.radians(2 * rotation)) * rc  # 21
    dl, dc, dh = dl / sl, dc / sc, dh / sh
    return np.sqrt(dl**2 + dc**2 + dh**2 + rt * dc * dh)  # 22


def _cos(degrees):
    return np.cos(np.radians(degrees))


def check():
    """The pairs of table 1 of that paper."""
    pairs = np.array([float(n) for n in SHARMA.split()]).reshape(-1, 7)
    worst = np.abs(ciede2000(pairs[:, :3], pairs[:, 3:6]) - pairs[:, 6]).max()
    passed = worst < 1e-4
    print(f"{len(pairs)} pairs of Sharma, Wu and Dalal: {'within' if passed else 'OFF BY'} {worst:.6f}")
    try:
        import colour
    except ImportError:
        print("colour-science is not here to compare with")
        return passed
    random = np.random.RandomState(7).random_sample((2, 4096, 3))
    theirs_lab = colour.XYZ_to_Lab(
        colour.sRGB_to_XYZ(random), colour.CCS_ILLUMINANTS["CIE 1931 2 Degree Standard Observer"]["D65"])
    lab_off = np.abs(lab(random) - theirs_lab).max()
    theirs = colour.delta_E(theirs_lab[0], theirs_lab[1], method="CIE 2000")
    off = np.abs(ciede2000(theirs_lab[0], theirs_lab[1]) - theirs).max()
    # Its matrix of sRGB and its white point have other roundings.
    passed = passed and off < 1e-6 and lab_off < 0.1
    print(f"colour-science: CIEDE2000 of random colours within {off:.1e}, L*a*b* of sRGB within {lab_off:.2f}")
    return passed


def read(path):
    if path.read_bytes()[:2] == b"P6":
        return pnm.read(path)
    from PIL import Image

    return np.asarray(Image.open(path).convert("RGB"))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("chart", metavar="CHART", type=Path, nargs="?")
    parser.add_argument("picture", metavar="PICTURE", type=Path, nargs="?")
    parser.add_argument("--limit", type=float)
    parser.add_argument("--check", action="store_true")
    options = parser.parse_args()
    if options.check:
        sys.exit(0 if check() else 1)
    if options.picture is None:
        parser.error("give a chart.json and a picture, or --check")
    try:
        chart, picture = json.loads(options.chart.read_text()), read(options.picture)
    except (OSError, ValueError) as error:
        print(f"deltae: {error}", file=sys.stderr)
        sys.exit(66)
    across, down = picture.shape[1] / chart["width"], picture.shape[0] / chart["height"]
    values = []
    print(f"{'':16}{'truth':>16}{'found':>24}{'ΔE 2000':>10}")
    for patch in chart["patches"]:
        x, y, width, height = patch["rectangle"]
        part = picture[round(y * down) : round((y + height) * down), round(x * across) : round((x + width) * across)]
        found, truth = part.reshape(-1, 3).mean(axis=0), np.array(patch["sRGB"])
        values.append(float(ciede2000(lab(truth / 255), lab(found / 255))))
        wanted, got = "%4d %4d %4d" % tuple(truth), "%7.1f %7.1f %7.1f" % tuple(found)
        print(f"{patch['name']:16}{wanted:>16}{got:>24}{values[-1]:10.2f}")
    mean = sum(values) / len(values)
    print(f"mean {mean:.2f}, largest {max(values):.2f}")
    if options.limit is not None and mean > options.limit:
        print(f"the mean is OVER {options.limit}")
        sys.exit(1)


# L1 a1 b1, L2 a2 b2, and the difference.
SHARMA = """
50.0000 2.6772 -79.7751 50.0000 0.0000 -82.7485 2.0425
50.0000 3.1571 -77.2803 50.0000 0.0000 -82.7485 2.8615
50.0000 2.8361 -74.0200 50.0000 0.0000 -82.7485 3.4412
50.0000 -1.3802 -84.2814 50.0000 0.0000 -82.7485 1.0000
50.0000 -1.1848 -84.8006 50.0000 0.0000 -82.7485 1.0000
50.0000 -0.9009 -85.5211 50.0000 0.0000 -82.7485 1.0000
50.0000 0.0000 0.0000 50.0000 -1.0000 2.0000 2.3669
50.0000 -1.0000 2.0000 50.0000 0.0000 0.0000 2.3669
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0009 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0010 7.1792
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0011 7.2195
50.0000 2.4900 -0.0010 50.0000 -2.4900 0.0012 7.2195
50.0000 -0.0010 2.4900 50.0000 0.0009 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0010 -2.4900 4.8045
50.0000 -0.0010 2.4900 50.0000 0.0011 -2.4900 4.7461
50.0000 2.5000 0.0000 50.0000 0.0000 -2.5000 4.3065
50.0000 2.5000 0.0000 73.0000 25.0000 -18.0000 27.1492
50.0000 2.5000 0.0000 61.0000 -5.0000 29.0000 22.8977
50.0000 2.5000 0.0000 56.0000 -27.0000 -3.0000 31.9030
50.0000 2.5000 0.0000 58.0000 24.0000 15.0000 19.4535
50.0000 2.5000 0.0000 50.0000 3.1736 0.5854 1.0000
50.0000 2.5000 0.0000 50.0000 3.2972 0.0000 1.0000
50.0000 2.5000 0.0000 50.0000 1.8634 0.5757 1.0000
50.0000 2.5000 0.0000 50.0000 3.2592 0.3350 1.0000
60.2574 -34.0099 36.2677 60.4626 -34.1751 39.4387 1.2644
63.0109 -31.0961 -5.8663 62.8187 -29.7946 -4.0864 1.2630
61.2901 3.7196 -5.3901 61.4292 2.2480 -4.9620 1.8731
35.0831 -44.1164 3.7933 35.0232 -40.0716 1.5901 1.8645
22.7233 20.0904 -46.6940 23.0331 14.9730 -42.5619 2.0373
36.4612 47.8580 18.3852 36.2715 50.5065 21.2231 1.4146
90.8027 -2.0831 1.4410 91.1528 -1.6435 0.0447 1.4441
90.9257 -0.5406 -0.9208 88.6381 -0.8985 -0.7239 1.5381
6.7747 -0.2908 -2.4247 5.8714 -0.0985 -2.2286 0.6377
2.0776 0.0795 -1.1350 0.9033 -0.0636 -0.5514 0.9082
"""

if __name__ == "__main__":
    main()
