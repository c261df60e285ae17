"""V4L2's pixel formats: what their samples are, and which byte of which plane holds which.

Samples are whole numbers in a dictionary of arrays: "Y", "Cb", "Cr" (chroma subsampled as the format has it), or "R", "G",
"B", or "CFA" (what a Bayer sensor sees, one number a pixel). Rows are arrays of bytes, one row of a plane each, with no
padding; where they lie in buffers is the business of `layout.py`.

Written from the kernel's documentation (media/v4l/pixfmt*.rst), not from camd's sources, which it is to judge.
"""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Format:
    fourcc: str
    name: str  # after V4L2_PIX_FMT_
    family: str  # packed422, planes, grey, rgb, rgb565, bayer
    bits: int = 8
    across: int = 1  # pixels of a row that share one chroma sample
    down: int = 1  # rows that share one
    planes: tuple = ()  # component of each plane, in memory order
    is_split: bool = False  # each plane has a buffer of its own
    order: str = ""  # of bytes in a pixel (rgb), of bytes in two pixels (packed422), of colours in 2x2 pixels (bayer)
    is_packed: bool = False  # MIPI packing
    width_step: int = 1  # widths that the format can have are multiples of this


def _table():
    for name in ("YUYV", "UYVY", "YVYU", "VYUY"):
        # The letters of these four are their order in memory.
        yield Format(name, name, "packed422", across=2, planes=(name,), order=name, width_step=2)
    for fourcc, name, across, down, chroma, is_split in (
        ("NV12", "NV12", 2, 2, "CbCr", False),
        ("NV21", "NV21", 2, 2, "CrCb", False),
        ("NV16", "NV16", 2, 1, "CbCr", False),
        ("NV61", "NV61", 2, 1, "CrCb", False),
        ("NV24", "NV24", 1, 1, "CbCr", False),
        ("NM12", "NV12M", 2, 2, "CbCr", True),
        ("NM21", "NV21M", 2, 2, "CrCb", True),
        ("NM16", "NV16M", 2, 1, "CbCr", True),
        ("NM61", "NV61M", 2, 1, "CrCb", True),
    ):
        yield Format(fourcc, name, "planes", across=across, down=down, planes=("Y", chroma), is_split=is_split)
    for fourcc, name, across, down, planes, is_split in (
        ("YU12", "YUV420", 2, 2, ("Y", "Cb", "Cr"), False),
        ("YV12", "YVU420", 2, 2, ("Y", "Cr", "Cb"), False),
        ("422P", "YUV422P", 2, 1, ("Y", "Cb", "Cr"), False),
        ("YM12", "YUV420M", 2, 2, ("Y", "Cb", "Cr"), True),
        ("YM21", "YVU420M", 2, 2, ("Y", "Cr", "Cb"), True),
        ("YM16", "YUV422M", 2, 1, ("Y", "Cb", "Cr"), True),
    ):
        yield Format(fourcc, name, "planes", across=across, down=down, planes=planes, is_split=is_split)
    for fourcc, name, bits in (("GREY", "GREY", 8), ("Y10 ", "Y10", 10), ("Y12 ", "Y12", 12), ("Y16 ", "Y16", 16)):
        yield Format(fourcc, name, "grey", bits=bits, planes=("Y",))
    for fourcc, name, order in (
        ("RGB3", "RGB24", "RGB"),
        ("BGR3", "BGR24", "BGR"),
        ("AB24", "RGBA32", "RGBA"),
        ("XB24", "RGBX32", "RGBX"),
        ("AR24", "ABGR32", "BGRA"),
        ("XR24", "XBGR32", "BGRX"),
        ("RGB4", "RGB32", "XRGB"),
        ("BGR4", "BGR32", "BGRX"),
    ):
        yield Format(fourcc, name, "rgb", planes=(order,), order=order)
    yield Format("RGBP", "RGB565", "rgb565", planes=("RGB565",))
    # The colours are those of the first row's two pixels and of the second row's.
    orders = ("RGGB", "GRBG", "GBRG", "BGGR")
    for bits, is_packed, fourccs in (
        (8, False, ("RGGB", "GRBG", "GBRG", "BA81")),
        (10, False, ("RG10", "BA10", "GB10", "BG10")),
        (12, False, ("RG12", "BA12", "GB12", "BG12")),
        (14, False, ("RG14", "GR14", "GB14", "BG14")),
        (16, False, ("RG16", "GR16", "GB16", "BYR2")),
        (10, True, ("pRAA", "pgAA", "pGAA", "pBAA")),
        (12, True, ("pRCC", "pgCC", "pGCC", "pBCC")),
    ):
        for order, fourcc in zip(orders, fourccs):
            step = {10: 4, 12: 2}[bits] if is_packed else 1
            name = f"S{order}{bits}" + ("P" if is_packed else "")
            yield Format(
                fourcc, name, "bayer", bits=bits, planes=("CFA",), order=order, is_packed=is_packed, width_step=step
            )


FORMATS = {format.fourcc: format for format in _table()}


