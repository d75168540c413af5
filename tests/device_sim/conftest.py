"""Puts the simulated device in the place of NVIDIA's libraries before taper looks for a GPU."""

import ctypes
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
LIBRARIES = Path(os.environ.get("DEVICE_SIM_LIBRARIES", ROOT / "build/tests/device_sim/lib"))
sys.path[:0] = [str(ROOT / "tests/python")]


def load():
    """The stand-ins under the names that libtaper_cuda asks for; the runtime among them, or None."""
    found = {}
    for name in ("cudart", "cublas", "cublasLt", "cufft", "cusolver", "cuda"):
        for path in sorted(LIBRARIES.glob(f"lib{name}.so.[0-9]*")):
            found[name] = ctypes.CDLL(str(path), ctypes.RTLD_GLOBAL)
    return found.get("cudart")


RUNTIME = load()
if RUNTIME is not None:
    # Own kernels, unless a test names the stand-in: the real cuDNN has no device here.
    os.environ.setdefault("TAPER_CUDNN_LIBRARY", "none")


class Device:
    """What tests ask of the simulated device."""

    def clear(self):
        if RUNTIME is not None:
            RUNTIME.device_sim_clear()

    def findings(self):
        """What the checks found, a line each; empty where nothing was wrong, and on hardware."""
        if RUNTIME is None:
            return ""
        text = ctypes.create_string_buffer(1 << 16)
        RUNTIME.device_sim_findings(text, ctypes.c_size_t(len(text)))
        return text.value.decode(errors="replace")


@pytest.fixture
def device():
    """A device without findings, which must have none at the end."""
    import taper

    if not taper.cuda.is_available():
        pytest.skip(f"neither a simulated nor a real device: {taper.cuda.why_unavailable()}")
    taper.backends.cudnn.allow_tf32 = False
    simulated = Device()
    simulated.clear()
    yield simulated
    taper.cuda.synchronize()
    assert simulated.findings() == ""
