"""Fourier transforms on "cuda" through the stand-in of cuFFT, against NumPy."""

import numpy as np
import pytest

import taper
from taper import fft


def close(got, expected):
    got = got.cpu().numpy()
    tolerance = 1e-4 if got.dtype in (np.float32, np.complex64) else 1e-10
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def random(*shape, dtype=np.complex128):
    generator = np.random.default_rng(0)
    x = generator.normal(size=shape) + 1j * generator.normal(size=shape)
    return (x if np.issubdtype(dtype, np.complexfloating) else x.real).astype(dtype)


@pytest.mark.parametrize(
    "dtype", [np.complex64, np.complex128, np.float32, np.float64], ids=lambda d: d.__name__
)
@pytest.mark.parametrize("n", [1, 2, 6, 37, 64])
def test_transforms_of_any_length(device, n, dtype):
    x = random(3, n, dtype=dtype)
    close(fft.fft(taper.tensor(x).to("cuda")), np.fft.fft(x))
    close(fft.ifft(taper.tensor(x).to("cuda")), np.fft.ifft(x))


@pytest.mark.parametrize("dim", [0, 1, -1])
def test_transforms_along_any_dimension_of_strided_tensors(device, dim):
    x = random(4, 3, 6)
    close(fft.fft(taper.tensor(x).to("cuda"), dim=dim), np.fft.fft(x, axis=dim))
    close(
        fft.fft(taper.tensor(x).to("cuda")[::2].mT, dim=dim), np.fft.fft(np.swapaxes(x[::2], 1, 2), axis=dim)
    )


@pytest.mark.parametrize("n", [4, 5])
def test_real_and_several_dimensions(device, n):
    x = random(n, 6, dtype=np.float64)
    close(fft.rfft(taper.tensor(x).to("cuda")), np.fft.rfft(x))
    close(fft.irfft(fft.rfft(taper.tensor(x).to("cuda"))), x)
    close(fft.fft2(taper.tensor(x).to("cuda")), np.fft.fft2(x))
    close(fft.ifftn(taper.tensor(x).to("cuda")), np.fft.ifftn(x))


def test_empty_batches(device):
    assert fft.fft(taper.zeros(0, 4, dtype=taper.complex64, device="cuda")).shape == (0, 4)


def test_more_plans_than_are_kept(device):
    for _ in range(2):
        for n in range(2, 38):
            x = random(n)
            close(fft.fft(taper.tensor(x).to("cuda")), np.fft.fft(x))


def test_the_gradient_is_the_other_direction(device):
    x = taper.tensor(random(2, 6)).to("cuda").requires_grad_()
    weight = taper.tensor(random(2, 6)[::-1].copy()).to("cuda")
    taper.real(fft.fft(x) * weight).sum().backward()
    # Re sum w F x has the gradient conj(F^T w).
    close(x.grad, np.conj(np.fft.fft(weight.cpu().numpy())))