def _words(samples):
    """16-bit words, the low byte first."""
    words = np.stack([samples & 255, samples >> 8], axis=-1).astype(np.uint8)
    return words.reshape(samples.shape[0], -1)


def _from_words(rows):
    pairs = rows.reshape(rows.shape[0], -1, 2).astype(np.int64)
    return pairs[..., 0] | pairs[..., 1] << 8


def _pack_mipi(samples, bits):
    """Groups of 4 (10 bits) or 2 (12 bits) pixels: their upper 8 bits, a byte each, then one byte of all their lower
    bits, the first pixel's lowest."""
    count, low = (4, 2) if bits == 10 else (2, 4)
    groups = samples.reshape(samples.shape[0], -1, count)
    last = sum((groups[..., i] & (1 << low) - 1) << low * i for i in range(count))
    return np.concatenate([groups >> low, last[..., None]], axis=-1).astype(np.uint8).reshape(samples.shape[0], -1)


def _unpack_mipi(rows, bits):
    count, low = (4, 2) if bits == 10 else (2, 4)
    groups = rows.reshape(rows.shape[0], -1, count + 1).astype(np.int64)
    pixels = [groups[..., i] << low | groups[..., count] >> low * i & (1 << low) - 1 for i in range(count)]
    return np.stack(pixels, axis=-1).reshape(rows.shape[0], -1)


def rows_of(format, samples, random):
    """The rows of each plane. Bytes that mean nothing (X, and A, which camd does not look at) come from `random`."""
    if format.family == "packed422":
        y, cb, cr = (samples[c].astype(np.uint8) for c in ("Y", "Cb", "Cr"))
        luma = iter((y[:, 0::2], y[:, 1::2]))
        parts = [next(luma) if letter == "Y" else cb if letter == "U" else cr for letter in format.order]
        return [np.stack(parts, axis=-1).reshape(y.shape[0], -1)]
    if format.family == "planes":
        channels = {"Y": ["Y"], "Cb": ["Cb"], "Cr": ["Cr"], "CbCr": ["Cb", "Cr"], "CrCb": ["Cr", "Cb"]}
        parts = [np.stack([samples[c] for c in channels[plane]], axis=-1) for plane in format.planes]
        return [part.astype(np.uint8).reshape(part.shape[0], -1) for part in parts]
    if format.family in ("grey", "bayer"):
        plane = samples[format.planes[0]]
        if format.is_packed:
            return [_pack_mipi(plane, format.bits)]
        return [plane.astype(np.uint8) if format.bits == 8 else _words(plane)]
    if format.family == "rgb565":
        return [_words(samples["R"] << 11 | samples["G"] << 5 | samples["B"])]
    shape = samples["R"].shape
    parts = [samples[c] if c in "RGB" else random.randint(0, 256, shape) for c in format.order]
    return [np.stack(parts, axis=-1).astype(np.uint8).reshape(shape[0], -1)]


def samples_of(format, planes):
    """The samples of a frame's rows: the inverse of `rows_of`."""
    if format.family == "packed422":
        pairs = planes[0].reshape(planes[0].shape[0], -1, 4).astype(np.int64)
        at = {letter: [i for i in range(4) if format.order[i] == letter] for letter in "YUV"}
        y = np.stack([pairs[..., at["Y"][0]], pairs[..., at["Y"][1]]], axis=-1).reshape(pairs.shape[0], -1)
        return {"Y": y, "Cb": pairs[..., at["U"][0]], "Cr": pairs[..., at["V"][0]]}
    if format.family == "planes":
        samples = {}
        for component, rows in zip(format.planes, planes):
            rows = rows.astype(np.int64)
            if len(component) == 4:
                samples[component[:2]], samples[component[2:]] = rows[:, 0::2], rows[:, 1::2]
            else:
                samples[component] = rows
        return samples
    if format.family in ("grey", "bayer"):
        rows = planes[0]
        if format.is_packed:
            plane = _unpack_mipi(rows, format.bits)
        else:
            plane = rows.astype(np.int64) if format.bits == 8 else _from_words(rows)
        return {format.planes[0]: plane}
    if format.family == "rgb565":
        words = _from_words(planes[0])
        return {"R": words >> 11, "G": words >> 5 & 63, "B": words & 31}
    pixels = planes[0].reshape(planes[0].shape[0], -1, len(format.order)).astype(np.int64)
    return {c: pixels[..., format.order.index(c)] for c in "RGB"}


def sizes_of(format, width, height):
    """(bytes of a row, rows) of each plane."""
    if format.family == "planes":
        columns, rows = -(-width // format.across), -(-height // format.down)
        sizes = {"Y": (width, height), "Cb": (columns, rows), "Cr": (columns, rows)}
        return [sizes.get(plane, (2 * columns, rows)) for plane in format.planes]
    if format.is_packed:
        return [(width * format.bits // 8, height)]
    if format.family == "rgb":
        return [(width * len(format.order), height)]
    return [(width * (2 if format.bits > 8 or format.family in ("packed422", "rgb565") else 1), height)]
