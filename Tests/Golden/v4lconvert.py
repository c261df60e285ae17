"""libv4lconvert, through ctypes: another reader of V4L2's formats, to check ours with. It has no camera here: a device that
answers nothing takes its place."""

import ctypes as c

import numpy as np


class _Pix(c.Structure):
    _fields_ = [
        (name, c.c_uint32)
        for name in (
            "width", "height", "pixelformat", "field", "bytesperline", "sizeimage",
            "colorspace", "priv", "flags", "encoding", "quantization", "transfer",
        )
    ]


class _Format(c.Structure):  # struct v4l2_format: a type, and a union of 200 bytes that is aligned to 8
    _fields_ = [("type", c.c_uint32), ("padding", c.c_uint32), ("pix", _Pix), ("rest", c.c_uint8 * 152)]


_IOCTL = c.CFUNCTYPE(c.c_int, c.c_void_p, c.c_int, c.c_ulong, c.c_void_p)


class _Device(c.Structure):  # struct libv4l_dev_ops
    _fields_ = [
        ("init", c.c_void_p), ("close", c.c_void_p), ("ioctl", _IOCTL), ("read", c.c_void_p), ("write", c.c_void_p),
        ("reserved", c.c_void_p * 7),
    ]


def _number(fourcc):
    value = int.from_bytes(fourcc[:4].encode(), "little")
    return value | 1 << 31 if fourcc.endswith("-BE") else value


class Converter:
    """Raises OSError where the library is missing."""

    def __init__(self):
        self._library = c.CDLL("libv4lconvert.so.0")
        create, convert = self._library.v4lconvert_create_with_dev_ops, self._library.v4lconvert_convert
        create.restype, create.argtypes = c.c_void_p, [c.c_int, c.c_void_p, c.c_void_p]
        convert.argtypes = [
            c.c_void_p, c.POINTER(_Format), c.POINTER(_Format), c.c_void_p, c.c_int, c.c_void_p, c.c_int,
        ]
        VIDIOC_QUERYCAP, capability_size = 0x80685600, 104

        def ioctl(_, descriptor, request, argument):
            if request != VIDIOC_QUERYCAP:
                return -1
            c.memset(argument, 0, capability_size)
            return 0

        self._device = _Device(ioctl=_IOCTL(ioctl))
        self._file = open("/dev/null")
        self._state = create(self._file.fileno(), None, c.byref(self._device))
        if not self._state:
            raise OSError("v4lconvert_create_with_dev_ops failed")

    def convert(self, data, fourcc, width, height, stride, to):
        """The bytes of the frame in the format `to`, RGB3 or YU12; None if the library does not know `fourcc`."""
        source, target = _Format(type=1), _Format(type=1)
        size = width * height * 3 // (1 if to == "RGB3" else 2)
        for format, name, row, length in (
            (source, fourcc, stride, len(data)),
            (target, to, width * (3 if to == "RGB3" else 1), size),
        ):
            format.pix.width, format.pix.height = width, height
            format.pix.pixelformat = _number(name)
            format.pix.bytesperline, format.pix.sizeimage = row, length
        # What it reads or writes past the end stays in these.
        room_in, room_out = (c.c_uint8 * (len(data) + 4096))(*data), (c.c_uint8 * (size + 4096))()
        result = self._library.v4lconvert_convert(
            self._state, c.byref(source), c.byref(target), room_in, len(data), room_out, size
        )
        return None if result < 0 else np.frombuffer(room_out, np.uint8, size).copy()
