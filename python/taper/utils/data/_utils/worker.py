"""What a worker asks about itself, where PyTorch has it."""

from ..worker import get_worker_info  # noqa: F401
