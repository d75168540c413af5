"""Windows against SciPy's."""

import numpy as np
import pytest
import scipy.signal.windows

import taper
from taper.signal import windows

CASES = [
    ("bartlett", {}, ()),
    ("blackman", {}, ()),
    ("cosine", {}, ()),
    ("exponential", {"tau": 2.5}, (None, 2.5)),
    ("gaussian", {"std": 0.7}, (0.7,)),
    ("general_cosine", {"a": [0.5, 0.3, 0.2]}, ([0.5, 0.3, 0.2],)),
    ("general_hamming", {"alpha": 0.7}, (0.7,)),
    ("hamming", {}, ()),
    ("hann", {}, ()),
    ("kaiser", {"beta": 5.0}, (5.0,)),
    ("nuttall", {}, ()),
]


@pytest.mark.parametrize("sym", [True, False])
@pytest.mark.parametrize("count", [0, 1, 2, 7, 16])
@pytest.mark.parametrize("name, options, positional", CASES)
def test_windows(name, options, positional, count, sym):
    got = getattr(windows, name)(count, **options, sym=sym, dtype=taper.float64)
    expected = getattr(scipy.signal.windows, name)(count, *positional, sym=sym)
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-9, atol=1e-12)


def test_options_and_errors():
    assert windows.hann(4).dtype is taper.float32
    assert windows.exponential(3, center=0.0, sym=False, requires_grad=True).requires_grad
    for call in (
        lambda: windows.hann(-1),
        lambda: windows.kaiser(3, beta=-1.0),
        lambda: windows.gaussian(3, std=0.0),
        lambda: windows.exponential(3, tau=-1.0),
        lambda: windows.exponential(3, center=1.0),
        lambda: windows.general_cosine(3, a=[]),
        lambda: windows.hann(3, dtype=taper.int64),
    ):
        with pytest.raises(taper.ValueError):
            call()
