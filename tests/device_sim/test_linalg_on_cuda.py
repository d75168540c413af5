"""Linear algebra on "cuda" through the stand-ins of cuSOLVER and cuBLAS, against NumPy."""

import numpy as np
import pytest

import taper
from taper import linalg

DTYPES = [np.float32, np.float64, np.complex64, np.complex128]
TALL, WIDE, SQUARE = (5, 3), (3, 5), (4, 4)


@pytest.fixture(params=DTYPES, ids=lambda dtype: dtype.__name__)
def dtype(request):
    return request.param


def random(dtype, *shape, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.normal(size=shape)
    if np.issubdtype(dtype, np.complexfloating):
        x = x + 1j * generator.normal(size=shape)
    return x.astype(dtype)


def positive(dtype, *shape):
    x = random(dtype, *shape)
    return (x @ np.conj(np.swapaxes(x, -1, -2)) + np.eye(shape[-1])).astype(dtype)


def on_cuda(x):
    return taper.tensor(x).to("cuda")


def transposed_on_cuda(x):
    """The matrices x, in memory that is not row-major."""
    return on_cuda(np.ascontiguousarray(np.swapaxes(x, -1, -2))).mT


def close(got, expected):
    got = got.cpu().numpy() if isinstance(got, taper.Tensor) else got
    tolerance = 2e-4 if got.dtype in (np.float32, np.complex64) else 1e-10
    np.testing.assert_allclose(got, expected, rtol=tolerance, atol=tolerance)


def adjoint(x):
    return np.conj(np.swapaxes(x, -1, -2))


def orthonormal(x):
    close(adjoint(x) @ x, np.broadcast_to(np.eye(x.shape[-1]), (*x.shape[:-2], x.shape[-1], x.shape[-1])))


@pytest.mark.parametrize("batch", [(), (3,), (2, 2)], ids=str)
def test_solve_inv_det_and_lu_of_square_matrices(device, dtype, batch):
    a, b = random(dtype, *batch, 4, 4), random(dtype, *batch, 4, 2, seed=1)
    close(linalg.solve(on_cuda(a), on_cuda(b)), np.linalg.solve(a, b))
    close(linalg.solve(transposed_on_cuda(a), transposed_on_cuda(b)), np.linalg.solve(a, b))
    close(linalg.inv(on_cuda(a)), np.linalg.inv(a))
    close(linalg.det(on_cuda(a)), np.linalg.det(a))
    sign, logarithm = linalg.slogdet(on_cuda(a))
    close(sign * logarithm.exp(), np.linalg.det(a))


@pytest.mark.parametrize("shape", [TALL, WIDE, SQUARE], ids=str)
def test_lu_factor_gives_factors_and_pivots(device, dtype, shape):
    a = random(dtype, 2, *shape)
    p, lower, upper = (x.cpu().numpy() for x in linalg.lu(on_cuda(a)))
    close(p @ lower @ upper, a)
    packed, pivots = linalg.lu_factor(on_cuda(a))
    assert pivots.dtype == taper.int32 and pivots.shape == (2, min(shape))
    expected, expected_pivots = linalg.lu_factor(taper.tensor(a))
    close(packed, expected.numpy())
    assert (pivots.cpu().numpy() == expected_pivots.numpy()).all()


def test_singular_matrices_are_reported_by_number(device, dtype):
    a = np.stack([np.eye(3), np.zeros((3, 3))]).astype(dtype)
    a[1, 0, 0] = 1
    _, _, info = linalg.lu_factor_ex(on_cuda(a))
    assert info.cpu().numpy().tolist() == [0, 2]
    with pytest.raises(linalg.LinAlgError):
        linalg.solve(on_cuda(a), on_cuda(random(dtype, 2, 3, 1)))
    with pytest.raises(linalg.LinAlgError):
        linalg.inv(on_cuda(a))


@pytest.mark.parametrize("upper", [False, True])
@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
def test_cholesky_and_solve_triangular(device, dtype, batch, upper):
    a, b = positive(dtype, *batch, 4, 4), random(dtype, *batch, 4, 3, seed=1)
    factor = np.linalg.cholesky(a)
    close(linalg.cholesky(on_cuda(a), upper=upper), adjoint(factor) if upper else factor)
    triangle = np.triu(a) if upper else np.tril(a)
    close(linalg.solve_triangular(on_cuda(a), on_cuda(b), upper=upper), np.linalg.solve(triangle, b))
    unit = triangle - triangle * np.eye(4) + np.eye(4)
    got = linalg.solve_triangular(on_cuda(a), on_cuda(b), upper=upper, unitriangular=True)
    close(got, np.linalg.solve(unit, b))
    right = linalg.solve_triangular(
        on_cuda(a), on_cuda(np.swapaxes(b, -1, -2).copy()), upper=upper, left=False
    )
    close(right, np.swapaxes(np.linalg.solve(np.swapaxes(triangle, -1, -2), b), -1, -2))


def test_cholesky_reports_minors_that_are_not_positive_and_nan(device, dtype):
    a = np.stack([np.eye(40), np.diag([1.0] * 35 + [-1.0] + [1.0] * 4), np.eye(40)]).astype(dtype)
    a[2, 34, 34] = np.nan
    _, info = linalg.cholesky_ex(on_cuda(a))
    assert info.cpu().numpy().tolist() == [0, 36, 35]
    with pytest.raises(linalg.LinAlgError):
        linalg.cholesky(on_cuda(a))


@pytest.mark.parametrize("mode", ["reduced", "complete", "r"])
@pytest.mark.parametrize("shape", [TALL, WIDE, SQUARE], ids=str)
def test_qr_gives_orthonormal_columns_and_an_upper_triangle(device, dtype, shape, mode):
    a = random(dtype, 2, *shape)
    q, r = (x.cpu().numpy() for x in linalg.qr(on_cuda(a), mode=mode))
    close(np.tril(r, -1), np.zeros_like(r))
    if mode == "r":
        close(adjoint(r) @ r, adjoint(a) @ a)
    else:
        orthonormal(q)
        close(q @ r, a)


@pytest.mark.parametrize("lower", ["L", "U"])
@pytest.mark.parametrize("batch", [(), (3,)], ids=str)
def test_eigh_reads_one_triangle(device, dtype, batch, lower):
    a = random(dtype, *batch, 4, 4)
    triangle = np.tril(a, -1) if lower == "L" else adjoint(np.triu(a, 1))
    full = triangle + adjoint(triangle) + np.real(a) * np.eye(4)
    values, vectors = (x.cpu().numpy() for x in linalg.eigh(on_cuda(a), UPLO=lower))
    close(values, np.linalg.eigvalsh(full))
    close(linalg.eigvalsh(on_cuda(a), UPLO=lower), np.linalg.eigvalsh(full))
    orthonormal(vectors)
    close(vectors * values[..., None, :], full @ vectors)


@pytest.mark.parametrize("full", [False, True])
@pytest.mark.parametrize("shape", [TALL, WIDE, SQUARE], ids=str)
def test_svd_of_tall_and_wide_matrices(device, dtype, shape, full):
    a = random(dtype, 2, *shape)
    u, s, vh = (x.cpu().numpy() for x in linalg.svd(on_cuda(a), full_matrices=full))
    close(s, np.linalg.svd(a, compute_uv=False))
    close(linalg.svdvals(on_cuda(a)), s)
    orthonormal(u)
    orthonormal(adjoint(vh))
    assert u.shape[-1] == (shape[0] if full else min(shape)) and vh.shape[-2] == (
        shape[1] if full else min(shape)
    )
    close((u[..., : min(shape)] * s[..., None, :]) @ vh[..., : min(shape), :], a)


def test_what_is_not_finite_is_reported(device, dtype):
    a = positive(dtype, 2, 3, 3)
    a[1, 2, 0] = np.nan
    for function in (linalg.eigh, linalg.svd, linalg.eig):
        with pytest.raises(linalg.LinAlgError):
            function(on_cuda(a))
    # It is in the other triangle.
    values = linalg.eigvalsh(on_cuda(a), UPLO="U").cpu().numpy()
    assert np.isfinite(values).all()


def test_eig_and_matrix_exp_go_through_main_memory(device, dtype):
    a = random(dtype, 2, 3, 3)
    values, vectors = (x.cpu().numpy() for x in linalg.eig(on_cuda(a)))
    close(vectors * values[..., None, :], a @ vectors)
    expected = linalg.matrix_exp(taper.tensor(a)).numpy()
    close(linalg.matrix_exp(on_cuda(a)), expected)


@pytest.mark.parametrize("n", [5, 130])
def test_batches_of_small_matrices_and_of_larger_ones(device, n):
    a, b = random(np.float64, 2, n, n), random(np.float64, 2, n, 1, seed=1)
    close(linalg.solve(on_cuda(a), on_cuda(b)), np.linalg.solve(a, b))
    spd = positive(np.float64, 2, n, n)
    close(linalg.cholesky(on_cuda(spd)), np.linalg.cholesky(spd))


def test_householder_factors_give_the_product(device, dtype):
    a = random(dtype, *TALL)
    packed, tau = taper.geqrf(on_cuda(a))
    expected, expected_tau = taper.geqrf(taper.tensor(a))
    close(packed, expected.numpy())
    close(tau, expected_tau.numpy())


@pytest.mark.parametrize("shape", [(0, 0), (0, 3, 3), (2, 0, 0)], ids=str)
def test_empty_square_matrices(device, dtype, shape):
    a = on_cuda(np.zeros(shape, dtype))
    for function in (linalg.inv, linalg.cholesky, linalg.det, linalg.eigvalsh, linalg.matrix_exp):
        assert function(a).shape == function(a.cpu()).shape
    for function in (linalg.eigh, linalg.eig, linalg.svd, linalg.qr, linalg.lu_factor):
        assert [x.shape for x in function(a)] == [x.shape for x in function(a.cpu())]


@pytest.mark.parametrize("shape", [(0, 3), (3, 0)], ids=str)
def test_matrices_without_rows_or_columns(device, dtype, shape):
    a = on_cuda(np.zeros(shape, dtype))
    for function in (lambda x: linalg.svd(x, full_matrices=True), lambda x: linalg.qr(x, mode="complete")):
        for got, expected in zip(function(a), function(a.cpu())):
            assert np.array_equal(got.cpu().numpy(), expected.numpy())


def test_gradients_are_those_of_the_cpu(device):
    a, b = positive(np.float64, 2, 3, 3), random(np.float64, 2, 3, 1, seed=1)

    def gradient(function, *arrays, place):
        leaves = [taper.tensor(x).to(place).requires_grad_() for x in arrays]
        function(*leaves).sum().backward()
        return [x.grad.cpu().numpy() for x in leaves]

    for function in (
        linalg.solve,
        lambda a, b: linalg.cholesky(a) + b,
        lambda a, b: linalg.eigvalsh(a) * linalg.det(b @ b.mT + a)[:, None],
    ):
        for got, expected in zip(
            gradient(function, a, b, place="cuda"), gradient(function, a, b, place="cpu")
        ):
            close(got, expected)
