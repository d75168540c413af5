# Linear algebra beyond the registry's samples: decompositions that are unique up to a phase, norms, errors.
import math

import numpy as np
import pytest
import scipy.linalg
import scipy.stats

import taper
from taper import linalg
from taper.autograd import gradcheck, gradgradcheck

rng = np.random.default_rng(0)


def real(*shape):
    return taper.tensor(rng.standard_normal(shape)).requires_grad_()


def cplx(*shape):
    return taper.tensor(rng.standard_normal(shape) + 1j * rng.standard_normal(shape)).requires_grad_()


def close(x, y, tolerance=1e-10):
    np.testing.assert_allclose(
        x.detach().numpy() if isinstance(x, taper.Tensor) else x,
        y.detach().numpy() if isinstance(y, taper.Tensor) else y,
        tolerance,
        tolerance,
    )


@pytest.mark.parametrize("make", [real, cplx])
@pytest.mark.parametrize("shape", [(3, 3), (5, 2), (2, 4), (2, 20, 17)])
def test_singular_vectors_give_back_the_matrix(make, shape):
    a = make(*shape)
    for full in (False, True):
        u, s, vh = linalg.svd(a, full_matrices=full)
        k = min(shape[-2:])
        close((u[..., :k] * s.unsqueeze(-2)) @ vh[..., :k, :], a)
        close(u.mH @ u, np.broadcast_to(np.eye(u.shape[-1]), (*shape[:-2], u.shape[-1], u.shape[-1])))


@pytest.mark.parametrize("shape", [(3, 3), (4, 2), (2, 4)])
def test_derivatives_of_singular_vectors(shape):
    def call(a):
        u, s, vh = linalg.svd(a, full_matrices=False)
        return u.abs(), s, vh.abs(), u @ vh

    assert gradcheck(call, (real(*shape),)) and gradgradcheck(call, (real(*shape),))
    assert gradcheck(call, (cplx(*shape),))


@pytest.mark.parametrize("make", [real, cplx])
def test_eigenvectors_of_hermitian_matrices(make):
    a = make(4, 4)
    values, vectors = linalg.eigh(a + a.mH)
    close(values, np.linalg.eigvalsh((a + a.mH).detach().numpy()))
    close((vectors * values) @ vectors.mH, a + a.mH)
    for check in (gradcheck, gradgradcheck):
        assert check(lambda a: (linalg.eigh(a + a.mH)[0], linalg.eigh(a + a.mH)[1].abs()), (a,))


@pytest.mark.parametrize("make", [real, cplx])
def test_eigenvectors_of_general_matrices(make):
    a = make(3, 3)
    values, vectors = linalg.eig(a)
    close(a.to(taper.complex128) @ vectors, vectors * values)
    close(
        np.sort_complex(linalg.eigvals(a).detach().numpy()),
        np.sort_complex(np.linalg.eigvals(a.detach().numpy())),
    )
    assert gradcheck(lambda a: (linalg.eig(a)[0].abs(), linalg.eig(a)[1].abs()), (a,))


def test_cholesky_gradients():
    for a in (real(3, 3), cplx(2, 2)):

        def call(a):
            return linalg.cholesky(a @ a.mH + 3 * taper.eye(a.shape[-1], dtype=a.dtype))

        assert gradcheck(call, (a,)) and gradgradcheck(call, (a,))


def test_determinant_of_a_singular_matrix_has_a_gradient():
    a = taper.tensor([[1.0, 2.0], [2.0, 4.0]], dtype=taper.float64, requires_grad=True)
    linalg.det(a).backward()
    close(a.grad, np.array([[4.0, -2.0], [-2.0, 1.0]]))


@pytest.mark.parametrize("order", [None, "fro", "nuc", math.inf, -math.inf, 1, -1, 2, -2])
def test_matrix_norms_and_condition(order):
    a = real(3, 3)
    close(linalg.norm(a, order), np.linalg.norm(a.detach().numpy(), order))
    close(linalg.cond(a, order), np.linalg.cond(a.detach().numpy(), order))


