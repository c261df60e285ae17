"""Checks of the references against programs that others wrote. Each check is a function; what it says is printed."""

import re
import subprocess
from pathlib import Path

import numpy as np

import malvar
import ycbcr
from v4l2_formats import FORMATS, components, depths, rows_of, samples_of, sizes_of

HEADER = Path("/usr/include/linux/videodev2.h")


class Skip(Exception):
    """What this check compares with is not here."""


def run(manifest, data, text, folder):
    """Prints a line for each check; False if one failed."""
    passed = True
    checks = [
        lambda: files(folder, text, data), fourccs, round_trips, lambda: unchanged(manifest, data), mipi,
        matrices_colour, matrices_ffmpeg, repacked_ffmpeg, repacked_v4lconvert, bayer,
    ]
    for check in checks:
        try:
            print("passed: ", check())
        except Skip as missing:
            print("skipped:", missing)
        except AssertionError as failure:
            print("FAILED: ", failure)
            passed = False
    return passed


def files(folder, text, data):
    assert (folder / "formats.json").read_text() == text, "formats.json is not what make-formats.py writes"
    assert (folder / "formats.bin").read_bytes() == data, "formats.bin is not what make-formats.py writes"
    return "formats.json and formats.bin are what make-formats.py writes"


def fourccs():
    if not HEADER.exists():
        raise Skip(f"{HEADER}: not there")
    text = HEADER.read_text()
    found = {
        name: letters.replace("', '", "")[1:-1] + ("-BE" if is_big_endian else "")
        for name, is_big_endian, letters in re.findall(
            r"#define V4L2_PIX_FMT_(\w+)\s+v4l2_fourcc(_be)?\(('.', '.', '.', '.')\)", text)
    }
    unknown = []
    for format in FORMATS.values():
        if format.name in ("Y12P", "Y14P") and format.name not in found:
            unknown.append(format.name)  # younger than the headers of Debian 12
            continue
        letters = found.get(format.name, "")
        assert letters == format.fourcc, f"V4L2_PIX_FMT_{format.name} is {letters!r}, not {format.fourcc!r}"
    missing = f", which has no {' and '.join(unknown)}" if unknown else ""
    return f"the letters of {len(FORMATS) - len(unknown)} formats, against {HEADER}{missing}"


