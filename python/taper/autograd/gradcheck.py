"""Gradients against central differences."""

import numpy

from .. import _C
from .._grad_mode import enable_grad


def _tensors(values):
    return (values,) if isinstance(values, _C.Tensor) else tuple(values)


def _outputs(function, inputs):
    results = function(*inputs)
    results = results if isinstance(results, (tuple, list)) else (results,)
    return [r for r in results if isinstance(r, _C.Tensor) and (r.is_floating_point() or r.is_complex())]


def _numerical(function, inputs, x, eps):
    """d output_j / d x_i for the real parts (and imaginary ones of complex x), [x numel (x2), outputs]."""
    data = x.detach()
    flat = _C._to_numpy(data.cpu())  # the tensor's own memory, where that is main memory
    rows = []

    def put(index, number):
        flat[index] = number
        if data.is_cuda:
            data.copy_(_C.from_numpy(flat))

    def results_at(index, number):
        put(index, number)
        return [_C._to_numpy(y.detach().cpu()).copy() for y in _outputs(function, inputs)]

    with_grad = _C.is_grad_enabled()
    _C._set_grad_enabled(False)
    try:
        for index in numpy.ndindex(*flat.shape):
            for step in (eps, 1j * eps) if x.is_complex() else (eps,):
                before = flat[index]
                high, low = results_at(index, before + step), results_at(index, before - step)
                put(index, before)
                rows.append([(a - b) / (2 * eps) for a, b in zip(high, low)])
    finally:
        _C._set_grad_enabled(with_grad)
    return rows


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    check_undefined_grad=True,
    nondet_tol=0.0,
    check_batched_grad=False,
    check_forward_ad=False,
    check_backward_ad=True,
    fast_mode=False,
    masked=None,
):
    """Whether func's gradients equal central differences within atol + rtol * |numerical|; inputs in
    float64."""
    inputs = _tensors(inputs)
    checked = [x for x in inputs if isinstance(x, _C.Tensor) and x.requires_grad]
    if not checked:
        raise ValueError("gradcheck expects at least one input tensor to require gradient")
    generator = numpy.random.default_rng(0)
    outputs = _outputs(func, inputs)
    for position, output in enumerate(outputs):
        if not output.requires_grad:
            continue
        weight = generator.standard_normal(tuple(output.shape))
        if output.is_complex():
            weight = weight + 1j * generator.standard_normal(tuple(output.shape))
        start = _C._from_data(weight, output.dtype, True).to(output.device)
        analytic = _C._grad((output,), tuple(checked), (start,), True, False, True)
        for number, (x, gradient) in enumerate(zip(checked, analytic)):
            rows = _numerical(func, inputs, x, eps)
            slopes = numpy.array([numpy.sum((numpy.conj(weight) * row[position]).real) for row in rows])
            if x.is_complex():
                slopes = slopes.reshape(-1, 2)
                slopes = slopes[:, 0] + 1j * slopes[:, 1]
            expected = slopes.reshape(tuple(x.shape))
            got = numpy.zeros_like(expected) if gradient is None else _C._to_numpy(gradient.detach().cpu())
            if got.shape != expected.shape or not numpy.allclose(
                got, expected, rtol=rtol, atol=atol, equal_nan=True
            ):
                if raise_exception:
                    raise _C.AutogradError(
                        f"gradcheck: Jacobian mismatch for output {position} with respect to input "
                        f"{number},\n"
                        f"numerical:{expected}\nanalytical:{got}\n"
                    )
                return False
    return True


def gradgradcheck(
    func, inputs, grad_outputs=None, *, eps=1e-6, atol=1e-5, rtol=1e-3, raise_exception=True, **options
):
    """gradcheck of func's gradients."""
    inputs = _tensors(inputs)
    checked = [i for i, x in enumerate(inputs) if isinstance(x, _C.Tensor) and x.requires_grad]
    generator = numpy.random.default_rng(1)
    outputs = [y for y in _outputs(func, inputs) if y.requires_grad]
    if grad_outputs is None:
        starts = []
        for y in outputs:
            weight = generator.standard_normal(tuple(y.shape))
            if y.is_complex():
                weight = weight + 1j * generator.standard_normal(tuple(y.shape))
            starts.append(_C._from_data(weight, y.dtype, True).to(y.device).requires_grad_())
    else:
        starts = list(_tensors(grad_outputs))

    @enable_grad()
    def gradients(*values):
        xs, gs = values[: len(inputs)], values[len(inputs) :]
        results = [y for y in _outputs(func, xs) if y.requires_grad]
        found = _C._grad(tuple(results), tuple(xs[i] for i in checked), tuple(gs), True, True, True)
        return tuple(g for g in found if g is not None and g.requires_grad)

    everything = tuple(inputs) + tuple(starts)
    if not gradients(*everything):
        return True
    return gradcheck(gradients, everything, eps=eps, atol=atol, rtol=rtol, raise_exception=raise_exception)
