"""Calls of a module with other parameters and buffers than its own."""

import contextlib


def _places(module):
    """Where each parameter and buffer lives: name -> (registry, key), also for shared ones."""
    places = {}
    for prefix, child in module.named_modules(remove_duplicate=False):
        for registry in (child._parameters, child._buffers):
            for key, value in registry.items():
                if value is not None:
                    places[f"{prefix}.{key}" if prefix else key] = (registry, key)
    return places


def _with_ties(tensors, places):
    """tensors, and for each of them also the other names of what it replaces."""
    names_of = {}
    for name, (registry, key) in places.items():
        names_of.setdefault(id(registry[key]), []).append(name)
    result = dict(tensors)
    for name, tensor in tensors.items():
        if name not in places:
            continue
        registry, key = places[name]
        for other in names_of[id(registry[key])]:
            if other in tensors and tensors[other] is not tensor:
                raise ValueError(
                    f"functional_call got multiple values for keys {sorted([name, other])}, which are tied. "
                    "Consider using tie_weights=False"
                )
            result.setdefault(other, tensor)
    return result


@contextlib.contextmanager
def _replaced(module, tensors, tie_weights, strict):
    places = _places(module)
    tensors = _with_ties(tensors, places) if tie_weights else tensors
    unknown = [name for name in tensors if name not in places]
    if strict and (unknown or len(tensors) < len(places)):
        missing = [name for name in places if name not in tensors]
        raise RuntimeError(
            f"Error(s) in reparametrizing for {type(module).__name__}:\n\tUnexpected key(s): {unknown}."
            f"\n\tMissing key(s): {missing}."
        )
    before = []
    try:
        for name, tensor in tensors.items():
            if name in places:
                registry, key = places[name]
                before.append((registry, key, registry[key]))
                registry[key] = tensor
        yield
    finally:
        for registry, key, value in reversed(before):
            registry[key] = value


def functional_call(
    module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True, strict=False
):
    """module(*args, **kwargs) with the named tensors (a dict, or several) in place of its own for this one
    call."""
    if not isinstance(parameters_and_buffers, dict):
        merged = {}
        for tensors in parameters_and_buffers:
            if merged.keys() & tensors.keys():
                raise ValueError(
                    f"{sorted(merged.keys() & tensors.keys())} appeared in multiple dictionaries; behavior "
                    "of functional call is ambiguous"
                )
            merged.update(tensors)
        parameters_and_buffers = merged
    args = () if args is None else args if isinstance(args, tuple) else (args,)
    with _replaced(module, parameters_and_buffers, tie_weights, strict):
        return module(*args, **(kwargs or {}))
