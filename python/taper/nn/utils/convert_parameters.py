"""Parameters as one vector, and back."""

from ... import _C

_ops = _C._homes["taper"]


def parameters_to_vector(parameters):
    """All parameters as one vector."""
    return _ops["cat"]([p.reshape(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Writes a vector's parts back into parameters."""
    start = 0
    for parameter in parameters:
        count = parameter.numel()
        parameter.data = vec[start : start + count].reshape(parameter.shape).detach()
        start += count
