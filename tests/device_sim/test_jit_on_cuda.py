"""Functions compiled at run time: NVRTC's code on the simulated device, beside the same formulas in NumPy."""

import ctypes
import functools

import numpy as np
import pytest
from conftest import LIBRARIES

import taper
from taper.cuda import jiterator

random = np.random.default_rng(1)
WEIGHTED = "template <typename T> T weighted(T x, T y, T alpha) { return -x + alpha * y; }"
KINDS = "uint8 int8 int16 int32 int64 float32 float64".split()


def on_cuda(x):
    return taper.tensor(x).to("cuda")


@functools.cache
def why_no_compiler():
    """Why NVRTC is not there, in the words of a call; None where it is."""
    try:
        jiterator._create_jit_fn("template <typename T> T same(T x) { return x; }")(on_cuda([1]))
    except taper.DeviceError as error:
        return str(error) if "needs libnvrtc" in str(error) else None
    return None


@pytest.fixture(autouse=True)
def compiler(device):
    if why_no_compiler():
        pytest.skip(why_no_compiler())


def test_values_and_defaults():
    weighted = jiterator._create_jit_fn(WEIGHTED, alpha=1.5)
    x, y = random.standard_normal((2, 700))
    np.testing.assert_allclose(weighted(on_cuda(x), on_cuda(y)).cpu().numpy(), -x + 1.5 * y, rtol=1e-15)
    got = weighted(on_cuda(x), on_cuda(y), alpha=-2)
    np.testing.assert_allclose(got.cpu().numpy(), -x - 2 * y, rtol=1e-15)
    assert got.dtype == taper.float64 and got.device.type == "cuda" and not got.requires_grad
    with pytest.raises(KeyError, match="beta is not declared"):
        weighted(on_cuda(x), on_cuda(y), beta=1)


def test_operands_broadcast_in_any_layout():
    weighted = jiterator._create_jit_fn(WEIGHTED, alpha=1.0)
    x, y = random.standard_normal((5, 1, 7)), random.standard_normal((9, 6, 2))
    got = weighted(on_cuda(x).transpose(0, 2)[1:], on_cuda(y)[::2, :, 1][None].expand(6, 5, 6)[:, :, 1:])
    expected = -x.transpose(2, 1, 0)[1:] + np.broadcast_to(y[::2, :, 1][None], (6, 5, 6))[:, :, 1:]
    assert got.is_contiguous()
    np.testing.assert_allclose(got.cpu().numpy(), expected, rtol=1e-15)
    wide = random.standard_normal((3, 5))
    got = weighted(on_cuda(wide)[:, 1:], on_cuda(wide)[:, :4])  # rows with a gap behind each
    np.testing.assert_allclose(got.cpu().numpy(), wide[:, :4] - wide[:, 1:], rtol=1e-15)
    assert weighted(on_cuda(x)[:0], on_cuda(x)[:0]).shape == (0, 1, 7)
    assert weighted(on_cuda(2.0), on_cuda(3.0)).item() == 1


@pytest.mark.parametrize("one", KINDS)
def test_dtypes_promote(one):
    code = "template <typename T> T product(T x, T y) { return x * y + T(1); }"
    product = jiterator._create_jit_fn(code)
    for other in KINDS:
        x, y = np.arange(-3, 4).astype(one), np.arange(7).astype(other)
        got = product(on_cuda(x), on_cuda(y))
        promoted = (taper.tensor(x) * taper.tensor(y)).dtype
        assert got.dtype == promoted, (one, other)
        expected = taper.tensor(x).to(promoted) * taper.tensor(y).to(promoted) + 1
        assert taper.equal(got.cpu(), expected), (one, other)


def test_plain_tensors_without_dimensions_do_not_widen():
    weighted = jiterator._create_jit_fn(WEIGHTED, alpha=1.0)
    assert weighted(on_cuda([1.5]).float(), on_cuda(2.0).double()).dtype == taper.float32
    assert weighted(on_cuda([1]).int(), on_cuda(2.0).float()).dtype == taper.float32


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16])
def test_16_bit_types_are_computed_in_float32_and_rounded_once(dtype):
    cube = jiterator._create_jit_fn("template <typename T> T cube(T x) { return x * x * x - x; }")
    x = taper.tensor(np.r_[random.standard_normal(500), 1e-7, 300.0, 0.0, np.inf, np.nan]).to(dtype)
    wide = x.float().numpy()
    expected = taper.tensor(wide * wide * wide - wide).to(dtype)
    got = cube(x.to("cuda")).cpu()
    np.testing.assert_allclose(
        got.float().numpy(), expected.float().numpy(), rtol=2**-10 if dtype is taper.float16 else 2**-7
    )


def test_bool_is_a_type_of_its_own():
    implies = jiterator._create_jit_fn("template <typename T> T implies(T x, T y) { return !x || y; }")
    got = implies(on_cuda([True, True, False, False]), on_cuda([True, False, True, False]))
    assert got.dtype == taper.bool and got.tolist() == [True, False, True, True]


def test_the_last_template_is_called_with_functions_of_cuda():
    code = "template <typename T> T helper(T x, T y) { return ::sin(x) + ::cos(y); }"
    code += "\ntemplate <typename T>\nT capped(T x, T y, T most) {\n  return ::min(most, helper(x, y));\n}"
    capped = jiterator._create_jit_fn(code, most=0.25)
    x, y = random.standard_normal((2, 300)).astype(np.float32)
    expected = np.minimum(0.25, np.sin(x.astype(float)) + np.cos(y.astype(float)))
    np.testing.assert_allclose(capped(on_cuda(x), on_cuda(y)).cpu().numpy(), expected, atol=1e-6)


