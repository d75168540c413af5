"""Operands and results that share memory: the right result, or an error that changes nothing."""

import warnings

import numpy as np
import pytest

import taper

# name: (call with out=, NumPy on copies), over a square matrix or two.
WITH_OUT = {
    "add": (lambda a, b, out: taper.add(a, b, out=out), np.add),
    "sub": (lambda a, b, out: taper.sub(a, b, out=out), np.subtract),
    "mul": (lambda a, b, out: taper.mul(a, b, out=out), np.multiply),
    "div": (lambda a, b, out: taper.div(a, b, out=out), np.divide),
    "maximum": (lambda a, b, out: taper.maximum(a, b, out=out), np.maximum),
    "where": (lambda a, b, out: taper.where(a > b, a, b, out=out), np.maximum),
    "lerp": (lambda a, b, out: taper.lerp(a, b, 0.5, out=out), lambda a, b: a + 0.5 * (b - a)),
    "addcmul": (lambda a, b, out: taper.addcmul(a, a, b, out=out), lambda a, b: a + a * b),
    "exp": (lambda a, b, out: taper.exp(a, out=out), lambda a, b: np.exp(a)),
    "mm": (lambda a, b, out: taper.mm(a, b, out=out), lambda a, b: a @ b),
    "mm of one": (lambda a, b, out: taper.mm(a, a, out=out), lambda a, b: a @ a),
    "addmm": (lambda a, b, out: taper.addmm(a, a, b, out=out), lambda a, b: a + a @ b),
    "cumsum": (lambda a, b, out: taper.cumsum(a, 0, out=out), lambda a, b: np.cumsum(a, 0)),
    "cumprod": (lambda a, b, out: taper.cumprod(a, 1, out=out), lambda a, b: np.cumprod(a, 1)),
    "flip": (lambda a, b, out: taper.add(a.flip(0), b, out=out), lambda a, b: a[::-1] + b),
    "roll": (lambda a, b, out: taper.mul(a.roll(1, 0), 1, out=out), lambda a, b: np.roll(a, 1, 0)),
    "tril": (lambda a, b, out: taper.tril(a, out=out), lambda a, b: np.tril(a)),
    "gather": (
        lambda a, b, out: taper.gather(a, 1, taper.arange(7, -1, -1).expand(8, 8), out=out),
        lambda a, b: a[:, ::-1],
    ),
    "index_select": (
        lambda a, b, out: taper.index_select(a, 0, taper.arange(7, -1, -1), out=out),
        lambda a, b: a[::-1],
    ),
    "bmm": (lambda a, b, out: taper.bmm(a[None], b[None], out=out[None]), lambda a, b: a @ b),
}
# How the operands a, b and the result lie in one memory of 200 numbers: each is (offset, strides).
LAYOUTS = {
    "result is the first": ((0, (8, 1)), (64, (8, 1)), (0, (8, 1))),
    "result is the second": ((0, (8, 1)), (64, (8, 1)), (64, (8, 1))),
    "result is both": ((0, (8, 1)), (0, (8, 1)), (0, (8, 1))),
    "result is one further": ((0, (8, 1)), (64, (8, 1)), (1, (8, 1))),
    "result is one before": ((1, (8, 1)), (70, (8, 1)), (0, (8, 1))),
    "result is a row further": ((0, (8, 1)), (64, (8, 1)), (8, (8, 1))),
    "result is the first transposed": ((0, (8, 1)), (64, (8, 1)), (0, (1, 8))),
    "operands overlap, result in both": ((0, (8, 1)), (3, (8, 1)), (1, (8, 1))),
    "rows of the result overlap": ((0, (8, 1)), (64, (8, 1)), (128, (1, 1))),
    "rows of the result are one": ((0, (8, 1)), (64, (8, 1)), (128, (0, 1))),
    "operand is spread": ((0, (0, 1)), (64, (8, 1)), (0, (8, 1))),
}


def memory():
    return np.random.default_rng(5).uniform(0.5, 1.5, 200)


def lay(array, offset, strides):
    return np.lib.stride_tricks.as_strided(array[offset:], (8, 8), [8 * s for s in strides])


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", WITH_OUT)
def test_out_in_the_memory_of_operands(name, layout):
    call, reference = WITH_OUT[name]
    places = LAYOUTS[layout]
    before, x = memory(), taper.tensor(memory())
    expected = before.copy()
    values = reference(*(lay(before, *p).copy() for p in places[:2]))
    a, b, out = (taper.as_strided(x, (8, 8), strides, offset) for offset, strides in places)
    try:
        call(a, b, out)
    except ValueError as error:
        assert "memory" in str(error) or "overlaps" in str(error)
        np.testing.assert_array_equal(x.numpy(), before)
        return
    assert not layout.startswith("rows of the result")  # no right result exists
    lay(expected, *places[2])[...] = values
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-12)


