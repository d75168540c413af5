"""Which modules of a network become units of their own."""

import contextlib

from taper.nn.attention import MultiheadAttention
from taper.nn.container import ModuleDict, ModuleList

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

    def __repr__(self):
        return f"{super().__repr__()}({set(self.classes)})"


class CustomPolicy:
    """Modules of which lambda_fn(module) is true, or a dictionary of the wrapper's options for them."""

    def __init__(self, lambda_fn):
        self.lambda_fn = lambda_fn

    def __call__(self, module, recurse=False, *args, **kwargs):
        return True if recurse else self.lambda_fn(module)


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
    """Modules with so many elements that are in no unit yet, but not those of exclude_wrap_modules, unless
    given containers without a forward, nor modules within those of force_leaf_modules, attention."""
    leaves = (MultiheadAttention,) if force_leaf_modules is None else tuple(force_leaf_modules)
    excluded = (ModuleList, ModuleDict) if exclude_wrap_modules is None else tuple(exclude_wrap_modules)
    return nonwrapped_numel >= min_num_params and not isinstance(module, leaves if recurse else excluded)


def always_wrap_policy(*args, **kwargs):
    """All modules."""
    return True


def lambda_auto_wrap_policy(module, recurse, nonwrapped_numel, lambda_fn):
    """Modules of which lambda_fn(module) is true."""
    return True if recurse else lambda_fn(module)


def _or_policy(module, recurse, nonwrapped_numel, policies):
    """Modules that one of the policies chooses."""
    return any(
        policy(module=module, recurse=recurse, nonwrapped_numel=nonwrapped_numel) for policy in policies
    )


def wrap_chosen(root, policy, make, ignored_modules=(), ignored_parameters=()):
    """Replaces modules below root that policy chooses by make(module, **options), inner ones first; the
    options are what a CustomPolicy gave. policy is asked first, with recurse=True, whether to look within."""
    taken, made = {id(parameter) for parameter in ignored_parameters}, {}

    def ask(module, recurse):
        left = sum(p.numel() for p in module.parameters() if id(p) not in taken)
        return policy(module=module, recurse=recurse, nonwrapped_numel=left)

    def visit(module):
        for name, child in list(module._modules.items()):
            if child is None or child in ignored_modules:
                continue
            if child not in made:
                made[child] = child
                if not ask(child, True):
                    continue
                visit(child)
                has_own = any(id(parameter) not in taken for parameter in child.parameters())
                if has_own and (answer := ask(child, False)):
                    taken.update(id(parameter) for parameter in child.parameters())
                    made[child] = make(child, **(answer if isinstance(answer, dict) else {}))
            if made[child] is not child:
                setattr(module, name, made[child])

    if ask(root, True):
        visit(root)
