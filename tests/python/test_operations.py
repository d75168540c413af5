# Every operation of the registry: values against NumPy, gradients to second order, other layouts, refusals.
import re

import numpy as np
import pytest
import references
import samples
import scipy as sp
import scipy.special

import taper

ENTRIES = taper._C._registry()

# What fails today, by test and case; strict, so that a repaired operation must leave the list.
known_gaps = {
    (
        "gradients",
        "embedding(i(2, 3, hi=5), x(5, 2), 1)@nn.functional",
    ): "padding_idx leaves its row without gradient",
    ("gradients", "masked_fill(x(2, 3), b(2, 1), -np.inf)@taper"): "differences of infinities are NaN",
}

# Random, uninitialised or written in place: tested by hand.
WITHOUT_SAMPLES = set(
    """
    eig eigh eigvals svd
    add_ bernoulli bernoulli_ broadcast_tensors cauchy_ copy_ div_ empty empty_like empty_strided exponential_
    as_strided_ fill_ float_power_ geometric_ log_normal_ meshgrid mul_ multinomial normal normal_ rand rand_like randint randint_like randn randn_like
    random_ randperm resize_ resize_as_ squeeze_ sub_ swapaxes_ swapdims_ t_ transpose_ uniform_ unsqueeze_ zero_
""".split()
)

# Looser bounds of float64, for functions computed by iteration or series.
TOLERANCES = {"erfinv": 1e-9, "lgamma": 1e-9, "digamma": 1e-9}


def name_of(entry):
    return entry["signature"].split("(")[0]


def cases(test, key="samples", wanted=lambda entry: True):
    """pytest parameters (entry, text) of one test, failing ones marked."""
    found = []
    for number, entry in enumerate(ENTRIES):
        if not wanted(entry):
            continue
        for text in samples.split(entry[key]):
            case = f"{name_of(entry)}({text})@{entry['homes'].split()[0]}"
            reason = known_gaps.get((test, case))
            marks = [pytest.mark.xfail(reason=reason, strict=True)] if reason else []
            found.append(pytest.param(entry, text, id=f"{number}-{case}", marks=marks))
    return found


def callables(entry):
    name = name_of(entry)
    for home in entry["homes"].split():
        yield getattr(taper.Tensor, name) if home == "Tensor" else taper._C._homes[home][name]


def change(value, function):
    """value with function applied to each tensor in it."""
    if isinstance(value, taper.Tensor):
        return function(value)
    if isinstance(value, (list, tuple)):
        return type(value)(change(item, function) for item in value)
    if isinstance(value, dict):
        return {key: change(item, function) for key, item in value.items()}
    return value


def tensors(value):
    found = []
    change(value, lambda x: (found.append(x), x)[1])
    return found


def array(x):
    return np.array(x.detach().numpy())


def plain(x):
    """As a leaf without history that keeps its layout."""
    return x.detach().requires_grad_(x.requires_grad)


def parameters(entry):
    """(name, type, default text or None, keyword only) of each parameter."""
    text = entry["signature"].split("(", 1)[1].rsplit(") -> ", 1)[0]
    parts = [part.strip() for part in re.split(r",(?![^\[]*\])", text)]
    keyword_only = False
    for part in parts:
        if part == "*":
            keyword_only = True
        elif part:
            kind, rest = part.split(" ", 1)
            name, _, default = rest.partition("=")
            yield name, kind, default or None, keyword_only


def bind(entry, args, kwargs):
    """The arguments by parameter name, defaults filled in, tensors as arrays."""
    args, bound = list(args), {}
    for name, kind, default, keyword_only in parameters(entry):
        if name in kwargs:
            bound[name] = kwargs[name]
        elif args and not keyword_only:
            if kind == "int..." and not isinstance(args[0], (tuple, list)):
                bound[name], args = tuple(args), []
            else:
                bound[name] = args.pop(0)
        elif default is not None:
            bound[name] = eval(default)
        count = re.match(r"int\[(\d)\]", kind)
        if count and isinstance(bound.get(name), int):
            bound[name] = (bound[name],) * int(count[1])
    return change(bound, array)


def expectation(entry, args, kwargs):
    names = {"np": np, "sp": sp, "ref": references, **bind(entry, args, kwargs)}
    with np.errstate(all="ignore"):
        return eval(entry["reference"], names)


def assert_equals(got, expected, rtol, atol):
    if isinstance(got, (list, tuple)):
        assert len(got) == len(expected)
        for one, other in zip(got, expected):
            assert_equals(one, other, rtol, atol)
        return
    got, expected = (array(got) if isinstance(got, taper.Tensor) else np.asarray(got)), np.asarray(expected)
    assert got.shape == expected.shape
    np.testing.assert_allclose(got, expected, rtol=rtol, atol=atol)


def has_reference(entry):
    return bool(entry["reference"])


def is_floating(entry):
    return (
        has_reference(entry)
        and name_of(entry) != "nextafter"
        and any(
            t.dtype == taper.float64
            for text in samples.split(entry["samples"])
            for t in tensors(samples.arguments(text))
        )
    )


