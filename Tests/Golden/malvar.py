"""Linear demosaicing after H. S. Malvar, L. He, R. Cutler: "High-quality linear interpolation for demosaicing of
Bayer-patterned color images", ICASSP 2004; the coefficients are those of its figure 2, in eighths.

The borders are mirrored without repeating the edge's own samples, which keeps every colour in its place.
"""

import numpy as np

# {(rows down, columns right): eighths}
_CROSS = ((-1, 0), (1, 0), (0, -1), (0, 1))
_FAR = ((-2, 0), (2, 0), (0, -2), (0, 2))
_CORNERS = ((-1, -1), (-1, 1), (1, -1), (1, 1))
# Green at a red or blue pixel.
GREEN = {(0, 0): 4, **{at: 2 for at in _CROSS}, **{at: -1 for at in _FAR}}
# Red (or blue) at a green pixel that has its red (blue) neighbours to the left and right.
BESIDE = {
    (0, 0): 5, (0, -1): 4, (0, 1): 4, (0, -2): -1, (0, 2): -1, (-2, 0): 0.5, (2, 0): 0.5, **{at: -1 for at in _CORNERS},
}
# The same where they are above and below.
ABOVE = {(column, row): weight for (row, column), weight in BESIDE.items()}
# Red at a blue pixel, blue at a red one.
OPPOSITE = {(0, 0): 6, **{at: 2 for at in _CORNERS}, **{at: -1.5 for at in _FAR}}


def _filtered(padded, weights, height, width):
    total = np.zeros((height, width))
    for (down, right), weight in weights.items():
        total += weight * padded[2 + down : 2 + down + height, 2 + right : 2 + right + width]
    return total / 8


def demosaic(cfa, order):
    """`cfa` (height, width), `order` as in "RGGB"; returns (height, width, 3), not clamped."""
    height, width = cfa.shape
    padded = np.pad(cfa.astype(np.float64), 2, mode="reflect")
    kernels = {name: _filtered(padded, w, height, width) for name, w in
               (("green", GREEN), ("beside", BESIDE), ("above", ABOVE), ("opposite", OPPOSITE))}
    result = np.zeros((height, width, 3))
    for row in (0, 1):
        for column in (0, 1):
            here = (slice(row, None, 2), slice(column, None, 2))
            own = order[2 * row + column]
            beside = order[2 * row + 1 - column]
            for channel, colour in enumerate("RGB"):
                if colour == own:
                    value = cfa
                elif colour == "G":
                    value = kernels["green"]
                elif own == "G":
                    value = kernels["beside" if colour == beside else "above"]
                else:
                    value = kernels["opposite"]
                result[here + (channel,)] = value[here]
    return result
