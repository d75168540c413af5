"""Running results of associative functions."""

import pytest

import taper
from taper._higher_order_ops.associative_scan import associative_scan


@pytest.mark.parametrize("size", [1, 2, 3, 7, 8, 13])
def test_running_sums_and_linear_recurrences(size):
    x = taper.rand(2, size, 3, dtype=taper.float64)
    assert taper.allclose(associative_scan(lambda a, b: a + b, x, 1), x.cumsum(1))
    backwards = associative_scan(lambda a, b: a + b, x, 1, reverse=True)
    assert taper.allclose(backwards, x.flip(1).cumsum(1).flip(1))
    factors, inputs = x[0, :, 0], x[1, :, 1]
    _, states = associative_scan(lambda p, q: (p[0] * q[0], p[1] * q[0] + q[1]), (factors, inputs), 0)
    state, expected = 0.0, []
    for factor, value in zip(factors.tolist(), inputs.tolist()):
        state = factor * state + value
        expected.append(state)
    assert states.tolist() == pytest.approx(expected)


def test_tensors_of_different_lengths_are_refused():
    with pytest.raises(ValueError, match=r"got \[2, 3\]"):
        associative_scan(lambda a, b: a, (taper.ones(2), taper.ones(3)), 0)
