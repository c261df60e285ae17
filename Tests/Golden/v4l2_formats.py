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
    family: str  # packed422, packed444, planes, grey, rgb, word, bayer
    bits: int = 8
    across: int = 1  # pixels of a row that share one chroma sample
    down: int = 1  # rows that share one
    planes: tuple = ()  # component of each plane, in memory order
    is_split: bool = False  # each plane has a buffer of its own
    # Of bytes in a pixel (rgb, packed444), of bytes in two pixels (packed422), of colours in 2x2 pixels (bayer); of a word:
    # each bit in memory order, a byte's highest first, r, g, b or y, u, v or what means nothing.
    order: str = ""
    is_packed: bool = False  # MIPI packing
    is_big_endian: bool = False  # the first byte of a word is the high one
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
    yield Format("RGBP", "RGB565", "word", planes=("RGB565",), order="gggbbbbb rrrrrggg")
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
    yield Format("NV42", "NV42", "planes", planes=("Y", "CrCb"))
    yield Format("YM61", "YVU422M", "planes", across=2, planes=("Y", "Cr", "Cb"), is_split=True)
    yield Format("YM24", "YUV444M", "planes", planes=("Y", "Cb", "Cr"), is_split=True)
    yield Format("YM42", "YVU444M", "planes", planes=("Y", "Cr", "Cb"), is_split=True)
    for fourcc, name, order in (
        ("YUV3", "YUV24", "YUV"),
        ("YUV4", "YUV32", "AYUV"),
        ("AYUV", "AYUV32", "AYUV"),
        ("XYUV", "XYUV32", "XYUV"),
        ("VUYA", "VUYA32", "VUYA"),
        ("VUYX", "VUYX32", "VUYX"),
        ("YUVA", "YUVA32", "YUVA"),
        ("YUVX", "YUVX32", "YUVX"),
    ):
        yield Format(fourcc, name, "packed444", planes=(order,), order=order)
    for fourcc, name, order in (
        ("BA24", "ARGB32", "ARGB"),
        ("BX24", "XRGB32", "XRGB"),
        ("RA24", "BGRA32", "ABGR"),
        ("RX24", "BGRX32", "XBGR"),
    ):
        yield Format(fourcc, name, "rgb", planes=(order,), order=order)
    yield Format("Y14 ", "Y14", "grey", bits=14, planes=("Y",))
    yield Format("Y16 -BE", "Y16_BE", "grey", bits=16, planes=("Y",), is_big_endian=True)
    for fourcc, name, bits in (("Y10P", "Y10P", 10), ("Y12P", "Y12P", 12), ("Y14P", "Y14P", 14)):
        yield Format(
            fourcc, name, "grey", bits=bits, planes=("Y",), is_packed=True, width_step=2 if bits == 12 else 4
        )
    for order, fourcc in zip(orders, ("pREE", "pgEE", "pGEE", "pBEE")):
        yield Format(fourcc, f"S{order}14P", "bayer", bits=14, planes=("CFA",), order=order, is_packed=True, width_step=4)
    # The tables of pixfmt-rgb.rst and pixfmt-packed-yuv.rst, byte 0 first.
    for fourcc, name, order in (
        ("RGB1", "RGB332", "rrrgggbb"),
        ("R444", "RGB444", "ggggbbbb xxxxrrrr"),
        ("XR12", "XRGB444", "ggggbbbb xxxxrrrr"),
        ("AR12", "ARGB444", "ggggbbbb aaaarrrr"),
        ("RX12", "RGBX444", "bbbbxxxx rrrrgggg"),
        ("RA12", "RGBA444", "bbbbaaaa rrrrgggg"),
        ("XB12", "XBGR444", "ggggrrrr xxxxbbbb"),
        ("AB12", "ABGR444", "ggggrrrr aaaabbbb"),
        ("BX12", "BGRX444", "rrrrxxxx bbbbgggg"),
        ("GA12", "BGRA444", "rrrraaaa bbbbgggg"),
        ("RGBO", "RGB555", "gggbbbbb xrrrrrgg"),
        ("XR15", "XRGB555", "gggbbbbb xrrrrrgg"),
        ("AR15", "ARGB555", "gggbbbbb arrrrrgg"),
        ("RX15", "RGBX555", "ggbbbbbx rrrrrggg"),
        ("RA15", "RGBA555", "ggbbbbba rrrrrggg"),
        ("XB15", "XBGR555", "gggrrrrr xbbbbbgg"),
        ("AB15", "ABGR555", "gggrrrrr abbbbbgg"),
        ("BX15", "BGRX555", "ggrrrrrx bbbbbggg"),
        ("BA15", "BGRA555", "ggrrrrra bbbbbggg"),
        ("Y444", "YUV444", "uuuuvvvv aaaayyyy"),
        ("YUVO", "YUV555", "uuuvvvvv ayyyyyuu"),
        ("YUVP", "YUV565", "uuuvvvvv yyyyyuuu"),
    ):
        yield Format(fourcc, name, "word", planes=(name,), order=order)
    for fourcc, name, order in (
        ("RGBQ", "RGB555X", "xrrrrrgg gggbbbbb"),
        ("XR15-BE", "XRGB555X", "xrrrrrgg gggbbbbb"),
        ("AR15-BE", "ARGB555X", "arrrrrgg gggbbbbb"),
        ("RGBR", "RGB565X", "rrrrrggg gggbbbbb"),
        ("BGRH", "BGR666", "bbbbbbgg ggggrrrr rrxxxxxx xxxxxxxx"),
    ):
        yield Format(fourcc, name, "word", planes=(name,), order=order, is_big_endian=True)


