"""Switches of the libraries under operations. cuda.matmul and cudnn say how exact and how repeatable products
and convolutions on GPUs are, cuda.enable_cudnn_sdp whether cuDNN computes attention; the others are accepted
so that programs that set them run, and change nothing here."""

import contextlib as _contextlib
import sys as _sys
import types as _types

from . import _C

_settings = _C._backends

__all__ = ["cpu", "cuda", "cudnn", "mkl", "mkldnn", "mps", "nnpack", "openmp", "opt_einsum", "quantized"]


class _Backend(_types.ModuleType):
    """Importable as taper.backends.NAME; holds whatever a program sets."""

    def __init__(self, name, **values):
        super().__init__(f"{__name__}.{name}", type(self).__doc__)
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


def _setting(name, doc):
    """A property that is a setting of the process."""
    return property(
        lambda self: getattr(_settings, name), lambda self, v: setattr(_settings, name, v), doc=doc
    )


class _Products:
    """Precision of matrix products on GPUs."""

    allow_fp16_reduced_precision_reduction = _setting(
        "allow_fp16_reduced_precision_reduction", "Whether sums of parts may be rounded to float16."
    )
    allow_bf16_reduced_precision_reduction = _setting(
        "allow_bf16_reduced_precision_reduction", "Whether sums of parts may be rounded to bfloat16."
    )

    @property
    def allow_tf32(self):
        """Whether products of float32 may be computed in TF32: float32_matmul_precision by another name."""
        return _settings.float32_matmul_precision != _C._Float32Precision.highest

    @allow_tf32.setter
    def allow_tf32(self, allowed):
        precision = _C._Float32Precision
        _settings.float32_matmul_precision = precision.high if allowed else precision.highest

    @property
    def fp32_precision(self):
        """allow_tf32 as a word: 'tf32' or 'ieee'."""
        return "tf32" if self.allow_tf32 else "ieee"

    @fp32_precision.setter
    def fp32_precision(self, precision):
        self.allow_tf32 = _is_tf32(precision)

    def __setattr__(self, name, value):
        if not hasattr(type(self), name):
            raise AttributeError(f"Unknown attribute {name}")
        object.__setattr__(self, name, value)


def _is_tf32(precision):
    if precision not in ("tf32", "ieee", "none"):
        raise RuntimeError(f"fp32_precision: got {precision!r}, expected 'ieee', 'tf32' or 'none'")
    return precision == "tf32"


class _Convolutions:
    """Precision of convolutions by cuDNN."""

    @property
    def fp32_precision(self):
        """cudnn.allow_tf32 as a word: 'tf32' or 'ieee'."""
        return "tf32" if _settings.cudnn_allow_tf32 else "ieee"

    @fp32_precision.setter
    def fp32_precision(self, precision):
        _settings.cudnn_allow_tf32 = _is_tf32(precision)


class _Cudnn(_Backend):
    """Which of cuDNN's engines are used on GPUs."""

    enabled = _setting("cudnn_enabled", "Whether cuDNN is used; else Taper's own kernels are.")
    allow_tf32 = _setting(
        "cudnn_allow_tf32", "Whether convolutions and recurrent layers of float32 may be computed in TF32."
    )
    benchmark = _setting("cudnn_benchmark", "Whether engines are timed when a geometry is first met.")
    benchmark_limit = _setting("cudnn_benchmark_limit", "How many engines are timed; 0 is all.")
    deterministic = _setting("cudnn_deterministic", "Whether results must be the same bits every time.")
    conv = _Convolutions()

    def version(self):
        """Of the library, as 91900 for 9.19.0; None where there is none, or no GPU."""
        return _C._cudnn_version() or None

    def is_available(self):
        """Whether cuDNN can be opened and there is a GPU."""
        return _C._cudnn_version() != 0

    is_built = is_available

    def is_acceptable(self, tensor):
        """Whether a tensor is one that cuDNN may be given."""
        return self.enabled and self.is_available() and tensor.is_cuda and tensor.is_floating_point()

    def set_flags(self, **values):
        """Sets the named ones of enabled, benchmark, benchmark_limit, deterministic and allow_tf32, but for
        None; their values before, by name."""
        before = {name: getattr(self, name) for name in values}
        for name, value in values.items():
            if value is not None:
                setattr(self, name, value)
        return before

    @_contextlib.contextmanager
    def flags(self, enabled=False, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True):
        """A context in which the flags have these values."""
        before = self.set_flags(
            enabled=enabled,
            benchmark=benchmark,
            benchmark_limit=benchmark_limit,
            deterministic=deterministic,
            allow_tf32=allow_tf32,
        )
        try:
            yield
        finally:
            self.set_flags(**before)


def _attention_switches():
    """enable_*_sdp and *_sdp_enabled of the kernels of attention. cuDNN's is used where it may be and suits;
    Taper's own stands for the others, whose switches only keep what they are set to."""
    own = dict.fromkeys(("flash", "mem_efficient", "math"), True)
    functions = {
        "enable_cudnn_sdp": lambda enabled: setattr(_settings, "cudnn_attention", bool(enabled)),
        "cudnn_sdp_enabled": lambda: _settings.cudnn_attention,
    }
    for name in list(own):
        functions[f"enable_{name}_sdp"] = lambda enabled, name=name: own.update({name: bool(enabled)})
        functions[f"{name}_sdp_enabled"] = lambda name=name: own[name]
    return functions


@_contextlib.contextmanager
def _sdp_kernel(enable_flash=True, enable_math=True, enable_mem_efficient=True, enable_cudnn=True):
    """A context in which these kernels of attention are enabled."""
    chosen = {
        "flash": enable_flash,
        "math": enable_math,
        "mem_efficient": enable_mem_efficient,
        "cudnn": enable_cudnn,
    }
    before = {name: getattr(cuda, f"{name}_sdp_enabled")() for name in chosen}
    try:
        for name, enabled in chosen.items():
            getattr(cuda, f"enable_{name}_sdp")(enabled)
        yield {}
    finally:
        for name, enabled in before.items():
            getattr(cuda, f"enable_{name}_sdp")(enabled)


cuda = _Backend(
    "cuda",
    matmul=_Products(),
    **_attention_switches(),
    sdp_kernel=_sdp_kernel,
    is_flash_attention_available=lambda: False,
    can_use_flash_attention=lambda params, debug=False: False,
    can_use_efficient_attention=lambda params, debug=False: False,
    can_use_cudnn_attention=lambda params, debug=False: False,
    preferred_linalg_library=lambda backend=None: "default",
    preferred_blas_library=lambda backend=None: "default",
    cufft_plan_cache=_types.SimpleNamespace(size=0, max_size=0, clear=lambda: None),
)
cuda.is_built = lambda: "this build has no CUDA support" not in _C._cuda_why_unavailable()
cudnn = _Cudnn("cudnn")
# The instruction set of the kernels in use: AVX512, AVX2, SSE4 or DEFAULT; the variable TAPER_MAX_CPU_ISA
# bounds it.
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