IN_PLACE = {
    "add_": (lambda y, o: y.add_(o), np.add),
    "sub_": (lambda y, o: y.sub_(o), np.subtract),
    "mul_": (lambda y, o: y.mul_(o), np.multiply),
    "div_": (lambda y, o: y.div_(o), np.divide),
    "pow_": (lambda y, o: y.pow_(o), np.power),
    "fmod_": (lambda y, o: y.fmod_(o), np.fmod),
    "hypot_": (lambda y, o: y.hypot_(o), np.hypot),
    "copy_": (lambda y, o: y.copy_(o), lambda y, o: o),
    "lerp_": (lambda y, o: y.lerp_(o, 0.25), lambda y, o: y + 0.25 * (o - y)),
    "addcmul_": (lambda y, o: y.addcmul_(o, o), lambda y, o: y + o * o),
    "assign": (lambda y, o: y.__setitem__(..., o), lambda y, o: o),
    "masked_fill_": (lambda y, o: y.masked_fill_(o > 1, 0.0), lambda y, o: np.where(o > 1, 0.0, y)),
    "index_put_": (lambda y, o: y.index_put_((taper.arange(7, -1, -1),), o), lambda y, o: o[::-1]),
    "index_add_": (lambda y, o: y.index_add_(0, taper.arange(8), o), np.add),
    "index_copy_": (lambda y, o: y.index_copy_(0, taper.arange(7, -1, -1), o), lambda y, o: o[::-1]),
    "scatter_": (
        lambda y, o: y.scatter_(1, taper.arange(7, -1, -1).expand(8, 8), o),
        lambda y, o: o[:, ::-1],
    ),
    "scatter_add_": (lambda y, o: y.scatter_add_(0, taper.arange(8).view(8, 1).expand(8, 8), o), np.add),
    "addmm_": (lambda y, o: y.addmm_(o, o), lambda y, o: y + o @ o),
    "cumsum_": (lambda y, o: y.cumsum_(0), lambda y, o: np.cumsum(y, 0)),
    "exp_": (lambda y, o: y.exp_(), lambda y, o: np.exp(y)),
    "zero_": (lambda y, o: y.zero_(), lambda y, o: 0 * y),
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", IN_PLACE)
def test_in_place_in_the_memory_of_operands(name, layout):
    write, reference = IN_PLACE[name]
    _, other, written = LAYOUTS[layout]
    if layout in ("result is the first transposed", "result is a row further"):
        other = LAYOUTS[layout][0]
    before, x = memory(), taper.tensor(memory())
    expected = before.copy()
    values = reference(lay(before, *written).copy(), lay(before, *other).copy())
    y, o = (taper.as_strided(x, (8, 8), strides, offset) for offset, strides in (written, other))
    try:
        write(y, o)
    except ValueError as error:
        assert "memory" in str(error) or "overlaps" in str(error)
        np.testing.assert_array_equal(x.numpy(), before)
        return
    if layout.startswith("rows of the result"):
        assert name == "zero_"  # what all elements get alike has a right result
    lay(expected, *written)[...] = values
    np.testing.assert_allclose(x.numpy(), expected, rtol=1e-12)


def test_messages_say_who_overlaps_and_what_to_do():
    x = taper.arange(6.0)
    with pytest.raises(ValueError) as caught:
        x[1:].add_(x[:-1])
    assert str(caught.value) == (
        "add_: the tensor that is written, sizes (5,) strides (1,), overlaps an operand of sizes (5,) strides (1,); "
        "clone() the operand first"
    )
    with pytest.raises(ValueError) as caught:
        taper.zeros(1).expand(4).add_(1)
    assert str(caught.value) == (
        "add_: cannot write to a tensor of sizes (4,) and strides (0,), some of whose elements share memory; clone() "
        "it first"
    )


# --- memory that shrinks or moves under a view ---


def test_resizing_leaves_views_their_memory():
    x = taper.arange(10.0)
    view, array = x[5:], x.numpy()
    x.resize_(1_000_000).fill_(7)
    x.resize_(0)
    x.resize_(3)
    del x
    assert view.tolist() == [5, 6, 7, 8, 9] and array.tolist() == list(range(10))
    view.fill_(1)
    assert array.tolist() == [0, 1, 2, 3, 4, 1, 1, 1, 1, 1]


@pytest.mark.parametrize("share", [taper.from_numpy, taper.as_tensor, lambda a: taper.from_numpy(a[2:])])
def test_numpy_cannot_free_what_a_tensor_shows(share):
    array = np.ones(100_000)
    x = share(array)
    with pytest.raises(ValueError, match="cannot resize an array"):
        array.resize(1, refcheck=False)
    assert x.sum().item() == x.numel() >= 99_998
    del x
    array.resize(1, refcheck=False)
    assert array.shape == (1,)


def test_buffers_cannot_grow_under_a_tensor():
    data = bytearray(8)
    x = taper.frombuffer(data, dtype=taper.float32)
    with pytest.raises(BufferError):
        data.extend(b"x" * 1_000_000)
    assert x.tolist() == [0, 0]


def test_read_only_arrays_are_not_written():
    array = np.zeros(3)
    array.flags.writeable = False
    with pytest.raises(
        ValueError, match="the array is read-only and a tensor could write to it; copy it first"
    ):
        taper.from_numpy(array)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        taper.as_tensor(array).add_(1)
    assert array.tolist() == [0, 0, 0]
    with pytest.raises(ValueError, match="negative strides are not supported; copy the array first"):
        taper.from_numpy(np.arange(3.0)[::-1])
