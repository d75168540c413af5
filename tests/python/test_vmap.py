"""vmap computes for all examples at once what the function gives for each."""

import numpy as np
import pytest

import taper
import taper.nn.functional as F
from taper import nn
from taper.func import functional_call, grad, hessian, jacfwd, jacrev, jvp, vjp, vmap
from taper.utils._pytree import tree_flatten

taper.manual_seed(0)
real = {"dtype": taper.float64}
A, B, C = taper.randn(6, 3, 4, **real), taper.randn(6, 4, 5, **real), taper.randn(6, 4, **real)
W, M, N = taper.randn(4, 4, **real), taper.randn(4, **real), taper.randn(6, 2, 4, **real)
INDEX, X = taper.randint(0, 3, (6,)), taper.randn(6, 2, 3, 8, 8, **real)
conv, lin, ln, emb = (
    nn.Conv2d(3, 2, 3).double(),
    nn.Linear(4, 2).double(),
    nn.LayerNorm(4).double(),
    nn.Embedding(4, 3),
)
net = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.LayerNorm(8), nn.Linear(8, 3)).double()
P = {name: value.detach() for name, value in net.named_parameters()}


def loss(p, x, y):
    return F.cross_entropy(functional_call(net, p, (x.unsqueeze(0),)), y.unsqueeze(0))


def changed(c):
    c = c * 1
    c += M
    c *= c
    return c