def test_compositions():
    a, b = real(4, 4), real(4, 2)
    n, m = a.detach().numpy(), b.detach().numpy()
    close(linalg.matrix_power(a, -3), np.linalg.matrix_power(n, -3))
    close(linalg.multi_dot([b.T, a, b]), m.T @ n @ m)
    close(taper.kron(a, b), np.kron(n, m))
    close(taper.tensordot(a, b, 1), np.tensordot(n, m, 1))
    close(taper.cov(a), np.cov(n))
    close(taper.corrcoef(a), np.corrcoef(n))
    close(taper.trace(a), np.trace(n))
    close(taper.logdet(a @ a.T), np.log(np.linalg.det(n @ n.T)))
    close(linalg.lstsq(a[:, :2], b).solution, np.linalg.lstsq(n[:, :2], m, rcond=None)[0])
    assert linalg.tensorsolve(real(2, 2, 4), real(2, 2)).shape == (4,)
    lu, pivots = linalg.lu_factor(a)
    close(linalg.lu_solve(lu, pivots, b), np.linalg.solve(n, m))
    close(linalg.lu_solve(lu, pivots, b, adjoint=True), np.linalg.solve(n.T, m))
    close(linalg.lu_solve(lu, pivots, b.T, left=False), np.linalg.solve(n.T, m).T)
    spd = a @ a.T + taper.eye(4, dtype=taper.float64)
    close(taper.cholesky_solve(b, linalg.cholesky(spd)), np.linalg.solve(spd.detach().numpy(), m))
    close(
        taper.cholesky_inverse(linalg.cholesky(spd, upper=True), upper=True),
        np.linalg.inv(spd.detach().numpy()),
    )
    close(linalg.vander(taper.tensor([1, 2, 3])), np.vander([1, 2, 3], increasing=True))
    close(linalg.cross(a[:, :3], a[:, 1:]), np.cross(n[:, :3], n[:, 1:]))


@pytest.mark.parametrize("recorded", [False, True])
def test_gelu_of_products_is_exact(recorded):
    row, a, b = real(4), real(2, 3), real(3, 4)
    with taper.set_grad_enabled(recorded):
        got = taper._addmm_activation(row, a, b, use_gelu=True)
    y = row.detach().numpy() + a.detach().numpy() @ b.detach().numpy()
    close(got, scipy.stats.norm.cdf(y) * y)
    if recorded:
        slope = scipy.stats.norm.cdf(y) + y * scipy.stats.norm.pdf(y)
        close(taper.autograd.grad(got.sum(), row)[0], slope.sum(0))
    numbers = taper._addmm_activation(taper.arange(-2, 2), taper.ones(2, 3).long(), -taper.ones(3, 4).long())
    assert numbers.dtype == taper.int64 and not numbers.any()


def test_householder_vectors_make_q():
    a = rng.standard_normal((4, 3))
    (reflections, tau), _ = scipy.linalg.qr(a, mode="raw")
    close(
        linalg.householder_product(taper.tensor(reflections), taper.tensor(tau)),
        scipy.linalg.qr(a, mode="economic")[0],
    )


def test_errors_name_the_operation_and_the_matrix():
    batch = taper.stack([taper.eye(2), taper.zeros(2, 2)])
    with pytest.raises(
        linalg.LinAlgError, match=r"linalg.inv: \(Batch element 1\): The diagonal element 1 is zero"
    ):
        linalg.inv(batch)
    with pytest.raises(RuntimeError, match="not positive-definite"):
        linalg.cholesky(-taper.eye(2))
    nan = taper.full((3, 3), math.nan)
    for function in (linalg.svd, linalg.eigh, linalg.eig, linalg.svdvals, linalg.eigvals, linalg.pinv):
        with pytest.raises(linalg.LinAlgError, match="non-finite"):
            function(nan)
    assert linalg.matrix_exp(nan).isnan().all()
    with pytest.raises(linalg.LinAlgError):
        linalg.cholesky(nan)


