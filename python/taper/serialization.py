"""save and load: nested Python values and tensors in one safetensors file."""

import functools
import inspect
import os
import sys
from collections import Counter, OrderedDict, defaultdict

from taper import _C, _saved_objects
from taper._copying import UntypedStorage
from taper._saved_objects import _safe_globals

_FACTORIES = {kind.__name__: kind for kind in (int, float, bool, str, list, dict, set, tuple)}


def save(obj, f, pickle_module=None, pickle_protocol=None, _use_new_zipfile_serialization=True):
    """Saves tensors, numbers, text, bytes, None and any nesting of dictionaries, lists and tuples of them.

    f is a path or a binary file object. The file is a safetensors file that any reader of that format opens:
    tensors have readable names such as "model.fc.weight", and the metadata holds the rest as JSON, and there
    is no code in it. A tensor that occurs twice is stored once and is one tensor again when loaded. Also
    kept: OrderedDict, defaultdict (of a built-in type), Counter, set, frozenset, bytearray, complex, range,
    slice, NumPy arrays and numbers, taper.dtype, taper.device, taper.Size, nn.Parameter. Objects of classes
    written in Python, modules among them, are stored by their attributes (one that occurs twice is two when
    loaded), members of enumerations by name. Everything else, functions above all, is refused by a TypeError
    that names its place.

    A path is replaced in one step: a crash, a full disk or a kill leaves the old file or the new one, whole.
    The arguments about pickle are accepted for PyTorch's sake and mean nothing.
    """
    if hasattr(f, "write"):
        f.write(_C._save_bytes(obj, _describe))
        return
    _C._save(obj, os.fsencode(f), _describe)


def load(f, map_location=None, pickle_module=None, *, weights_only=True, mmap=None, verify=True):
    """Loads what `save` wrote; of another safetensors file, the dictionary of its tensors.

    f             a path, or a binary file object, read from where it stands to its end
    map_location  where tensors go: None (the device they were saved from), a device or its name, a
                  dictionary from names to names, or a function (storage, name of the saved device): of the
                  storage that it gives, or of the device. storage is an empty one in main memory
    weights_only  False: objects are of their classes again, where these have been imported, which runs their
                  __setstate__; True: only of classes that add_safe_globals allowed, others are SavedObjects
                  with their attributes. The file itself never holds code
    mmap          accepted for PyTorch's sake: tensors always get memory of their own, because a mapped file
                  that another process shortens ends the program, and one that it overwrites changes loaded
                  tensors; `taper.safetensors.safe_open` reads single tensors and rows of a large file
    verify        compares the checksums that `save` stored

    Raises taper.IOError (an OSError) for a damaged file, naming the tensor and the bytes.
    """
    placement = _placement(map_location)
    restore = functools.partial(_restore, trusted=not weights_only)
    if hasattr(f, "read"):
        content = f.read()
        if not isinstance(content, (bytes, bytearray)):
            raise TypeError(
                f"load: expected a file opened in binary mode, its read() gave {type(content).__name__}"
            )
        _refuse_foreign(bytes(content[:16]), getattr(f, "name", "the file object"))
        return _C._load_bytes(bytes(content), placement, verify, restore)
    path = os.fspath(f)
    with open(path, "rb") as file:
        _refuse_foreign(file.read(16), path)
    return _C._load(os.fsencode(path), placement, verify, restore)


def _load_received(content):
    """What another rank saved: as load(), but objects are of their classes again where these have been
    imported and neither have a __setstate__ nor a __del__, so that still no code runs."""
    restore = functools.partial(_restore, trusted=_saved_objects.ATTRIBUTES)
    return _C._load_bytes(content, None, True, restore)


class PyTorchFileReader:
    """PyTorch's reader of the archives that torch.save writes, by which Lightning can load."""

    def __init__(self, name_or_buffer):
        raise _C.IOError(f"PyTorchFileReader: {_CONVERT.format(path=name_or_buffer)}")


def add_safe_globals(safe_globals):
    """Objects of these classes are loaded as such with weights_only=True, too."""
    _safe_globals.extend(safe_globals)


def clear_safe_globals():
    """Forgets what add_safe_globals allowed."""
    _safe_globals.clear()


