"""What the registry's samples are too small for: many blocks, long rows, ties, NaN, narrow types, random bits."""

import numpy as np
import pytest

import taper
from taper.nn import functional as F

TOLERANCE = {taper.float16: 2e-3, taper.bfloat16: 1.6e-2, taper.float32: 2e-6, taper.float64: 1e-12}


def on_both(function, *arrays, dtype=taper.float32):
    """function's results on "cuda" and on the CPU, as lists of float64 arrays."""
    found = []
    for device in ("cuda", "cpu"):
        given = [taper.tensor(a).to(dtype if a.dtype.kind == "f" else taper.int64).to(device) for a in arrays]
        try:
            results = function(*given)
        except taper.DeviceError as error:
            if "has no kernel" not in str(error):
                raise
            pytest.xfail(str(error))
        results = results if isinstance(results, (tuple, list)) else [results]
        found.append([r.cpu().to(taper.float64).numpy() for r in results])
    return found


def assert_close(function, *arrays, dtype=taper.float32, factor=1):
    got, expected = on_both(function, *arrays, dtype=dtype)
    tolerance = TOLERANCE[dtype] * factor
    for one, other in zip(got, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=tolerance, atol=tolerance)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


REDUCTIONS = {
    "sum": taper.sum,
    "mean": taper.mean,
    "var": taper.var,
    "amax": taper.amax,
    "amin": taper.amin,
    "argmax": taper.argmax,
    "argmin": taper.argmin,
    "logsumexp": taper.logsumexp,
    "count_nonzero": taper.count_nonzero,
    "norm": lambda x, dim: taper.linalg.vector_norm(x, dim=dim),
}


@pytest.mark.parametrize("name", REDUCTIONS)
@pytest.mark.parametrize("shape, dim", [((2, 40000), 1), ((700, 3), 0), ((5, 60, 34), 1), ((3, 4, 5), 2)])
def test_reductions_over_rows_that_several_blocks_share(device, name, shape, dim):
    assert_close(lambda x: REDUCTIONS[name](x, dim=dim), normal(*shape), factor=4)


@pytest.mark.parametrize("p", [-np.inf, -2.5, -1, 0, 0.5, 3, np.inf])
def test_vector_norms_of_every_order(device, p):
    x = normal(3, 70)
    got = taper.linalg.vector_norm(taper.tensor(x).cuda(), p, dim=1).cpu().numpy()
    np.testing.assert_allclose(got, [np.linalg.norm(row, p) for row in x], rtol=1e-12)


@pytest.mark.parametrize("dim", [0, 1, 2])
def test_the_first_of_equal_ones_is_found_and_nan_before_all(device, dim):
    x = np.random.default_rng(1).integers(0, 3, (6, 300, 5)).astype(float)
    x[2, 7, 1] = np.nan
    assert_close(lambda t: [*taper.max(t, dim), *taper.min(t, dim), taper.argmax(t), taper.argmin(t)], x)


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16, taper.float32, taper.float64])
@pytest.mark.parametrize("shape, dim", [((3, 700), 1), ((2, 70, 40), 1)])
def test_softmax_and_its_gradient(device, shape, dim, dtype):
    def run(x, dy):
        x.requires_grad_()
        results = [F.softmax(x, dim), F.log_softmax(x, dim)]
        return [y.detach() for y in results] + [taper.autograd.grad(y, x, dy)[0] for y in results]

    assert_close(run, normal(*shape), normal(*shape, seed=1), dtype=dtype, factor=4)


@pytest.mark.parametrize("smoothing", [0.0, 0.1])
def test_cross_entropy_over_many_classes(device, smoothing):
    def run(x, target, weight):
        x.requires_grad_()
        loss = F.cross_entropy(x, target, weight.abs(), ignore_index=3, label_smoothing=smoothing)
        return loss.detach(), *taper.autograd.grad(loss, x)

    target = np.random.default_rng(2).integers(0, 600, 9)
    target[4] = 3
    assert_close(run, normal(9, 600), target, normal(600, seed=1), factor=4)


