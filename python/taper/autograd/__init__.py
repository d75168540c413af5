"""Automatic differentiation."""

from .. import _C
from .._grad_mode import enable_grad, inference_mode, no_grad, set_grad_enabled
from .._late import late as _late
from .edge import GradientEdge as _GradientEdge

TYPE_CHECKING = False
if TYPE_CHECKING:
    from . import functional as functional
    from . import graph as graph
    from . import profiler as profiler
    from .function import Function as Function
    from .function import once_differentiable as once_differentiable
    from .gradcheck import gradcheck as gradcheck
    from .gradcheck import gradgradcheck as gradgradcheck
    from .profiler import DeviceType as DeviceType
    from .variable import Variable as Variable

__all__ = [
    "Function",
    "Variable",
    "backward",
    "detect_anomaly",
    "enable_grad",
    "functional",
    "graph",
    "grad",
    "gradcheck",
    "gradgradcheck",
    "inference_mode",
    "no_grad",
    "once_differentiable",
    "set_detect_anomaly",
    "set_grad_enabled",
]


__getattr__, __dir__ = _late(
    __name__,
    {
        "function": "Function once_differentiable",
        "gradcheck": "gradcheck gradgradcheck",
        "profiler": "DeviceType",
        "variable": "Variable",
    },
    "anomaly_mode function functional grad_mode graph profiler variable",
)


def _as_tuple(values):
    single = isinstance(values, (_C.Tensor, _GradientEdge)) or values is None
    return tuple(
        value.stand_in() if isinstance(value, _GradientEdge) else value
        for value in ((values,) if single else values)
    )


def _inputs(values, call):
    values = _as_tuple(values)
    if not values:
        raise _C.AutogradError(f"{call}: inputs is empty; name the tensors whose gradients are wanted")
    return values


def backward(
    tensors, grad_tensors=None, retain_graph=None, create_graph=False, grad_variables=None, inputs=None
):
    """Adds the gradients of tensors to the .grad of the leaves they depend on, or of inputs alone."""
    inputs = () if inputs is None else _inputs(inputs, "backward")
    if grad_tensors is None:
        grad_tensors = grad_variables
    starts = () if grad_tensors is None else _as_tuple(grad_tensors)
    retain = create_graph if retain_graph is None else retain_graph
    _C._backward(_as_tuple(tensors), starts, retain, create_graph, inputs)


def _batched_grad(outputs, inputs, starts, retain_graph, options):
    count = len(starts[0])
    retain = options["create_graph"] if retain_graph is None else retain_graph
    rows = [
        grad(outputs, inputs, tuple(start[i] for start in starts), retain or i < count - 1, **options)
        for i in range(count)
    ]
    stack = _C._homes["taper"]["stack"]
    return tuple(None if column[0] is None else stack(column) for column in zip(*rows))


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """Gradients of outputs with respect to inputs, as a tuple.

    is_grads_batched: grad_outputs have a further first dimension, and so have the results.
    """
    if is_grads_batched:
        options = dict(
            create_graph=create_graph, allow_unused=allow_unused, materialize_grads=materialize_grads
        )
        return _batched_grad(outputs, inputs, _as_tuple(grad_outputs), retain_graph, options)
    inputs = _inputs(inputs, "grad")
    starts = () if grad_outputs is None else _as_tuple(grad_outputs)
    retain = create_graph if retain_graph is None else retain_graph
    unused = materialize_grads if allow_unused is None else allow_unused
    results = _C._grad(_as_tuple(outputs), inputs, starts, retain, create_graph, unused)
    if any(hasattr(x, "_gradient") for x in inputs):  # DTensors, of which the engine knows this rank's part
        wrap = lambda x, g: x._gradient(g) if g is not None and hasattr(x, "_gradient") else g
        results = tuple(wrap(x, g) for x, g in zip(inputs, results))
    if materialize_grads:
        zeros_like = _C._homes["taper"]["zeros_like"]
        results = tuple(zeros_like(x) if g is None else g for g, x in zip(results, inputs))
    return results


class set_detect_anomaly:
    """While on, operations remember where they were called, and a backward that makes NaN raises."""

    def __init__(self, mode, check_nan=True):
        self.before = _C.is_anomaly_enabled()
        _C._set_anomaly_detection(mode)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        _C._set_anomaly_detection(self.before)


class detect_anomaly(set_detect_anomaly):
    """set_detect_anomaly(True) for a with-block."""

    def __init__(self, check_nan=True):
        self.before = _C.is_anomaly_enabled()

    def __enter__(self):
        _C._set_anomaly_detection(True)
        return self
