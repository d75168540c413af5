"""Jacobians, Hessians and their products with vectors."""

from .. import _C


def _tuple(values):
    return ((values,), True) if isinstance(values, _C.Tensor) else (tuple(values), False)


def _prepare(inputs, create_graph):
    values, single = _tuple(inputs)
    shown = (
        x.view_as(x) if create_graph and x.requires_grad else x.detach().requires_grad_() for x in values
    )
    return tuple(shown), single


def _zeros_where_unused(gradients, inputs):
    zeros_like = _C._homes["taper"]["zeros_like"]
    return tuple(zeros_like(x) if g is None else g for g, x in zip(gradients, inputs))


def _rows(output, inputs, create_graph):
    zeros_like = _C._homes["taper"]["zeros_like"]
    flat = output.reshape(-1)
    for i in range(flat.numel()):
        start = zeros_like(flat)
        start[i] = 1
        gradients = (None,) * len(inputs)
        if flat.requires_grad:
            gradients = _C._grad((flat,), inputs, (start,), True, create_graph, True)
        yield _zeros_where_unused(gradients, inputs)


def jacobian(func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"):
    """d func(inputs) / d inputs, shaped output.shape + input.shape."""
    stack = _C._homes["taper"]["stack"]
    values, single_input = _prepare(inputs, create_graph)
    outputs, single_output = _tuple(func(*values))
    blocks = []
    for output in outputs:
        rows = list(_rows(output, values, create_graph))
        blocks.append(
            tuple(
                stack([row[i] for row in rows]).reshape(tuple(output.shape) + tuple(x.shape))
                for i, x in enumerate(values)
            )
        )
    if single_input:
        blocks = [block[0] for block in blocks]
    return blocks[0] if single_output else tuple(blocks)


def hessian(
    func, inputs, create_graph=False, strict=False, vectorize=False, outer_jacobian_strategy="reverse-mode"
):
    """Second derivatives of a scalar function."""
    _, single = _tuple(inputs)

    def scalar(*values):
        return _scalar(func, values, "hessian")

    def gradients(*values):
        return jacobian(scalar, values if not single else values[0], create_graph=True)

    return jacobian(gradients, inputs, create_graph=create_graph)


def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), v^T J)."""
    values, single = _prepare(inputs, create_graph)
    outputs, single_output = _tuple(func(*values))
    starts = () if v is None else _tuple(v)[0]
    gradients = _zeros_where_unused(_C._grad(outputs, values, starts, True, create_graph, True), values)
    results = outputs if create_graph else tuple(y.detach() for y in outputs)
    return (results[0] if single_output else results), (gradients[0] if single else gradients)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), J v), by differentiating v^T J twice."""
    ones_like = _C._homes["taper"]["ones_like"]
    values, _ = _prepare(inputs, create_graph)
    outputs, single_output = _tuple(func(*values))
    directions = tuple(ones_like(x) for x in values) if v is None else _tuple(v)[0]
    helpers = tuple(_C._homes["taper"]["zeros_like"](y).requires_grad_() for y in outputs)
    first = _zeros_where_unused(_C._grad(outputs, values, helpers, True, True, True), values)
    wanted = [(g, d) for g, d in zip(first, directions) if g.requires_grad]
    second = _C._grad(
        tuple(g for g, _ in wanted), helpers, tuple(d for _, d in wanted), True, create_graph, True
    )
    second = _zeros_where_unused(second, outputs)
    results = outputs if create_graph else tuple(y.detach() for y in outputs)
    return (results[0] if single_output else results), (second[0] if single_output else second)


def _scalar(func, values, name):
    outputs, single = _tuple(func(*values))
    if not single or outputs[0].numel() != 1:
        raise RuntimeError(f"{name}: the function must return one Tensor of a single element")
    return outputs[0].reshape(())


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), v^T H) for a function that gives one number."""
    ones_like = _C._homes["taper"]["ones_like"]
    values, single = _prepare(inputs, create_graph)
    output = _scalar(func, values, "vhp")
    directions = tuple(ones_like(x) for x in values) if v is None else _tuple(v)[0]
    if [tuple(d.shape) for d in directions] != [tuple(x.shape) for x in values]:
        raise RuntimeError("vhp: v must have the same shapes as the inputs")
    first = _zeros_where_unused(_C._grad((output,), values, (), True, True, True), values)
    wanted = [(g, d) for g, d in zip(first, directions) if g.requires_grad]
    second = (None,) * len(values)
    if wanted:
        second = _C._grad(
            tuple(g for g, _ in wanted), values, tuple(d for _, d in wanted), True, create_graph, True
        )
    second = _zeros_where_unused(second, values)
    return (output if create_graph else output.detach()), (second[0] if single else second)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(inputs), H v) for a function that gives one number; H is symmetric, so this is vhp."""
    return vhp(func, inputs, v, create_graph, strict)
