"""PyTorch's older names for profiles: taper.autograd.profiler.profile()."""

from .. import profiler as _profiler
from ..profiler import DeviceType, EventList, FunctionEvent, record_function  # noqa: F401


class profile(_profiler.profile):
    """Measures what runs within it, while enabled."""

    def __init__(
        self, enabled=True, *, use_cuda=False, use_cpu=True, use_device=None, record_shapes=False, **options
    ):
        super().__init__(record_shapes=record_shapes)
        self.enabled = enabled

    def __enter__(self):
        return super().__enter__() if self.enabled else self

    def __exit__(self, *exception):
        if self.enabled:
            super().__exit__(*exception)

    def total_average(self):
        """All events as one."""
        return self._events.total_average()

    def __str__(self):
        return self._events.table()


class emit_nvtx:
    """Accepted; there is no GPU whose tools would read the marks."""

    def __init__(self, enabled=True, record_shapes=False):
        pass

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        return None


emit_itt = emit_nvtx
