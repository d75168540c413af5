"""torch.distributed.rpc has no counterpart: importing this says so."""

raise ImportError(
    "taper.distributed.rpc: there are no remote procedure calls in Taper; use its collectives, send() and "
    "recv(), or Ray (taper.distributed.ray)"
)
