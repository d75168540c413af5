"""Shapes and sizes that cannot be, and those at the edge that can; each message as a user reads it."""

import numpy as np
import pytest

import taper
import taper.nn.functional as F
from taper import nn

# What each operation that makes a tensor is called with for sizes of one and of two dimensions.
CREATORS = {
    name: (lambda *sizes, name=name: getattr(taper, name)(sizes))
    for name in ("zeros", "ones", "empty", "rand", "randn")
}
CREATORS |= {
    "full": lambda *sizes: taper.full(sizes, 1.0),
    "randint": lambda *sizes: taper.randint(0, 5, sizes),
    "normal": lambda *sizes: taper.normal(0.0, 1.0, sizes),
    "expand": lambda *sizes: taper.ones(1).expand(sizes).clone(),
    "repeat": lambda *sizes: taper.ones(1).repeat(sizes),
    "new_zeros": lambda *sizes: taper.ones(1).new_zeros(sizes),
    "new_full": lambda *sizes: taper.ones(1).new_full(sizes, 1.0),
    "resize_": lambda *sizes: taper.ones(1).resize_(sizes),
}
COUNTED = {
    "arange": lambda n: taper.arange(n),
    "linspace": lambda n: taper.linspace(0, 1, n),
    "logspace": lambda n: taper.logspace(0, 1, n),
    "eye": lambda n: taper.eye(n),
    "randperm": lambda n: taper.randperm(n),
    "hann_window": lambda n: taper.hann_window(n),
    "tril_indices": lambda n: taper.tril_indices(n, n),
    "one_hot": lambda n: F.one_hot(taper.tensor([0]), n) if n else taper.empty(0),
}


@pytest.mark.parametrize("name", CREATORS)
def test_sizes_of_new_tensors(name):
    make = CREATORS[name]
    if name not in ("expand",):
        assert tuple(make(0, 3).shape) == (0, 3) and make(2**40, 0).numel() == 0
    op = name.removeprefix("new_").strip("_")
    with pytest.raises(ValueError, match=rf"-2.*{op}|{op}.*-2"):
        make(3, -2)
    with pytest.raises(taper.ShapeError, match="more elements than an int64 can count"):
        make(2**40, 2**40)
    with pytest.raises((MemoryError, taper.OutOfMemoryError)):
        make(2**40, 3)


@pytest.mark.parametrize("name", COUNTED)
def test_lengths_of_new_tensors(name):
    make = COUNTED[name]
    assert make(0).numel() == 0
    with pytest.raises((ValueError, IndexError), match=name):
        make(-2)
    with pytest.raises((MemoryError, taper.Error)):
        make(2**44)


def shape_error(call):
    with pytest.raises(ValueError) as caught:
        call()
    return str(caught.value)


