"""Summaries: scalars, histograms, images and texts as TensorFlow's Summary messages."""

import struct
import zlib

import numpy

from ... import _C
from .records import double, doubles, integer, message, single


def as_array(values):
    """A tensor, array, number or list as a NumPy array."""
    if isinstance(values, _C.Tensor):
        values = values.detach().float() if values.dtype is _C.bfloat16 else values.detach()
        return values.cpu().numpy()
    return numpy.asarray(values)


def _summary(tag, content):
    """The Event's field with one Summary.Value."""
    return message(5, message(1, message(1, tag) + content))


def _plugin(name):
    return message(9, message(1, message(1, name)))


def scalar(tag, value, new_style=False, double_precision=False):
    """One number."""
    array = as_array(value).squeeze()
    if array.ndim != 0:
        raise AssertionError(
            f"Tensor should contain one element (0 dimensions). Was given size: {array.size} and "
            f"{array.ndim} dimensions."
        )
    number = float(array)
    if not new_style:
        return _summary(tag, single(2, number))
    # TensorProto: the dtype is 1 for float32 with its values in field 5, 2 for float64 with them in field 6.
    tensor = (
        integer(1, 2) + doubles(6, [number])
        if double_precision
        else integer(1, 1) + message(5, struct.pack("<f", number))
    )
    return _summary(tag, message(8, tensor) + _plugin("scalars"))


def text(tag, string):
    """A text, in Markdown."""
    tensor = integer(1, 7) + message(2, message(2, integer(1, 1))) + message(8, string)
    return _summary(tag + "/text_summary", message(8, tensor) + _plugin("text"))


def _default_bins():
    """TensorFlow's bounds: growing by a tenth from 1e-12 to 1e20, and the same below zero."""
    positive, bound = [], 1e-12
    while bound < 1e20:
        positive.append(bound)
        bound *= 1.1
    return [-b for b in reversed(positive)] + [0] + positive


def _merged(counts, limits, most):
    """Neighbouring bins together, so that there are at most about `most`."""
    step = len(counts) // most
    rest = len(counts) % step
    if rest:
        counts = numpy.pad(counts, (0, step - rest))
    return counts.reshape(-1, step).sum(-1), numpy.append(limits[:-1:step], limits[-1])


def histogram(tag, values, bins="tensorflow", max_bins=None):
    """The distribution of values over bins: a number of them, bounds, or a rule of numpy.histogram."""
    values = as_array(values).astype(float).reshape(-1)
    if values.size == 0:
        raise ValueError("The input has no element.")
    counts, limits = numpy.histogram(
        values, bins=_default_bins() if isinstance(bins, str) and bins == "tensorflow" else bins
    )
    if max_bins is not None and len(counts) > max_bins:
        counts, limits = _merged(counts, limits, max_bins)
    used = numpy.flatnonzero(counts)
    if used.size == 0:
        raise ValueError("The histogram is empty, please file a bug report.")
    start, end = int(used[0]), int(used[-1]) + 1
    # Only right bounds are stored, so an empty bin on the left keeps the first left bound.
    counts = counts[start - 1 : end] if start > 0 else numpy.concatenate([[0], counts[:end]])
    return histogram_raw(
        tag,
        values.min(),
        values.max(),
        values.size,
        values.sum(),
        values.dot(values),
        limits[start : end + 1].tolist(),
        counts.tolist(),
    )


def histogram_raw(tag, min, max, num, sum, sum_squares, bucket_limits, bucket_counts):
    """A distribution that is counted already."""
    numbers = b"".join(double(i + 1, float(v)) for i, v in enumerate((min, max, num, sum, sum_squares)))
    return _summary(tag, message(5, numbers + doubles(6, bucket_limits) + doubles(7, bucket_counts)))


