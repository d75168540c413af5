"""Taper: tensors, automatic differentiation and neural networks, with PyTorch's names."""

from __future__ import annotations

import importlib as _importlib
import math as _math

from . import _C
from ._C import (
    AutogradError,
    DeviceError,
    DistributedError,
    DTypeError,
    Error,
    Generator,
    IndexError,
    IOError,
    NotImplementedError,
    OutOfMemoryError,
    ShapeError,
    Size,
    Tensor,
    ValueError,
    __version__,
    default_generator,
    device,
    dtype,
    from_numpy,
    get_default_dtype,
    is_grad_enabled,
    is_inference_mode_enabled,
    promote_types,
)

# The element types, and PyTorch's other names for them.
for _name in (
    "uint8",
    "int8",
    "int16",
    "int32",
    "int64",
    "uint16",
    "uint32",
    "uint64",
    "float16",
    "bfloat16",
    "float32",
    "float64",
    "complex64",
    "complex128",
):
    globals()[_name] = getattr(_C, _name)
bool = getattr(_C, "bool")
half, float, double = _C.float16, _C.float32, _C.float64
short, int, long = _C.int16, _C.int32, _C.int64
cfloat, cdouble = _C.complex64, _C.complex128

pi, e, inf, nan, newaxis = _math.pi, _math.e, _math.inf, _math.nan, None
strided = "strided"
preserve_format, contiguous_format = "preserve", "contiguous"
channels_last, channels_last_3d = "channels_last", "channels_last_3d"

# Every operation comes from the registry of the library.
globals().update(_C._homes["taper"])

from ._grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402
from ._creation import (  # noqa: E402
    as_tensor,
    asarray,
    frombuffer,
    from_dlpack,
    get_rng_state,
    initial_seed,
    is_tensor,
    manual_seed,
    numel,
    seed,
    set_default_dtype,
    set_rng_state,
    tensor,
)
from . import _tensor  # noqa: E402,F401
from ._joined import (  # noqa: E402
    block_diag,
    broadcast_shapes,
    cartesian_prod,
    histogramdd,
    view_copies as _view_copies,
)
from ._native import empty_permuted, native_batch_norm, native_group_norm, native_layer_norm  # noqa: E402
from ._info import finfo, iinfo  # noqa: E402
from ._questions import (  # noqa: E402
    can_cast,
    get_default_device,
    get_deterministic_debug_mode,
    get_float32_matmul_precision,
    get_num_interop_threads,
    is_conj,
    is_deterministic_algorithms_warn_only_enabled,
    is_inference,
    is_neg,
    is_nonzero,
    is_same_size,
    is_signed,
    is_storage,
    is_warn_always_enabled,
    result_type,
    set_default_device,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_warn_always,
    typename,
)
from . import _matrix as _matrix_functions  # noqa: E402
from ._printing import set_printoptions  # noqa: E402

from ._aliases import functions as _aliased  # noqa: E402

globals().update(_view_copies)
globals().update(_aliased)

# Annotations and isinstance checks of PyTorch programs use these.
FloatTensor = DoubleTensor = HalfTensor = LongTensor = IntTensor = BoolTensor = ByteTensor = Tensor
CharTensor = ShortTensor = BFloat16Tensor = Tensor

globals().update({_name: getattr(_matrix_functions, _name) for _name in _matrix_functions.__all__})

from . import autograd, nn, optim  # noqa: E402
from .nn.functional import (  # noqa: E402
    alpha_dropout,
    bilinear,
    channel_shuffle,
    cosine_similarity,
    feature_alpha_dropout,
    pairwise_distance,
    pixel_shuffle,
    pixel_unshuffle,
    rrelu,
)
from .nn._sampling import grid_sampler  # noqa: E402

grid_sampler_2d = grid_sampler_3d = grid_sampler
from .amp import autocast  # noqa: E402
from ._C import (  # noqa: E402
    autocast_decrement_nesting,
    autocast_increment_nesting,
    clear_autocast_cache,
    get_autocast_dtype,
    is_autocast_cache_enabled,
    is_autocast_enabled,
    set_autocast_cache_enabled,
    set_autocast_dtype,
    set_autocast_enabled,
)

_LAZY = (
    "accelerator",
    "backends",
    "cpu",
    "cuda",
    "distributed",
    "distributions",
    "fft",
    "func",
    "futures",
    "jit",
    "linalg",
    "masked",
    "multiprocessing",
    "random",
    "return_types",
    "safetensors",
    "serialization",
    "signal",
    "special",
    "testing",
    "utils",
    "version",
)


def __getattr__(name):
    if name in ("load", "save"):
        return getattr(_importlib.import_module(".serialization", __name__), name)
    if name == "vmap":
        return _importlib.import_module(".func", __name__).vmap
    if name in _LAZY:
        try:
            return _importlib.import_module("." + name, __name__)
        except ModuleNotFoundError as error:
            if error.name != f"{__name__}.{name}":
                raise
    raise AttributeError(f"module 'taper' has no attribute '{name}'")


def is_floating_point(input):
    """Whether the elements are real floats."""
    return input.is_floating_point()


def is_complex(input):
    """Whether the elements are complex."""
    return input.is_complex()


def is_autocast_cpu_enabled():
    """Whether autocast is on for the processor."""
    return is_autocast_enabled("cpu")


def get_autocast_cpu_dtype():
    """The dtype of autocast for the processor."""
    return get_autocast_dtype("cpu")


def get_autocast_gpu_dtype():
    """The dtype of autocast for GPUs."""
    return get_autocast_dtype("cuda")


def set_num_threads(count):
    """Threads that kernels may use."""
    _C.set_num_threads(count)


def get_num_threads():
    """Threads that kernels may use."""
    return _C.get_num_threads()


def use_deterministic_algorithms(mode, *, warn_only=False):
    """Accepted for PyTorch's sake: results are always deterministic."""


def are_deterministic_algorithms_enabled():
    """Always: results do not depend on threads or runs."""
    return True


def einsum(equation, *operands):
    """Sums of products by Einstein's convention. Operands may be given as one list."""
    if len(operands) == 1 and isinstance(operands[0], (list, tuple)):
        operands = operands[0]
    return _importlib.import_module("._einsum", __name__).einsum(equation, *operands)


def broadcast_tensors(*tensors):
    """Tensors expanded to their common shape. They may be given as one list."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    return _C._homes["taper"]["broadcast_tensors"](list(tensors))


def meshgrid(*tensors, indexing="ij"):
    """Coordinate grids of 1-d tensors. They may be given as one list."""
    if len(tensors) == 1 and isinstance(tensors[0], (list, tuple)):
        tensors = tensors[0]
    return _C._homes["taper"]["meshgrid"](list(tensors), indexing)