def get_safe_globals():
    """What add_safe_globals allowed."""
    return list(_safe_globals)


class safe_globals:
    """Within it, objects of these classes are loaded as such with weights_only=True, too."""

    def __init__(self, safe_globals):
        self._added = list(safe_globals)

    def __enter__(self):
        self._before = get_safe_globals()
        add_safe_globals(self._added)

    def __exit__(self, *exception):
        _safe_globals[:] = self._before


_CONVERT = (
    "Taper does not unpickle, since a pickle can run any code. Where PyTorch is installed, convert it once:\n"
    "    import torch, safetensors.torch\n"
    "    tensors = torch.load({path!r}, map_location='cpu', weights_only=True)  # a dictionary of tensors\n"
    "    safetensors.torch.save_file(tensors, 'model.safetensors')"
)

_FOREIGN = (
    (
        b"PK\x03\x04",
        "is a zip archive, as torch.save writes (or an .npz file, for taper.load_npz). " + _CONVERT,
    ),
    (b"\x80\x02\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19", "is a checkpoint of an old PyTorch, a pickle. " + _CONVERT),
    (b"\x93NUMPY", "is a NumPy array; read it with taper.load_npy."),
    (b"\x89HDF\r\n", "is an HDF5 file; read it with h5py and build tensors with taper.from_numpy."),
    (b"GGUF", "is a GGUF file; convert it to safetensors."),
    (b"\x1f\x8b", "is compressed by gzip; decompress it first, or pass gzip.open(path)."),
)


def _refuse_foreign(start, path):
    for magic, explanation in _FOREIGN:
        if start.startswith(magic):
            raise _C.IOError(f"{path!r} {explanation.format(path=path)}")
    if start[:1] == b"\x80" and start[1:2] in (b"\2", b"\3", b"\4", b"\5") and start[8:9] != b"{":
        raise _C.IOError(f"{path!r} is a pickle. {_CONVERT.format(path=path)}")


def _takes_two(function):
    """Whether it can be called with a storage and a name, as PyTorch's are."""
    try:
        inspect.signature(function).bind(None, None)
    except (TypeError, ValueError):
        return False
    return True


def _placement(map_location):
    """A function from the device a tensor was saved from to the device where it goes, or None."""
    if map_location is None:
        return None
    if isinstance(map_location, dict):
        return lambda saved: _C.device(map_location.get(str(saved), str(saved)))
    if callable(map_location):
        takes_storage = _takes_two(map_location)

        def call(saved):
            # PyTorch's functions take a storage and a name, others the name alone.
            storage = UntypedStorage(_C._homes["taper"]["empty"](0, dtype=_C.uint8, device="cpu"))
            chosen = map_location(*([storage] if takes_storage else []), str(saved))
            return saved if chosen is None else _C.device(getattr(chosen, "device", chosen))

        return call
    device = _C.device(map_location)
    return lambda saved: device


def _describe(obj, path):
    """(tag, plain value) for a value beyond the plain ones; `_restore` is its inverse."""
    kind = type(obj)
    if kind in _DESCRIBE:
        return _DESCRIBE[kind](obj)
    numpy = sys.modules.get("numpy")
    if numpy is not None and isinstance(obj, (numpy.ndarray, numpy.generic)):
        return _describe_numpy(numpy, obj, path)
    described = _saved_objects.describe(obj)
    if described is not None:
        return described
    place = "".join(f"[{key!r}]" for key in path) or "the top level"
    raise TypeError(f"save: cannot store a {kind.__module__}.{kind.__qualname__} at {place}; {_advice(obj)}")


def _describe_defaultdict(obj):
    factory = getattr(obj.default_factory, "__name__", None)
    if obj.default_factory is not None and _FACTORIES.get(factory) is not obj.default_factory:
        raise TypeError(
            f"save: cannot store a defaultdict of {obj.default_factory!r}; convert it with dict(...)"
        )
    return "defaultdict", (factory, dict(obj))


