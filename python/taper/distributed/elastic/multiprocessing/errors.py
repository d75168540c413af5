"""An exception of a process reaches the one that started it: record, ChildFailedError."""

import contextlib
import functools
import json
import os
import signal
import time
import traceback
from dataclasses import dataclass, field


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


@dataclass
class ProcessFailure:
    """How a process of a job ended. message: what record() wrote to error_file, else what its exit code
    says."""

    local_rank: int
    pid: int
    exitcode: int
    error_file: str
    message: str = field(init=False)
    timestamp: int = field(init=False, default_factory=lambda: int(time.time()))

    def __post_init__(self):
        self.message = message_in(self.error_file) or (
            f"Signal {-self.exitcode} ({self.signal_name()}) received by PID {self.pid}"
            if self.exitcode < 0
            else f"exit code {self.exitcode}"
        )

    def signal_name(self):
        """The signal that ended it, or "<N/A>"."""
        return signal.Signals(-self.exitcode).name if self.exitcode < 0 else "<N/A>"


class ChildFailedError(Exception):
    """Processes of the job `name` failed. failures: by rank."""

    def __init__(self, name, failures):
        self.name, self.failures = name, failures
        rank, failure = self.get_first_failure()
        super().__init__(
            f"{name} FAILED: rank {rank} (local_rank: {failure.local_rank}, pid: {failure.pid}, exitcode: "
            f"{failure.exitcode}): {failure.message}"
        )

    def get_first_failure(self):
        """(rank, failure) of the one that failed first."""
        rank = min(self.failures, key=lambda rank: self.failures[rank].timestamp)
        return rank, self.failures[rank]
