"""multiprocessing, and spawn(): one function in several processes, whose errors come back."""

import contextlib as _contextlib
import multiprocessing as _multiprocessing
import signal as _signal
import sys as _sys
import time as _time
import traceback as _traceback
from multiprocessing import *  # noqa: F403
from multiprocessing import connection as _connection

from ._C import DistributedError


class ProcessException(Exception):
    """A process of spawn() ended badly. error_index: its number."""

    def __init__(self, msg, error_index, pid):
        super().__init__(msg)
        self.msg, self.error_index, self.pid = msg, error_index, pid


class ProcessRaisedException(ProcessException):
    """It raised."""


class ProcessExitedException(ProcessException):
    """It exited with an error, or was killed."""

    def __init__(self, msg, error_index, error_pid, exit_code, signal_name=None):
        super().__init__(msg, error_index, error_pid)
        self.exit_code, self.signal_name = exit_code, signal_name


def _run(function, index, args, errors):
    try:
        function(index, *args)
    except KeyboardInterrupt:
        pass
    except Exception as error:
        errors.send((isinstance(error, DistributedError), _traceback.format_exc()))
        _sys.last_value = error  # tells taper.distributed at exit that this process failed
        raise SystemExit(1) from None


class ProcessContext:
    """Processes that spawn(join=False) started."""

    def __init__(self, processes, errors):
        self.processes, self._errors = processes, errors

    def pids(self):
        """Their numbers in the system."""
        return [process.pid for process in self.processes]

    def join(self, timeout=None, grace_period=None):
        """True when all have ended well, False after the timeout. When one ends badly, the others are ended
        and its error is raised."""
        deadline = None if timeout is None else _time.monotonic() + timeout
        while running := [process.sentinel for process in self.processes if process.is_alive()]:
            if any(process.exitcode for process in self.processes):
                break
            left = None if deadline is None else max(0, deadline - _time.monotonic())
            if not _connection.wait(running, left):
                return False
        failed = next((i for i, process in enumerate(self.processes) if process.exitcode), None)
        if failed is None:
            return True
        self._end_all(5 if grace_period is None else grace_period)
        self._raise(failed)

    def _end_all(self, grace):
        for process in self.processes:
            process.terminate()
        deadline = _time.monotonic() + grace
        for process in self.processes:
            process.join(max(0, deadline - _time.monotonic()))
            if process.is_alive():
                process.kill()
                process.join()

    def _raise(self, index):
        # Of several that failed, the one that raised tells more than those that only heard of it.
        raised = []
        for i, pipe in enumerate(self._errors):
            with _contextlib.suppress(EOFError):  # it ended without a word
                raised += [(*pipe.recv(), i)] if pipe.poll() else []
        if raised:
            _, text, i = min(raised, key=lambda entry: entry[0])
            raise ProcessRaisedException(
                f"\n\n-- Process {i} terminated with the following error:\n{text}", i, self.processes[i].pid
            )
        process = self.processes[index]
        if process.exitcode < 0:
            name = _signal.Signals(-process.exitcode).name
            raise ProcessExitedException(
                f"process {index} terminated with signal {name}", index, process.pid, process.exitcode, name
            )
        raise ProcessExitedException(
            f"process {index} terminated with exit code {process.exitcode}",
            index,
            process.pid,
            process.exitcode,
        )


SpawnContext = ProcessContext


def start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """Calls fn(i, *args) in process i of nprocs; the first error ends all and is raised here."""
    context = _multiprocessing.get_context(start_method)
    processes, errors = [], []
    for index in range(nprocs):
        receiver, sender = context.Pipe(duplex=False)
        process = context.Process(target=_run, args=(fn, index, args, sender), daemon=daemon)
        process.start()
        sender.close()
        processes.append(process)
        errors.append(receiver)
    result = ProcessContext(processes, errors)
    if not join:
        return result
    while not result.join():
        pass
    return None


def spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn"):
    """start_processes with fresh interpreters: the only way that works once threads or process groups
    exist."""
    return start_processes(fn, args, nprocs, join, daemon, start_method)


def get_all_sharing_strategies():
    """How tensors can travel between processes."""
    return {"file_descriptor"}


def get_sharing_strategy():
    """How tensors travel between processes."""
    return "file_descriptor"


def set_sharing_strategy(new_strategy):
    """Accepted for PyTorch's sake: memory is always shared through descriptors. Throws AssertionError for a
    name that PyTorch does not know."""
    if new_strategy not in ("file_descriptor", "file_system"):
        raise AssertionError(f"unknown sharing strategy {new_strategy!r}")
