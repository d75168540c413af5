"""Functions of any number of tensors or shapes, and copies of what views show."""

import numpy as np
import pytest

import taper


def test_broadcast_shapes_of_shapes_and_numbers():
    assert taper.broadcast_shapes((3, 1), (1, 4), 4) == (3, 4)
    assert taper.broadcast_shapes() == ()
    with pytest.raises(taper.ShapeError):
        taper.broadcast_shapes((3,), (4,))


def test_tensors_one_by_one_or_as_a_list():
    a, b = taper.tensor([1, 2]), taper.tensor([3, 4, 5])
    assert taper.cartesian_prod(a, b).tolist() == [[i, j] for i in (1, 2) for j in (3, 4, 5)]
    assert taper.block_diag(a, b).shape == taper.block_diag([a, b]).shape == (2, 5)


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("expand", ((2, 3, 4),)),
        ("permute", ((1, 0),)),
        ("select", (0, 1)),
        ("diagonal", ()),
        ("unsqueeze", (0,)),
        ("view", ((4, 3),)),
        ("unfold", (1, 2, 1)),
        ("split", (2,)),
        ("unbind", ()),
    ],
)
def test_view_copies_share_no_memory_and_carry_gradients(name, arguments):
    x = taper.randn(3, 4, requires_grad=True)
    shown, copied = getattr(x, name)(*arguments), getattr(taper, name + "_copy")(x, *arguments)
    if not isinstance(copied, tuple):
        shown, copied = [shown], [copied]
    for a, b in zip(shown, copied):
        np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
        assert b.data_ptr() != a.data_ptr()
    sum(b.sum() for b in copied).backward()
    assert x.grad.abs().sum() > 0


@pytest.mark.parametrize(
    "shape, wrap", [((3, 3), False), ((7, 3), True), ((7, 3), False), ((2, 5), True), ((3, 3, 3), False)]
)
def test_fill_diagonal(shape, wrap):
    x, expected = taper.zeros(shape), np.zeros(shape, np.float32)
    np.fill_diagonal(expected, 2.5, wrap=wrap)
    np.testing.assert_array_equal(x.fill_diagonal_(2.5, wrap).numpy(), expected)


def test_second_names():
    a, b = taper.tensor([1, 2, 3]), taper.tensor([3, 2, 1])
    assert taper.greater(a, b).tolist() == a.greater(b).tolist() == [False, False, True]
    assert a.clone().less_equal_(b).tolist() == [1, 1, 0]
    assert taper.special.psi(taper.tensor(1.0)).item() == pytest.approx(-np.euler_gamma)


def test_native_dropout_gives_what_it_keeps():
    taper.manual_seed(0)
    x = taper.arange(1.0, 1001.0)
    y, kept = taper.native_dropout(x, 0.25, True)
    assert 700 < kept.sum().item() < 800
    np.testing.assert_allclose(y.numpy(), np.where(kept.numpy(), x.numpy() / 0.75, 0), rtol=1e-6)
    assert (taper.native_dropout_backward(x, kept, 1 / 0.75) == y).all()
    y, kept = taper.native_dropout(x, 0.25, False)
    assert (y == x).all() and kept.all()


def test_margin_ranking_loss_of_integers_is_floating():
    values = [taper.tensor(v) for v in ([1, 2], [2, 4], [1, -1])]
    loss = taper.nn.functional.margin_ranking_loss(*values)
    assert loss.dtype is taper.float32 and loss.item() == 0.5
