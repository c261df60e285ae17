#!/usr/bin/env python3
"""Tests/Golden/psnr.py: how near developed photographs come to the truth. Needs numpy.

  Tests/Golden/psnr.py DIR SUFFIX                                prints the PSNR of DIR/NAME.SUFFIX.ppm, for each NAME of
                                                                 DIR/photos.json (make-photos.py), and the mean
  Tests/Golden/psnr.py DIR SUFFIX --against malvar --margin 0.1  exits 1 if the mean is more than 0.1 dB under that of
                                                                 Malvar2004 (or menon: Menon2007)

The PSNR is that of all channels of 8 bits, without a border of 8 pixels.
"""

import argparse
import json
import sys
from pathlib import Path

import pnm


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", metavar="DIR", type=Path)
    parser.add_argument("suffix", metavar="SUFFIX")
    parser.add_argument("--against", choices=("malvar", "menon"))
    parser.add_argument("--margin", type=float, default=0.0, metavar="DB")
    options = parser.parse_args()
    try:
        references = json.loads((options.folder / "photos.json").read_text())
        print(f"{'':12}{options.suffix:>10}{'Malvar':>10}{'Menon':>10}")
        total = 0
        for photo in references["photos"]:
            truth = pnm.read(options.folder / f"{photo['name']}.ppm")
            picture = pnm.read(options.folder / f"{photo['name']}.{options.suffix}.ppm")
            if picture.shape != truth.shape:
                raise ValueError(f"{photo['name']}: is {picture.shape[1]}x{picture.shape[0]}, "
                                 f"not {truth.shape[1]}x{truth.shape[0]}")
            value = pnm.psnr(picture, truth)
            total += value
            print(f"{photo['name']:12}{value:10.2f}{photo['malvar']:10.2f}{photo['menon']:10.2f}")
    except (OSError, ValueError) as error:
        print(f"psnr: {error}", file=sys.stderr)
        sys.exit(66)
    mean = total / len(references["photos"])
    print(f"{'mean':12}{mean:10.2f}{references['mean']['malvar']:10.2f}{references['mean']['menon']:10.2f}")
    if options.against:
        least = references["mean"][options.against] - options.margin
        passed = mean >= least
        print(f"{mean:.3f} dB {'reaches' if passed else 'IS UNDER'} {least:.3f} dB, "
              f"{options.margin} under {options.against}")
        sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