@pytest.mark.parametrize("entry, text", cases("values", wanted=has_reference))
def test_values(entry, text):
    args, kwargs = samples.arguments(text)
    expected = expectation(entry, args, kwargs)
    rtol = TOLERANCES.get(name_of(entry), 1e-10)
    for function in callables(entry):
        result = function(*args, **kwargs)
        single = any(t.dtype == taper.float32 for t in tensors(result))
        assert_equals(result, expected, 1e-6 if single else rtol, 1e-6 if single else 1e-12)


@pytest.mark.parametrize("entry, text", cases("float32", wanted=is_floating))
def test_float32(entry, text):
    def narrow(x):
        return x.detach().to(taper.float32) if x.dtype == taper.float64 else x.detach()

    args, kwargs = change(samples.arguments(text), narrow)
    if kwargs.get("dtype") is not None:
        kwargs["dtype"] = taper.float32
    widened = change((args, kwargs), lambda x: x.to(taper.float64) if x.dtype == taper.float32 else x)
    result = next(callables(entry))(*args, **kwargs)
    assert all(t.dtype != taper.float64 for t in tensors(result)) or not any(
        t.dtype == taper.float32 for t in tensors((args, kwargs))
    )
    assert_equals(result, expectation(entry, *widened), 1e-4, 1e-5)


def differentiable(entry):
    return entry["differentiable"] and has_reference(entry)


def gradient_problem(entry, text, limit):
    """The function of the sample's leaves alone, and the leaves."""
    args, kwargs = change(samples.arguments(text), plain)
    leaves = [t for t in tensors((args, kwargs)) if t.requires_grad]
    if not leaves or sum(t.numel() for t in leaves) > limit:
        pytest.skip("nothing to differentiate" if not leaves else "covered by smaller samples")
    function = next(callables(entry))

    def call(*values):
        given = dict(zip(map(id, leaves), values))
        inputs, keywords = change((args, kwargs), lambda t: given.get(id(t), t))
        if "inplace" in keywords:
            keywords["inplace"] = False
        results = function(*inputs, **keywords)
        return results if isinstance(results, taper.Tensor) else tuple(results)

    if not any(t.requires_grad for t in tensors(call(*leaves))):
        pytest.skip("the result has no gradient")
    return call, tuple(leaves)


@pytest.mark.parametrize("entry, text", cases("gradients", wanted=differentiable))
def test_gradients(entry, text):
    function, leaves = gradient_problem(entry, text, 300)
    assert taper.autograd.gradcheck(function, leaves)


@pytest.mark.parametrize("entry, text", cases("second gradients", wanted=differentiable))
def test_second_gradients(entry, text):
    function, leaves = gradient_problem(entry, text, 64)
    assert taper.autograd.gradgradcheck(function, leaves)


@pytest.mark.parametrize("entry, text", cases("inplace", wanted=lambda e: e["inplace"]))
def test_inplace(entry, text):
    args, kwargs = change(samples.arguments(text), lambda t: t.detach())
    if not isinstance(args[0], taper.Tensor):
        pytest.skip("its first argument is a number")
    expected = next(callables(entry))(*args, **kwargs)
    if expected.shape != args[0].shape or expected.dtype not in (args[0].dtype, taper.bool):
        pytest.skip("the result does not fit into the first argument")
    target = args[0].clone()
    version = target._version
    result = getattr(target, name_of(entry) + "_")(*args[1:], **kwargs)
    assert result is target and target._version > version
    assert_equals(target, array(expected).astype(array(target).dtype), 0, 0)


def strided(x):
    """The same values with gaps or swapped axes in memory."""
    x = x.detach()
    if x.ndim == 0:
        return x
    wide = taper.tensor(np.repeat(array(x).swapaxes(0, -1)[..., None], 2, axis=-1).copy())
    return wide[..., 0].transpose(0, -1)


def takes_any_layout(entry):
    return has_reference(entry) and name_of(entry) not in ("view", "as_strided", "view_as", "view_as_complex")


@pytest.mark.parametrize("entry, text", cases("layouts", wanted=takes_any_layout))
def test_layouts(entry, text):
    args, kwargs = samples.arguments(text)
    function = next(callables(entry))
    expected = change(function(*args, **kwargs), array)
    assert_equals(function(*change(args, strided), **change(kwargs, strided)), expected, 1e-12, 1e-12)


@pytest.mark.parametrize("entry, text", cases("errors", key="errors"))
def test_errors(entry, text):
    args, kwargs = samples.arguments(text)
    for function in callables(entry):
        before = [array(t) for t in tensors((args, kwargs))]
        with pytest.raises((taper.Error, TypeError)):
            function(*args, **kwargs)
        for t, values in zip(tensors((args, kwargs)), before):
            np.testing.assert_array_equal(array(t), values)


def test_every_operation_has_samples():
    assert {name_of(entry) for entry in ENTRIES if not entry["samples"]} == WITHOUT_SAMPLES
