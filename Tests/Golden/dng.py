"""Writing a raw mosaic as a DNG: a TIFF with the tags of Adobe's specification that a picture needs, nothing compressed."""

import struct

import numpy as np

_SIZES = {1: 1, 2: 1, 3: 2, 4: 4, 5: 8, 10: 8}  # BYTE, ASCII, SHORT, LONG, RATIONAL, SRATIONAL
_D65 = 21  # EXIF's LightSource


def _rationals(numbers, letter):
    return b"".join(struct.pack(f"<{letter}{letter}", int(round(n * 1e6)), 10**6) for n in np.ravel(numbers))


def _shorts(*numbers):
    return struct.pack(f"<{len(numbers)}H", *numbers)


def write(cfa, order, black, white, xyz_to_camera, neutral):
    """The file's bytes. `cfa`: (height, width), bytes or 16-bit words; `order`: its first 2x2 cells' colours; `neutral`: the
    camera's numbers of something white."""
    height, width = cfa.shape
    strip = cfa.tobytes()
    longs = lambda *numbers: struct.pack(f"<{len(numbers)}I", *numbers)
    model = b"Chart camera\0"
    entries = [
        (254, 4, longs(0)),  # NewSubfileType: the full picture
        (256, 4, longs(width)), (257, 4, longs(height)),
        (258, 3, _shorts(8 * cfa.itemsize)), (259, 3, _shorts(1)),  # BitsPerSample; Compression: none
        (262, 3, _shorts(32803)),  # PhotometricInterpretation: CFA
        (273, 4, longs(8)),  # StripOffsets: after the header
        (274, 3, _shorts(1)), (277, 3, _shorts(1)),  # Orientation, SamplesPerPixel
        (278, 4, longs(height)), (279, 4, longs(len(strip))),  # RowsPerStrip, StripByteCounts
        (284, 3, _shorts(1)),  # PlanarConfiguration
        (33421, 3, _shorts(2, 2)), (33422, 1, bytes("RGB".index(c) for c in order)),  # CFARepeatPatternDim, CFAPattern
        (50706, 1, bytes([1, 4, 0, 0])), (50707, 1, bytes([1, 1, 0, 0])),  # DNGVersion, DNGBackwardVersion
        (50708, 2, model),  # UniqueCameraModel
        (50714, 5, _rationals([black], "I")), (50717, 4, longs(white)),  # BlackLevel, WhiteLevel
        (50721, 10, _rationals(xyz_to_camera, "i")),  # ColorMatrix1
        (50728, 5, _rationals(neutral, "I")),  # AsShotNeutral
        (50778, 3, _shorts(_D65)),  # CalibrationIlluminant1
    ]
    directory = 8 + len(strip) + len(strip) % 2
    behind = directory + 2 + 12 * len(entries) + 4
    table, data = struct.pack("<H", len(entries)), b""
    for tag, kind, value in entries:
        table += struct.pack("<HHI", tag, kind, len(value) // _SIZES[kind])
        if len(value) <= 4:
            table += value.ljust(4, b"\0")
        else:
            table += longs(behind + len(data))
            data += value + b"\0" * (len(value) % 2)
    return struct.pack("<2sHI", b"II", 42, directory) + strip + b"\0" * (len(strip) % 2) + table + longs(0) + data
