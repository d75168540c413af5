"""What processes of a job tell the one that started them."""

from .errors import record

__all__ = ["record"]