CASES = {
    "mul": (lambda a: a * 2 + a.sin() ** 2, (A,)),
    "bcast": (lambda a, c: a * c + M, (A, C)),
    "plainleft": (lambda c: W * c, (C,)),
    "matmul": (lambda a, b: a @ b, (A, B)),
    "mv": (lambda a, c: a @ c, (A, C)),
    "vm": (lambda c, b: c @ b, (C, B)),
    "dot": (lambda c: c @ c, (C,)),
    "plainmm": (lambda b: W @ b, (B,)),
    "mmplain": (lambda a: a @ W, (A,)),
    "sum": (lambda a: a.sum(), (A,)),
    "sum0": (lambda a: a.sum(0), (A,)),
    "sumk": (lambda a: a.sum(-1, keepdim=True), (A,)),
    "mean2": (lambda a: a.mean((0, 1)), (A,)),
    "max": (lambda a: a.max(1), (A,)),
    "maxall": (lambda a: a.max(), (A,)),
    "argmax": (lambda a: a.argmax(), (A,)),
    "var": (lambda a: a.var(0), (A,)),
    "std": (lambda a: a.std(), (A,)),
    "lse": (lambda a: a.logsumexp(1), (A,)),
    "softmax": (lambda a: F.softmax(a, dim=-1), (A,)),
    "logsm": (lambda a: a.log_softmax(0), (A,)),
    "cumsum": (lambda a: a.cumsum(0), (A,)),
    "view": (lambda a: a.view(-1), (A,)),
    "reshape": (lambda a: a.reshape(2, 6), (A,)),
    "perm": (lambda a: a.permute(1, 0), (A,)),
    "T": (lambda a: a.T @ a, (A,)),
    "transpose": (lambda a: a.transpose(0, 1), (A,)),
    "unsq": (lambda a: a.unsqueeze(0).squeeze(0).unsqueeze(-1), (A,)),
    "flat": (lambda a: a.flatten(), (A,)),
    "getitem": (lambda a: a[0, 1:], (A,)),
    "getneg": (lambda a: a[..., -1], (A,)),
    "getnone": (lambda a: a[:, None], (A,)),
    "cat": (lambda a: taper.cat([a, a], 1), (A,)),
    "stack": (lambda a, c: taper.stack([c, M]), (A, C)),
    "split": (lambda a: a.split(2, 1), (A,)),
    "chunk": (lambda a: a.chunk(2, 1)[0], (A,)),
    "unbind": (lambda a: a.unbind(0)[1], (A,)),
    "iter": (lambda a: sum(r for r in a), (A,)),
    "where": (lambda a: taper.where(a > 0, a, 0.0), (A,)),
    "clamp": (lambda a: a.clamp(min=0), (A,)),
    "lin": (lambda c: lin(c), (C,)),
    "linw": (lambda x, w: F.linear(x, w), (A, N)),
    "conv": (lambda x: conv(x), (X,)),
    "conv1": (lambda x: conv(x[0]), (X,)),
    "pool": (lambda x: F.max_pool2d(x, 2), (X,)),
    "ln": (lambda a: ln(a), (A,)),
    "emb": (lambda i: emb(i), (INDEX,)),
    "ce": (lambda c, i: F.cross_entropy(c, i), (C, INDEX)),
    "mse": (lambda c: F.mse_loss(c, M), (C,)),
    "bce": (lambda a: F.binary_cross_entropy_with_logits(a, a * 0 + 1, weight=M, reduction="sum"), (A,)),
    "huber": (lambda c: F.huber_loss(c, M, reduction="none", delta=0.5), (C,)),
    "norm": (lambda a: a.norm(), (A,)),
    "topk": (lambda a: a.topk(2), (A,)),
    "sort": (lambda a: a.sort(0), (A,)),
    "gather": (lambda a: a.gather(0, taper.zeros(1, 4, dtype=taper.int64)), (A,)),
    "zeros": (lambda a: taper.zeros_like(a) + a, (A,)),
    "float": (lambda a: a.float().double(), (A,)),
    "expand": (lambda c: c.expand(3, 4), (C,)),
    "inplace": (lambda c: (c * 1).add_(1).mul_(M), (C,)),
    "iadd": (lambda c: changed(c), (C,)),
    "tuple": (lambda a: (a.sum(), {"x": a[0]}), (A,)),
    "nested": (lambda a: vmap(lambda r: r * M + r.sum())(a), (A,)),
    "nested2": (lambda c: vmap(lambda d: (c - d).pow(2).sum())(C), (C,)),
    "grad": (lambda c: grad(lambda x: (x.sin() * M).sum())(c), (C,)),
    "jac": (lambda c: jacrev(lambda x: W @ x.sin())(c), (C,)),
    "jacf": (lambda c: jacfwd(lambda x: W @ x.sin())(c), (C,)),
    "hess": (lambda c: hessian(lambda x: (x**3).sum())(c), (C,)),
    "jvp": (lambda c: jvp(lambda x: x.exp(), (c,), (M,))[1], (C,)),
    "vjp": (lambda c: vjp(lambda x: x.exp() * W, c)[1](W)[0], (C,)),
    "persample": (lambda c, i: grad(loss)(P, c, i), (C, INDEX)),
    "gradplain": (lambda c: grad(lambda w: (w @ c).square().sum())(W), (C,)),
    "einsum": (lambda a, b: taper.einsum("ij,jk->ik", a, b), (A, B)),
    "prod": (lambda a: a.prod(), (A,)),
    "eye": (lambda c: taper.eye(4, dtype=taper.float64) * c, (C,)),
    "gelu": (lambda c: F.gelu(c) + F.silu(c) + F.leaky_relu(c), (C,)),
    "const": (lambda c: M, (C,)),
}


def counted(func):
    def call(*args):
        call.times += 1
        return func(*args)

    call.times = 0
    return call


def close(got, expected):
    got, expected = tree_flatten(got)[0], tree_flatten(expected)[0]
    assert len(got) == len(expected)
    for x, y in zip(got, expected):
        assert type(x) is taper.Tensor and x.dtype == y.dtype and x.shape == y.shape
        np.testing.assert_allclose(
            x.detach().double().numpy(), y.detach().double().numpy(), rtol=1e-9, atol=1e-12
        )


def each(func, args):
    """func of every example, stacked."""
    results = [func(*(x[i] for x in args)) for i in range(len(args[0]))]
    flat = [tree_flatten(result)[0] for result in results]
    return [taper.stack(parts) for parts in zip(*flat)]


