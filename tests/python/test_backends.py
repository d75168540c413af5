"""Settings of exactness on GPUs: they can be set, asked and left again on any machine."""

import pytest

import taper


@pytest.fixture(autouse=True)
def settings_as_before():
    yield
    taper.set_float32_matmul_precision("highest")
    taper.use_deterministic_algorithms(False)
    taper.backends.cudnn.set_flags(
        enabled=True, benchmark=False, benchmark_limit=10, deterministic=False, allow_tf32=True
    )


def test_defaults_are_those_of_pytorch():
    matmul, cudnn = taper.backends.cuda.matmul, taper.backends.cudnn
    assert taper.get_float32_matmul_precision() == "highest" and not matmul.allow_tf32
    assert matmul.allow_fp16_reduced_precision_reduction and matmul.allow_bf16_reduced_precision_reduction
    flags = (cudnn.enabled, cudnn.allow_tf32, cudnn.benchmark, cudnn.benchmark_limit, cudnn.deterministic)
    assert flags == (True, True, False, 10, False)
    assert not taper.are_deterministic_algorithms_enabled()


def test_one_setting_has_three_names():
    matmul = taper.backends.cuda.matmul
    taper.set_float32_matmul_precision("medium")
    assert matmul.allow_tf32 and matmul.fp32_precision == "tf32"
    matmul.fp32_precision = "ieee"
    assert not matmul.allow_tf32 and taper.get_float32_matmul_precision() == "highest"
    matmul.allow_tf32 = True
    assert taper.get_float32_matmul_precision() == "high"
    with pytest.raises(RuntimeError, match="low is not one of"):
        taper.set_float32_matmul_precision("low")
    with pytest.raises(AttributeError, match="Unknown attribute alow_tf32"):
        matmul.alow_tf32 = True


def test_flags_count_inside_their_context():
    cudnn = taper.backends.cudnn
    with cudnn.flags(enabled=True, benchmark=True, deterministic=True, allow_tf32=False):
        assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (
            True,
            True,
            True,
            False,
        )
        assert cudnn.conv.fp32_precision == "ieee"
    assert (cudnn.enabled, cudnn.benchmark, cudnn.deterministic, cudnn.allow_tf32) == (
        True,
        False,
        False,
        True,
    )


def test_deterministic_algorithms_by_each_name():
    taper.use_deterministic_algorithms(True, warn_only=True)
    assert taper.are_deterministic_algorithms_enabled()
    assert taper.is_deterministic_algorithms_warn_only_enabled() and taper.get_deterministic_debug_mode() == 1
    taper.set_deterministic_debug_mode("error")
    assert taper.get_deterministic_debug_mode() == 2
    assert not taper.is_deterministic_algorithms_warn_only_enabled()
    taper.set_deterministic_debug_mode(0)
    assert not taper.are_deterministic_algorithms_enabled()
    with pytest.raises(RuntimeError, match="invalid value of debug_mode"):
        taper.set_deterministic_debug_mode(3)


@pytest.mark.skipif(taper.cuda.is_available(), reason="there is a CUDA device")
def test_without_a_device_there_is_no_cudnn_and_no_jit():
    assert taper.backends.cudnn.version() is None and not taper.backends.cudnn.is_available()
    twice = taper.cuda.jiterator._create_jit_fn("template <typename T> T twice(T x) { return x + x; }")
    with pytest.raises(taper.DeviceError, match="twice: runs on CUDA devices only, got an input of shape"):
        twice(taper.ones(2))


def test_addmm_of_a_row_is_a_product_and_a_sum():
    taper.manual_seed(0)
    x, a, b = (taper.randn(*s, dtype=taper.float64, requires_grad=True) for s in ((4,), (3, 5), (5, 4)))
    y, expected = taper.addmm(x, a, b), x + a @ b
    assert taper.allclose(y, expected)
    weights = taper.randn(3, 4, dtype=taper.float64)
    for one, other in zip(
        taper.autograd.grad(y, (x, a, b), weights),
        taper.autograd.grad(expected, (x, a, b), weights),
        strict=True,
    ):
        assert taper.allclose(one, other)


def test_kernels_of_attention_are_enabled_inside_a_context():
    from taper.nn.attention import SDPBackend, sdpa_kernel

    cuda = taper.backends.cuda

    def enabled():
        return (
            cuda.flash_sdp_enabled(),
            cuda.mem_efficient_sdp_enabled(),
            cuda.math_sdp_enabled(),
            cuda.cudnn_sdp_enabled(),
        )

    assert enabled() == (True, True, True, True)
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.CUDNN_ATTENTION]):
        assert enabled() == (False, False, True, True)
        with cuda.sdp_kernel(enable_math=False):
            assert enabled() == (True, True, False, True)
        assert enabled() == (False, False, True, True)
    with pytest.raises(ValueError, match="inside"), sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        assert enabled() == (True, False, False, False)
        raise ValueError("inside")
    assert enabled() == (True, True, True, True)
    cuda.enable_cudnn_sdp(False)
    assert enabled() == (True, True, True, False)
    cuda.enable_cudnn_sdp(True)
