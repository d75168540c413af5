"""Objects of a program's own classes in files: their attributes and the name of their class, but no code."""

import enum
import sys

_safe_globals = []
ATTRIBUTES = object()


class SavedObject:
    """What load() gives for an object whose class it may not use: the attributes that were saved."""

    def __init__(self, class_name, state):
        self.__dict__.update(state, _class_name=class_name)

    def __getattr__(self, name):
        raise AttributeError(
            f"{name!r}: this was a {self.__dict__.get('_class_name')}, of which load() gave the attributes "
            "only; import the class and use weights_only=False, or allow it with "
            "taper.serialization.add_safe_globals"
        )

    def __repr__(self):
        return f"SavedObject({self._class_name!r})"


def _name_of(kind):
    return f"{kind.__module__}:{kind.__qualname__}"


def _is_of_attributes(kind, obj):
    """Whether attributes are all there is to obj: its classes are written in Python, can be found by name,
    and neither have slots nor a way of their own to be pickled."""
    heap_type = 1 << 9
    return (
        isinstance(getattr(obj, "__dict__", None), dict)
        and "<locals>" not in kind.__qualname__
        and not isinstance(obj, type)
        and kind.__reduce_ex__ is object.__reduce_ex__
        and kind.__reduce__ is object.__reduce__
        and all(b is object or b.__flags__ & heap_type and not vars(b).get("__slots__") for b in kind.__mro__)
    )


def describe(obj):
    """(tag, value) of an object that is stored by its attributes or, a member of an enumeration, by its name
    and value; None for others."""
    kind = type(obj)
    if isinstance(obj, enum.Enum):
        return "enum", (_name_of(kind), obj.name, obj.value)
    if not _is_of_attributes(kind, obj):
        return None
    own = getattr(kind, "__getstate__", None)
    state = dict(vars(obj)) if own is getattr(object, "__getstate__", None) else obj.__getstate__()
    return "object", (_name_of(kind), state)


def _class_of(name, trusted):
    for allowed in _safe_globals:
        if isinstance(allowed, type) and _name_of(allowed) == name:
            return allowed
    if not trusted:
        return None
    module, _, path = name.partition(":")
    found = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found if isinstance(found, type) else None


def _runs_code(kind):
    """Whether an object of the class runs code of its own when it gets its attributes, or ends."""
    return hasattr(kind, "__setstate__") or hasattr(kind, "__del__")


def restore_object(parts, trusted):
    """An object of the class if that was allowed or, where the file is trusted, has been imported; else a
    SavedObject. Neither the class's __new__ nor its __init__ runs. trusted=ATTRIBUTES: only of classes that
    have been imported and run no other code either."""
    name, state = parts
    kind = _class_of(name, trusted)
    if kind is None or (trusted is ATTRIBUTES and kind not in _safe_globals and _runs_code(kind)):
        return SavedObject(name, state)
    obj = object.__new__(kind)
    if hasattr(kind, "__setstate__"):
        obj.__setstate__(state)
    else:
        obj.__dict__.update(state)
    return obj


def restore_enum(parts, trusted):
    """The member, where the class may be used; else its value."""
    name, member, value = parts
    kind = _class_of(name, trusted)
    return value if kind is None else kind[member]
