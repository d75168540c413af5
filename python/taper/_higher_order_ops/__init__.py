"""Operations that take functions, under the names of PyTorch's own modules."""

from .associative_scan import associative_scan
