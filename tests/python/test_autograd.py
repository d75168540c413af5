"""Gradients, and what happens around them: views, overwriting, freeing, threads, depth, forks."""

import os
import threading
import time

import numpy as np
import pytest

import taper
from taper import nn
from taper.utils.checkpoint import checkpoint

FUNCTIONS = {
    "exp": lambda x: x.exp(),
    "log": lambda x: (x * x + 1).log(),
    "tanh": lambda x: x.tanh(),
    "softmax": lambda x: x.softmax(-1),
    "matmul": lambda x: x @ x.t(),
    "prod": lambda x: x.prod(0),
    "std": lambda x: x.std(1),
    "cumsum": lambda x: x.cumsum(0),
    "max": lambda x: x.max(1).values,
    "sort": lambda x: x.sort(1).values,
    "norm": lambda x: x.norm(),
    "cat": lambda x: taper.cat([x, x * 2], 1),
    "where": lambda x: taper.where(x > 0, x, x * 3),
    "gather": lambda x: x.gather(1, taper.tensor([[0, 0], [2, 1]])),
    "einsum": lambda x: taper.einsum("ij,kj->ik", x, x),
    "roll": lambda x: x.roll(1, 0) * x,
    "layer_norm": lambda x: nn.functional.layer_norm(x, (3,)),
    "gelu": nn.functional.gelu,
}


@pytest.mark.parametrize("name", FUNCTIONS)
def test_gradcheck(name):
    x = taper.tensor(np.random.randn(2, 3)).requires_grad_()
    assert taper.autograd.gradcheck(FUNCTIONS[name], (x,))
    assert taper.autograd.gradgradcheck(FUNCTIONS[name], (x,))


def test_in_place_through_views():
    x = taper.zeros(4, requires_grad=True)
    y = x.clone()
    y[1:3].mul_(2)
    y[0] = 5
    y.sum().backward()
    assert x.grad.tolist() == [0, 2, 2, 1]


def test_overwritten_operand_names_both():
    x = taper.ones(3, requires_grad=True)
    y = x.exp()
    y.add_(1)
    with pytest.raises(RuntimeError, match="exp backward.*modified by an inplace operation.*add_"):
        y.sum().backward()


def test_backward_twice():
    x = taper.ones(3, requires_grad=True)
    y = (x * x).sum()
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [4, 4, 4]
    with pytest.raises(RuntimeError, match="second time.*retain_graph=True"):
        y.backward()


def test_backward_twice_through_operations_that_saved_nothing():
    x = taper.ones(3, requires_grad=True)
    shared = (x + 1).view(3, 1)
    (shared.sum() * 2).backward()
    shared.sum().backward()
    assert x.grad.tolist() == [3, 3, 3]


def test_leaf_is_not_written():
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        taper.ones(2, requires_grad=True).add_(1)


def test_deep_chain():
    x = taper.ones(1, requires_grad=True)
    y = x
    for _ in range(200_000):
        y = y + 0
    y.backward()
    assert x.grad.item() == 1


