"""Every operation of the registry on "cuda": values and gradients of the CPU, and no findings of the checks."""

import numpy as np
import pytest
import samples
from test_operations import ENTRIES, array, change, name_of, tensors

import taper

# Kernels add up in another order and in the precision of their type.
TOLERANCE = {
    taper.float16: 2e-2,
    taper.bfloat16: 5e-2,
    taper.float32: 2e-5,
    taper.complex64: 2e-5,
    taper.float64: 1e-10,
    taper.complex128: 1e-10,
}


def cases():
    found = []
    for number, entry in enumerate(ENTRIES):
        for text in samples.split(entry["samples"]):
            found.append(pytest.param(entry, text, id=f"{number}-{name_of(entry)}({text})"))
    return found


def function_of(entry):
    home = entry["homes"].split()[0]
    name = name_of(entry)
    return getattr(taper.Tensor, name) if home == "Tensor" else taper._C._homes[home][name]


def to_cuda(x):
    moved = x.detach().to("cuda")
    return moved.requires_grad_(x.requires_grad)


def assert_same(got, expected):
    assert len(got) == len(expected)
    for one, other in zip(got, expected):
        assert one.dtype == other.dtype and one.shape == other.shape
        tolerance = TOLERANCE.get(one.dtype, 0)
        np.testing.assert_allclose(array(one.cpu()), array(other), rtol=tolerance, atol=tolerance)


def weighted_sum(results):
    """One number from all floating results, with a weight for each element; None where nothing has a gradient."""
    total = None
    for result in tensors(results):
        if not result.requires_grad:
            continue
        cosines = np.cos(np.arange(result.numel())).reshape(result.shape)
        weights = taper.tensor(cosines).to(result.device, result.dtype)
        part = (result * weights).sum()
        part = taper.real(part) if part.is_complex() else part
        total = part if total is None else total + part
    return total


def evaluate(entry, text, move):
    """Results and gradients of a sample whose tensors went through `move`."""
    args, kwargs = change(samples.arguments(text), move)
    leaves = [x for x in tensors((args, kwargs)) if x.requires_grad]
    results = function_of(entry)(*args, **kwargs)
    total = weighted_sum(results) if entry["differentiable"] else None
    gradients = [] if total is None else taper.autograd.grad(total, leaves, allow_unused=True)
    return tensors(results), [g for g in gradients if g is not None]


@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("entry, text", cases())
def test_operation(device, entry, text, dtype):
    def narrow(x):
        narrower = {taper.float64: taper.float32, taper.complex128: taper.complex64}
        wanted = narrower.get(x.dtype, x.dtype) if dtype == "float32" else x.dtype
        return x.detach().to(wanted).requires_grad_(x.requires_grad)

    expected, expected_gradients = evaluate(entry, text, narrow)
    got, gradients = evaluate(entry, text, lambda x: to_cuda(narrow(x)))
    assert_same(got, expected)
    assert_same(gradients, expected_gradients)