def test_empty_matrices():
    assert linalg.det(taper.zeros(2, 0, 0)).tolist() == [1, 1]
    assert linalg.svd(taper.zeros(0, 3))[2].shape == (3, 3)
    assert linalg.qr(taper.zeros(3, 0), "complete")[0].shape == (3, 3)
    assert linalg.pinv(taper.zeros(0, 3)).shape == (3, 0)
    assert linalg.solve(taper.zeros(0, 0), taper.zeros(0, 2)).shape == (0, 2)


def test_distances():
    x, y = real(4, 3), real(5, 3)
    for p in (0.0, 1.0, 2.0, 3.0, math.inf):
        expected = np.linalg.norm(x.detach().numpy()[:, None] - y.detach().numpy(), p, axis=-1)
        close(taper.cdist(x, y, p), expected)
        close(taper.pdist(x, p), taper.cdist(x, x, p)[tuple(taper.triu_indices(4, 4, 1))])
    assert gradcheck(taper.cdist, (x, y))
    distances = taper.cdist(x, x)
    distances.sum().backward()
    assert x.grad.isfinite().all()


def test_products_with_reflections():
    rng = np.random.default_rng(5)
    a = rng.normal(size=(2, 5, 3)) + 1j * rng.normal(size=(2, 5, 3))
    packed, tau = taper.geqrf(taper.tensor(a))
    q = np.stack([np.linalg.qr(x, "complete")[0] for x in a])
    # The full Q is unique up to phases of its columns, which the reflections fix: it is Q applied to the identity.
    whole = taper.ormqr(packed, tau, taper.eye(5, dtype=taper.complex128).expand(2, 5, 5)).numpy()
    np.testing.assert_allclose(
        np.abs(np.swapaxes(q.conj(), -1, -2) @ whole)[:, :3, :3], np.eye(3)[None].repeat(2, 0), atol=1e-12
    )
    other = rng.normal(size=(2, 5, 4)) + 1j * rng.normal(size=(2, 5, 4))
    adjoint = np.swapaxes(whole.conj(), -1, -2)
    for left, transpose, c, expected in (
        (True, False, other, whole @ other),
        (True, True, other, adjoint @ other),
        (False, False, np.swapaxes(other, 1, 2), np.swapaxes(other, 1, 2) @ whole),
        (False, True, np.swapaxes(other, 1, 2), np.swapaxes(other, 1, 2) @ adjoint),
    ):
        got = taper.ormqr(packed, tau, taper.tensor(c.copy()), left, transpose)
        np.testing.assert_allclose(got.numpy(), expected, atol=1e-12)
    with pytest.raises(taper.ShapeError, match="ormqr"):
        taper.ormqr(packed, tau, taper.ones(2, 4, 4, dtype=taper.complex128))


def test_roots_and_polar_factors():
    rng = np.random.default_rng(6)
    a = rng.normal(size=(2, 5, 3))
    U, H = taper.linalg.polar(taper.tensor(a))
    np.testing.assert_allclose((U @ H).numpy(), a, atol=1e-12)
    np.testing.assert_allclose((U.mT @ U).numpy(), np.eye(3)[None].repeat(2, 0), atol=1e-12)
    assert (np.linalg.eigvalsh(H.numpy()) > 0).all()
    square = np.swapaxes(a, 1, 2) @ a
    root = taper.linalg.matrix_sqrth(taper.tensor(square))
    np.testing.assert_allclose(root.numpy(), H.numpy(), atol=1e-10)
    with pytest.raises(taper.ShapeError, match="m >= n"):
        taper.linalg.polar(taper.ones(2, 3))


