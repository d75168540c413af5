"""Watching for NaN, where PyTorch has it."""

from . import detect_anomaly, set_detect_anomaly  # noqa: F401
