"""What users may write for a CUDA device, as its number."""

from .._creation import _device


def _index(device):
    """-1 for the current device, which None and "cuda" stand for. Throws ValueError for devices of another
    kind."""
    if device is None:
        return -1
    device = _device(device)
    if device.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return -1 if device.index is None else device.index
