# taper.fft, windows and short-time transforms against NumPy and SciPy.
import numpy as np
import pytest
import scipy.signal

import taper
from taper import fft
from taper.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)


@pytest.mark.parametrize("n", [1, 2, 6, 31, 37, 97, 128, 1009, 2 * 1009, 5000])
def test_any_length(n):
    x = rng.standard_normal(n) + 1j * rng.standard_normal(n)
    np.testing.assert_allclose(fft.fft(taper.tensor(x)).numpy(), np.fft.fft(x), 1e-9, 1e-9)
    np.testing.assert_allclose(fft.ifft(taper.tensor(x)).numpy(), np.fft.ifft(x), 1e-9, 1e-9)
    single = fft.fft(taper.tensor(x).to(taper.complex64))
    assert single.dtype == taper.complex64
    np.testing.assert_allclose(single.numpy(), np.fft.fft(x), 1e-3, 1e-4 * np.sqrt(n))


@pytest.mark.parametrize(
    "name",
    [
        "fft",
        "ifft",
        "rfft",
        "irfft",
        "hfft",
        "ihfft",
        "fft2",
        "rfft2",
        "irfft2",
        "fftn",
        "ifftn",
        "rfftn",
        "irfftn",
    ],
)
@pytest.mark.parametrize("norm", [None, "ortho", "forward"])
def test_each_transform(name, norm):
    function, expected = getattr(fft, name), getattr(np.fft, name)
    x = rng.standard_normal((4, 6))
    if name not in ("rfft", "ihfft", "rfft2", "rfftn"):
        x = x + 1j * rng.standard_normal((4, 6))
    many = name[-1] in "2n"
    for size in (None, 5, 8):
        options = {"s" if many else "n": (size, size) if many and size else size}
        given = {**options, "axes": (-2, -1)} if many else options
        mine = {**options, "dim": (-2, -1)} if many else options
        np.testing.assert_allclose(
            function(taper.tensor(x), norm=norm, **mine).numpy(),
            expected(x, norm=norm, **given),
            1e-10,
            1e-10,
        )
    leaf = taper.tensor(x).requires_grad_()
    assert gradcheck(lambda x: function(x, norm=norm), (leaf,))
    assert gradgradcheck(lambda x: function(x, norm=norm), (leaf,))


def test_frequencies_and_shifts():
    for n in (1, 4, 5):
        np.testing.assert_allclose(fft.fftfreq(n, 0.5).numpy(), np.fft.fftfreq(n, 0.5))
        np.testing.assert_allclose(fft.rfftfreq(n, 0.5).numpy(), np.fft.rfftfreq(n, 0.5))
        x = np.arange(n * n).reshape(n, n)
        assert (fft.fftshift(taper.tensor(x)).numpy() == np.fft.fftshift(x)).all()
        assert (fft.ifftshift(taper.tensor(x), 0).numpy() == np.fft.ifftshift(x, 0)).all()


def test_refused_arguments():
    x = taper.ones(4)
    for call in (
        lambda: fft.fft(x, 0),
        lambda: fft.fft(x, norm="other"),
        lambda: fft.fft(x, dim=1),
        lambda: fft.rfft(x.to(taper.complex64)),
        lambda: fft.fftn(x, dim=(0, 0)),
        lambda: fft.fftn(x, s=(2, 2)),
        lambda: fft.fft(x.half()),
        lambda: fft.irfft(taper.ones(1)),
    ):
        with pytest.raises(RuntimeError):
            call()


@pytest.mark.parametrize(
    "name, window",
    [
        ("hann", "hann"),
        ("hamming", "hamming"),
        ("blackman", "blackman"),
        ("bartlett", "bartlett"),
        ("kaiser", ("kaiser", 12.0)),
    ],
)
def test_windows(name, window):
    for n in (1, 5, 8):
        for periodic in (False, True):
            np.testing.assert_allclose(
                getattr(taper, name + "_window")(n, periodic, dtype=taper.float64).numpy(),
                scipy.signal.get_window(window, n, fftbins=periodic),
                1e-12,
                1e-12,
            )


def test_short_time_transform_and_back():
    x = taper.tensor(rng.standard_normal((2, 100)))
    window = taper.hann_window(12, dtype=taper.float64)
    spectrum = taper.stft(x, 16, 4, 12, window, return_complex=True)
    padded = np.pad(x.numpy(), ((0, 0), (8, 8)), "reflect")
    framed = np.pad(window.numpy(), 2)
    expected = np.stack([np.fft.rfft(padded[:, i : i + 16] * framed) for i in range(0, 101, 4)], -1)
    np.testing.assert_allclose(spectrum.numpy(), expected, 1e-10, 1e-10)
    np.testing.assert_allclose(
        taper.istft(spectrum, 16, 4, 12, window, length=100).numpy(), x.numpy(), 1e-9, 1e-9
    )
