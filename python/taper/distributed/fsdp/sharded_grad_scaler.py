"""ShardedGradScaler, under PyTorch's name: GradScaler knows of parts of gradients."""

from taper.amp import GradScaler


class ShardedGradScaler(GradScaler):
    """GradScaler, whose steps are skipped by all ranks where one has an infinite gradient. process_group is
    accepted for PyTorch's sake: parameters know who has their other parts."""

    def __init__(
        self,
        device="cuda",
        init_scale=2.0**16,
        backoff_factor=0.5,
        growth_factor=2.0,
        growth_interval=2000,
        enabled=True,
        process_group=None,
    ):
        super().__init__(device, init_scale, growth_factor, backoff_factor, growth_interval, enabled)
