"""Switches of other libraries' backends, so that programs that set them run; none of them changes a result
here."""

import sys as _sys
import types as _types

from . import _C

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum", "quantized"]


class _Backend(_types.ModuleType):
    """Importable as taper.backends.NAME; holds whatever a program sets."""

    def __init__(self, name, **values):
        super().__init__(f"{__name__}.{name}", f"Switches of {name}, none of which changes a result.")
        self.__dict__.update(values)
        _sys.modules[self.__name__] = self

    def is_available(self):
        """Whether this backend is part of the build: never."""
        return False

    def is_built(self):
        """Whether this backend is part of the build: never."""
        return False

    def flags(self, *args, **kwargs):
        """A context that changes nothing."""
        return _Flags()


class _Flags:
    def __enter__(self):
        return None

    def __exit__(self, *exception):
        return None


class _Products(_types.SimpleNamespace):
    """Precision switches of matrix products on GPUs."""


cuda = _Backend(
    "cuda",
    matmul=_Products(
        allow_tf32=False,
        allow_fp16_reduced_precision_reduction=True,
        allow_bf16_reduced_precision_reduction=True,
    ),
    enable_flash_sdp=lambda enabled: None,
    enable_math_sdp=lambda enabled: None,
    enable_mem_efficient_sdp=lambda enabled: None,
    enable_cudnn_sdp=lambda enabled: None,
    flash_sdp_enabled=lambda: True,
    math_sdp_enabled=lambda: True,
    mem_efficient_sdp_enabled=lambda: True,
    cudnn_sdp_enabled=lambda: True,
    sdp_kernel=lambda *args, **kwargs: _Flags(),
    is_flash_attention_available=lambda: False,
    can_use_flash_attention=lambda params, debug=False: False,
    can_use_efficient_attention=lambda params, debug=False: False,
    can_use_cudnn_attention=lambda params, debug=False: False,
    preferred_linalg_library=lambda backend=None: "default",
    preferred_blas_library=lambda backend=None: "default",
    cufft_plan_cache=_types.SimpleNamespace(size=0, max_size=0, clear=lambda: None),
)
cudnn = _Backend(
    "cudnn",
    enabled=False,
    benchmark=False,
    benchmark_limit=10,
    deterministic=True,
    allow_tf32=False,
    version=lambda: None,
)
# The instruction set of the kernels in use: AVX512, AVX2, SSE4 or DEFAULT; the variable TAPER_MAX_CPU_ISA bounds it.
cpu = _Backend("cpu", get_cpu_capability=_C._instruction_set)
mps, mkldnn, mkl, nnpack = (
    _Backend("mps"),
    _Backend("mkldnn", enabled=False),
    _Backend("mkl"),
    _Backend("nnpack"),
)
openmp, opt_einsum, quantized = (
    _Backend("openmp"),
    _Backend("opt_einsum"),
    _Backend("quantized", engine="none"),
)
