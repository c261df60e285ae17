"""Reading and writing binary PPM files of 8 bits."""

import re

import numpy as np


def read(path):
    """(height, width, 3), bytes."""
    data = path.read_bytes()
    # A header is four words, with white space or comments between them and one white space after them.
    header = re.match(rb"P6(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)(?:\s+|#[^\n]*\n)+(\d+)\s", data)
    if header is None or int(header[3]) != 255:
        raise ValueError(f"{path}: not a binary PPM of 8 bits")
    width, height = int(header[1]), int(header[2])
    if len(data) - header.end() < width * height * 3:
        raise ValueError(f"{path}: ends too early")
    return np.frombuffer(data, np.uint8, width * height * 3, header.end()).reshape(height, width, 3)


def write(path, rgb):
    height, width, _ = rgb.shape
    path.write_bytes(b"P6\n%d %d\n255\n" % (width, height) + rgb.astype(np.uint8).tobytes())


def mosaic(rgb, order="RGGB"):
    """What a sensor with that colour filter sees of it: (height, width)."""
    cfa = np.empty(rgb.shape[:2], rgb.dtype)
    for index, colour in enumerate(order):
        here = (slice(index // 2, None, 2), slice(index % 2, None, 2))
        cfa[here] = rgb[here + ("RGB".index(colour),)]
    return cfa


def psnr(picture, truth, border=8):
    """In dB, over all channels, without a border of so many pixels; both 8 bits."""
    inside = slice(border, -border)
    difference = picture[inside, inside].astype(np.float64) - truth[inside, inside]
    return float(10 * np.log10(255**2 / max(np.mean(difference**2), 1e-9)))
