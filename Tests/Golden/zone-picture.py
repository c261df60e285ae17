#!/usr/bin/env python3
"""Tests/Golden/zone-picture.py: puts the right part of two developed zone plates (make-charts.py) beside each other, for
docs/zone-plate.png. Needs Pillow.

  Tests/Golden/make-charts.py OUT
  for q in video still; do
    camd develop OUT/zoneplate.raw -o OUT/$q.ppm --size 768x768 --pixel-format RGGB --neutral --quality $q
  done
  Tests/Golden/zone-picture.py OUT/video.ppm OUT/still.ppm docs/zone-plate.png
"""

import sys

from PIL import Image

first, second, out = sys.argv[1:]
picture = Image.new("RGB", (520, 256), "white")
for index, name in enumerate((first, second)):
    picture.paste(Image.open(name).crop((512, 256, 768, 512)), (index * 264, 0))
picture.quantize(64, dither=Image.Dither.NONE).save(out, optimize=True)