@pytest.mark.parametrize("dtype", [taper.float16, taper.float32, taper.float64])
@pytest.mark.parametrize("rows, size", [(3, 700), (40, 33)])
def test_layer_norm_and_its_gradients(device, rows, size, dtype):
    def run(x, w, b, dy):
        for t in (x, w, b):
            t.requires_grad_()
        y = F.layer_norm(x, (size,), w, b)
        z = F.rms_norm(x, (size,), w)
        return (
            y.detach(),
            z.detach(),
            *taper.autograd.grad(y, (x, w, b), dy),
            *taper.autograd.grad(z, (x, w), dy),
        )

    arrays = normal(rows, size) + 5, normal(size, seed=1), normal(size, seed=2), normal(rows, size, seed=3)
    assert_close(run, *arrays, dtype=dtype, factor=10)


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize("training", [False, True])
def test_batch_norm_and_its_gradients(device, training, channels_last):
    def run(x, w, b, dy):
        mean, variance = w.clone(), b.abs() + 1
        if channels_last:
            x = x.contiguous(memory_format=taper.channels_last)
        for t in (x, w, b):
            t.requires_grad_()
        y = F.batch_norm(x, mean, variance, w, b, training=training)
        return (y.detach(), mean, variance, *taper.autograd.grad(y, (x, w, b), dy))

    arrays = normal(4, 5, 9, 11) + 3, normal(5, seed=1), normal(5, seed=2), normal(4, 5, 9, 11, seed=3)
    assert_close(run, *arrays, factor=10)


def test_batch_norm_of_no_images_has_gradients_of_zero(device):
    x, w, b = (taper.ones(*size, device="cuda", requires_grad=True) for size in ((0, 5, 2), (5,), (5,)))
    F.batch_norm(x, None, None, w, b, training=True).sum().backward()
    assert x.grad.shape == (0, 5, 2) and not w.grad.any() and not b.grad.any()


@pytest.mark.parametrize("channels_last", [False, True])
@pytest.mark.parametrize(
    "pool",
    [
        lambda x: F.max_pool2d(x, 3, stride=2, padding=1),
        lambda x: F.max_pool2d(x, 3, stride=1, dilation=2),
        lambda x: F.avg_pool2d(x, 3, stride=2, padding=1),
        lambda x: F.avg_pool2d(x, 2, padding=1, ceil_mode=True, count_include_pad=False),
        lambda x: F.adaptive_avg_pool2d(x, (3, 2)),
    ],
)
def test_pooling_over_overlapping_windows(device, pool, channels_last):
    def run(x):
        if channels_last:
            x = x.contiguous(memory_format=taper.channels_last)
        x.requires_grad_()
        y = pool(x)
        weights = taper.arange(y.numel(), dtype=y.dtype, device=y.device).reshape(y.shape)
        return y.detach(), *taper.autograd.grad((y * weights).sum(), x)

    x = np.random.default_rng(4).integers(0, 9, (2, 3, 13, 17)).astype(float)  # with ties
    assert_close(run, x)


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16, taper.float32, taper.float64])
def test_rows_that_are_named_often_add_up(device, dtype):
    def run(x, index, rows):
        embedded = F.embedding(index, rows.requires_grad_(), padding_idx=2)
        return [
            embedded.detach(),
            taper.autograd.grad(embedded, rows, x)[0],
            rows.detach().index_add(0, index, x),
            rows.detach().scatter_add(0, index[:, None].expand(-1, 6), x),
            rows.detach().index_put((index,), x, accumulate=True),
        ]

    index = np.random.default_rng(5).integers(0, 5, 300)
    x = np.random.default_rng(6).integers(-2, 3, (300, 6)).astype(float)  # sums that all types hold
    assert_close(run, x, index, np.zeros((5, 6)), dtype=dtype)


