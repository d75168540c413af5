"""Which modules of a network become units of their own."""

import contextlib

_active = []


@contextlib.contextmanager
def enable_wrap(*, wrapper_cls, **wrapper_kwargs):
    """Within it, wrap(module) gives wrapper_cls(module, **wrapper_kwargs)."""
    _active.append((wrapper_cls, wrapper_kwargs))
    try:
        yield
    finally:
        _active.pop()


def wrap(module, **wrap_overrides):
    """module in the class of the innermost enable_wrap, with these options instead of its own; else as it
    is."""
    if not _active:
        return module
    kind, options = _active[-1]
    return kind(module, **{**options, **wrap_overrides})


class ModuleWrapPolicy:
    """Modules of these classes."""

    def __init__(self, module_classes):
        self.classes = tuple(module_classes)

    def __call__(self, module, recurse=False, *args, **kwargs):
        return True if recurse else isinstance(module, self.classes)


class CustomPolicy:
    """Modules of which lambda_fn(module) is true."""

    def __init__(self, lambda_fn):
        self.lambda_fn = lambda_fn

    def __call__(self, module, recurse=False, *args, **kwargs):
        return True if recurse else bool(self.lambda_fn(module))


def transformer_auto_wrap_policy(module, recurse, nonwrapped_numel, transformer_layer_cls):
    """Modules of these classes."""
    return True if recurse else isinstance(module, tuple(transformer_layer_cls))


def size_based_auto_wrap_policy(
    module,
    recurse,
    nonwrapped_numel,
    min_num_params=int(1e8),
    force_leaf_modules=None,
    exclude_wrap_modules=None,
):
    """Modules with so many elements that are in no unit yet."""
    return nonwrapped_numel >= min_num_params


def always_wrap_policy(*args, **kwargs):
    """All modules."""
    return True


def lambda_auto_wrap_policy(module, recurse, nonwrapped_numel, lambda_fn):
    """Modules of which lambda_fn(module) is true."""
    return True if recurse else lambda_fn(module)


def chosen(module, policy):
    """Modules below module that policy chooses, inner ones first."""
    if policy is None:
        return []
    found, taken = [], set()

    def visit(inner, outermost):
        for child in inner.children():
            visit(child, False)
        left = [p for p in inner.parameters() if id(p) not in taken]
        arguments = {"module": inner, "recurse": False, "nonwrapped_numel": sum(p.numel() for p in left)}
        if not outermost and left and policy(**arguments):
            found.append(inner)
            taken.update(id(p) for p in left)

    visit(module, True)
    return found