x34 = taper.arange(12.0).reshape(3, 4)
MESSAGES = {
    "negative": (lambda: taper.zeros(2, -1), "sizes (2, -1) hold a negative size: -1 (in zeros)"),
    "count": (
        lambda: taper.empty(2**40, 2**40),
        "sizes (1099511627776, 1099511627776) have more elements than an int64 can count (in empty)",
    ),
    "matmul": (
        lambda: taper.ones(3, 4) @ taper.ones(5, 6),
        "matmul: inner dimensions differ: (3, 4) @ (5, 6); expected 4 rows on the right",
    ),
    "mm": (
        lambda: taper.mm(taper.ones(3, 4), taper.ones(5, 6)),
        "mm: inner dimensions differ: (3, 4) @ (5, 6); expected 4 rows on the right",
    ),
    "broadcast": (
        lambda: taper.ones(3, 4) + taper.ones(3, 5),
        "add: shapes (3, 4) and (3, 5) do not broadcast: dimension 1 is 4 in one and 5 in the other",
    ),
    "cat": (
        lambda: taper.cat([taper.ones(2, 3), taper.ones(2, 4)]),
        "cat: sizes of tensors must match except in dimension 0: tensor 0 has shape (2, 3), tensor 1 has shape (2, 4)",
    ),
    "stack": (
        lambda: taper.stack([taper.ones(2), taper.ones(3)]),
        "stack: each tensor must have the same shape, but tensor 0 has (2,) and tensor 1 has (3,)",
    ),
    "two unknown": (lambda: x34.reshape(-1, -1), "reshape: only one size can be -1, got (-1, -1)"),
    "unknown of nothing": (
        lambda: taper.empty(0).reshape(-1, 0),
        "reshape: the size -1 in (-1, 0) is ambiguous for 0 elements",
    ),
    "reshape": (lambda: x34.reshape(5, 3), "reshape: shape (5, 3) is invalid for input of size 12"),
    "view": (
        lambda: x34.t().view(12),
        "view: sizes (4, 3) with strides (1, 4) cannot be seen as (12,) without copying; use reshape()",
    ),
    "as_strided": (
        lambda: taper.as_strided(x34, (4, 4), (4, 1)),
        "as_strided: sizes (4, 4), strides (4, 1) and offset 0 reach outside of a storage of 12 elements",
    ),
    "as_strided, far": (
        lambda: taper.as_strided(x34, (2, 2), (2**62, 1)),
        "as_strided: sizes (2, 2), strides (4611686018427387904, 1) and offset 0 reach outside of a storage of 12 "
        "elements",
    ),
    "as_strided, backwards": (
        lambda: taper.as_strided(x34, (2,), (-1,)),
        "as_strided: negative strides are not supported, got (-1,)",
    ),
    "as_strided, offset": (
        lambda: taper.as_strided(x34, (2,), (1,), -1),
        "as_strided: sizes (2,), strides (1,) and offset -1 reach outside of a storage of 12 elements",
    ),
    "linear in a network": (
        lambda: nn.Sequential(nn.Linear(8, 9), nn.ReLU(), nn.Linear(2, 2))(taper.ones(2, 8)),
        "linear: x of shape (2, 9) has 9 features but weight (2, 2) takes 2 (in Sequential.2 (Linear))",
    ),
    "convolution": (
        lambda: nn.Conv2d(3, 8, 3)(taper.ones(1, 1, 28, 28)),
        "conv: weight of shape (8, 3, 3, 3) with groups=1 takes 3 channels, but the input of shape (1, 1, 28, 28) has "
        "1 (in Conv2d)",
    ),
    "batch norm": (
        lambda: nn.BatchNorm1d(3)(taper.ones(2, 4)),
        "batch_norm: weight and bias must have shape (4,) for an input of shape (2, 4), got (3,) (in BatchNorm1d)",
    ),
    "item": (
        lambda: taper.ones(3).item(),
        "item: a Tensor with 3 elements (shape (3,)) cannot be converted to Scalar",
    ),
    "bool": (
        lambda: bool(taper.ones(3)),
        "bool: Boolean value of Tensor with more than one value is ambiguous (shape (3,)); use any() or all()",
    ),
    "cross_entropy": (
        lambda: F.cross_entropy(x34, taper.tensor([[0], [1], [2]])),
        "cross_entropy: input of shape (3, 4) needs targets of shape (3,), got (3, 1)",
    ),
}


@pytest.mark.parametrize("name", MESSAGES)
def test_message(name):
    call, message = MESSAGES[name]
    assert shape_error(call) == message


DTYPE_MESSAGES = {
    "linear": (
        lambda: nn.Linear(2, 2)(taper.from_numpy(np.ones((1, 2)))),
        "linear: operands have different dtypes: float64 and float32; convert one with .to() (in Linear)",
    ),
    "convolution": (
        lambda: nn.Conv2d(3, 8, 3)(taper.ones(1, 3, 8, 8, dtype=taper.uint8)),
        "conv: input of dtype uint8 and weight of dtype float32 must be the same; convert the input with "
        ".to(weight.dtype) (in Conv2d)",
    ),
    "matmul": (
        lambda: taper.ones(2, 2) @ taper.ones(2, 2, dtype=taper.float64),
        "matmul: operands have different dtypes: float32 and float64; convert one with .to()",
    ),
    "class indices": (
        lambda: F.cross_entropy(x34, taper.tensor([0.0, 1.0, 2.0])),
        "cross_entropy: target of class indices must be int64, got float32; convert it with .long()",
    ),
    "gradient of integers": (
        lambda: taper.ones(2, dtype=taper.int64, requires_grad=True),
        "requires_grad_: only tensors of floating point and complex dtype can require gradients, got int64 (in ones)",
    ),
    "big-endian": (
        lambda: taper.from_numpy(np.arange(3, dtype=">f4")),
        "from_numpy: big-endian arrays are not supported; convert with .astype(a.dtype.newbyteorder('='))",
    ),
    "text": (
        lambda: taper.from_numpy(np.array(["a"])),
        "from_numpy: can't convert np.ndarray of type str32; supported are bool, int8 ... int64, uint8 ... uint64, "
        "float16, float32, float64, complex64, complex128",
    ),
}


