"""spectral_norm by a hook before each forward, with parameter weight_orig and buffers weight_u and
weight_v."""

from ... import _C
from ..._grad_mode import no_grad
from .. import functional as F
from ..parameter import Parameter
from .parametrizations import as_matrix, channel_dimension

_ops = _C._homes["taper"]


class SpectralNorm:
    """The hook: divides the weight by its largest singular value."""

    def __init__(self, name="weight", n_power_iterations=1, dim=0, eps=1e-12):
        if n_power_iterations <= 0:
            raise ValueError(
                f"Expected n_power_iterations to be positive, but got n_power_iterations={n_power_iterations}"
            )
        self.name, self.dim, self.n_power_iterations, self.eps = name, dim, n_power_iterations, eps

    def compute_weight(self, module, do_power_iteration):
        """The divided weight, after iterations that improve the singular vectors if asked."""
        weight = getattr(module, self.name + "_orig")
        u, v = getattr(module, self.name + "_u"), getattr(module, self.name + "_v")
        matrix = as_matrix(weight, self.dim)
        if do_power_iteration:
            with no_grad():
                for _ in range(self.n_power_iterations):
                    v.copy_(F.normalize(_ops["mv"](matrix.T, u), dim=0, eps=self.eps))
                    u.copy_(F.normalize(_ops["mv"](matrix, v), dim=0, eps=self.eps))
        u, v = u.clone(), v.clone()
        return weight / _ops["dot"](u, _ops["mv"](matrix, v))

    def __call__(self, module, inputs):
        setattr(module, self.name, self.compute_weight(module, module.training))


def spectral_norm(module, name="weight", n_power_iterations=1, eps=1e-12, dim=None):
    """Weight divided by its largest singular value: Miyato et al. 2018, arXiv:1802.05957."""
    if any(isinstance(h, SpectralNorm) and h.name == name for h in module._forward_pre_hooks.values()):
        raise RuntimeError(f"Cannot register two spectral_norm hooks on the same parameter {name}")
    hook = SpectralNorm(name, n_power_iterations, channel_dimension(module) if dim is None else dim, eps)
    weight = module._parameters.get(name)
    if weight is None:
        raise ValueError(f"`SpectralNorm` cannot be applied as parameter `{name}` is None")
    matrix = as_matrix(weight.detach(), hook.dim)
    u, v = (F.normalize(matrix.new_empty(size).normal_(0, 1), dim=0, eps=eps) for size in matrix.shape)
    del module._parameters[name]
    module.register_parameter(name + "_orig", weight)
    setattr(module, name, weight.detach())
    module.register_buffer(name + "_u", u)
    module.register_buffer(name + "_v", v)
    module.register_forward_pre_hook(hook)
    return module


def remove_spectral_norm(module, name="weight"):
    """Makes the divided weight a plain parameter again."""
    for key, hook in list(module._forward_pre_hooks.items()):
        if isinstance(hook, SpectralNorm) and hook.name == name:
            weight = hook.compute_weight(module, False).detach()
            delattr(module, name)
            del module._parameters[name + "_orig"], module._forward_pre_hooks[key]
            del module._buffers[name + "_u"], module._buffers[name + "_v"]
            setattr(module, name, Parameter(weight))
            return module
    raise ValueError(f"spectral_norm of '{name}' not found in {module}")
