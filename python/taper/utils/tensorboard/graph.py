"""What the graph page of TensorBoard shows: the operations of a model, as TensorFlow's GraphDef."""

from ... import _C
from ...overrides import DisableTorchFunctionSubclass
from .records import integer, message


class _Traced(_C.Tensor):
    """A tensor whose operations are written down in `trace`."""

    trace = None

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        with DisableTorchFunctionSubclass():
            result = func(*args, **(kwargs or {}))
        return cls.trace.noted(func.__name__.strip("_"), args, result)


class Trace:
    """The nodes of one call of a model, in order: (name, operation, names of inputs, shape)."""

    def __init__(self, model):
        self.nodes, self._names, self._kept, self._scopes, self._counts = [], {}, [], [], {}
        self._parameters = {id(p): name.replace(".", "/") for name, p in model.named_parameters()}

    def add(self, tensor, operation, inputs, name=None):
        """Writes a node down and marks the tensor as its result."""
        scope = "/".join(self._scopes)
        name = name or f"{scope}/{operation}" if scope else name or operation
        count = self._counts[name] = self._counts.get(name, -1) + 1
        name = f"{name}_{count}" if count else name
        self.nodes.append((name, operation, inputs, tuple(tensor.shape)))
        self._names[id(tensor)] = name
        self._kept.append(tensor)  # so that no other tensor takes its id
        return tensor

    def _name_of(self, tensor):
        if id(tensor) not in self._names:
            parameter = self._parameters.get(id(tensor))
            if parameter is None:
                self.add(tensor, "Constant", [])
            else:
                scopes, self._scopes = self._scopes, []
                self.add(tensor, "Parameter", [], parameter)
                self._scopes = scopes
        return self._names[id(tensor)]

    def noted(self, operation, args, result):
        """The results of an operation, written down as its."""
        flat = [x for a in args for x in (a if isinstance(a, (list, tuple)) else [a])]
        inputs = [self._name_of(x) for x in flat if isinstance(x, _C.Tensor)]
        if isinstance(result, _C.Tensor):
            traced = result if isinstance(result, _Traced) else result.as_subclass(_Traced)
            return self.add(traced, operation, inputs)
        if isinstance(result, (list, tuple)):
            parts = [
                self.noted(operation, args, part) if isinstance(part, _C.Tensor) else part for part in result
            ]
            return type(result)(parts) if not hasattr(result, "_fields") else type(result)(*parts)
        return result

    def scoped(self, module, name):
        """Hooks that name the scope of what a module computes."""
        enter = module.register_forward_pre_hook(lambda m, args: self._scopes.append(name))
        leave = module.register_forward_hook(
            lambda m, args, out: self._scopes.pop() and None, always_call=True
        )
        return enter, leave


def trace(model, inputs):
    """The nodes of model(*inputs)."""
    made = Trace(model)
    inputs = inputs if isinstance(inputs, (list, tuple)) else (inputs,)
    handles = []
    for path, module in model.named_modules():
        name = f"{type(module).__name__}[{path.rpartition('.')[2]}]" if path else type(module).__name__
        handles += made.scoped(module, name)
    _Traced.trace = made
    try:
        traced = [
            made.add(x.detach().as_subclass(_Traced), "Input", [], f"input_{i}")
            if isinstance(x, _C.Tensor)
            else x
            for i, x in enumerate(inputs)
        ]
        model(*traced)
    finally:
        _Traced.trace = None
        for handle in handles:
            handle.remove()
    return made.nodes


def graph(model, inputs):
    """The Event's field with the graph of model(*inputs)."""
    nodes = b""
    for name, operation, sources, shape in trace(model, inputs):
        dims = b"".join(message(2, integer(1, size)) for size in shape)
        shapes = message(2, message(1, message(7, dims)))
        attribute = message(5, message(1, "_output_shapes") + shapes)
        content = message(1, name) + message(2, operation) + b"".join(message(3, s) for s in sources)
        nodes += message(1, content + attribute)
    return message(4, nodes + message(4, integer(1, 22)))
