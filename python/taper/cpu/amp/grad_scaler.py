"""GradScaler by PyTorch's path."""

from . import GradScaler
