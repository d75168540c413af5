"""Elementwise functions of float32: within two units in the last place of the correctly rounded result."""

import numpy as np
import pytest
import scipy.special as sp

import taper
import taper.nn.functional as F


def sigmoid(x):
    return np.where(
        x < 0, np.exp(np.minimum(x, 0)) / (1 + np.exp(np.minimum(x, 0))), 1 / (1 + np.exp(-np.maximum(x, 0)))
    )


def softplus(x):
    return np.where(x > 0, x + np.log1p(np.exp(-np.abs(x))), np.log1p(np.exp(np.minimum(x, 0))))


FUNCTIONS = {
    "exp": np.exp,
    "exp2": np.exp2,
    "expm1": np.expm1,
    "log": np.log,
    "log2": np.log2,
    "log10": np.log10,
    "log1p": np.log1p,
    "sin": np.sin,
    "cos": np.cos,
    "tan": np.tan,
    "asin": np.arcsin,
    "acos": np.arccos,
    "atan": np.arctan,
    "sinh": np.sinh,
    "cosh": np.cosh,
    "tanh": np.tanh,
    "asinh": np.arcsinh,
    "acosh": np.arccosh,
    "atanh": np.arctanh,
    "sqrt": np.sqrt,
    "rsqrt": lambda x: 1 / np.sqrt(x),
    "reciprocal": lambda x: 1 / x,
    "square": np.square,
    "deg2rad": np.deg2rad,
    "rad2deg": np.rad2deg,
    "sigmoid": sigmoid,
    "erf": sp.erf,
    "erfc": sp.erfc,
    "erfinv": sp.erfinv,
    "special.ndtr": sp.ndtr,
    "special.log_ndtr": sp.log_ndtr,
    "special.expit": sigmoid,
    "special.i0e": sp.i0e,
    "special.i1e": sp.i1e,
    "special.exp2": np.exp2,
    "F.silu": lambda x: np.where(x == -np.inf, 0, x * sigmoid(x)),
    "F.softsign": lambda x: x / (1 + np.abs(x)),
    "F.logsigmoid": lambda x: -softplus(-x),
    "F.elu": lambda x: np.where(x > 0, x, np.expm1(np.minimum(x, 0))),
    "F.relu": lambda x: np.maximum(x, 0),
    "floor": np.floor,
    "ceil": np.ceil,
    "trunc": np.trunc,
    "round": np.round,
    "frac": lambda x: x - np.trunc(x),
    "abs": np.abs,
    "neg": np.negative,
    "sign": np.sign,
}
# Bounds in units of the last place that are not 2.
LOOSER = {}


def arguments():
    """Float32 numbers of every magnitude, also subnormal ones, and the edges of the functions' ranges."""
    rng = np.random.default_rng(0)
    patterns = rng.integers(0, 2**32, 40_000, dtype=np.uint32).view(np.float32)
    subnormal = rng.integers(0, 2**23, 5_000, dtype=np.uint32).view(np.float32)
    spreads = [rng.normal(0, s, 5_000) for s in (1e-3, 0.1, 1, 3, 10, 50, 1000, 1e6, 1e30)]
    near = [
        c + rng.normal(0, 1e-3, 2_000) for c in (-1, 1, 0.5, 88.7, -87.3, -103.9, np.pi / 2, np.pi, 128, -149)
    ]
    multiples = np.arange(-4_000, 4_000) * (np.pi / 4)
    huge = [1e5, 1e10, 1e22, 16367173.0 * 2**72, 3e38, -2.5e33, 1e38]
    special = [
        0.0,
        -0.0,
        1.0,
        -1.0,
        np.inf,
        -np.inf,
        np.nan,
        2**-149,
        -(2**-149),
        2**-126,
        np.finfo(np.float32).max,
    ]
    parts = [
        patterns,
        subnormal,
        -subnormal,
        *spreads,
        *near,
        multiples,
        np.linspace(-1, 1, 4_001),
        huge,
        special,
    ]
    with np.errstate(over="ignore"):
        return np.concatenate([np.asarray(p).astype(np.float32) for p in parts])


ARGUMENTS = arguments()


def distance(got, exact):
    """|got - exact| in units of the last place of float32 at exact, the least subnormal's unit below."""
    with np.errstate(all="ignore"):
        rounded = exact.astype(np.float32)
        exponent = np.frexp(np.minimum(np.abs(exact), 3.4e38))[1]
        unit = np.ldexp(1.0, np.maximum(exponent - 24, -149))
        error = np.abs(got.astype(np.float64) - exact) / unit
    same = (got == rounded) | (np.isnan(got) & np.isnan(rounded))
    return np.where(same, 0, np.where(np.isnan(got) | np.isnan(rounded), np.inf, error))


def function_of(name):
    home = {"F": F, "special": taper.special}.get(name.split(".")[0], taper)
    return getattr(home, name.split(".")[-1])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_float32(name):
    with np.errstate(all="ignore"):
        exact = FUNCTIONS[name](ARGUMENTS.astype(np.float64))
    got = function_of(name)(taper.tensor(ARGUMENTS)).numpy()
    errors = distance(got, exact)
    worst = int(np.argmax(errors))
    assert errors[worst] <= LOOSER.get(name, 2), (
        f"{errors[worst]:.2f} units at {ARGUMENTS[worst]!r}: got {got[worst]!r}, exactly {exact[worst]!r}; "
        f"{(errors > 2).sum()} arguments beyond 2"
    )


@pytest.mark.parametrize("name", ["sin", "cos", "exp", "tanh", "erf", "log1p"])
def test_short_and_strided_tensors_get_the_same_bits(name):
    x, function = taper.tensor(ARGUMENTS[:4_099]), function_of(name)
    whole = function(x).numpy()
    for step in (2, 3, 7):
        np.testing.assert_array_equal(function(x[::step]).numpy(), whole[::step])
    for start in range(1, 40, 3):
        np.testing.assert_array_equal(function(x[start : start + 5]).numpy(), whole[start : start + 5])


@pytest.mark.parametrize(
    "name, reference", [("pow", np.power), ("atan2", np.arctan2), ("hypot", np.hypot), ("div", np.divide)]
)
def test_two_operands(name, reference):
    rng = np.random.default_rng(1)
    a = np.concatenate([ARGUMENTS, np.abs(rng.normal(0, 2, 40_000)).astype(np.float32)])
    b = np.concatenate([rng.permutation(ARGUMENTS), rng.normal(0, 5, 40_000).astype(np.float32)])
    with np.errstate(all="ignore"):
        exact = reference(a.astype(np.float64), b.astype(np.float64))
    got = getattr(taper, name)(taper.tensor(a), taper.tensor(b)).numpy()
    errors = distance(got, exact)
    worst = int(np.argmax(errors))
    assert errors[worst] <= 2, (
        f"{errors[worst]:.2f} units at {a[worst]!r}, {b[worst]!r}: got {got[worst]!r}, exactly {exact[worst]!r}; "
        f"{(errors > 2).sum()} arguments beyond 2"
    )