@pytest.mark.parametrize("dtype", ["int8", "uint8", "int16", "float16", "bool", "int64"])
def test_sums_at_the_end_of_odd_sizes(device, dtype):
    dtype = getattr(taper, dtype)
    x, index = taper.arange(9).to(dtype), taper.tensor([0, 2, 2, 1, 2, 2, 0, 2, 2])
    got = taper.zeros(3, dtype=dtype, device="cuda").index_add(0, index.to("cuda"), x.to("cuda"))
    assert taper.equal(got.cpu(), taper.zeros(3, dtype=dtype).index_add(0, index, x))


@pytest.mark.parametrize("dtype", ["bool", "int16", "float32", "float64", "complex128"])
def test_of_two_values_for_one_element_one_stays_whole(device, dtype):
    dtype = getattr(taper, dtype)
    values = taper.tensor([1, 2, 3, 4, 5, 6]).to(dtype).to("cuda")
    x = taper.zeros(3, dtype=dtype, device="cuda")
    got = x.scatter(0, taper.tensor([1, 1, 2, 1, 2, 1]).to("cuda"), values).cpu()
    assert got[0] == 0 and bool((values.cpu()[[0, 1, 3, 5]] == got[1]).any())
    assert bool((values.cpu()[[2, 4]] == got[2]).any())


def test_indices_out_of_range_are_reported_at_the_next_wait(device):
    x = taper.ones(4, 3, device="cuda")
    bad = taper.tensor([4, 0, 4, -5]).to("cuda")
    y = x.index_select(0, bad)
    with pytest.raises(IndexError, match="index"):
        y.cpu()
    loss = F.cross_entropy(x, bad)
    with pytest.raises(IndexError, match="cross_entropy"):
        loss.item()
    assert taper.equal(x.index_select(0, taper.tensor([3]).to("cuda")).cpu(), taper.ones(1, 3))


ELEMENTWISE = {
    "aligned": lambda x, y: x + y,
    "from the second element on": lambda x, y: x[1:] * y[1:],
    "one at an odd place": lambda x, y: x[1:] - y[:-1],
    "another dtype": lambda x, y: x + y.to(taper.int32),
    "halves": lambda x, y: x.half() * y.half() + x.bfloat16(),
    "with a number": lambda x, y: (x * 2.5).exp() + taper.tensor(3),
    "broadcast": lambda x, y: (x.reshape(7, -1) + y[:7, None]).sqrt(),
    "transposed": lambda x, y: taper.maximum(x.reshape(7, -1).T, y.reshape(-1, 7)),
    "three operands": lambda x, y: taper.where(x > y, x, y).clamp(-1, 1).exp(),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_elementwise_operations_on_any_layout(device, name):
    assert_close(ELEMENTWISE[name], np.abs(normal(1001)), np.abs(normal(1001, seed=1)))


def test_copies_between_layouts(device):
    def run(x):
        return x.T.contiguous(), x[1:, ::2].contiguous(), x.expand(2, 19, 31).clone(), x.flip(1)[:, 3:] * 1

    assert_close(run, normal(19, 31))
    assert_close(run, normal(19, 31), dtype=taper.float16)


DRAWS = {
    "uniform_": lambda x: x.uniform_(-2, 5),
    "normal_": lambda x: x.normal_(3, 0.5),
    "exponential_": lambda x: x.exponential_(0.7),
    "bernoulli_": lambda x: x.bernoulli_(0.3),
    "bernoulli": lambda x: taper.bernoulli((x.uniform_()).clone()),
    "random_": lambda x: x.random_(-5, 1000),
    "dropout": lambda x: F.dropout(x.fill_(1), 0.4),
}


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16, taper.float32, taper.float64])
@pytest.mark.parametrize("name", DRAWS)
def test_random_numbers_are_the_bits_of_the_cpu(device, name, dtype):
    drawn = []
    for place in ("cuda", "cpu"):
        taper.manual_seed(11)
        numbers = [DRAWS[name](taper.empty(n, dtype=dtype, device=place)) for n in (1, 6, 2003)]
        drawn.append(np.concatenate([x.cpu().to(taper.float64).numpy() for x in numbers]))
    np.testing.assert_array_equal(drawn[0], drawn[1])


