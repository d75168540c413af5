"""Runs a function on the workers of a Ray cluster as the ranks of one job (https://www.ray.io, pip install
ray)."""

import os
import secrets
import socket
import time
from collections import Counter


def _ray():
    try:
        import ray
    except ImportError:
        raise ImportError("taper.distributed.ray: Ray is not installed; pip install ray") from None
    return ray


class _Worker:
    """One rank: an actor of Ray."""

    def place(self):
        """(name of the node, its address, a free port)."""
        ray = _ray()
        address = ray.util.get_node_ip_address()
        with socket.socket() as probe:
            probe.bind((address, 0))
            return ray.get_runtime_context().get_node_id(), address, probe.getsockname()[1]

    def run(self, variables, function, args, kwargs):
        """The function's result; variables are those of env://."""
        os.environ.update(variables)
        import taper.distributed as dist

        try:
            return function(*args, **kwargs)
        finally:
            if dist.is_available() and dist.is_initialized():
                dist.destroy_process_group()


class WorkersFailed(RuntimeError):
    """A rank failed more often than the group may restart."""


class WorkerGroup:
    """Workers of a Ray cluster that are started together, and again after one fails.

    num_workers           ranks of the job
    min_workers           as few are enough where the cluster has no more (num_workers)
    max_restarts          how often all are started again after one failed
    resources_per_worker  Ray's resources, {"CPU": 1} unless given
    timeout               seconds to wait for the resources of min_workers

    Needs ray.init() or a cluster that ray.init() finds.
    """

    def __init__(
        self, num_workers, *, min_workers=None, max_restarts=0, resources_per_worker=None, timeout=60.0
    ):
        least = num_workers if min_workers is None else min_workers
        if not 1 <= least <= num_workers:
            raise ValueError(f"WorkerGroup: min_workers is {least}, expected 1 to {num_workers}")
        self.num_workers, self.min_workers, self.max_restarts = num_workers, least, max_restarts
        self.resources, self.timeout = dict(resources_per_worker or {"CPU": 1}), timeout
        self.restarts = 0

    def run(self, function, *args, **kwargs):
        """Calls function(*args, **kwargs) in every rank and returns the results by rank. The function calls
        init_process_group() and, so that no work is lost, loads its last checkpoint: it is called anew, with
        TORCHELASTIC_RESTART_COUNT in its environment, after a rank failed; then there may be fewer ranks, or
        more. Raises WorkersFailed when that happened more often than max_restarts."""
        ray = _ray()
        if not ray.is_initialized():
            ray.init()
        for attempt in range(self.max_restarts + 1):
            self.restarts = attempt
            workers = self._start(ray)
            try:
                return self._run_once(ray, workers, function, args, kwargs)
            except (ray.exceptions.RayActorError, ray.exceptions.RayTaskError) as error:
                failure = error
            finally:
                for worker in workers:
                    ray.kill(worker)
        raise WorkersFailed(
            f"WorkerGroup: failed {self.max_restarts + 1} times; the last: {failure}"
        ) from failure

    def _count(self, ray):
        """How many workers the cluster has room for, once it is enough."""
        end = time.monotonic() + self.timeout
        while True:
            free = ray.available_resources()
            room = min(
                (int(free.get(name, 0) / need) for name, need in self.resources.items() if need), default=0
            )
            if room >= self.num_workers or (room >= self.min_workers and self._settled(ray)):
                return min(room, self.num_workers)
            if time.monotonic() >= end:
                raise WorkersFailed(
                    f"WorkerGroup: the cluster has room for {room} workers with {self.resources}, "
                    f"{self.min_workers} are needed"
                )
            time.sleep(0.1)

    @staticmethod
    def _settled(ray):
        """Whether what killed workers held is free again."""
        return ray.available_resources().get("CPU", 0) >= ray.cluster_resources().get("CPU", 0)

    def _start(self, ray):
        options = {"num_cpus": self.resources.get("CPU", 0), "num_gpus": self.resources.get("GPU", 0)}
        other = {name: need for name, need in self.resources.items() if name not in ("CPU", "GPU")}
        kind = ray.remote(_Worker).options(**options, resources=other or None)
        return [kind.remote() for _ in range(self._count(ray))]

    def _run_once(self, ray, workers, function, args, kwargs):
        places = ray.get([worker.place.remote() for worker in workers])
        per_node, seen = Counter(node for node, _, _ in places), Counter()
        shared = {
            "WORLD_SIZE": len(workers),
            "MASTER_ADDR": places[0][1],
            "MASTER_PORT": places[0][2],
            "TAPER_JOB_SECRET": secrets.token_hex(32),
            "TORCHELASTIC_RESTART_COUNT": self.restarts,
        }
        calls = []
        for rank, (worker, (node, _, _)) in enumerate(zip(workers, places)):
            own = {"RANK": rank, "LOCAL_RANK": seen[node], "LOCAL_WORLD_SIZE": per_node[node]}
            seen[node] += 1
            variables = {name: str(value) for name, value in {**shared, **own}.items()}
            calls.append(worker.run.remote(variables, function, args, kwargs))
        left = list(calls)
        while left:  # the first to fail is told, not those that hear of it
            done, left = ray.wait(left)
            ray.get(done)
        return ray.get(calls)