def _random_samples(format, width, height, random):
    """Of a YUV format: chroma the same in 2x2 pixels, so that no converter has anything to interpolate."""
    if format.family == "word":
        return {c: random.randint(0, 1 << bits, (height, width)) for c, bits in depths(format).items()}
    if format.family == "rgb":
        return {c: random.randint(0, 256, (height, width)) for c in "RGB"}
    samples = {format.planes[0] if format.family == "bayer" else "Y": random.randint(0, 1 << format.bits, (height, width))}
    if format.family in ("packed422", "packed444", "planes"):
        for c in ("Cb", "Cr"):
            blocks = random.randint(0, 256, (height // 2, width // 2))
            samples[c] = blocks.repeat(2 // format.down, axis=0).repeat(2 // format.across, axis=1)
    return samples


def round_trips():
    random = np.random.RandomState(1)
    for format in FORMATS.values():
        samples = _random_samples(format, 16, 8, random)
        back = samples_of(format, rows_of(format, samples, random))
        assert all(np.array_equal(samples[c], back[c]) for c in samples), f"{format.name}: read back otherwise than written"
    return f"{len(FORMATS)} formats read back as written"


def unchanged(manifest, data):
    """A frame whose output is what it is already: the reference may not move a bit of it."""
    count = 0
    for case in manifest["cases"]:
        if case["fourcc"] not in ("NV12", "NM12"):
            continue
        for output in case["outputs"]:
            if output["kind"] != "nv12" or [output["matrix"], output["range"]] != list(case["colorimetry"].values()):
                continue
            rows = []
            for plane in case["planes"]:
                start = case["inputs"][plane["buffer"]]["offset"] + plane["offset"]
                rows += [data[start + y * plane["stride"] :][: plane["rowBytes"]] for y in range(plane["rows"])]
            end = output["offset"] + output["length"]
            assert b"".join(rows) == data[output["offset"] : end], f"{case['name']}: NV12 to the same NV12 changes it"
            count += 1
    assert count > 0, "no case of NV12 to the same NV12"
    return f"NV12 to the same NV12 changes nothing, in {count} cases"


def mipi():
    """The examples of pixfmt-srggb10p.rst, pixfmt-srggb12p.rst and pixfmt-srggb14p.rst, bit by bit."""
    values = {"pRAA": [0x201, 0x0FE, 0x3FF, 0x100], "pRCC": [0xABC, 0x123], "pREE": [0x2AAB, 0x1234, 0x3FC1, 0x0016]}
    wanted = {
        "pRAA": [0x80, 0x3F, 0xFF, 0x40, 0b00111001], "pRCC": [0xAB, 0x12, 0x3C],
        # Low six bits: 101011, 110100, 000001, 010110.
        "pREE": [0xAA, 0x48, 0xFF, 0x00, 0b00_101011, 0b0001_1101, 0b010110_00],
    }
    for fourcc in values:
        rows = rows_of(FORMATS[fourcc], {"CFA": np.array([values[fourcc]])}, None)[0]
        assert rows.tolist() == [wanted[fourcc]], f"{fourcc}: {rows.tolist()}"
    return "MIPI packing, against the layouts in the kernel's documentation, worked out by hand"


def matrices_colour():
    try:
        import colour
    except ImportError:
        raise Skip("colour-science is not here")
    random = np.random.RandomState(2)
    rgb = random.random_sample((64, 64, 3))
    worst = 0
    for matrix in ycbcr.WEIGHTS:
        weights = colour.WEIGHTS_YCBCR[f"ITU-R BT.{matrix[2:]}"]
        for range_, legal in (("limited", True), ("full", False)):
            theirs = colour.RGB_to_YCbCr(rgb, K=weights, out_bits=8, out_legal=legal)
            if not legal:  # its full-range chroma is centred on 0
                theirs = theirs + np.array([0, ycbcr.MIDDLE, ycbcr.MIDDLE])
            ours = np.stack(ycbcr.from_rgb(rgb, matrix, range_), axis=-1)
            back = ycbcr.to_rgb(ours[..., 0], ours[..., 1], ours[..., 2], matrix, range_)
            worst = max(worst, np.abs(ours - theirs).max(), np.abs(back - rgb).max())
    assert worst < 1e-12, f"colour-science's matrices differ by up to {worst}"
    return "the matrices and ranges, against colour-science, and their inverses"


def _ffmpeg(data, width, height, given, wanted, scale=""):
    command = ["ffmpeg", "-v", "error", "-threads", "1", "-f", "rawvideo", "-s", f"{width}x{height}",
               "-pix_fmt", given, "-i", "pipe:0", "-vf", f"scale=flags=neighbor+accurate_rnd+full_chroma_int{scale}",
               "-f", "rawvideo", "-pix_fmt", wanted, "pipe:1"]
    try:
        done = subprocess.run(command, input=data.tobytes(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    except FileNotFoundError:
        raise Skip("ffmpeg is not here")
    assert done.returncode == 0, f"ffmpeg, {given} to {wanted}: {done.stderr.decode()}"
    return np.frombuffer(done.stdout, np.uint8).astype(np.int64)


def matrices_ffmpeg():
    random = np.random.RandomState(3)
    planes = random.randint(0, 256, (3, 64, 64)).astype(np.uint8)
    worst = 0
    for matrix in ycbcr.WEIGHTS:
        for range_, name in (("limited", "tv"), ("full", "pc")):
            theirs = _ffmpeg(planes, 64, 64, "yuv444p", "rgb24", f":in_color_matrix={matrix}:in_range={name}:out_range=pc")
            unclamped = ycbcr.to_rgb(*(planes / 255), matrix, range_)
            differences = np.abs(theirs.reshape(unclamped.shape) - ycbcr.to_bytes(unclamped))
            # Above twice white, ffmpeg 5.1 wraps around to 0.
            worst = max(worst, differences[unclamped.max(axis=-1) < 2].max())
    assert worst <= 1, f"ffmpeg's RGB of random Y'CbCr differs by up to {worst} of 255"
    return f"Y'CbCr to RGB, of nearly any bytes, against ffmpeg: within {worst} of 255"


def repacked_ffmpeg():
    """ffmpeg's name of a format, what to convert it to, and whether it has U and V the other way round."""
    known = {
        "NV42": ("nv42", "yuv444p", 0), "YM24": ("yuv444p", "yuv444p", 0), "YM42": ("yuv444p", "yuv444p", 1),
        "YM16": ("yuv422p", "yuv422p", 0), "YM61": ("yuv422p", "yuv422p", 1), "Y14 ": ("gray14le", "gray", 0),
        "Y16 -BE": ("gray16be", "gray", 0), "BA24": ("argb", "rgb24", 0), "BX24": ("0rgb", "rgb24", 0),
        "RA24": ("abgr", "rgb24", 0), "RX24": ("0bgr", "rgb24", 0), "RGB1": ("rgb8", "rgb24", 0),
        "R444": ("rgb444le", "rgb24", 0), "XR12": ("rgb444le", "rgb24", 0), "XB12": ("bgr444le", "rgb24", 0),
        "RGBO": ("rgb555le", "rgb24", 0), "XR15": ("rgb555le", "rgb24", 0), "XB15": ("bgr555le", "rgb24", 0),
        "RGBQ": ("rgb555be", "rgb24", 0), "XR15-BE": ("rgb555be", "rgb24", 0), "RGBR": ("rgb565be", "rgb24", 0),
        "YUYV": ("yuyv422", "yuv422p", 0), "UYVY": ("uyvy422", "yuv422p", 0), "YVYU": ("yvyu422", "yuv422p", 0),
        "VYUY": ("uyvy422", "yuv422p", 1), "NV12": ("nv12", "yuv420p", 0), "NV21": ("nv21", "yuv420p", 0),
        "NV24": ("nv24", "yuv444p", 0), "YU12": ("yuv420p", "yuv420p", 0), "YV12": ("yuv420p", "yuv420p", 1),
        "422P": ("yuv422p", "yuv422p", 0), "GREY": ("gray", "gray", 0), "Y10 ": ("gray10le", "gray", 0),
        "Y12 ": ("gray12le", "gray", 0), "Y16 ": ("gray16le", "gray", 0), "RGB3": ("rgb24", "rgb24", 0),
        "BGR3": ("bgr24", "rgb24", 0), "AB24": ("rgba", "rgb24", 0), "XB24": ("rgb0", "rgb24", 0),
        "AR24": ("bgra", "rgb24", 0), "XR24": ("bgr0", "rgb24", 0), "RGB4": ("0rgb", "rgb24", 0),
        "BGR4": ("bgr0", "rgb24", 0), "RGBP": ("rgb565le", "rgb24", 0),
    }
    random = np.random.RandomState(4)
    for fourcc, (given, wanted, is_swapped) in known.items():
        format = FORMATS[fourcc]
        samples = _random_samples(format, 16, 8, random)
        rows = rows_of(format, samples, random)
        theirs = _ffmpeg(np.concatenate([r.ravel() for r in rows]), 16, 8, given, wanted)
        if wanted == "rgb24":
            bits = depths(format) if format.family == "word" else dict.fromkeys("RGB", 8)
            # Of four bits it leaves the lower ones zero.
            ours = [samples[c] << 4 if bits[c] == 4 else samples[c] * 255 / ((1 << bits[c]) - 1) for c in "RGB"]
            ours = np.stack(ours, axis=-1).ravel()
        else:
            names = [n for n in (("Y", "Cr", "Cb") if is_swapped else ("Y", "Cb", "Cr")) if n in samples]
            ours = np.concatenate([samples[n].ravel() for n in names]) * 255 / ((1 << format.bits) - 1)
        worst = np.abs(theirs - ours).max()
        # ffmpeg makes 36 of each step of three bits, which leaves 3 at the end.
        allowed = 3 if fourcc == "RGB1" else 0 if format.bits == 8 and format.family != "word" else 1.5
        assert worst <= allowed, f"{fourcc}: ffmpeg differs by {worst}"
    return f"which byte is what, of {len(known)} formats, against ffmpeg"


def repacked_v4lconvert():
    from v4lconvert import Converter

    try:
        converter = Converter()
    except OSError as error:
        raise Skip(f"libv4lconvert: {error}")
    random = np.random.RandomState(5)
    width, height = 32, 16
    known = []
    for format in FORMATS.values():
        samples = _random_samples(format, width, height, random)
        flat = {c: random.randint(0, 256) for c in "RGB"}
        if format.family == "bayer":
            # Their demosaicing is not ours: a field of one colour comes out alike.
            for i, c in enumerate(format.order):
                samples["CFA"][i // 2 :: 2, i % 2 :: 2] = flat[c] << format.bits - 8
        rows = rows_of(format, samples, random)
        to = "YU12" if "Y" in samples else "RGB3"
        stride = sizes_of(format, width, height)[0][0]
        data = np.concatenate([r.ravel() for r in rows]).tobytes()
        theirs = converter.convert(data, format.fourcc, width, height, stride, to)
        if theirs is None:
            continue
        known.append(format.fourcc)
        theirs = theirs.astype(np.int64)
        if format.family == "bayer":
            theirs = theirs.reshape(height, width, 3)
            ours = np.broadcast_to([flat[c] for c in "RGB"], theirs.shape)
        elif format.family == "rgb":
            ours = np.stack([samples[c] for c in "RGB"], axis=-1).ravel()
        elif format.family == "word":
            # It leaves the lower bits zero.
            bits = depths(format)
            ours = np.stack([samples[c] << 8 - bits[c] for c in components(format)], axis=-1).ravel()
        elif format.family == "grey":
            ours, theirs = samples["Y"].ravel() >> format.bits - 8, theirs[: width * height]
        else:
            blocks = [samples[c][:: 2 // format.down, :: 2 // format.across].ravel() for c in ("Cb", "Cr")]
            ours = np.concatenate([samples["Y"].ravel(), *blocks])
        assert np.abs(ours - theirs).max() == 0, f"{format.fourcc}: libv4lconvert differs by {np.abs(ours - theirs).max()}"
    return f"which byte is what, of {len(known)} formats, against libv4lconvert: {' '.join(known)}"


def bayer():
    try:
        from colour_demosaicing import demosaicing_CFA_Bayer_Malvar2004
    except ImportError:
        raise Skip("colour-demosaicing is not here")
    random = np.random.RandomState(6)
    worst = 0
    for order in ("RGGB", "GRBG", "GBRG", "BGGR"):
        for height, width in ((24, 32), (19, 45)):
            cfa = random.random_sample((height, width))
            # Mirrored beforehand, by an even number, so that its own treatment of borders is out of the picture.
            theirs = demosaicing_CFA_Bayer_Malvar2004(np.pad(cfa, 4, mode="reflect"), order)[4:-4, 4:-4]
            worst = max(worst, np.abs(theirs - malvar.demosaic(cfa, order)).max())
    assert worst < 1e-12, f"colour-demosaicing's Malvar2004 differs by {worst}"
    return "Malvar, He and Cutler's demosaicing, in four orders and odd sizes, against colour-demosaicing"
