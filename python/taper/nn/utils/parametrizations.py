"""Weights of given norm, and orthogonal ones: weight_norm, spectral_norm and orthogonal."""

from ... import _C, linalg
from ..._grad_mode import no_grad
from .. import functional as F
from ..conv import ConvTranspose1d, ConvTranspose2d, ConvTranspose3d
from ..module import Module
from . import parametrize

_ops = _C._homes["taper"]


def norm_except_dim(v, pow=2, dim=0):
    """The norms of v's slices along dim, with as many dimensions as v; of the whole of v for dim -1."""
    if dim == -1:
        return v.norm(pow)
    return (
        v.norm(pow, [d for d in range(v.ndim) if d != dim % v.ndim], keepdim=True) if v.ndim > 1 else v.abs()
    )


def weight_of(v, g, dim):
    """v scaled to the norms g: Salimans & Kingma 2016, arXiv:1602.07868."""
    return v * (g / norm_except_dim(v, 2, dim))


class _WeightNorm(Module):
    def __init__(self, dim=0):
        super().__init__()
        self.dim = -1 if dim is None else dim

    def forward(self, weight_g, weight_v):
        return weight_of(weight_v, weight_g, self.dim)

    def right_inverse(self, weight):
        return norm_except_dim(weight, 2, self.dim), weight


def weight_norm(module, name="weight", dim=0):
    """Weight as magnitudes ("original0") and directions ("original1"): Salimans & Kingma 2016,
    arXiv:1602.07868."""
    parametrize.register_parametrization(module, name, _WeightNorm(dim), unsafe=True)

    def take_old_names(state_dict, prefix, *ignored):
        if f"{prefix}{name}_g" in state_dict and f"{prefix}{name}_v" in state_dict:
            for index, suffix in enumerate("gv"):
                key = f"{prefix}parametrizations.{name}.original{index}"
                state_dict[key] = state_dict.pop(f"{prefix}{name}_{suffix}")

    module._register_load_state_dict_pre_hook(take_old_names)
    return module


def as_matrix(weight, dim):
    """weight with dim first and the others as one."""
    if dim != 0:
        weight = weight.permute(dim, *(d for d in range(weight.ndim) if d != dim))
    return weight.flatten(1)


def power_iterations(matrix, u, v, count, eps):
    """Improves, in place, the left and right vectors of matrix's largest singular value."""
    with no_grad():
        for _ in range(count):
            u.copy_(F.normalize(_ops["mv"](matrix, v), dim=0, eps=eps))
            v.copy_(F.normalize(_ops["mv"](matrix.T.conj(), u), dim=0, eps=eps))


def channel_dimension(module):
    """The dimension of the outputs of module's weight."""
    return 1 if isinstance(module, (ConvTranspose1d, ConvTranspose2d, ConvTranspose3d)) else 0


class _SpectralNorm(Module):
    def __init__(self, weight, n_power_iterations=1, dim=0, eps=1e-12):
        super().__init__()
        if not -weight.ndim <= dim < weight.ndim:
            raise IndexError(
                f"Dimension out of range (expected to be in range of [-{weight.ndim}, {weight.ndim - 1}] but "
                f"got {dim})"
            )
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.dim, self.eps = dim % weight.ndim, eps
        if weight.ndim > 1:
            self.n_power_iterations = n_power_iterations
            matrix = as_matrix(weight.detach(), self.dim)
            for name, size in zip(("_u", "_v"), matrix.shape):
                self.register_buffer(name, F.normalize(matrix.new_empty(size).normal_(0, 1), dim=0, eps=eps))
            # 15 as in PyTorch: the start is random, and later steps only follow the changes of training.
            power_iterations(matrix, self._u, self._v, 15, eps)

    def forward(self, weight):
        if weight.ndim == 1:
            return F.normalize(weight, dim=0, eps=self.eps)
        matrix = as_matrix(weight, self.dim)
        if self.training:
            power_iterations(matrix, self._u, self._v, self.n_power_iterations, self.eps)
        u, v = self._u.clone(), self._v.clone()
        return weight / (u.conj() * _ops["mv"](matrix, v)).sum()

    def right_inverse(self, value):
        return value


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Weight divided by its largest singular value: Miyato et al. 2018, arXiv:1802.05957."""
    weight = getattr(module, name, None)
    if not isinstance(weight, _C.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    dim = channel_dimension(module) if dim is None else dim
    return parametrize.register_parametrization(
        module, name, _SpectralNorm(weight, n_power_iterations, dim, eps)
    )


def _orthonormal(matrix):
    """The factor Q of matrix, with the signs that make it unique: columns of R's diagonal positive."""
    q, r = linalg.qr(matrix)
    return q * r.diagonal(dim1=-2, dim2=-1).sgn().unsqueeze(-2)


