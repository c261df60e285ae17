"""R'G'B' to Y'CbCr and back, as ITU-R BT.601, BT.709 and BT.2020 define it, in float64.

All numbers are a byte's value / 255. Sums are written out, not left to a matrix product, whose order of additions (and so
whose last bit) is the library's choice.
"""

import numpy as np

# Kr and Kb.
WEIGHTS = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}
MIDDLE = 128 / 255


def _scales(range):
    """Black, and the distance from black to white for luma and from end to end for chroma."""
    return {"full": (0.0, 1.0, 1.0), "limited": (16 / 255, 219 / 255, 224 / 255)}[range]


def to_rgb(y, cb, cr, matrix, range):
    """R'G'B' (height, width, 3), not clamped."""
    kr, kb = WEIGHTS[matrix]
    black, luma, chroma = _scales(range)
    y = (y - black) / luma
    blue = 2 * (1 - kb) * ((cb - MIDDLE) / chroma)
    red = 2 * (1 - kr) * ((cr - MIDDLE) / chroma)
    green = (kr * red + kb * blue) / (1 - kr - kb)
    return np.stack([y + red, y - green, y + blue], axis=-1)


def from_rgb(rgb, matrix, range):
    """Y', Cb and Cr, not clamped, chroma of each pixel."""
    kr, kb = WEIGHTS[matrix]
    black, luma, chroma = _scales(range)
    y = kr * rgb[..., 0] + (1 - kr - kb) * rgb[..., 1] + kb * rgb[..., 2]
    cb = (rgb[..., 2] - y) / (2 * (1 - kb))
    cr = (rgb[..., 0] - y) / (2 * (1 - kr))
    return black + luma * y, MIDDLE + chroma * cb, MIDDLE + chroma * cr


def mean_of_blocks(plane, across, down):
    """The mean of each block of so many columns and rows; the last column and row are repeated where the size is odd."""
    height, width = plane.shape
    plane = np.pad(plane, ((0, -height % down), (0, -width % across)), mode="edge")
    total = sum(plane[y::down, x::across] for y in range(down) for x in range(across))
    return total / (across * down)


def to_bytes(numbers):
    """To the nearest byte, halves upwards; what float64 leaves a hair under a half counts as one."""
    return np.floor(np.clip(numbers, 0, 1) * 255 + (0.5 + 1e-9)).astype(np.uint8)
