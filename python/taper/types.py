"""Names for annotations."""

import os
from collections.abc import Sequence
from typing import Any

from . import _C
from ._C import Size, Tensor, device, dtype  # noqa: F401

_int, _float, _complex, _str, _bytes = int, float, complex, str, bytes
_bool = bool
Number = int | float | bool
Device = _C.device | str | int | None
FileLike = str | os.PathLike[str] | Any
_size = _C.Size | list[int] | tuple[int, ...]
_layout = str
_dtype, _device = _C.dtype, _C.device
_TensorOrTensors = _C.Tensor | Sequence[_C.Tensor]
_TensorOrTensorsOrGradEdge = _TensorOrTensors
IntLikeType, FloatLikeType, BoolLikeType = int, float, bool
PySymType = int | float | bool
py_sym_types = (int, float, bool)
Storage = Any
