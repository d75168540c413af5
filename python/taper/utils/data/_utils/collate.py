"""Batches of samples, where PyTorch has them."""

from ..collate import collate, default_collate, default_collate_fn_map, default_convert  # noqa: F401
