"""Hooks, own functions and unpacked tensors that give back what does not fit: an error, no read past an end."""

import numpy as np
import pytest

import taper
import taper.nn.functional as F
from taper.autograd.graph import saved_tensors_hooks

x64 = taper.arange(12.0, dtype=taper.float64).reshape(3, 4)
UNFIT = {
    "a number": taper.ones((), dtype=taper.float64),
    "fewer rows": taper.ones(2, 4, dtype=taper.float64),
    "more rows": taper.ones(30, 4, dtype=taper.float64),
    "nothing": taper.ones(0, 4, dtype=taper.float64),
    "another dimension": taper.ones(3, 4, 1, dtype=taper.float64),
    "transposed": x64.t(),
}


def leaf():
    return x64.clone().requires_grad_()


@pytest.mark.parametrize("unfit", UNFIT)
@pytest.mark.parametrize(
    "operation", [taper.exp, F.silu, lambda x: F.softmax(x, 1), lambda x: x.cumsum(0), taper.sort]
)
def test_gradients_of_another_shape_are_refused(operation, unfit):
    wrong = UNFIT[unfit]
    y = operation(leaf())
    y = y if isinstance(y, taper.Tensor) else y[0]
    y.register_hook(lambda gradient: wrong)
    with pytest.raises(
        taper.ShapeError, match=r"hook: the gradient has shape \(3, 4\), but .* returned has shape"
    ):
        y.sum().backward()

    x = leaf()
    x.register_hook(lambda gradient: wrong)
    with pytest.raises(taper.ShapeError, match="hook: the gradient has shape"):
        operation(x * 1)[0].sum().backward()
    assert x.grad is None

    y = operation(leaf())
    node = (y if isinstance(y, taper.Tensor) else y[0]).grad_fn
    node.register_prehook(lambda gradients: tuple(wrong for _ in gradients))
    with pytest.raises((taper.ShapeError, taper.ValueError), match="backward: a hook returned"):
        (y if isinstance(y, taper.Tensor) else y[0]).sum().backward()


def test_results_of_hooks_of_nodes():
    for returned, message in (
        ((), "a hook returned 0 gradients, expected 1"),
        ((UNFIT["more rows"],), r"a hook returned gradient 0 of shape \(30, 4\), expected \(3, 4\)"),
        ((None, None), "a hook returned 2 gradients, expected 1"),
    ):
        y = leaf().exp()
        y.grad_fn.register_hook(lambda results, gradients, returned=returned: returned)
        with pytest.raises(ValueError, match=message):
            y.sum().backward()
    x = leaf()
    y = x.exp()
    y.grad_fn.register_hook(lambda results, gradients: (results[0].float() * 2,))  # converted back
    y.sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * np.exp(x64.numpy()), rtol=1e-6)


def test_hooks_keep_the_dtype():
    x = leaf()
    x.register_hook(lambda gradient: gradient.float())
    with pytest.raises(taper.DTypeError, match="hook: the gradient is of float64, but .* returned is of"):
        (x * 2).sum().backward()


def test_hooks_that_add_and_remove_hooks():
    x = leaf()
    y = x * 2
    handles, calls = [], []

    def hook(gradient):
        calls.append(gradient)
        for handle in handles:
            handle.remove()
        y.register_hook(lambda gradient: gradient * 7)
        x.register_hook(lambda gradient: gradient)

    handles += [y.register_hook(hook) for _ in range(5)] + [x.register_hook(hook) for _ in range(5)]
    y.sum().backward(retain_graph=True)
    assert len(calls) == 5  # those of x were gone when its turn came
    assert (x.grad == 2).all()
    y.sum().backward()
    assert (x.grad == 2 + 2 * 7**5).all()


class Returns(taper.autograd.Function):
    @staticmethod
    def forward(ctx, x, result):
        ctx.result = result
        return x * 1

    @staticmethod
    def backward(ctx, gradient):
        return ctx.result, None


def test_own_functions_give_gradients_that_fit():
    for unfit in ("fewer rows", "more rows", "nothing", "transposed", "a number"):
        x = leaf()
        with pytest.raises(
            taper.ShapeError,
            match=r"Returns.* backward: returned gradient 0 of shape .* for an operand of shape",
        ):
            Returns.apply(x.exp(), UNFIT[unfit]).sum().backward()
    x = leaf()
    Returns.apply(
        x, UNFIT["another dimension"].expand(3, 4, 1).reshape(1, 3, 4).expand(5, 3, 4)
    ).sum().backward()
    assert (x.grad == 5).all()  # summed over what was broadcast, as for operations
    x = leaf()
    Returns.apply(x, taper.ones(3, 4, dtype=taper.int32)).sum().backward()
    assert x.grad.dtype is taper.float64 and (x.grad == 1).all()


