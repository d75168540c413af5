"""Models that are averaged over processes now and then."""

from . import averagers

__all__ = ["averagers"]