@pytest.mark.parametrize("name", CASES)
def test_one_call_gives_what_each_example_gives(name):
    func, args = CASES[name]
    func = counted(func)
    got = vmap(func)(*args)
    assert func.times == 1
    close(got, each(func, args))


@pytest.mark.parametrize(
    "func",
    [
        lambda c: c * (c.sum().item() > 0),
        lambda c: c if c[0] > 0 else -c,
        lambda c: c.detach().numpy().sum() * c,
    ],
)
def test_what_looks_at_numbers_is_called_for_each(func):
    func = counted(func)
    got = vmap(func)(C)
    assert func.times == 1 + len(C)
    close(got, each(func, (C,)))


def test_own_functions_are_called_for_each():
    class Double(taper.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * 2

    close(vmap(Double.apply)(C), 2 * C)


def test_dimensions_of_arguments_and_results():
    close(vmap(lambda a, m: a * m, in_dims=(1, None), out_dims=-1)(A, M), (A * M).movedim(1, -1))
    close(vmap(lambda a: (a.sum(), a[0]), out_dims=(0, 1))(A), (A.sum((1, 2)), A[:, 0].T))


def test_random_numbers_follow_the_mode():
    draw = lambda c: c + taper.randn(4, **real)
    with pytest.raises(RuntimeError, match="randomness error mode"):
        vmap(draw)(C)
    taper.manual_seed(3)
    same = vmap(draw, randomness="same")(C) - C
    np.testing.assert_allclose(same.numpy(), same[:1].expand(6, 4).numpy())
    different = vmap(draw, randomness="different")(C) - C
    assert not np.allclose(different[0].numpy(), different[1].numpy())


def test_gradients_flow_through():
    x = C.clone().requires_grad_()
    vmap(lambda c: (c**2).sum())(x).sum().backward()
    np.testing.assert_allclose(x.grad.numpy(), 2 * C.numpy())


def test_errors_are_those_of_one_example():
    with pytest.raises(taper.ShapeError, match=r"\(3, 4\).*\(3, 4\)"):
        vmap(lambda a: a @ a)(A)
    with pytest.raises((taper.Error, TypeError)):
        vmap(taper.dot)(A, A)


TABLE = taper.arange(12).view(3, 4)


def test_examples_index_captured_tensors_and_their_own():
    rows, columns = taper.tensor([2, 0]), taper.tensor([1, 3])
    for func, args in (
        (lambda i: TABLE[i], (rows,)),
        (lambda i, j: TABLE[i, j], (rows, columns)),
        (lambda i: TABLE[i, 1], (rows,)),
        (lambda i: TABLE[taper.stack([i, i])], (rows,)),
        (lambda x, i: x[i], (TABLE[:2], columns)),
        (lambda x, i: x[i, 0], (TABLE.view(2, 3, 2), rows)),
        (lambda x: x[taper.tensor([2, 0])], (TABLE[:2],)),
    ):
        once = counted(func)
        expected = taper.stack([func(*example) for example in zip(*args)])
        assert taper.equal(vmap(once)(*args), expected) and once.times == 1
    each = vmap(lambda i: TABLE[:, i])(columns)
    assert each.tolist() == [[1, 5, 9], [3, 7, 11]]


def test_nested_calls_index_with_the_examples_of_each():
    pairs = vmap(vmap(lambda i, j: TABLE[i, j], in_dims=(None, 0)), in_dims=(0, None))
    assert taper.equal(pairs(taper.tensor([2, 1]), taper.arange(4)), TABLE[[2, 1]])


def test_no_example_stands_for_the_others_where_numbers_are_needed():
    steps = taper.arange(3)
    assert vmap(lambda i: TABLE[0][i:][:2])(steps[:2]).tolist() == [[0, 1], [1, 2]]
    assert vmap(lambda i: taper.tensor([7, i]))(steps).tolist() == [[7, 0], [7, 1], [7, 2]]

    def written(value):
        row = taper.zeros(2, dtype=taper.int64)
        row[1] = value
        return row

    assert vmap(written)(steps).tolist() == [[0, 0], [0, 1], [0, 2]]