def test_threads_share_a_model():
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 1))
    x = taper.ones(2, 4)
    model(x).sum().backward()
    one = model[0].weight.grad.numpy().copy()
    model.zero_grad()
    threads = [
        threading.Thread(target=lambda: [model(x).sum().backward() for _ in range(10)]) for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    np.testing.assert_allclose(model[0].weight.grad.numpy(), one * 80, rtol=1e-4)


def test_fork_after_threads():
    taper.ones(1000, 1000) @ taper.ones(1000, 50)
    child = os.fork()
    if child == 0:
        ok = float((taper.ones(300, 300) @ taper.ones(300, 300)).sum()) == 300.0**3
        os._exit(0 if ok else 3)
    deadline = time.time() + 30
    while time.time() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            assert status == 0
            return
        time.sleep(0.02)
    os.kill(child, 9)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


class Scaled(taper.autograd.Function):
    @staticmethod
    def forward(ctx, x, factor):
        y = x.exp() * factor
        ctx.save_for_backward(y)
        return y

    @staticmethod
    def backward(ctx, grad):
        (y,) = ctx.saved_tensors
        return grad * y, None


def test_custom_function():
    x = taper.tensor(np.random.randn(3)).requires_grad_()
    assert taper.autograd.gradcheck(lambda z: Scaled.apply(z, 2.0), (x,))


def test_checkpoint_gives_the_same_gradients():
    layer, x = nn.Linear(3, 3), taper.randn(2, 3, requires_grad=True)
    run = lambda z: nn.functional.dropout(layer(z).tanh(), 0.5)
    taper.manual_seed(1)
    run(x).sum().backward()
    want = [x.grad.tolist(), layer.weight.grad.tolist()]
    x.grad = None
    layer.zero_grad()
    taper.manual_seed(1)
    y = checkpoint(run, x, use_reentrant=False)
    taper.rand(5)
    y.sum().backward()
    assert [x.grad.tolist(), layer.weight.grad.tolist()] == want


def test_grad_modes():
    x = taper.ones(2, requires_grad=True)

    @taper.no_grad()
    def double(value):
        return value * 2

    assert not double(x).requires_grad and (x * 2).requires_grad
    with taper.no_grad(), taper.enable_grad():
        assert (x * 2).requires_grad
    with taper.inference_mode():
        assert not (x * 2).requires_grad


def test_second_derivatives():
    x = taper.tensor([1.0, 2.0], requires_grad=True)
    (first,) = taper.autograd.grad((x**3).sum(), x, create_graph=True)
    (second,) = taper.autograd.grad(first.sum(), x)
    assert second.tolist() == [6, 12]
    hessian = taper.autograd.functional.hessian(lambda z: (z**3).sum(), x)
    assert hessian.tolist() == [[6, 0], [0, 12]]


def test_tensor_hook_changes_the_gradient():
    x = taper.ones(2, requires_grad=True)
    handle = x.register_hook(lambda grad: grad * 3)
    x.sum().backward()
    handle.remove()
    x.sum().backward()
    assert x.grad.tolist() == [4, 4]


def test_grad_computes_only_the_gradients_asked_for():
    class Product(taper.autograd.Function):
        @staticmethod
        def forward(ctx, a, b):
            ctx.save_for_backward(a, b)
            return a * b

        @staticmethod
        def backward(ctx, dy):
            a, b = ctx.saved_tensors
            return dy * b, dy * a

    a = taper.tensor([2.0], requires_grad=True)
    b = taper.tensor([5.0], requires_grad=True)
    y = Product.apply(a, b) * b
    (gradient,) = taper.autograd.grad(y, a, retain_graph=True)
    assert gradient.item() == 25.0
    both = taper.autograd.grad(y, (a, b))
    assert [part.item() for part in both] == [25.0, 20.0]


def test_tensors_of_inference_mode_stay_outside_of_graphs():
    with taper.inference_mode():
        made = taper.ones(2) * 2
    assert made.is_inference() and made[0].is_inference() and not taper.ones(2).is_inference()
    weight = taper.ones(2, requires_grad=True)
    (weight + made).sum().backward()
    with pytest.raises(RuntimeError, match="inference_mode cannot be saved for backward.*clone"):
        weight * made
    with pytest.raises(RuntimeError, match="inference_mode cannot be changed outside of it.*clone"):
        made.add_(1)
    (weight * made.clone()).sum().backward()
    assert weight.grad.tolist() == [3, 3]


def test_a_retained_gradient_is_that_of_the_value_written_last():
    x = taper.ones(2, requires_grad=True)
    y = x * 2
    y.retain_grad()
    y.mul_(3)
    y.sum().backward()
    assert y.grad.tolist() == [1, 1] and x.grad.tolist() == [6, 6]


def test_grad_takes_a_batch_of_starting_gradients():
    x = taper.tensor([1.0, 2.0], requires_grad=True)
    starts = taper.tensor([[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]])
    (rows,) = taper.autograd.grad(x * x, x, starts, is_grads_batched=True)
    assert rows.tolist() == [[2, 0], [0, 4], [2, 4]]


def test_a_node_is_of_a_class_named_for_its_operation():
    x = taper.ones(3, requires_grad=True)
    y = x * 2 + 1
    node = y.grad_fn
    assert type(node).__name__ == node.name() == "AddBackward0" and repr(node) == "<AddBackward0>"
    before = node.next_functions[0][0]
    assert type(before).__name__ == "MulBackward0" and type(before) is type((x * x).grad_fn)
    assert isinstance(node, taper.autograd.graph.Node) and isinstance(before, taper.autograd.graph.Node)
    seen = []
    node.next_functions[0][0].register_prehook(lambda gradients: seen.append(gradients[0].tolist()))
    node.next_functions[0][0].register_hook(lambda results, gradients: seen.append(results[0].tolist()))
    y.sum().backward()
    assert seen == [[1, 1, 1], [2, 2, 2]]


def test_retained_gradient_is_the_one_that_hooks_leave():
    for before in (True, False):
        x = taper.ones(2, requires_grad=True)
        y = x * 2
        if before:
            y.retain_grad()
        handles = [y.register_hook(lambda g: g * 3), y.register_hook(lambda g: g + 1)]
        if not before:
            y.retain_grad()
        y.sum().backward()
        assert y.grad.tolist() == [4, 4] and x.grad.tolist() == [8, 8]
        handles[0].remove()
        (y * 1).sum().backward()
        assert y.grad.tolist() == [6, 6]


def gradients_of(function, *values):
    operands = [taper.tensor(value, dtype=taper.float64, requires_grad=True) for value in values]
    function(*operands).sum().backward()
    return [operand.grad.tolist() for operand in operands]


def test_gradients_where_a_formula_divides_by_zero_are_zero():
    assert gradients_of(lambda x: x.std(0), [1.0, 1.0]) == [[0, 0]]
    assert gradients_of(lambda x: x.std(correction=0), [1.0]) == [[0]]
    assert gradients_of(taper.atan2, [0.0, 0.0], [0.0, 2.0]) == [[0, 0.5], [0, 0]]


def test_the_operand_that_a_nan_leaves_over_gets_the_gradient():
    nan = float("nan")
    left, right = [1.0, nan, nan, 5.0], [1.0, 3.0, nan, nan]
    assert gradients_of(taper.fmax, left, right) == [[0.5, 0, 1, 1], [0.5, 1, 0, 0]]
    assert gradients_of(taper.fmin, left, right) == [[0.5, 0, 1, 1], [0.5, 1, 0, 0]]
    assert gradients_of(taper.maximum, left, right) == [[0.5, 1, 1, 1], [0.5, 1, 1, 1]]


def test_equal_medians_of_all_elements_share_the_gradient():
    assert gradients_of(lambda x: x.median(), [[1.0, 1.0], [0.0, 3.0]]) == [[[0.5, 0.5], [0, 0]]]
    assert gradients_of(lambda x: x.nanmedian(), [2.0, 2.0, float("nan")]) == [[0.5, 0.5, 0]]
    assert taper.tensor([]).median().isnan()


def test_backward_fills_the_gradient_of_an_intermediate_input():
    x = taper.ones(2, requires_grad=True)
    y = x * 2
    (y * y).sum().backward(inputs=[y])
    assert y.grad.tolist() == [4, 4] and x.grad is None
    with pytest.raises(RuntimeError):
        (x * 2).sum().backward(inputs=[])
    with pytest.raises(RuntimeError):
        (x * 2).sum().backward(inputs=[taper.ones(1)])
    with pytest.raises(RuntimeError):
        taper.autograd.grad((x * 2).sum(), [])


def test_an_own_function_frees_what_it_saved():
    class Square(taper.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2 * ctx.saved_tensors[0]

    x = taper.tensor([3.0], requires_grad=True)
    y = Square.apply(x)
    y.backward(retain_graph=True)
    y.backward()
    assert x.grad.tolist() == [12]
    with pytest.raises(RuntimeError, match="retain_graph"):
        y.backward()


class Doubled(taper.autograd.Function):
    """Doubles its operand in place."""

    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        ctx.mark_dirty(x)
        return x.mul_(2)

    @staticmethod
    def backward(ctx, gradient):
        assert ctx.saved_tensors[0].requires_grad
        return gradient * 2


def test_a_dirty_operand_is_returned_with_a_new_history():
    x = taper.ones(3, requires_grad=True)
    y = x * 3
    assert Doubled.apply(y) is y and y.grad_fn.name() == "DoubledBackward0"
    y.sum().backward()
    assert x.grad.tolist() == [6, 6, 6]


def test_a_dirty_view_changes_the_history_of_its_base():
    x = taper.ones(4, requires_grad=True)
    y = x * 3
    view = y[:2]
    assert Doubled.apply(view) is view
    y.sum().backward()
    assert y.tolist() == [6, 6, 3, 3] and x.grad.tolist() == [6, 6, 3, 3]


def test_a_dirty_operand_without_gradient_takes_one():
    class Product(taper.autograd.Function):
        @staticmethod
        def forward(ctx, x, factor):
            ctx.mark_dirty(x)
            ctx.save_for_backward(factor)
            return x.mul_(factor), x.sum()

        @staticmethod
        def backward(ctx, gradient, gradient_of_sum):
            return None, (gradient + gradient_of_sum) * 3

    x, factor = taper.full((2,), 3.0), taper.ones(2, requires_grad=True)
    y, total = Product.apply(x, factor)
    assert y is x and x.requires_grad
    (x.sum() + total).backward()
    assert factor.grad.tolist() == [6, 6]


def test_what_may_not_be_dirty_is_refused():
    class Lost(Doubled):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2) + 1

    class Two(Doubled):
        @staticmethod
        def forward(ctx, x):
            ctx.mark_dirty(x)
            return x.mul_(2), x + 1

    x = taper.ones(3, requires_grad=True)
    with pytest.raises(RuntimeError, match="a leaf Variable that requires grad"):
        Doubled.apply(x)
    with pytest.raises(RuntimeError, match="is not returned"):
        Lost.apply(x * 2)
    with pytest.raises(RuntimeError, match="may return only one Tensor"):
        Two.apply((x * 2)[:2])


def test_gradient_edges_stand_for_tensors():
    x = taper.ones(2, requires_grad=True)
    y = x * 2
    edge, leaf = taper.autograd.graph.get_gradient_edge(y), taper.autograd.graph.get_gradient_edge(x)
    assert edge.node == y.grad_fn and edge.output_nr == 0
    inner, outer = taper.autograd.grad((y * 3).sum(), (edge, leaf))
    assert inner.tolist() == [3, 3] and outer.tolist() == [6, 6]
    del y
    taper.autograd.backward(edge, taper.tensor([1.0, 5.0]))
    assert x.grad.tolist() == [2, 10]
    with pytest.raises(RuntimeError, match="does not require grad"):
        taper.autograd.graph.get_gradient_edge(taper.ones(2))


@pytest.mark.parametrize(
    "function, expected",
    [
        (lambda x: x.clamp(0, 1), [0, 0, 1, 0, 0]),
        (lambda x: x.clamp(min=0), [0, 0, 1, 1, 1]),
        (lambda x: x.clamp_max(1), [1, 1, 1, 0, 0]),
        (lambda x: x.clamp(max=taper.ones(5)), [1, 1, 1, 0.5, 0]),
        (lambda x: taper.nn.functional.hardswish(x * 6 - 3), [0, 0, 3, 6, 6]),
        (lambda x: taper.linalg.vector_norm(x[1:3], 0.5), [0, 0, 1, 0, 0]),
    ],
)
def test_gradients_where_a_slope_ends(function, expected):
    x = taper.tensor([-1.0, 0, 0.5, 1, taper.inf], requires_grad=True)
    function(x).sum().backward()
    assert x.grad.tolist() == pytest.approx(expected)  # what PyTorch gives


def test_a_complex_result_needs_a_gradient_to_start_from():
    z = taper.tensor(1 + 2j, requires_grad=True)
    with pytest.raises(RuntimeError, match="only for real scalar outputs"):
        (z * 2).backward()
    (z * 2).backward(taper.tensor(1 + 0j))
    assert z.grad.item() == 2


def test_a_checkpointed_function_runs_again_under_the_autocast_of_its_first_run():
    layer, x = taper.nn.Linear(3, 3), taper.ones(2, 3)
    gradients = []
    for run in (layer, lambda x: taper.utils.checkpoint.checkpoint(layer, x, use_reentrant=False)):
        layer.zero_grad()
        with taper.autocast("cpu", dtype=taper.bfloat16):
            y = run(x.requires_grad_())
        x.grad = None
        (y * y).sum().backward()
        gradients.append((x.grad.clone(), layer.weight.grad.clone()))
    assert all(taper.equal(once, again) for once, again in zip(*gradients))