def test_several_results():
    code = "template <typename T> void both(T x, T y, T scale, T& sum, T& product) "
    code += "{ sum = scale * (x + y); product = x * y; }"
    both = jiterator._create_multi_output_jit_fn(code, 2, scale=1)
    x, y = np.arange(6).reshape(3, 2), np.arange(2) + 5
    total, product = both(on_cuda(x), on_cuda(y), scale=3)
    assert total.dtype == taper.int64
    np.testing.assert_array_equal(total.cpu().numpy(), 3 * (x + y))
    np.testing.assert_array_equal(product.cpu().numpy(), x * y)


def test_machine_code_is_made_for_the_device_and_once_for_each_dtype():
    path = LIBRARIES / "libcuda.so.1"
    if not path.exists():
        pytest.skip("the stand-in of the driver is not loaded")
    offered = ctypes.CDLL(str(path)).device_sim_machine_codes
    twice = jiterator._create_jit_fn("template <typename T> T twice(T x) { return x + x; }")
    before = offered()
    for dtype in (taper.float32, taper.int32, taper.float32, taper.int32):
        assert twice(on_cuda([3]).to(dtype)).item() == 6
    assert offered() - before == 2


def complex_numbers(*shape):
    return random.standard_normal(shape) + 1j * random.standard_normal(shape)


@pytest.mark.parametrize("dtype, tolerance", [(np.complex64, 1e-6), (np.complex128, 1e-14)])
def test_complex_numbers_with_values_and_real_operands(dtype, tolerance):
    code = "template <typename T> T f(T x, T y, T alpha) { T z = conj(x) / y; z *= alpha; return z - 2 * x + 1.5f; }"
    f = jiterator._create_jit_fn(code, alpha=1)
    x, y = complex_numbers(2, 300).astype(dtype)
    for alpha in (1, 0.5 - 2j):
        got = f(on_cuda(x), on_cuda(y), alpha=alpha)
        assert got.cpu().numpy().dtype == dtype
        np.testing.assert_allclose(got.cpu().numpy(), alpha * x.conj() / y - 2 * x + 1.5, rtol=50 * tolerance)
    weighted = jiterator._create_jit_fn(WEIGHTED, alpha=2j)
    whole = np.arange(300)
    got = weighted(on_cuda(whole), on_cuda(y).conj_physical()[::3].repeat(3))
    np.testing.assert_allclose(
        got.cpu().numpy(), -whole + 2j * np.tile(y.conj()[::3], 3), rtol=10 * tolerance
    )
    half = weighted(on_cuda(whole[:9]).half(), on_cuda(x[:9]))
    assert half.cpu().numpy().dtype == dtype
    mixed = weighted(on_cuda(x), on_cuda(complex_numbers(300)))
    assert mixed.dtype == taper.complex128


@pytest.mark.parametrize("names", ["exp log log10 sqrt sin", "cos tan sinh cosh tanh"])
def test_functions_of_complex_numbers(names):
    results = "".join(f", T& r{k}" for k in range(5))
    calls = " ".join(f"r{k} = std::{name}(x);" for k, name in enumerate(names.split()))
    function = jiterator._create_multi_output_jit_fn(
        f"template <typename T> void f(T x{results}) {{ {calls} }}", 5
    )
    x = np.r_[complex_numbers(200), [1e-3j, -4, -2j, 25 + 1j, -30 - 2j, 1]]
    for name, got in zip(names.split(), function(on_cuda(x))):
        np.testing.assert_allclose(got.cpu().numpy(), getattr(np, name)(x), rtol=1e-12, atol=1e-14)


def test_parts_powers_and_quotients_of_complex_numbers():
    code = "template <typename T> void f(T x, T y, T& power, T& polar, T& quotient) { power = pow(x, y); "
    code += "polar = std::polar(abs(x), arg(x)) + norm(y) + T(real(x), imag(x)); quotient = x / y; "
    code += "if (x == y || x != x) power = -x; }"
    f = jiterator._create_multi_output_jit_fn(code, 3)
    x, y = complex_numbers(2, 100)
    y[0], x[1], y[2] = x[0], 0, 1e300 * (1 + 1j)
    x[2] = 1e300
    with np.errstate(all="ignore"):
        power, quotient, shifted = x**y, x / y, 2 * x + abs(y) ** 2
    power[0], power[1] = -x[0], 0
    keep = np.arange(100) != 2
    for got, expected in zip(f(on_cuda(x), on_cuda(y)), (power, shifted, quotient)):
        got = got.cpu().numpy()
        np.testing.assert_allclose(got[keep], expected[keep], rtol=1e-11)
    assert abs(got[2] - (0.5 - 0.5j)) < 1e-15


def test_mistakes_are_told():
    with pytest.raises(RuntimeError, match="Couldn't parse"):
        jiterator._create_jit_fn("float f(float x) { return x; }")
    wrong = jiterator._create_jit_fn("template <typename T> T wrong(T x) { return x +; }")
    with pytest.raises(RuntimeError, match="wrong: cannot be compiled(.|\n)*expected an expression"):
        wrong(on_cuda([1.0]))
    right = jiterator._create_jit_fn("template <typename T> T right(T x) { return x; }")
    with pytest.raises(taper.DeviceError, match="runs on CUDA devices only"):
        right(taper.ones(2))
    with pytest.raises(ValueError, match="complex value for inputs of float32"):
        jiterator._create_jit_fn(WEIGHTED, alpha=1j)(on_cuda([1.0]), on_cuda([1.0]))
    with pytest.raises(ValueError, match="takes 1 to 8 tensors, got 9"):
        right(*[on_cuda([1.0])] * 9)
    with pytest.raises(ValueError, match="got 9 outputs"):
        jiterator._create_multi_output_jit_fn("template <typename T> void many(T x) {}", 9)