class _Orthogonal(Module):
    """Lezcano-Casado 2019, arXiv:1909.09501; the map moves from the base, which the weight gave."""

    def __init__(self, weight, orthogonal_map, use_trivialization):
        super().__init__()
        if weight.is_complex() and orthogonal_map == "householder":
            raise ValueError("The householder parametrization does not support complex tensors.")
        self.orthogonal_map = orthogonal_map
        if use_trivialization:
            self.register_buffer("base", None)

    def _square(self, X, n, k):
        X = X.tril()
        if n != k:
            X = _ops["cat"]([X, X.new_zeros((*X.shape[:-2], n, n - k))], -1)
        A = X - X.mH
        if self.orthogonal_map == "matrix_exp":
            return linalg.matrix_exp(A)
        one = _ops["eye"](n, dtype=A.dtype, device=A.device)
        return linalg.solve(one - 0.5 * A, one + 0.5 * A)

    def forward(self, X):
        n, k = X.shape[-2], X.shape[-1]
        turned = n < k
        if turned:
            X, n, k = X.mT, k, n
        if self.orthogonal_map == "householder":
            A = X.tril(-1)
            Q = linalg.householder_product(A, 2.0 / (1.0 + (A * A).sum(-2)))
            Q = Q * X.diagonal(dim1=-2, dim2=-1).int().unsqueeze(-2)
        else:
            Q = self._square(X, n, k)[..., :k]
        if getattr(self, "base", None) is not None:
            Q = self.base @ Q
        return Q.mT if turned else Q

    def right_inverse(self, Q):
        n, k = max(Q.shape[-2:]), min(Q.shape[-2:])
        tall = Q.mT if Q.shape[-2] < Q.shape[-1] else Q
        if "base" not in self._buffers:
            if self.orthogonal_map != "householder":
                raise NotImplementedError(
                    "It is not possible to assign to the matrix exponential or the Cayley parametrizations "
                    "when use_trivialization=False."
                )
            A, tau = _ops["geqrf"](tall)
            A = A.clone()
            A.diagonal(dim1=-2, dim2=-1).sign_()
            A.diagonal(dim1=-2, dim2=-1)[tau == 0.0] *= -1
            return A.mT if Q.shape[-2] < Q.shape[-1] else A
        basis = _orthonormal(tall)
        if n != k:
            # The columns beyond k complete it to a square matrix.
            rest = _ops["randn"]((*tall.shape[:-2], n, n - k), dtype=tall.dtype, device=tall.device)
            basis = _orthonormal(_ops["cat"]([basis, rest], -1))
            basis = _ops["cat"]([_orthonormal(tall), basis[..., k:]], -1)
        self.base = basis
        if self.orthogonal_map == "householder":
            return -_ops["eye"](*Q.shape[-2:], dtype=Q.dtype, device=Q.device).expand(Q.shape).clone()
        return _ops["zeros_like"](Q)


def orthogonal(module, name="weight", orthogonal_map=None, *, use_trivialization=True):
    """Weight whose rows or columns (the fewer) are orthonormal, by "matrix_exp", "cayley" or
    "householder"."""
    weight = getattr(module, name, None)
    if not isinstance(weight, _C.Tensor):
        raise ValueError(f"Module '{module}' has no parameter or buffer with name '{name}'")
    if weight.ndim < 2:
        raise ValueError(f"Expected a matrix or batch of matrices. Got a tensor of {weight.ndim} dimensions.")
    if orthogonal_map is None:
        square = weight.shape[-2] == weight.shape[-1] or weight.is_complex()
        orthogonal_map = "matrix_exp" if square else "householder"
    if orthogonal_map not in ("matrix_exp", "cayley", "householder"):
        raise ValueError(
            f'orthogonal_map has to be one of "matrix_exp", "cayley", "householder". Got: {orthogonal_map}'
        )
    return parametrize.register_parametrization(
        module, name, _Orthogonal(weight, orthogonal_map, use_trivialization), unsafe=True
    )
