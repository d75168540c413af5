"""What the page of hyperparameters shows, as TensorBoard's plugin messages.

The fields' numbers are those of its plugin_data.proto and api.proto.
"""

import numbers

from .records import double, integer, message, varint

_STRING, _BOOL, _FLOAT = 1, 2, 3


def _entry(tag, content):
    plugin = message(1, message(1, "hparams") + message(2, content))
    return message(5, message(1, message(1, tag) + message(9, plugin)))


def _kind(value):
    if isinstance(value, bool):
        return _BOOL
    if isinstance(value, numbers.Real):
        return _FLOAT
    if isinstance(value, str):
        return _STRING
    raise ValueError(f"add_hparams: a value should be int, float, str or bool, got {type(value).__name__}")


def _value(value):
    # google.protobuf.Value
    kind = _kind(value)
    if kind == _BOOL:
        return varint(4 << 3) + varint(int(value))
    return double(2, float(value)) if kind == _FLOAT else message(3, value)


def hparams(hparam_dict, metric_dict):
    """Three summaries: the experiment, the start and the end of the session."""
    if not isinstance(hparam_dict, dict) or not isinstance(metric_dict, dict):
        raise TypeError("hparam_dict and metric_dict should be dictionaries.")
    experiment = b"".join(
        message(5, message(1, name) + integer(4, _kind(value))) for name, value in hparam_dict.items()
    ) + b"".join(message(6, message(1, message(2, name))) for name in metric_dict)
    start = b"".join(message(1, message(1, name) + message(2, _value(v))) for name, v in hparam_dict.items())
    return (
        _entry("_hparams_/experiment", message(2, experiment)),
        _entry("_hparams_/session_start_info", message(3, start)),
        _entry("_hparams_/session_end_info", message(4, integer(1, 1))),
    )