@pytest.mark.parametrize("low, high", [(0, 10), (-(2**62), 2**62), (0, 2**40)])
def test_random_integers_are_the_bits_of_the_cpu(device, low, high):
    drawn = []
    for place in ("cuda", "cpu"):
        taper.manual_seed(12)
        drawn.append(taper.randint(low, high, (999,), device=place).cpu().numpy())
    np.testing.assert_array_equal(drawn[0], drawn[1])


def test_a_generators_state_can_be_taken_and_restored(device):
    taper.cuda.manual_seed(5)
    state = taper.cuda.get_rng_state()
    first = taper.rand(9, device="cuda").cpu()
    assert not taper.equal(taper.rand(9, device="cuda").cpu(), first)
    taper.cuda.set_rng_state(state)
    assert taper.equal(taper.rand(9, device="cuda").cpu(), first)
    with taper.random.fork_rng():
        inside = taper.rand(9, device="cuda").cpu()
    assert taper.equal(taper.rand(9, device="cuda").cpu(), inside)


STEPS = {
    "SGD": lambda p: taper.optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True, weight_decay=0.01),
    "Adam": lambda p: taper.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=0.01),
    "AdamW": lambda p: taper.optim.AdamW(p, lr=0.01),
    "RMSprop": lambda p: taper.optim.RMSprop(p, lr=0.01, centered=True, momentum=0.5),
    "Adagrad": lambda p: taper.optim.Adagrad(p, lr=0.1, lr_decay=0.01),
}


@pytest.mark.parametrize("dtype", [taper.bfloat16, taper.float32, taper.float64])
@pytest.mark.parametrize("name", STEPS)
def test_optimizers_step_many_parameters_as_on_the_cpu(device, name, dtype):
    def run(*arrays):
        parameters = [taper.nn.Parameter(x.detach().clone()) for x in arrays]
        optimizer = STEPS[name](parameters)
        for step in range(3):
            for k, p in enumerate(parameters):
                p.grad = p.detach() * (0.3 + step) + k
            optimizer.step()
        return [p.detach() for p in parameters]

    sizes = [5000, 4096, 1, 3] + [7] * 24  # more than one launch, more than one block
    arrays = [normal(n, seed=k) for k, n in enumerate(sizes)]
    assert_close(run, *arrays, dtype=dtype, factor=4)


@pytest.mark.parametrize("dtype", [taper.float16, taper.bfloat16, taper.float32, taper.float64])
@pytest.mark.parametrize("transposed", [(False, False), (True, False), (False, True), (True, True)])
def test_products_of_transposed_and_cut_matrices(device, transposed, dtype):
    def run(a, b, bias):
        a, b = a[:, 1:], b[:, :-1]  # leading dimensions beyond the widths
        a, b = (x.T.contiguous().T if t else x for x, t in zip((a, b), transposed))
        c = taper.baddbmm(bias.expand(2, 7, 9), a.expand(2, 7, 11), b.expand(2, 11, 9), beta=0.5, alpha=2)
        return a @ b, F.linear(a, b.T, bias), c

    assert_close(run, normal(7, 12), normal(11, 10, seed=1), normal(9, seed=2), dtype=dtype, factor=20)


def test_batched_products_of_strided_matrices(device):
    assert_close(
        lambda a, b: (a[:, 1:] @ b, a[:, :6].mT @ b), normal(3, 7, 6), normal(3, 6, 5, seed=1), factor=20
    )


def test_tensors_of_every_dtype_are_converted_as_on_the_cpu(device):
    names = "bool uint8 int8 int16 int32 int64 float16 bfloat16 float32 float64 complex64".split()
    dtypes = [getattr(taper, name) for name in names]
    values = taper.tensor([-3.7, -1.0, -0.0, 0.4, 1.0, 2.5, 100.0, 127.0])
    for source in dtypes:
        x = values.abs().to(source) if source is taper.uint8 else values.to(source)
        y = x.to("cuda")
        for target in dtypes:
            if source is taper.complex64 and target is not taper.complex64:
                continue
            got, expected = y.to(target).cpu(), x.to(target)
            assert got.dtype == expected.dtype
            assert taper.equal(got, expected), (source, target)
