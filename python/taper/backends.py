"""Switches of other libraries' backends, so that programs that set them run; none of them changes a result here."""

import types

__all__ = ["cuda", "cudnn", "mps", "mkldnn", "mkl", "openmp"]


class _Backend(types.SimpleNamespace):
    def is_available(self):
        """Whether this backend is part of the build: never."""
        return False


cuda = _Backend(matmul=types.SimpleNamespace(allow_tf32=False))
cudnn = _Backend(enabled=False, benchmark=False, deterministic=True, allow_tf32=False, version=lambda: None)
mps, mkldnn, mkl, openmp = _Backend(), _Backend(), _Backend(), _Backend()