def test_low_rank_factors_give_back_a_matrix_of_low_rank():
    rng = np.random.default_rng(7)
    a = rng.normal(size=(8, 3)) @ rng.normal(size=(3, 20))
    for factors, expected in (
        (taper.svd_lowrank(taper.tensor(a), 4), a),
        (taper.svd_lowrank(taper.tensor(a.T.copy()), 3), a.T),
        (taper.pca_lowrank(taper.tensor(a), 4), a - a.mean(0)),
    ):
        U, S, V = factors
        np.testing.assert_allclose(((U * S) @ V.mT).numpy(), expected, atol=1e-10)
    with pytest.raises(taper.ValueError, match="q = 9"):
        taper.svd_lowrank(taper.tensor(a), 9)


def test_ldl_solves_with_indefinite_matrices():
    rng = np.random.default_rng(2)
    for hermitian in (False, True):
        n = rng.normal(size=(2, 7, 7)) + 1j * rng.normal(size=(2, 7, 7))
        n = n + (n.conj() if hermitian else n).swapaxes(-1, -2)
        n[:, 0, 0] = n[:, 1, 1] = 0
        m = rng.normal(size=(7, 3)) + 0j
        factors, pivots = linalg.ldl_factor(taper.tensor(n), hermitian=hermitian)
        assert (pivots < 0).any()
        x = linalg.ldl_solve(factors, pivots, taper.tensor(m), hermitian=hermitian)
        close(x, np.linalg.solve(n, np.broadcast_to(m, (2, 7, 3))))


# PyTorch 2.15's result.
def test_ldl_factor_gives_lapacks_pivots():
    a = taper.tensor([[1.0, 2, 3], [2, 1, -4], [3, -4, 0.5]], dtype=taper.float64)
    factors, pivots = linalg.ldl_factor(a)
    assert pivots.tolist() == [-3, -3, 3]
    close(factors, np.array([[1, 0, 0], [3, 0.5, 0], [-26 / 17, 20 / 17, 149 / 17]]))


def test_tensordot_keeps_the_dtype_where_a_size_of_one_is_spread():
    a, b = taper.full((1, 1, 1), 2, dtype=taper.uint8), taper.full((2, 1, 2), 3, dtype=taper.uint8)
    result = taper.tensordot(a, b, dims=((0, 1), (2, 0)))
    assert result.dtype is taper.uint8 and result.tolist() == [[24]]


@pytest.mark.parametrize("p", ["fro", "nuc", 1, -1, math.inf, -math.inf])
def test_the_condition_number_of_a_singular_matrix_is_infinite(p):
    matrices = taper.stack([taper.eye(2), taper.zeros(2, 2), taper.tensor([[1.0, 2.0], [2.0, 4.0]])])
    of_eye = {"fro": 2, "nuc": 4}.get(p, 1)
    assert taper.linalg.cond(matrices, p).tolist() == pytest.approx([of_eye, math.inf, math.inf])
    assert taper.linalg.cond(taper.zeros(2, 0, 0), p).tolist() == [0, 0]


@pytest.mark.parametrize("order", ["fro", "nuc", 1, 2, math.inf])
def test_the_norm_of_a_matrix_without_elements_is_zero(order):
    for shape in ((0, 0), (0, 3), (3, 0)):
        assert linalg.matrix_norm(taper.zeros(shape, dtype=taper.complex64), order).item() == 0


def test_the_gradient_of_a_matrix_root_is_symmetric():
    a = taper.tensor([[2.0, 0.5], [0.5, 1.0]], dtype=taper.float64, requires_grad=True)
    root = linalg.matrix_sqrth(a)
    (root * taper.tensor([[1.0, 2.0], [0.0, -1.0]], dtype=taper.float64)).sum().backward()
    # X solves the derivative's equation: root X + X root = the symmetric part of the weights.
    expected = scipy.linalg.solve_sylvester(
        root.detach().numpy(), root.detach().numpy(), np.array([[1.0, 1.0], [1.0, -1.0]])
    )
    assert np.allclose(a.grad.numpy(), expected, atol=1e-14)
