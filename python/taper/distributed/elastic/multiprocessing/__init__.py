"""What processes of a job tell the one that started them."""

from .errors import ChildFailedError, ProcessFailure, record

__all__ = ["ChildFailedError", "ProcessFailure", "record"]
