"""Hooks that send gradients as 8-bit numbers, each row of them with a scale and a zero of its own."""

import taper
from taper.distributed.job import _resolve
from taper.futures import Future

_SMALLEST_SCALE = 2.0**-23


def _quantized(rows):
    """(rows as uint8, the scale of each and the level that means 0). 0 is among what can be expressed."""
    low, high = rows.amin(1).clamp(max=0), rows.amax(1).clamp(min=0)
    scale = ((high - low) / 255).clamp(min=_SMALLEST_SCALE)
    zero = (-(low / scale).round()).clamp(0, 255)
    levels = ((rows / scale[:, None]).round() + zero[:, None]).clamp(0, 255)
    return levels.to(taper.uint8), taper.stack([scale, zero])


def _average(process_group, bucket, width):
    group, buffer = _resolve(process_group), bucket.buffer()
    count, size = -(-buffer.numel() // width), group.size()
    rows = buffer.new_zeros(count * width)
    rows[: buffer.numel()] = buffer
    levels, scales = _quantized(rows.reshape(count, width))
    all_levels, all_scales = levels.new_empty((size, count, width)), scales.new_empty((size, 2, count))
    works = [
        group._all_gather_into_tensor(all_scales, scales, True),
        group._all_gather_into_tensor(all_levels, levels, True),
    ]

    def average():
        for work in works:
            work.wait()
        scale, zero = all_scales[:, 0, :, None], all_scales[:, 1, :, None]
        total = ((all_levels.to(buffer.dtype) - zero) * scale).sum(0)
        return buffer.copy_(total.flatten()[: buffer.numel()] / size)

    return Future._of(average, lambda: all(work.is_completed() for work in works))


def quantization_pertensor_hook(process_group, bucket):
    """One scale for the whole bucket."""
    return _average(process_group, bucket, bucket.buffer().numel())


def quantization_perchannel_hook(process_group, bucket, bucket_size=512):
    """One scale for every bucket_size gradients."""
    return _average(process_group, bucket, bucket_size)