def _grid(images, columns=8):
    """[N, C, H, W] as one picture [C, H rows, W columns]."""
    count, channels, height, width = images.shape
    columns = min(count, columns)
    rows = -(-count // columns)
    canvas = numpy.zeros((channels, height * rows, width * columns), images.dtype)
    for index, picture in enumerate(images):
        y, x = divmod(index, columns)
        canvas[:, y * height : (y + 1) * height, x * width : (x + 1) * width] = picture
    return canvas


def _to_hwc(array, dataformats):
    formats = dataformats.upper()
    if len(set(formats)) != len(formats):
        raise AssertionError(
            f"You can not use the same dimension shorthand twice. input_format: {dataformats}"
        )
    if array.ndim != len(formats):
        raise AssertionError(
            f"size of input tensor and input format are different. tensor shape: {array.shape}, "
            f"input_format: {dataformats}"
        )
    if array.ndim == 4:
        array, formats = _grid(array.transpose([formats.find(c) for c in "NCHW"])), "CHW"
    if array.ndim == 2:
        array, formats = array[None], "C" + formats
    array = array.transpose([formats.find(c) for c in "HWC"])
    return numpy.repeat(array, 3, 2) if array.shape[2] == 1 else array


def png(picture):
    """uint8 [H, W, 3 or 4] as a PNG file."""
    height, width, channels = picture.shape
    # Colour type 2 is RGB, 6 is RGB with alpha; every line starts with its filter, 0 for none.
    lines = numpy.concatenate([numpy.zeros((height, 1), numpy.uint8), picture.reshape(height, -1)], 1)

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, {3: 2, 4: 6}[channels], 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(lines.tobytes()))
        + chunk(b"IEND", b"")
    )


def image(tag, values, dataformats="CHW"):
    """A picture: uint8 of 0 to 255, else numbers from 0 to 1."""
    array = _to_hwc(as_array(values), dataformats)
    if array.shape[2] not in (3, 4):
        raise AssertionError(f"add_image: got {array.shape[2]} channels, expected 1, 3 or 4")
    scale = 1 if array.dtype == numpy.uint8 else 255
    pixels = (array.astype(numpy.float32) * scale).clip(0, 255).astype(numpy.uint8)
    height, width, channels = pixels.shape
    return _summary(
        tag,
        message(4, integer(1, height) + integer(2, width) + integer(3, channels) + message(4, png(pixels))),
    )


def audio(tag, samples, sample_rate=44100):
    """A mono sound, numbers from -1 to 1, as a WAV file of 16 bits."""
    samples = as_array(samples).squeeze()
    if samples.ndim != 1:
        raise AssertionError("input tensor should be 1 dimensional.")
    data = (samples.clip(-1, 1) * 32767).astype("<i2").tobytes()
    # A RIFF of a format chunk (PCM, 1 channel, rate, bytes per second, bytes per sample, bits) and the data.
    form = struct.pack("<HHIIHH", 1, 1, sample_rate, 2 * sample_rate, 2, 16)
    chunks = b"fmt " + struct.pack("<I", len(form)) + form + b"data" + struct.pack("<I", len(data)) + data
    wav = b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks
    content = single(1, sample_rate) + integer(2, 1) + integer(3, len(samples)) + message(4, wav)
    return _summary(tag, message(6, content + message(5, "audio/wav")))


def pr_curve(tag, labels, predictions, num_thresholds=127, weights=None):
    """Counts, precision and recall of two classes at thresholds from 0 to 1: [6, thresholds]."""
    labels, predictions = as_array(labels).reshape(-1), as_array(predictions).reshape(-1)
    if labels.shape != predictions.shape:
        raise ValueError(f"add_pr_curve: got {labels.size} labels and {predictions.size} predictions")
    most = min(num_thresholds, 127)
    weights = numpy.ones(labels.shape) if weights is None else as_array(weights).reshape(-1)
    places = numpy.floor(predictions * (most - 1)).astype(numpy.int32)
    positive = labels.astype(float)

    def above(share):
        counts, _ = numpy.histogram(places, bins=most, range=(0, most - 1), weights=share * weights)
        return counts[::-1].cumsum()[::-1]

    true, false = above(positive), above(1 - positive)
    precision = true / numpy.maximum(1e-7, true + false)
    recall = true / numpy.maximum(1e-7, true[0])
    rows = numpy.stack([true, false, false[0] - false, true[0] - true, precision, recall])
    shape = message(2, message(2, integer(1, 6)) + message(2, integer(1, most)))
    tensor = integer(1, 1) + shape + message(5, rows.astype("<f4").tobytes())
    plugin = message(9, message(1, message(1, "pr_curves") + message(2, integer(2, most))))
    return _summary(tag, message(8, tensor) + plugin)


def tensor(tag, values):
    """Numbers as they are, as float32."""
    values = as_array(values)
    shape = message(2, b"".join(message(2, integer(1, size)) for size in values.shape))
    content = integer(1, 1) + shape + message(4, values.astype("<f4").tobytes())
    return _summary(tag, message(8, content) + _plugin("tensor"))


def rendered(figure):
    """A figure of matplotlib as uint8 [3, H, W]."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    pixels = numpy.asarray(canvas.buffer_rgba())
    return pixels[:, :, :3].transpose(2, 0, 1).copy()
