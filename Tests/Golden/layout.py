"""Where the rows of a frame lie in its buffers: offsets, strides, and garbage in every byte that means nothing."""

import numpy as np

from v4l2_formats import sizes_of


def tight(format, width, height):
    """As a driver lays a frame out that pads nothing: each plane directly after the one before."""
    planes, offset = [], 0
    for index, (component, (row_bytes, rows)) in enumerate(zip(format.planes, sizes_of(format, width, height))):
        buffer = index if format.is_split else 0
        planes.append(_plane(component, buffer, 0 if format.is_split else offset, row_bytes, row_bytes, rows))
        offset += row_bytes * rows
    return planes


def padded(format, width, height, stride, first):
    """As V4L2 can say it with a `bytesperline` and a `data_offset`: the other planes' strides follow from the first one's,
    where they share a buffer."""
    planes, offset = [], first
    for index, (component, (row_bytes, rows)) in enumerate(zip(format.planes, sizes_of(format, width, height))):
        own = stride
        if index > 0:
            # pixfmt-yuv-planar.rst: interleaved chroma of 4:4:4 has twice the stride, separate chroma planes have it
            # divided as their width is.
            own = stride * 2 // format.across if len(component) == 4 else stride // format.across
        buffer = index if format.is_split else 0
        planes.append(_plane(component, buffer, first if format.is_split else offset, own, row_bytes, rows))
        offset += own * rows
    return planes


def odd(format, width, height, padding, first, gap):
    """As no driver should: each plane's rows are `padding` bytes longer than they need, the first begins `first` bytes into
    its buffer, and the next one `gap` bytes after the one before."""
    planes, offset = [], first
    for index, (component, (row_bytes, rows)) in enumerate(zip(format.planes, sizes_of(format, width, height))):
        buffer = index if format.is_split else 0
        stride = row_bytes + padding
        planes.append(_plane(component, buffer, first if format.is_split else offset, stride, row_bytes, rows))
        offset += stride * rows + gap
    return planes


def _plane(component, buffer, offset, stride, row_bytes, rows):
    return {
        "component": component, "buffer": buffer, "offset": offset, "stride": stride, "rowBytes": row_bytes, "rows": rows,
    }


def buffer_sizes(planes):
    """What a driver would ask for: the last row's padding belongs to it."""
    count = 1 + max(plane["buffer"] for plane in planes)
    return [max(p["offset"] + p["stride"] * p["rows"] for p in planes if p["buffer"] == b) for b in range(count)]


def store(planes, rows, random):
    """The buffers' bytes."""
    buffers = [random.randint(0, 256, size).astype(np.uint8) for size in buffer_sizes(planes)]
    for plane, data in zip(planes, rows):
        assert data.shape == (plane["rows"], plane["rowBytes"]), plane
        for y in range(plane["rows"]):
            start = plane["offset"] + y * plane["stride"]
            buffers[plane["buffer"]][start : start + plane["rowBytes"]] = data[y]
    return buffers


def load(planes, buffers):
    """The rows of each plane, out of the buffers."""
    result = []
    for plane in planes:
        starts = plane["offset"] + plane["stride"] * np.arange(plane["rows"])
        result.append(buffers[plane["buffer"]][starts[:, None] + np.arange(plane["rowBytes"])[None]])
    return result
