"""Elementwise kernels on "cuda": there is one for each of the CPU's, in every type, with the CPU's results."""

import ctypes
import re
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT

import taper
from taper import special

# The types in which cpu::Kernel and cuda::ElementwiseEntry have functions, in the order of their members.
TYPES = ["f32", "f64", "i64", "u64", "c128"]


def kernel_names():
    names = set()
    for header in (ROOT / "src/cpu").glob("*.h"):
        for declared in re.findall(r"extern const Kernel ([^;]+);", header.read_text()):
            names.update(re.findall(r"\w+", declared))
    return sorted(names)


def loaded_library(name):
    for line in Path("/proc/self/maps").read_text().splitlines():
        path = line.split()[-1]
        if f"/{name}.so" in path:
            return ctypes.CDLL(path)
    raise AssertionError(f"{name} is not loaded")


def test_every_elementwise_kernel_of_the_cpu_has_one_on_cuda_in_every_type(device):
    taper.zeros(1, device="cuda")
    cpu, cuda = loaded_library("libtaper"), loaded_library("libtaper_cuda")
    find = cuda["_ZN5taper4cuda16find_elementwiseERKNS_3cpu6KernelE"]
    find.restype = ctypes.POINTER(ctypes.c_void_p * len(TYPES))
    missing = []
    names = kernel_names()
    assert len(names) > 150
    for name in names:
        symbol = f"_ZN5taper3cpu7kernels{len(name)}{name}E"
        kernel = (ctypes.c_void_p * (1 + len(TYPES))).in_dll(cpu, symbol)
        entry = find(ctypes.byref(kernel))
        for number, type_name in enumerate(TYPES):
            if kernel[1 + number] and not (entry and entry.contents[number]):
                missing.append(f"{name} {type_name}")
    assert missing == []


def compare(function, *operands, rtol, atol=0.0):
    """The function's results on both devices, NaN where the other has NaN."""
    expected = function(*operands).numpy()
    got = function(*[x.to("cuda") for x in operands]).cpu().numpy()
    assert got.dtype == expected.dtype
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


EDGES = [0.0, -0.0, np.inf, -np.inf, np.nan, 1e-300, -1e-300, 1e300]
SPECIAL = {
    "airy_ai bessel_j0 bessel_j1 bessel_y0 bessel_y1 modified_bessel_i0 modified_bessel_i1 i0e i1e": 25,
    "modified_bessel_k0 modified_bessel_k1 scaled_modified_bessel_k0 scaled_modified_bessel_k1": 25,
    "spherical_bessel_j0 digamma erfcx entr gammaln sinc": 25,
    "ndtri erfinv logit": 1,
}