FORMATS = {format.fourcc: format for format in _table()}


def depths(format):
    """How many bits each component of a word has."""
    return {component: format.order.count(_letter(component)) for component in components(format)}


def components(format):
    """Of a word, in the samples' names; "Cb" and "Cr" are u and v in `order`."""
    return ("R", "G", "B") if "r" in format.order else ("Y", "Cb", "Cr")


def _letter(component):
    return {"Cb": "u", "Cr": "v"}.get(component, component.lower())


def _bits_of(format):
    """(byte, bit of it, letter) of each bit of a word, the word's highest first."""
    bytes_of = format.order.split()
    places = list(enumerate(bytes_of))
    return [(n, 7 - i, letter) for n, text in (places if format.is_big_endian else places[::-1])
            for i, letter in enumerate(text)]


def _put_words(format, samples, random):
    shape = samples[components(format)[0]].shape
    result = np.zeros(shape + (len(format.order.split()),), np.int64)
    names = {_letter(c): c for c in components(format)}
    left = {letter: format.order.count(letter) for letter in names}
    for byte, bit, letter in _bits_of(format):
        if letter in names:
            left[letter] -= 1
            value = samples[names[letter]] >> left[letter] & 1
        else:
            value = random.randint(0, 2, shape)
        result[..., byte] |= value << bit
    return result.astype(np.uint8).reshape(shape[0], -1)


def _take_words(format, rows):
    pixels = rows.reshape(rows.shape[0], -1, len(format.order.split())).astype(np.int64)
    samples = {c: np.zeros(pixels.shape[:2], np.int64) for c in components(format)}
    names = {_letter(c): c for c in components(format)}
    for byte, bit, letter in _bits_of(format):
        if letter in names:
            samples[names[letter]] = samples[names[letter]] << 1 | pixels[..., byte] >> bit & 1
    return samples


def _words(samples, is_big_endian):
    """16-bit words."""
    pair = [samples >> 8, samples & 255] if is_big_endian else [samples & 255, samples >> 8]
    return np.stack(pair, axis=-1).astype(np.uint8).reshape(samples.shape[0], -1)


def _from_words(rows, is_big_endian):
    pairs = rows.reshape(rows.shape[0], -1, 2).astype(np.int64)
    return pairs[..., 0] << 8 | pairs[..., 1] if is_big_endian else pairs[..., 0] | pairs[..., 1] << 8


def _pack_mipi(samples, bits):
    """Groups of 4 (10 and 14 bits) or 2 (12 bits) pixels: their upper 8 bits, a byte each, then all their lower bits as one
    number, the first pixel's lowest, its low byte first."""
    count, low = 2 if bits == 12 else 4, bits - 8
    groups = samples.reshape(samples.shape[0], -1, count)
    last = sum((groups[..., i] & (1 << low) - 1) << low * i for i in range(count))
    tail = [last >> 8 * n & 255 for n in range(count * low // 8)]
    return np.concatenate([groups >> low, np.stack(tail, axis=-1)], axis=-1).astype(np.uint8).reshape(samples.shape[0], -1)


def _unpack_mipi(rows, bits):
    count, low = 2 if bits == 12 else 4, bits - 8
    groups = rows.reshape(rows.shape[0], -1, count * bits // 8).astype(np.int64)
    last = sum(groups[..., count + n] << 8 * n for n in range(count * low // 8))
    pixels = [groups[..., i] << low | last >> low * i & (1 << low) - 1 for i in range(count)]
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
        return [plane.astype(np.uint8) if format.bits == 8 else _words(plane, format.is_big_endian)]
    if format.family == "word":
        return [_put_words(format, samples, random)]
    names = {"U": "Cb", "V": "Cr"}
    shape = samples["R" if format.family == "rgb" else "Y"].shape
    parts = [samples[names.get(c, c)] if c not in "AX" else random.randint(0, 256, shape) for c in format.order]
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
            plane = rows.astype(np.int64) if format.bits == 8 else _from_words(rows, format.is_big_endian)
        return {format.planes[0]: plane}
    if format.family == "word":
        return _take_words(format, planes[0])
    pixels = planes[0].reshape(planes[0].shape[0], -1, len(format.order)).astype(np.int64)
    names = {"R": "R", "G": "G", "B": "B"} if format.family == "rgb" else {"Y": "Y", "U": "Cb", "V": "Cr"}
    return {name: pixels[..., format.order.index(c)] for c, name in names.items()}


def sizes_of(format, width, height):
    """(bytes of a row, rows) of each plane."""
    if format.family == "planes":
        columns, rows = -(-width // format.across), -(-height // format.down)
        sizes = {"Y": (width, height), "Cb": (columns, rows), "Cr": (columns, rows)}
        return [sizes.get(plane, (2 * columns, rows)) for plane in format.planes]
    if format.is_packed:
        return [(width * format.bits // 8, height)]
    if format.family in ("rgb", "packed444"):
        return [(width * len(format.order), height)]
    if format.family == "word":
        return [(width * len(format.order.split()), height)]
    return [(width * (2 if format.bits > 8 or format.family == "packed422" else 1), height)]
