"""How tensors are printed."""

from . import _C

_defaults = {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None}
_options = dict(_defaults)


def set_printoptions(
    precision=None, threshold=None, edgeitems=None, linewidth=None, profile=None, sci_mode=None
):
    """Changes how tensors are printed; profile: default, short or full."""
    for name, value in (("precision", precision), ("linewidth", linewidth)):
        if value is not None and not 0 <= value <= 1000:
            raise ValueError(f"set_printoptions: {name} must be from 0 to 1000, got {value}")
    profiles = {
        "default": _defaults,
        "short": {**_defaults, "precision": 2, "edgeitems": 2},
        "full": {**_defaults, "threshold": 2**62},
    }
    if profile is not None:
        _options.update(profiles[profile])
    for name, value in (
        ("precision", precision),
        ("threshold", threshold),
        ("edgeitems", edgeitems),
        ("linewidth", linewidth),
    ):
        if value is not None:
            _options[name] = value
    _options["sci_mode"] = sci_mode
    _C._set_print_options(
        _options["precision"],
        _options["threshold"],
        _options["edgeitems"],
        _options["linewidth"],
        _options["sci_mode"],
    )
