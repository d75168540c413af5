"""NumPy's .npy and .npz files, read and written without NumPy."""

import os

from taper import _C


def save_npy(tensor, path):
    """Saves one tensor as an .npy file. The file appears whole or not at all."""
    _C._save_npy(tensor, os.fsencode(path))


def load_npy(path):
    """The array of an .npy file as a row-major tensor; all numeric dtypes, either byte order."""
    return _C._load_npy(os.fsencode(path))


def save_npz(tensors, path, compress=False):
    """Saves a dictionary of tensors as an .npz file."""
    _C._save_npz(list(tensors.items()), os.fsencode(path), compress)


def load_npz(path):
    """The arrays of an .npz file by name; their CRC-32 sums are compared."""
    return dict(_C._load_npz(os.fsencode(path)))