@pytest.mark.parametrize("name, bound", [(n, b) for names, b in SPECIAL.items() for n in names.split()])
def test_special_functions_have_the_values_of_the_cpu_also_at_the_edges(device, name, bound):
    x = np.concatenate([np.linspace(-bound, bound, 41) + 0.013, EDGES])
    # Zeros of oscillating functions are only as exact as pi.
    compare(getattr(special, name), taper.tensor(x), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize("name", ["gammainc", "gammaincc", "zeta", "xlog1py"])
def test_special_functions_of_two_operands_have_the_values_of_the_cpu(device, name):
    a, b = np.meshgrid(
        [0.0, 0.3, 1.0, 2.5, 11.0, 30.0, np.inf, np.nan, -1.0], [0.0, 0.2, 1.7, 9.0, 31.0, np.inf]
    )
    compare(getattr(special, name), taper.tensor(a), taper.tensor(b), rtol=1e-11)


@pytest.mark.parametrize("order", [1, 2, 5])
def test_polygamma_has_the_values_of_the_cpu(device, order):
    x = taper.tensor([-1.5, 0.0, 0.25, 1.0, 7.5, 40.0, np.nan])
    compare(lambda x: special.polygamma(order, x), x.double(), rtol=1e-11)
    compare(lambda x: special.polygamma(order, x), x.float(), rtol=1e-5)


POLYNOMIALS = [
    *(f"{shift}chebyshev_polynomial_{kind}" for shift in ("", "shifted_") for kind in "tuvw"),
    "hermite_polynomial_h",
    "hermite_polynomial_he",
    "laguerre_polynomial_l",
    "legendre_polynomial_p",
]


@pytest.mark.parametrize("name", POLYNOMIALS)
def test_polynomials_have_the_values_of_the_cpu(device, name):
    x, n = np.meshgrid([-1.0, -0.6, 0.0, 0.3, 1.0, 1.5], [-1.0, 0.0, 1.0, 4.0, 12.0, 2e6])
    compare(getattr(special, name), taper.tensor(x), taper.tensor(n), rtol=1e-10, atol=1e-12)


INTEGERS = [taper.int8, taper.uint8, taper.int16, taper.int32, taper.int64]


@pytest.mark.parametrize("dtype", INTEGERS, ids=str)
def test_integer_functions_have_the_values_of_the_cpu(device, dtype):
    low, high = (0, 255) if dtype == taper.uint8 else (-128, 127)
    x = np.random.default_rng(0).integers(low, high, 37, endpoint=True)
    x[:4] = low, high, 0, 1
    a, b = taper.tensor(x).to(dtype), taper.tensor(x[::-1].copy()).to(dtype)
    for function in (
        taper.gcd,
        taper.lcm,
        taper.bitwise_and,
        taper.bitwise_or,
        taper.bitwise_xor,
        taper.heaviside,
    ):
        compare(function, a, b, rtol=0)
    shifts = taper.tensor(np.arange(37) % 9).to(dtype)
    compare(taper.bitwise_left_shift, a, shifts, rtol=0)
    compare(taper.bitwise_right_shift, a, shifts, rtol=0)
    for function in (taper.bitwise_not, taper.sign, taper.abs, taper.signbit, taper.isposinf, taper.square):
        compare(function, a, rtol=0)
    compare(lambda x: taper.round(x, decimals=-1), a, rtol=0)
    compare(lambda x: taper.clamp(x, -3, 90), a, rtol=0)


def test_bitwise_not_of_bool_is_logical(device):
    compare(taper.bitwise_not, taper.tensor([True, False]), rtol=0)


COMPLEX_FUNCTIONS = [
    "sqrt",
    "rsqrt",
    "exp",
    "exp2",
    "expm1",
    "log",
    "log2",
    "log10",
    "log1p",
    "sin",
    "cos",
    "tan",
    "asin",
    "acos",
    "atan",
    "sinh",
    "cosh",
    "tanh",
    "asinh",
    "acosh",
    "atanh",
    "sinc",
    "sigmoid",
    "sgn",
    "abs",
    "angle",
    "square",
    "reciprocal",
    "isnan",
    "isinf",
    "isfinite",
]


@pytest.mark.parametrize("dtype", [taper.complex64, taper.complex128], ids=str)
@pytest.mark.parametrize("name", COMPLEX_FUNCTIONS)
def test_complex_functions_have_the_values_of_the_cpu(device, name, dtype):
    parts = np.random.default_rng(1).normal(size=(2, 24)) * 1.5
    z = parts[0] + 1j * parts[1]
    z[:4] = 1e-9 + 2e-9j, 1e-9, 3.5, -2.0
    tolerance = 1e-5 if dtype == taper.complex64 else 1e-12
    compare(getattr(taper, name), taper.tensor(z).to(dtype), rtol=tolerance, atol=tolerance)


def test_complex_functions_of_two_operands_have_the_values_of_the_cpu(device):
    generator = np.random.default_rng(2)
    x, y = (taper.tensor(generator.normal(size=13) + 1j * generator.normal(size=13)) for _ in range(2))
    for function in (taper.pow, taper.logaddexp, taper.xlogy, taper.mul, taper.div, taper.isclose):
        compare(function, x, y, rtol=1e-12)
    compare(lambda x: x**2.5, x, rtol=1e-12)
    compare(lambda x: x**2, x, rtol=1e-12)
    compare(lambda x, y: taper.lerp(x, y, 0.25), x, y, rtol=1e-12)
    compare(taper.complex, taper.real(x), taper.real(y), rtol=0)
    compare(taper.polar, taper.real(x).float(), taper.real(y).float(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16, taper.float32], ids=str)
@pytest.mark.parametrize("size", [1, 3, 4, 1025])
def test_dense_floats_go_by_fours_and_rest_singly_for_every_width(device, dtype, size):
    x = taper.tensor(np.linspace(-4, 4, size)).to(dtype)
    y = taper.tensor(np.linspace(1, 2, size)).to(dtype)
    compare(lambda x, y: (x * y + 1).float(), x, y, rtol=0)
    compare(lambda x: taper.relu(x).float(), x, rtol=0)
    # Mixed types, and an output that does not begin at a multiple of four elements.
    compare(lambda x, y: x.float() + y, x, y, rtol=0)
    compare(lambda x, y: (x[1:] * y[:-1]).float(), x, y, rtol=0)
    compare(lambda x: taper.sigmoid(x).float(), x, rtol=1e-2 if dtype != taper.float32 else 1e-6)


def test_integer_numbers_wrap_to_the_dtype_of_the_tensors_and_floats_keep_their_digits(device):
    compare(lambda x: x < -1, taper.tensor([0, 216, 255], dtype=taper.uint8), rtol=0)
    compare(lambda x: (x + 0.1).float(), taper.tensor([1000.0, 0.001]).to(taper.float16), rtol=0)
    compare(lambda x: (x * 0.1).float(), taper.tensor([3.0, 7.0]).to(taper.bfloat16), rtol=0)
    compare(lambda x: x * (0.1 + 0.2j), taper.tensor([1 + 2j]).to(taper.complex64), rtol=1e-7)
