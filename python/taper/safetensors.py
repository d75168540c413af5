"""Reading and writing safetensors files, with the names of the `safetensors` package.

Files written here also carry checksums, in their metadata, which are compared on reading (verify=True).
"""

import os

from taper import _C


def save_file(tensors, filename, metadata=None):
    """Saves a dictionary of tensors. The file appears whole or not at all."""
    _C._save_safetensors(_items(tensors), os.fsencode(filename), _texts(metadata))


def save(tensors, metadata=None):
    """The bytes of a safetensors file."""
    return _C._save_safetensors_bytes(_items(tensors), _texts(metadata))


def load_file(filename, device="cpu", *, verify=True):
    """The tensors of a file by name, in memory of their own."""
    with open(filename, "rb"):  # Python's own errors for a missing file
        pass
    return _on(device, dict(_C._load_safetensors(os.fsencode(filename), verify)))


def load(data, *, verify=True):
    """The tensors in the bytes of a safetensors file, by name."""
    return dict(_C._load_safetensors_bytes(bytes(data), verify))


def _items(tensors):
    items = list(tensors.items())
    for name, tensor in items:
        if not isinstance(name, str) or not isinstance(tensor, _C.Tensor):
            raise TypeError(
                f"safetensors: expected a dictionary of names and tensors, got {type(name).__name__} "
                f"{name!r} with a {type(tensor).__name__}"
            )
    return items


def _texts(metadata):
    items = list((metadata or {}).items())
    for key, value in items:
        if not isinstance(key, str) or not isinstance(value, str):
            raise TypeError(f"safetensors: metadata must be text, got {key!r}: {value!r}")
    return items


def _on(device, tensors):
    device = _C.device(device)
    if device.type == "cpu":
        return tensors
    return {name: tensor.to(device) for name, tensor in tensors.items()}


class safe_open:
    """An open file whose tensors are read one at a time: `with safe_open(filename) as f: f.keys()`.

    framework is "taper" or "pt" for tensors, "np" or "numpy" for NumPy arrays.
    """

    def __init__(self, filename, framework="taper", device="cpu", *, verify=True):
        if framework not in ("taper", "pt", "np", "numpy"):
            raise ValueError(f"safe_open: unknown framework {framework!r}; expected 'taper', 'pt' or 'numpy'")
        with open(filename, "rb"):
            pass
        self._file = _C._SafetensorsFile(os.fsencode(filename), verify)
        self._numpy = framework in ("np", "numpy")
        self._device = _C.device(device)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self._file = None

    def _open(self):
        if self._file is None:
            raise _C.IOError("safe_open: the file is closed")
        return self._file

    def keys(self):
        """Names of the tensors."""
        return self._open().keys()

    def offset_keys(self):
        """Names of the tensors in the order of their data."""
        return self._open().offset_keys()

    def metadata(self):
        """The file's metadata, or None."""
        return dict(self._open().metadata()) or None

    def get_tensor(self, name):
        """One tensor, in memory of its own."""
        return self._finish(self._open().tensor(name))

    def get_slice(self, name):
        """One tensor without its data: index it to read the rows that are needed.

        The checksum covers whole tensors, so it is not compared for parts.
        """
        return _Slice(self, name)

    def _finish(self, tensor):
        if self._numpy:
            return tensor.numpy()
        return tensor if self._device.type == "cpu" else tensor.to(self._device)


class _Slice:
    """A tensor in a file. Indexing reads only the rows of the first dimension that the index can touch."""

    def __init__(self, file, name):
        self._file = file
        self._name = name
        self._dtype, self._shape = file._open().type(name)

    def get_shape(self):
        return list(self._shape)

    def get_dtype(self):
        return self._file._open().stored_dtype(self._name)

    def __getitem__(self, index):
        index = index if isinstance(index, tuple) else (index,)
        first = index[0] if index else Ellipsis
        if not self._shape or not isinstance(first, (int, slice)):
            return self._file._finish(self._file._open().tensor(self._name)[index])
        size = self._shape[0]
        if isinstance(first, int):
            if not -size <= first < size:
                raise _C.IndexError(f"safe_open: index {first} of dimension 0 with size {size}")
            first %= size
            rows, rest = self._rows(first, first + 1), 0
        else:
            if (first.step or 1) < 0:
                raise ValueError("safe_open: slices with a negative step cannot be read")
            begin, end, step = first.indices(size)
            rows, rest = self._rows(begin, max(begin, end)), slice(None, None, step)
        return self._file._finish(rows[(rest, *index[1:])])

    def _rows(self, begin, end):
        return self._file._open().rows(self._name, begin, end)
