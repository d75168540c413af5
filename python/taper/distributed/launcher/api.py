"""elastic_launch: a function in several processes of this machine, all started again where one fails."""

import os
import pickle
import tempfile
import uuid
from dataclasses import dataclass, field
from typing import Any

from taper.multiprocessing import ProcessException, start_processes

from ..elastic.multiprocessing.errors import ChildFailedError, ProcessFailure, record
from ..run import _environments, _free_port


@dataclass
class LaunchConfig:
    """How to start: nproc_per_node processes, up to 1 + max_restarts times, by start_method ("spawn", "fork",
    "forkserver"). rdzv_endpoint may say at which host:port of this machine the ranks meet (any free port,
    unless given); run_id goes to the processes' environment. What else there is, is accepted for PyTorch's
    sake."""

    min_nodes: int
    max_nodes: int
    nproc_per_node: int
    logs_specs: Any = None
    run_id: str = ""
    role: str = "default_role"
    rdzv_endpoint: str = ""
    rdzv_backend: str = "static"
    rdzv_configs: dict[str, Any] = field(default_factory=dict)
    rdzv_timeout: int = -1
    max_restarts: int = 3
    monitor_interval: float = 0.1
    start_method: str = "spawn"
    log_line_prefix_template: str | None = None
    metrics_cfg: dict[str, str] = field(default_factory=dict)
    local_addr: str | None = None

    def __post_init__(self):
        if self.max_nodes != 1:
            raise ValueError(
                f"LaunchConfig: got max_nodes={self.max_nodes}, expected 1: processes of several machines "
                "are started by python -m taper.distributed.run on each of them"
            )
        if self.nproc_per_node < 1:
            raise ValueError(f"LaunchConfig: nproc_per_node is {self.nproc_per_node}, expected 1 or more")


class elastic_launch:
    """elastic_launch(config, function)(*args) calls function(*args) in each process; returns what each
    returned, by rank. Raises ChildFailedError where a process failed in the last attempt, too."""

    def __init__(self, config, entrypoint):
        self._config, self._entrypoint = config, entrypoint

    def __call__(self, *args):
        return launch_agent(self._config, self._entrypoint, list(args))


def _worker(index, environments, entrypoint, args, folder):
    os.environ.update(environments[index])
    os.environ["TORCHELASTIC_ERROR_FILE"] = os.path.join(folder, f"{index}.error")
    result = record(entrypoint)(*args)
    with open(os.path.join(folder, str(index)), "wb") as file:
        pickle.dump(result, file)


def launch_agent(config, entrypoint, args):
    """What elastic_launch(config, entrypoint)(*args) returns."""
    if not callable(entrypoint):
        raise TypeError(
            f"elastic_launch: got {entrypoint!r}, expected a function; programs are started by "
            "taper.distributed.run.main"
        )
    host, _, port = config.rdzv_endpoint.rpartition(":")
    run_id = config.run_id or uuid.uuid4().hex
    for attempt in range(config.max_restarts + 1):
        environments = _environments(
            config.nproc_per_node,
            address=host or "127.0.0.1",
            port=int(port) if host and port.isdigit() and int(port) else _free_port(),
            run_id=run_id,
            attempt=attempt,
            max_restarts=config.max_restarts,
        )
        with tempfile.TemporaryDirectory() as folder:
            try:
                start_processes(
                    _worker,
                    (environments, entrypoint, args, folder),
                    config.nproc_per_node,
                    start_method=config.start_method,
                )
            except ProcessException as error:
                if attempt < config.max_restarts:
                    continue
                raise _failed(entrypoint, error, folder) from error
            return {rank: _result(folder, rank) for rank in range(config.nproc_per_node)}


def _result(folder, rank):
    with open(os.path.join(folder, str(rank)), "rb") as file:
        return pickle.load(file)


def _failed(entrypoint, error, folder):
    rank = error.error_index
    code = getattr(error, "exit_code", 1)
    failure = ProcessFailure(rank, error.pid, code, os.path.join(folder, f"{rank}.error"))
    return ChildFailedError(getattr(entrypoint, "__qualname__", str(entrypoint)), {rank: failure})


__all__ = ["LaunchConfig", "elastic_launch", "launch_agent"]
