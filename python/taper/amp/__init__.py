"""Mixed precision: autocast and gradient scaling."""

from .._late import late as _late

TYPE_CHECKING = False
if TYPE_CHECKING:
    from .autocast_mode import autocast as autocast
    from .autocast_mode import custom_bwd as custom_bwd
    from .autocast_mode import custom_fwd as custom_fwd
    from .autocast_mode import is_autocast_available as is_autocast_available
    from .grad_scaler import GradScaler as GradScaler

__getattr__, __dir__ = _late(
    __name__,
    {"autocast_mode": "autocast custom_bwd custom_fwd is_autocast_available", "grad_scaler": "GradScaler"},
    "autocast_mode grad_scaler",
)
