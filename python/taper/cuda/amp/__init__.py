"""autocast and GradScaler under their former names."""

import functools as _functools

from ... import amp as _amp


class autocast(_amp.autocast):
    """taper.autocast("cuda")."""

    def __init__(self, enabled=True, dtype=None, cache_enabled=True):
        super().__init__("cuda", enabled=enabled, dtype=dtype, cache_enabled=cache_enabled)


class GradScaler(_amp.GradScaler):
    """taper.amp.GradScaler("cuda")."""

    def __init__(
        self, init_scale=65536.0, growth_factor=2.0, backoff_factor=0.5, growth_interval=2000, enabled=True
    ):
        super().__init__("cuda", init_scale, growth_factor, backoff_factor, growth_interval, enabled)


custom_fwd = _functools.partial(_amp.custom_fwd, device_type="cuda")
custom_bwd = _functools.partial(_amp.custom_bwd, device_type="cuda")
