"""_foreach_*: an operation on each tensor of a list, as optimizers and averages of weights are written."""

from . import _C


def _of(values, index):
    return values[index] if isinstance(values, (list, tuple)) else values


# Here the other side may be a number, as the limits of clamp may.
_LIMITS = {"maximum": "clamp_min", "maximum_": "clamp_min_", "minimum": "clamp_max", "minimum_": "clamp_max_"}


def function(name):
    """The function `_foreach_...` of this name. Throws AttributeError where tensors have no such method.

    Arguments that are lists go item by item with the tensors; others are the same for all. A name that ends
    in an underscore writes into the tensors and gives nothing; others give a tuple of results.
    """
    operation = name.removeprefix("_foreach_")
    operation = _LIMITS.get(operation, operation)
    method = getattr(_C.Tensor, operation, None)
    if method is None:
        raise AttributeError(f"module 'taper' has no attribute {name!r}")
    # The scale of the product or quotient is the keyword of the method, but the last argument here.
    scaled = operation.rstrip("_") in ("addcmul", "addcdiv")

    def foreach(self, *args, **kwargs):
        if operation == "pow" and not isinstance(self, (list, tuple)):
            return tuple(_C._homes["taper"]["pow"](self, exponent) for exponent in args[0])
        if scaled and len(args) == 3:
            args, kwargs = args[:2], {"value": args[2], **kwargs}
        for values in args:
            if isinstance(values, (list, tuple)) and len(values) != len(self):
                raise _C.ShapeError(
                    f"{name}: lists must have the same number of tensors, got {len(self)} and {len(values)}"
                )
        results = tuple(
            method(
                tensor,
                *(_of(values, i) for values in args),
                **{key: _of(values, i) for key, values in kwargs.items()},
            )
            for i, tensor in enumerate(self)
        )
        return None if operation.endswith("_") else results

    foreach.__name__ = foreach.__qualname__ = name
    foreach.__doc__ = f"{operation} of each tensor of a list."
    return foreach