@pytest.mark.parametrize("name", DTYPE_MESSAGES)
def test_dtype_message(name):
    call, message = DTYPE_MESSAGES[name]
    with pytest.raises(TypeError) as caught:
        call()
    assert str(caught.value) == message


def test_edges_that_are_no_faults():
    assert taper.empty(2**40, 2**40, 0).numel() == 0
    assert (taper.ones(2, 0) @ taper.ones(0, 3)).tolist() == [[0.0] * 3] * 2
    assert nn.Linear(0, 2)(taper.ones(3, 0)).shape == (3, 2)
    assert taper.ones((1,) * 40).sum().item() == 1
    assert taper.arange(100_000).split(1)[-1].tolist() == [99_999]
    assert [tuple(p.shape) for p in taper.tensor_split(x34, 5)] == [(1, 4)] * 3 + [(0, 4)] * 2
    assert taper.combinations(taper.arange(3), 5).shape == (0, 5)
    assert taper.triu_indices(2**31, 1, 2**40).shape == taper.tril_indices(2**31, 5, -(2**40)).shape == (2, 0)
    expected = [[0, 0], [0, 1], [0, 2], [1, 1], [1, 2], [2, 2]]
    assert taper.combinations(taper.arange(3), 2, True).tolist() == expected


# --- losses over shapes that only broadcast ---

HINT = "; they must be the same; reshape one of them, e.g. target.reshape((32, 1)) or input.squeeze(-1)"


@pytest.mark.parametrize(
    "name",
    """mse_loss l1_loss smooth_l1_loss huber_loss binary_cross_entropy binary_cross_entropy_with_logits kl_div
    poisson_nll_loss gaussian_nll_loss soft_margin_loss multilabel_soft_margin_loss hinge_embedding_loss""".split(),
)
def test_losses_name_both_shapes_and_the_repair(name):
    more = [taper.ones(32, 1)] if name == "gaussian_nll_loss" else []
    message = shape_error(lambda: getattr(F, name)(taper.full((32, 1), 0.5), taper.ones(32), *more))
    assert message == f"{name}: input has shape (32, 1) but target has shape (32,){HINT}"


def test_losses_of_pairs():
    column, row = taper.ones(32, 1), taper.ones(32)
    assert "input1 (32, 1), input2 (32,) and target (32,) must have the same number" in shape_error(
        lambda: F.margin_ranking_loss(column, row, row)
    )
    assert "has shape (32,) but target has shape (32, 1)" in shape_error(
        lambda: F.cosine_embedding_loss(taper.ones(32, 5), taper.ones(32, 5), column)
    )


def test_gaussian_loss_takes_one_variance_for_a_row():
    mean, target, var = np.random.randn(4, 3), np.random.randn(4, 3), np.random.rand(4) + 0.5
    expected = 0.5 * (np.log(var)[:, None] + (mean - target) ** 2 / var[:, None])
    for given in (var, var[:, None]):
        got = F.gaussian_nll_loss(*map(taper.tensor, (mean, target, given)))
        np.testing.assert_allclose(got.item(), expected.mean(), rtol=1e-12)


# --- arguments no one should pass ---


class Growing:
    """A sequence that is longer when it is asked a second time."""

    def __init__(self):
        self.asked = 0

    def __len__(self):
        self.asked += 1
        return 3 if self.asked < 2 else 1_000_000

    def __getitem__(self, i):
        return 1.0


class Clearing:
    """An index that empties the list it stands in."""

    def __init__(self, items):
        self.items = items

    def __index__(self):
        self.items.clear()
        return 1


