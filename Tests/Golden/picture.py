"""A small synthetic picture that is hard to get right, and the samples that a camera would make of it.

Only +, -, *, / and whole numbers: every machine and every numpy makes the same bytes. For the same reason random numbers
come from RandomState, which numpy has promised never to change.
"""

import numpy as np

import ycbcr
from v4l2_formats import components, depths


def picture(width, height, random):
    """R'G'B' (height, width, 3), 0 to 1. Gradients at the top left, saturated bars at the top right, slanted hard edges at
    the bottom left, noise at the bottom right."""
    x, y = np.meshgrid(np.arange(width), np.arange(height))
    right, bottom = x >= width // 2, y >= height // 2
    gradient = np.stack([x / (width - 1), y / (height - 1), (width - x + y) / (width + height)], axis=-1)
    bars = np.stack([x // 3 >> bit & 1 for bit in (0, 1, 2)], axis=-1)
    side = (3 * x + 5 * y) // 16 % 4
    edges = np.array([[1, 1, 1], [0, 0, 0], [0.95, 0.1, 0.05], [0.05, 0.2, 0.9]])[side]
    noise = random.randint(0, 256, (height, width, 3)) / 255
    mixed = np.where((x + y)[..., None] % 7 < 3, noise, 0.25 * noise + 0.75 * gradient)
    top = np.where(right[..., None], bars, gradient)
    return np.where(bottom[..., None], np.where(right[..., None], mixed, edges), top)


def samples(format, width, height, color, random):
    """What the samples of that picture are in a format. A corner of Y'CbCr pictures is made of random samples, most of
    them no colour that R'G'B' has."""
    rgb = picture(width, height, random)
    if format.family == "rgb":
        return {c: _whole(rgb[..., i], 255) for i, c in enumerate("RGB")}
    if format.family == "word" and "R" in components(format):
        return {c: _whole(rgb[..., i], (1 << bits) - 1) for i, (c, bits) in enumerate(depths(format).items())}
    if format.family == "bayer":
        cfa = np.zeros((height, width))
        for index, colour in enumerate(format.order):
            here = (slice(index // 2, None, 2), slice(index % 2, None, 2))
            cfa[here] = rgb[here + ("RGB".index(colour),)]
        return {"CFA": _whole(cfa, (1 << format.bits) - 1)}
    y, cb, cr = ycbcr.from_rgb(rgb, color["matrix"], color["range"])
    if format.family == "word":
        # Of chroma the high bits of a byte are there, so that its middle is a number that they can say.
        bits = depths(format)
        steps = {c: 1 << 8 - bits[c] for c in ("Cb", "Cr")}
        result = {"Y": _whole(y, (1 << bits["Y"]) - 1)}
        for c, plane in (("Cb", cb), ("Cr", cr)):
            result[c] = np.minimum(_whole(plane, 255 / steps[c]), (1 << bits[c]) - 1)
        for c, plane in result.items():
            corner = plane[-(plane.shape[0] // 3) :, -(plane.shape[1] // 4) :]
            corner[...] = random.randint(0, 1 << bits[c], corner.shape)
        return result
    full = (1 << format.bits) - 1
    result = {"Y": _whole(y, full)}
    if format.family != "grey":
        for name, plane in (("Cb", cb), ("Cr", cr)):
            result[name] = _whole(ycbcr.mean_of_blocks(plane, format.across, format.down), full)
    for plane in result.values():
        corner = plane[-(plane.shape[0] // 3) :, -(plane.shape[1] // 4) :]
        corner[...] = random.randint(0, full + 1, corner.shape)
    return result


def _whole(numbers, full):
    return np.floor(np.clip(numbers, 0, 1) * full + 0.5).astype(np.int64)
