"""Taper: tensors, automatic differentiation and neural networks, with PyTorch's names."""

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
    # Of these there are names only: no tensor has one.
    "float8_e4m3fn",
    "float8_e4m3fnuz",
    "float8_e5m2",
    "float8_e5m2fnuz",
    "float8_e8m0fnu",
    "float4_e2m1fn_x2",
    "complex32",
    "qint8",
    "quint8",
    "qint32",
    "quint4x2",
    "quint2x4",
):
    globals()[_name] = getattr(_C, _name)
bool = _C.bool
half, float, double = _C.float16, _C.float32, _C.float64
short, int, long = _C.int16, _C.int32, _C.int64
chalf, cfloat, cdouble = _C.complex32, _C.complex64, _C.complex128

pi, e, inf, nan, newaxis = _math.pi, _math.e, _math.inf, _math.nan, None
strided = "strided"
preserve_format, contiguous_format = "preserve", "contiguous"
legacy_contiguous_format = contiguous_format
channels_last, channels_last_3d = "channels_last", "channels_last_3d"

# Every operation comes from the registry of the library.
globals().update(_C._homes["taper"])

from . import _extension_names, _tensor, autograd, nn, optim  # noqa: E402
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
from ._creation import (  # noqa: E402
    as_tensor,
    asarray,
    from_dlpack,
    frombuffer,
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
from ._grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled  # noqa: E402
from ._late import late as _late  # noqa: E402

_HOMES = {
    "_aliases": """abs_ acos_ acosh_ addmv_ arccos_ arccosh_ arcsin_ arcsinh_ arctan_ arctanh_ asin_ asinh_
    atan_
        atanh_ ceil_ celu clamp_ clamp_max_ clamp_min_ clip_ cos_ cosh_ deg2rad_ detach detach_ erf_ erfc_
        exp2_ exp_ expm1_ fill_ fix_ floor_ frac_ gcd_ ger get_device greater greater_equal grid_sampler_2d
        grid_sampler_3d hardshrink i0_ index_put_
        lcm_ ldexp_ less less_equal log10_ log1p_ log2_ log_ logit_ nan_to_num_ neg_ negative_ not_equal
        rad2deg_ reciprocal_ relu_ resize_as_ round_ row_stack rsqrt_ selu_ sigmoid_ sin_ sinc_ sinh_ sqrt_
        square_ tan_ tanh_ threshold trunc_ unsafe_split_with_sizes xlogy_ zero_""",
    "_copying": "UntypedStorage",
    "_checks": """_assert_async _check _check_index _check_is_size _check_not_implemented _check_type
        _check_value""",
    "_info": "finfo iinfo",
    "_joined": """alias_copy as_strided_copy atleast_1d atleast_2d atleast_3d block_diag broadcast_shapes
        cartesian_prod diagonal_copy expand_copy histogramdd narrow_copy permute_copy select_copy slice_copy
        split_copy
        split_with_sizes_copy squeeze_copy t_copy transpose_copy unbind_copy unfold_copy unsqueeze_copy
        view_as_complex_copy view_as_real_copy view_copy""",
    "_layers": """alpha_dropout_ batch_norm binary_cross_entropy_with_logits conv_tbc cosine_embedding_loss
        ctc_loss dropout_ embedding embedding_renorm_ feature_alpha_dropout_ feature_dropout feature_dropout_
        gru_cell hinge_embedding_loss instance_norm kl_div lstm_cell margin_ranking_loss poisson_nll_loss
        rnn_relu_cell rnn_tanh_cell rrelu_ triplet_margin_loss""",
    "_native": """empty_permuted native_batch_norm native_dropout native_dropout_backward native_group_norm
        native_layer_norm""",
    "_old_names": """SymBool SymFloat SymInt _assert compiled_with_cxx11_abi cond conj_physical_ detach_copy
        has_cuda has_lapack has_mkl
        has_mkldnn has_mps has_openmp has_spectral is_anomaly_check_nan_enabled is_anomaly_enabled layout
        memory_format range set_anomaly_enabled set_autocast_cpu_dtype set_autocast_cpu_enabled
        set_autocast_gpu_dtype set_default_tensor_type sym_float sym_int sym_ite sym_max sym_min sym_not
        sym_sum
        while_loop""",
    "_ops": "ops",
    "_printing": "set_printoptions",
    "_questions": """are_deterministic_algorithms_enabled can_cast get_default_device get_device_module
        get_deterministic_debug_mode get_float32_matmul_precision get_num_interop_threads hash_tensor is_conj
        is_deterministic_algorithms_warn_only_enabled
        is_inference is_neg is_nonzero is_same_size is_signed is_storage is_warn_always_enabled result_type
        set_default_device set_deterministic_debug_mode set_float32_matmul_precision set_flush_denormal
        set_num_interop_threads set_warn_always typename use_deterministic_algorithms""",
    "_segments": "segment_reduce",
    "_types": """BFloat16Tensor BoolTensor ByteTensor CharTensor DoubleTensor FloatTensor HalfTensor IntTensor
        LongTensor ShortTensor""",
    "amp": "GradScaler autocast",
    "distributions.gamma": "_sample_dirichlet",
    "cuda": "Event Stream",
    "compiler": "compile",
    "distributions.counts": "binomial poisson",
    "func": "vmap",
    "futures": "Future",
    "jit": "ScriptFunction ScriptModule",
    "nn.functional": """alpha_dropout celu_ embedding_bag feature_alpha_dropout max_pool1d_with_indices
        threshold_""",
    "serialization": "PyTorchFileReader load save",
    "utils.dlpack": "to_dlpack",
}
_LAZY = """__config__ _dynamo _inductor accelerator amp backends compiler cpu cuda distributed distributions
    fft func futures fx hub jit library linalg
    masked mps multiprocessing onnx overrides profiler random safetensors serialization signal
    special storage testing types utils version xpu"""
_look_up, _names = _late(__name__, _HOMES, _LAZY)


def __getattr__(name):
    if name == "__all__":  # from taper import *
        return [name for name in __dir__() if not name.startswith("_")]
    try:
        return _look_up(name)
    except AttributeError:
        if name.startswith("_foreach_"):
            globals()[name] = _importlib.import_module("._foreach", __name__).function(name)
            return globals()[name]
        # PyTorch's matrix functions, of which most programs use none.
        if not name.startswith("_") and name in _importlib.import_module("._matrix", __name__).__all__:
            globals()[name] = getattr(_importlib.import_module("._matrix", __name__), name)
            return globals()[name]
        raise


def __dir__():
    return sorted({*_names(), *_importlib.import_module("._matrix", __name__).__all__})


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


def einsum(equation, *operands):
    """Sums of products by Einstein's convention. Operands may be given as one list."""
    if isinstance(equation, str) and len(operands) == 1 and isinstance(operands[0], (list, tuple)):
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
