"""Communication hooks of DistributedDataParallel."""

from enum import Enum

from . import (
    ddp_zero_hook,
    debugging_hooks,
    default_hooks,
    optimizer_overlap_hooks,
    post_localSGD_hook,
    powerSGD_hook,
    quantization_hooks,
)

__all__ = [
    "DDPCommHookType",
    "ddp_zero_hook",
    "debugging_hooks",
    "default_hooks",
    "optimizer_overlap_hooks",
    "post_localSGD_hook",
    "powerSGD_hook",
    "quantization_hooks",
    "register_ddp_comm_hook",
]

debugging, default, optimizer_overlap = debugging_hooks, default_hooks, optimizer_overlap_hooks
powerSGD, quantization = powerSGD_hook, quantization_hooks


class _Hook:
    """Registers one hook, with a PowerSGDState where options are given."""

    def __init__(self, hook, **options):
        self.hook, self.options = hook, options

    def __call__(self, model, state, **options):
        if self.options:
            state = powerSGD_hook.PowerSGDState(state, **{**self.options, **options})
        model.register_comm_hook(state, self.hook)


class DDPCommHookType(Enum):
    """The hooks by name; a value registers its hook: value(model=model, state=process_group)."""

    ALLREDUCE = _Hook(default_hooks.allreduce_hook)
    FP16_COMPRESS = _Hook(default_hooks.fp16_compress_hook)
    BF16_COMPRESS = _Hook(default_hooks.bf16_compress_hook)
    POWER_SGD = _Hook(powerSGD_hook.powerSGD_hook, matrix_approximation_rank=1)
    POWER_SGD_RANK2 = _Hook(powerSGD_hook.powerSGD_hook, matrix_approximation_rank=2)
    BATCHED_POWER_SGD = _Hook(powerSGD_hook.batched_powerSGD_hook, matrix_approximation_rank=1)
    BATCHED_POWER_SGD_RANK2 = _Hook(powerSGD_hook.batched_powerSGD_hook, matrix_approximation_rank=2)


def register_ddp_comm_hook(comm_hook_type, model, state=None):
    """Registers the hook of this type; state: a process group, or None for all ranks."""
    comm_hook_type.value(model=model, state=state)
