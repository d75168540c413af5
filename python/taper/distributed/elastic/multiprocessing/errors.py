"""record: an exception of a process reaches the one that started it."""

import contextlib
import functools
import json
import os
import time
import traceback


def record(fn):
    """Decorates a script's main function: what it raises is written to the file that TORCHELASTIC_ERROR_FILE
    names, from where taper.distributed.run and torchrun show it, and told to the other ranks at once, whose
    collectives fail with it. The exception goes on."""

    @functools.wraps(fn)
    def wrapper(*args, **kwargs):
        try:
            return fn(*args, **kwargs)
        except Exception as error:
            _write(error)
            _tell(error)
            raise

    return wrapper


def _write(error):
    path = os.environ.get("TORCHELASTIC_ERROR_FILE")
    if not path:
        return
    entry = {
        "message": f"{type(error).__name__}: {error}",
        "extraInfo": {"py_callstack": traceback.format_exc(), "timestamp": str(int(time.time()))},
    }
    with open(path, "w") as file:
        json.dump({"message": entry}, file)


def _tell(error):
    from taper import _C

    if _C._distributed.is_initialized():
        with contextlib.suppress(_C.DistributedError):  # the others are gone already
            _C._distributed._abort(f"{type(error).__name__}: {error}")


def message_in(path):
    """What record() wrote there, or None."""
    try:
        with open(path) as file:
            return json.load(file)["message"]["message"]
    except (OSError, ValueError, KeyError, TypeError):
        return None
