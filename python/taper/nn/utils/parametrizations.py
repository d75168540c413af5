"""Weights of given norm: parametrizations for weight_norm and spectral_norm."""

from ... import _C
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
    """Weight as magnitudes ("original0") and directions ("original1"): Salimans & Kingma 2016, arXiv:1602.07868."""
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
