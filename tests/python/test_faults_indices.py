"""Indices outside of their range: every operation says which, where it stands and what the limit is."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import taper
import taper.nn.functional as F

t = taper.tensor


def table():
    return taper.arange(12.0).reshape(3, 4)


def log_probs():
    return taper.log_softmax(taper.zeros(5, 1, 4), -1)


def ctc(labels, input_length=5, target_length=2, blank=0):
    return F.ctc_loss(log_probs(), t([labels]), t([input_length]), t([target_length]), blank=blank)


OUT_OF_RANGE = {
    "embedding": (
        lambda: F.embedding(t([0, 3]), table()),
        "embedding: index 3 at position 1 is out of range for 3 rows, expected 0 to 2",
    ),
    "embedding, negative": (
        lambda: F.embedding(t([[0, 1], [-1, 2]]), table()),
        "embedding: index -1 at position 2 is out of range for 3 rows, expected 0 to 2",
    ),
    "embedding, int32": (
        lambda: F.embedding(t([0, 7], dtype=taper.int32), table()),
        "embedding: index 7 at position 1 is out of range for 3 rows, expected 0 to 2",
    ),
    "embedding_bag": (
        lambda: F.embedding_bag(t([0, 9]), table(), t([0])),
        "embedding_bag: index 9 at position 1 is out of range for 3 rows, expected 0 to 2",
    ),
    "gather": (
        lambda: taper.gather(table(), 1, t([[0, 4]])),
        "gather: index 4 at position (0, 1) is out of range for dimension 1 of size 4, expected 0 to 3",
    ),
    "take_along_dim": (
        lambda: taper.take_along_dim(table(), t([[0, 4]]), 1),
        "gather: index 4 at position (0, 1) is out of range for dimension 1 of size 4, expected 0 to 3 "
        "(in take_along_dim)",
    ),
    "scatter": (
        lambda: table().scatter_(1, t([[-1]]), 1.0),
        "scatter: index -1 at position (0, 0) is out of range for dimension 1 of size 4, expected 0 to 3",
    ),
    "scatter_add": (
        lambda: table().scatter_add_(0, t([[3]]), taper.ones(1, 1)),
        "scatter_add: index 3 at position (0, 0) is out of range for dimension 0 of size 3, expected 0 to 2",
    ),
    "scatter_reduce": (
        lambda: table().scatter_reduce_(0, t([[9]]), taper.ones(1, 1), "amax"),
        "scatter_reduce: index 9 at position (0, 0) is out of range for dimension 0 of size 3, expected 0 to 2",
    ),
    "index_select": (
        lambda: taper.index_select(table(), 0, t([1, 3])),
        "index_select: index 3 at position (1,) is out of range for dimension 0 of size 3, expected 0 to 2",
    ),
    "index_add": (
        lambda: table().index_add_(0, t([-1]), taper.ones(1, 4)),
        "index_add: index -1 at position (0,) is out of range for dimension 0 of size 3, expected 0 to 2",
    ),
    "index_copy": (
        lambda: table().index_copy_(0, t([7]), taper.ones(1, 4)),
        "index_put: index 7 at position (0,) is out of range for dimension 0 of size 3, expected -3 to 2 "
        "(in index_copy)",
    ),
    "index_fill": (
        lambda: table().index_fill_(0, t([-4]), 1.0),
        "index_put: index -4 at position (0,) is out of range for dimension 0 of size 3, expected -3 to 2 "
        "(in index_fill)",
    ),
    "index_reduce": (
        lambda: taper.index_reduce(table(), 0, t([3]), taper.ones(1, 4), "prod"),
        "scatter_reduce: index 3 at position (0, 0) is out of range for dimension 0 of size 3, expected 0 to 2 "
        "(in index_reduce)",
    ),
    "index_put": (
        lambda: table().index_put_((t([0, 3]),), t(1.0), accumulate=True),
        "index_put: index 3 at position (1,) is out of range for dimension 0 of size 3, expected -3 to 2",
    ),
    "take": (
        lambda: taper.take(table(), t([0, 12])),
        "index: index 12 at position (1,) is out of range for dimension 0 of size 12, expected -12 to 11 (in take)",
    ),
    "put": (
        lambda: table().put_(t([-13]), t([1.0])),
        "index_put: index -13 at position (0,) is out of range for dimension 0 of size 12, expected -12 to 11",
    ),
    "advanced": (
        lambda: table()[t([0, 7])],
        "index: index 7 at position (1,) is out of range for dimension 0 of size 3, expected -3 to 2",
    ),
    "number": (lambda: table()[3], "select: index 3 is out of bounds for dimension 0 with size 3"),
    "cross_entropy": (
        lambda: F.cross_entropy(table(), t([0, 4, 1])),
        "cross_entropy: target 4 at row 1 is out of range for 4 classes, expected 0 to 3",
    ),
    "cross_entropy, negative": (
        lambda: F.cross_entropy(table(), t([0, -1, 1])),
        "cross_entropy: target -1 at row 1 is out of range for 4 classes, expected 0 to 3",
    ),
    "nll_loss": (
        lambda: F.nll_loss(table(), t([0, 9, 1])),
        "gather: index 9 at position (1, 0) is out of range for dimension 1 of size 4, expected 0 to 3 (in nll_loss)",
    ),
    "one_hot": (
        lambda: F.one_hot(t([0, 3]), 3),
        "one_hot: class 3 at position 1 is out of range for 3 classes, expected 0 to 2",
    ),
    "one_hot, negative": (
        lambda: F.one_hot(t([0, -1]), 3),
        "one_hot: class -1 at position 1 is out of range for 3 classes, expected 0 to 2",
    ),
    "max_unpool1d": (
        lambda: F.max_unpool1d(taper.ones(1, 1, 1), t([[[-1]]]), 2),
        "max_unpool1d: index -1 is out of range for an output of size (2,), expected 0 to 1",
    ),
    "max_unpool2d": (
        lambda: F.max_unpool2d(taper.ones(1, 1, 1, 1), t([[[[9]]]]), 2),
        "max_unpool2d: index 9 is out of range for an output of size (2, 2), expected 0 to 3",
    ),
    "ctc_loss": (
        lambda: ctc([1, 4]),
        "ctc_loss: label 4 at position 1 of sample 0 is out of range for 4 classes, expected 0 to 3",
    ),
    "ctc_loss, far": (
        lambda: ctc([1, 9_000_000]),
        "ctc_loss: label 9000000 at position 1 of sample 0 is out of range for 4 classes, expected 0 to 3",
    ),
    "ctc_loss, negative": (
        lambda: ctc([1, -500_000_000]),
        "ctc_loss: label -500000000 at position 1 of sample 0 is out of range for 4 classes, expected 0 to 3",
    ),
    "ctc_loss, blank": (lambda: ctc([1, 2], blank=4), "ctc_loss: blank 4 is out of range for 4 classes"),
}


@pytest.mark.parametrize("name", OUT_OF_RANGE)
def test_index_position_and_limit_are_named(name):
    call, message = OUT_OF_RANGE[name]
    with pytest.raises(IndexError) as caught:
        call()
    assert str(caught.value) == message


REFUSED_VALUES = {
    "bincount": (
        lambda: taper.bincount(t([1, -1])),
        "bincount: value -1 at position 1 is negative; it counts integers from 0",
    ),
    "repeat_interleave": (
        lambda: taper.repeat_interleave(t([1]), t([-1])),
        "repeat_interleave: repeats must not be negative, got -1",
    ),
    "multinomial, negative": (
        lambda: taper.multinomial(t([1.0, -1.0]), 1),
        "multinomial: weight -1 at row 0, category 1 is negative, infinite or NaN",
    ),
    "multinomial, too few": (
        lambda: taper.multinomial(t([1.0, 0.0]), 2),
        "multinomial: row 0 has 1 categories of positive weight, too few to draw 2",
    ),
    "embedding_bag, offsets": (
        lambda: F.embedding_bag(t([0, 2]), table(), t([1])),
        "embedding_bag: offsets go from 1 to 2, expected 0 to 2, the number of indices",
    ),
    "embedding_bag, falling offsets": (
        lambda: F.embedding_bag(t([0, 2]), table(), t([0, 7])),
        "embedding_bag: offset 2 of bag 2 is less than that of the bag before, 7",
    ),
    "ctc_loss, input length": (
        lambda: ctc([1, 2], input_length=6),
        "ctc_loss: input length 6 of sample 0 exceeds 5",
    ),
    "ctc_loss, target length": (
        lambda: ctc([1, 2], target_length=3),
        "ctc_loss: target length 3 of sample 0 exceeds 2",
    ),
    "ctc_loss, negative input length": (
        lambda: ctc([1, 2], input_length=-1),
        "ctc_loss: input length -1 of sample 0 is negative",
    ),
    "ctc_loss, negative target length": (
        lambda: ctc([1, 2], target_length=-1),
        "ctc_loss: target length -1 of sample 0 is negative",
    ),
    "split, sizes whose sum wraps": (
        lambda: table().split([2**63 - 1, 2**63 - 1, 5]),
        "split: the sum of sizes (9223372036854775807, 9223372036854775807, 5) is more than an int64 can count",
    ),
    "tensor_split": (
        lambda: taper.tensor_split(table(), 2**40),
        "tensor_split: would make 1099511627776 tensors, expected at most 16777216",
    ),
    "combinations": (
        lambda: taper.combinations(taper.arange(100), 50),
        "combinations: 100 elements, 50 at a time, are more than an int64 can count",
    ),
}


@pytest.mark.parametrize("name", REFUSED_VALUES)
def test_values_that_cannot_be(name):
    call, message = REFUSED_VALUES[name]
    with pytest.raises(ValueError) as caught:
        call()
    assert str(caught.value) == message


def test_targets_that_are_ignored_may_have_any_value():
    losses = F.cross_entropy(table(), t([-100, 1, -100]), reduction="none")
    logits = np.arange(4.0) + 4
    expected = np.log(np.exp(logits).sum()) - logits[1]
    np.testing.assert_allclose(losses.numpy(), [0, expected, 0], rtol=1e-6)
    assert np.isnan(F.cross_entropy(table(), t([-100] * 3)).item())  # 0 / 0, as in PyTorch


def test_a_refused_index_leaves_the_tensor_alone():
    for write in (
        lambda x: x.scatter_(1, t([[0, 4]]), 9.0),
        lambda x: x.index_put_((t([0, 3]),), t(9.0)),
        lambda x: x.index_add_(0, t([0, 3]), taper.ones(2, 4)),
        lambda x: x.index_copy_(0, t([0, 3]), taper.ones(2, 4)),
        lambda x: x.index_fill_(0, t([0, 3]), 9.0),
        lambda x: x.put_(t([0, 12]), t([9.0, 9.0])),
        lambda x: x.__setitem__(t([0, 3]), 9.0),
    ):
        x = table()
        with pytest.raises(IndexError):
            write(x)
        np.testing.assert_array_equal(x.numpy(), np.arange(12.0).reshape(3, 4))


# --- any index of any shape gives what NumPy gives, or both refuse ---

sizes = st.lists(st.integers(0, 4), min_size=0, max_size=4)
bound = st.none() | st.integers(-6, 6)
entry = st.one_of(
    st.integers(-5, 4),
    st.builds(slice, bound, bound, st.none() | st.integers(1, 3)),
    st.just(Ellipsis),
    st.none(),
    st.lists(st.integers(-4, 3), min_size=1, max_size=3),
    st.lists(st.booleans(), min_size=1, max_size=4),
    st.lists(st.lists(st.integers(-3, 2), min_size=2, max_size=2), min_size=1, max_size=2),
)


def outcome(function):
    try:
        return function()
    except (IndexError, ValueError) as error:
        return error


@settings(max_examples=400, deadline=None, derandomize=True)
@given(sizes, st.lists(entry, min_size=0, max_size=4))
def test_any_index_against_numpy(shape, entries):
    array = np.arange(int(np.prod(shape))).reshape(shape)
    index = tuple(np.array(e) if isinstance(e, list) else e for e in entries)
    expected, got = outcome(lambda: array[index]), outcome(lambda: taper.tensor(array)[index])
    if isinstance(expected, Exception):
        assert isinstance(got, Exception), (expected, got)
        return
    np.testing.assert_array_equal(got.numpy(), expected)
    written, x = array.copy(), taper.tensor(array)
    values = -1 - np.arange(expected.size).reshape(expected.shape)
    if len(np.unique(expected)) == expected.size:  # otherwise which of several writes comes last is open
        written[index] = values
        x[index] = taper.tensor(values)
        np.testing.assert_array_equal(x.numpy(), written)


@settings(max_examples=200, deadline=None, derandomize=True)
@given(
    st.integers(0, 3),
    st.lists(st.integers(1, 4), min_size=1, max_size=3),
    st.lists(st.integers(-6, 6), min_size=1, max_size=5),
)
def test_any_selection_along_a_dimension_against_numpy(dim, shape, index):
    array = np.arange(int(np.prod(shape)), dtype=np.float64).reshape(shape)
    x = taper.tensor(array)
    fits = dim < len(shape) and all(0 <= i < shape[dim] for i in index)
    places = np.array(index)
    if not fits:
        with pytest.raises(IndexError):
            x.index_select(dim, taper.tensor(places))
        return
    np.testing.assert_array_equal(x.index_select(dim, taper.tensor(places)).numpy(), array.take(places, dim))
    added = array.copy()
    np.add.at(np.moveaxis(added, dim, 0), places, 1.0)
    source = taper.ones([len(index) if d == dim else n for d, n in enumerate(shape)], dtype=taper.float64)
    np.testing.assert_array_equal(x.index_add(dim, taper.tensor(places), source).numpy(), added)