def test_own_functions_leave_the_history_of_others_alone():
    weight = leaf()
    made = weight * 2

    class Other(taper.autograd.Function):
        @staticmethod
        def forward(ctx, x, result):
            return result()

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 5, None

    for result in (lambda: made, lambda: weight):
        x = leaf()
        Other.apply(x, result).sum().backward()
        assert (x.grad == 5).all() and weight.grad is None and weight.is_leaf
    made.sum().backward()
    assert (weight.grad == 2).all()


@pytest.mark.parametrize("unfit", UNFIT)
def test_unpacked_tensors_must_fit(unfit):
    with saved_tensors_hooks(lambda tensor: tensor, lambda tensor: UNFIT[unfit]):
        y = F.silu(leaf() * 1)
    with pytest.raises(taper.AutogradError, match=r"unpack_hook gave back .* expected shape \(3, 4\)"):
        y.sum().backward()


def test_unpacked_tensors_may_lie_otherwise():
    images = taper.rand(2, 3, 5, 5, dtype=taper.float64, generator=taper.Generator().manual_seed(1))
    weight = taper.rand(4, 3, 3, 3, dtype=taper.float64, generator=taper.Generator().manual_seed(2))

    def gradients(lay):
        x, w = images.clone().requires_grad_(), weight.clone().requires_grad_()
        with saved_tensors_hooks(lambda tensor: tensor, lay):
            y = F.softmax(F.silu(F.conv2d(x * 1, w * 1)), 1).cumsum(2)
        y.square().sum().backward()
        return x.grad.numpy(), w.grad.numpy()

    plain = gradients(lambda tensor: tensor)
    strided = gradients(lambda tensor: taper.stack([tensor, tensor], -1)[..., 1])
    for a, b in zip(plain, strided, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-12)


@pytest.mark.parametrize("unfit", UNFIT)
def test_memory_exchanged_between_forward_and_backward(unfit):
    x, w = leaf(), leaf()
    y = F.silu(x) * w
    w.data = UNFIT[unfit]
    x.data = UNFIT[unfit]
    with pytest.raises(taper.AutogradError, match="modified by an inplace operation since: data"):
        y.sum().backward()
    x = leaf()
    y = x + 1
    x.data = UNFIT[unfit]
    with pytest.raises(taper.ShapeError, match=r"gradient of shape \(3, 4\) arrived at a leaf of shape"):
        y.sum().backward()


def test_results_keep_the_shape_that_their_gradient_needs():
    y = F.avg_pool1d(taper.ones(2, 3, 7, requires_grad=True), 3)
    with pytest.raises(taper.AutogradError, match="data: the result of an operation"):
        y.data = taper.ones(100)
    with taper.no_grad():
        for change in (
            lambda: y.unsqueeze_(0),
            lambda: y.as_strided_((1,), (1,)),
            lambda: y.transpose_(0, 1),
        ):
            with pytest.raises(taper.AutogradError, match="is the result of an operation, whose gradient"):
                change()
    y.data = taper.zeros(2, 3, 2)
    y.squeeze_().sum().backward()
    assert y.shape == (2, 3, 2) and (y == 0).all()
    y.detach().unsqueeze_(0)


def test_starting_gradients_of_another_dtype_are_converted():
    x = leaf()
    F.silu(x).backward(taper.ones(3, 4, dtype=taper.float32))
    expected = leaf()
    F.silu(expected).sum().backward()
    assert x.grad.dtype is taper.float64
    np.testing.assert_array_equal(x.grad.numpy(), expected.grad.numpy())


def test_backward_within_the_backward_of_the_same_node():
    calls = []

    class Twice(taper.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 3

        @staticmethod
        def backward(ctx, gradient):
            calls.append(gradient)
            if len(calls) < 3:
                loss.backward(retain_graph=True)
            return gradient * 3

    x = leaf()
    loss = Twice.apply(x).sum()
    loss.backward(retain_graph=True)
    assert len(calls) == 3 and (x.grad == 9).all()


def test_none_among_outputs_and_inputs():
    x = leaf()
    y = x.sum()
    for call in (
        lambda: taper.autograd.backward([None]),
        lambda: taper.autograd.backward([y], inputs=[None]),
        lambda: taper.autograd.grad([y, None], [x]),
        lambda: taper.autograd.grad([y], [None]),
    ):
        with pytest.raises((TypeError, ValueError, AttributeError)):
            call()


# --- chains ---


def test_long_chains_are_freed_without_recursion():
    def gradients(x, again):
        again.grad = x
        return again

    chains = {
        "gradients of gradients": lambda x: gradients(x, taper.ones(1)),
        "arrays over tensors": lambda x: taper.from_numpy(x.numpy()),
        "capsules over tensors": lambda x: taper.from_dlpack(x),
        "attributes": lambda x: gradients(x, taper.nn.Parameter(taper.ones(1))),
    }
    for link in chains.values():
        x = taper.ones(1)
        for _ in range(50_000):
            x = link(x)
        del x