def test_arguments_that_change_while_they_are_read():
    with pytest.raises(ValueError, match="tensor: the data changed while they were read"):
        taper.tensor(Growing())
    sizes = [2, 3, 4]
    sizes[0] = Clearing(sizes)
    assert taper.zeros(sizes).shape == (1,)


def test_text_that_is_no_unicode():
    with pytest.raises(UnicodeEncodeError):
        F.pad(taper.ones(2, 2), (1, 1), mode="\ud800")
    with pytest.raises((UnicodeEncodeError, TypeError)):
        taper.add(taper.ones(1), 1, **{"\ud800": 1})


def test_lists_in_themselves_and_deep_ones():
    own = []
    own.append(own)
    deep = 1.0
    for _ in range(100_000):
        deep = [deep]
    for data in (own, deep):
        with pytest.raises(ValueError, match="tensor: lists are nested deeper than 64"):
            taper.tensor(data)
    while isinstance(deep, list):  # Python frees such a list by recursion
        deep = deep[0]


def test_out_must_hold_all_results():
    x, values, places = taper.tensor([3.0, 1.0, 2.0]), taper.empty(3), taper.empty(3, dtype=taper.int64)
    taper.sort(x, out=(values, places))
    assert values.tolist() == [1, 2, 3] and places.tolist() == [1, 2, 0]
    for out in (values, (values,), (values, places, values)):
        with pytest.raises(TypeError, match="argument 'out' must be a tuple of 2 Tensors"):
            taper.sort(x, out=out)


def test_devices_that_do_not_exist():
    with pytest.raises(taper.DeviceError, match="did you mean 'cuda'"):
        taper.ones(1, device="gpu")
    for index in (-1, 128, 2**40):
        with pytest.raises(taper.DeviceError, match="index .* is out of range, expected 0 to 127"):
            taper.ones(1, device=index)
    with pytest.raises(ValueError, match="does not fit into 64 bits"):
        taper.ones(1, device=2**70)


def test_a_buffer_of_more_bytes_than_can_be_counted():
    x = taper.ones(1).expand(2**62)
    with pytest.raises(BufferError, match="more bytes than a buffer can count"):
        memoryview(x)


def test_tensors_too_large_to_hold_are_shown():
    assert repr(taper.ones(1).expand(2**62)) == "tensor([1., 1., 1.,  ..., 1., 1., 1.])"
    rows = repr(taper.ones(1).expand(2**31, 2**31)).splitlines()
    assert len(rows) == 7 and rows[0] == "tensor([[1., 1., 1.,  ..., 1., 1., 1.],"


def test_diagonals_further_off_than_any():
    x = taper.ones(2, 3)
    for lowest, highest in ((-(2**63), 2**63 - 1), (-100, 100)):
        assert (x.tril(highest) == 1).all() and (x.triu(lowest) == 1).all()
        assert (x.tril(lowest) == 0).all() and (x.triu(highest) == 0).all()


def test_dimensions_beyond_what_a_tensor_has():
    assert taper.ones((1,) * 1000).ndim == 1000
    with pytest.raises(taper.ShapeError, match="a tensor cannot have 1025 dimensions, expected at most 1024"):
        taper.ones((1,) * 1025)
    with pytest.raises(taper.ShapeError, match="flip: more than 64 dimensions"):
        taper.ones((1,) * 65).flip(0)
    assert taper.zeros(2**40, 2**40, 0).numel() == 0


@pytest.mark.parametrize(
    "call",
    [
        lambda: x34.unfold(0, 2, 2**63 - 1),
        lambda: taper.diag_embed(x34, offset=-(2**63)),
        lambda: taper.diag_embed(x34, offset=2**63 - 1),
        lambda: F.pad(x34, (2**63 - 1, 1)),
        lambda: taper.histogram(x34.flatten(), 2**63 - 1),
        lambda: F.conv2d(taper.ones(1, 2, 3, 3), taper.ones(0, 2, 1, 1), groups=2**63 - 1),
    ],
)
def test_sums_and_products_of_sizes_that_no_integer_holds_are_refused(call):
    with pytest.raises(taper.Error, match="large|countable|divisible"):
        call()