_DESCRIBE = {
    int: lambda obj: ("int", str(obj)),  # beyond 64 bits
    complex: lambda obj: ("complex", [obj.real, obj.imag]),
    OrderedDict: lambda obj: ("OrderedDict", dict(obj)),
    Counter: lambda obj: ("Counter", dict(obj)),
    defaultdict: _describe_defaultdict,
    set: lambda obj: ("set", list(obj)),
    frozenset: lambda obj: ("frozenset", list(obj)),
    bytearray: lambda obj: ("bytearray", bytes(obj)),
    range: lambda obj: ("range", [obj.start, obj.stop, obj.step]),
    slice: lambda obj: ("slice", [obj.start, obj.stop, obj.step]),
    _C.Size: lambda obj: ("Size", list(obj)),
    _C.dtype: lambda obj: ("dtype", str(obj).removeprefix("taper.")),
    _C.device: lambda obj: ("device", str(obj)),
}


def _numpy_kinds(numpy):
    names = (
        "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128"
    )
    return {numpy.dtype(name): getattr(_C, name) for name in names.split()}


def _describe_numpy(numpy, obj, path):
    if isinstance(obj, numpy.str_):
        return "numpy.str_", str(obj)
    dtype = obj.dtype.newbyteorder("=")
    kind = _numpy_kinds(numpy).get(dtype)
    if kind is None:
        place = "".join(f"[{key!r}]" for key in path) or "the top level"
        raise TypeError(f"save: cannot store NumPy values of dtype {obj.dtype} at {place}")
    array = numpy.array(obj, dtype=dtype, order="C")  # a writable copy of its own
    tensor = _C._tensor_from_buffer(array.reshape(-1).view(numpy.uint8), kind, array.shape)
    return ("numpy.ndarray" if isinstance(obj, numpy.ndarray) else "numpy.scalar"), tensor


def _restore_numpy(tensor):
    import numpy

    name = str(tensor.dtype).removeprefix("taper.")
    return numpy.frombuffer(bytearray(_C._tensor_to_buffer(tensor)), dtype=name).reshape(tuple(tensor.shape))


_RESTORE = {
    "int": int,
    "complex": lambda parts: complex(*parts),
    "OrderedDict": OrderedDict,
    "Counter": Counter,
    "defaultdict": lambda parts: defaultdict(_FACTORIES.get(parts[0]), parts[1]),
    "set": set,
    "frozenset": frozenset,
    "bytearray": bytearray,
    "range": lambda parts: range(*parts),
    "slice": lambda parts: slice(*parts),
    "Size": _C.Size,
    "dtype": lambda name: _DTYPES[name],
    "device": _C.device,
    "numpy.ndarray": _restore_numpy,
    "numpy.scalar": lambda tensor: _restore_numpy(tensor)[()],
    "numpy.str_": lambda text: __import__("numpy").str_(text),
}

_DTYPES = {
    str(value).removeprefix("taper."): value for value in vars(_C).values() if isinstance(value, _C.dtype)
}


_RESTORE_OBJECT = {"object": _saved_objects.restore_object, "enum": _saved_objects.restore_enum}


def _restore(tag, value, trusted=False):
    if tag not in _RESTORE and tag not in _RESTORE_OBJECT:
        raise _C.IOError(f"load: the file holds a {tag!r}, which this version of Taper does not know")
    try:
        return _RESTORE_OBJECT[tag](value, trusted) if tag in _RESTORE_OBJECT else _RESTORE[tag](value)
    except (TypeError, ValueError, KeyError, IndexError) as error:
        raise _C.IOError(f"load: the file holds a damaged {tag!r}: {error}") from None


def _advice(obj):
    if hasattr(obj, "state_dict"):
        return "save its state_dict() and load it with load_state_dict()"
    if hasattr(obj, "_asdict"):
        return "save its _asdict()"
    if hasattr(obj, "__fspath__"):
        return "save str(path)"
    if callable(obj):
        return "code cannot be saved"
    if isinstance(obj, (dict, list, tuple, str, int, float)):
        plain = next(kind for kind in type(obj).__mro__ if kind.__module__ == "builtins")
        return f"convert it to a plain {plain.__name__}"
    if hasattr(obj, "__dict__"):
        return "save the parts that matter, such as vars(...), in a dictionary"
    return "convert it to numbers, text, tensors, lists and dictionaries"
