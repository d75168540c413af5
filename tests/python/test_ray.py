"""Jobs on a Ray cluster: results by rank, restart from the checkpoint, fewer workers."""

import os
import sys

import pytest
import ray_stand_in

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")


@pytest.fixture(scope="module", params=["stand-in", "Ray"])
def cluster(request):
    """A cluster of this machine with two CPUs: of Ray, and of what stands in for it."""
    if request.param == "Ray":
        ray = pytest.importorskip("ray", reason="Ray is not installed (pip install ray)")
    else:
        ray = ray_stand_in
    before = sys.modules.get("ray")
    sys.modules["ray"] = ray
    path = os.path.abspath(os.path.join(os.path.dirname(__file__), "../../python"))
    os.environ["RAY_ENABLE_UV_RUN_RUNTIME_ENV"] = "0"
    environment = {"env_vars": {"PYTHONPATH": path, "OMP_NUM_THREADS": "1"}}
    ray.init(num_cpus=2, include_dashboard=False, log_to_driver=False, runtime_env=environment)
    yield getattr(ray, "known", lambda function: function)
    ray.shutdown()
    if before is None:
        del sys.modules["ray"]
    else:
        sys.modules["ray"] = before


def make_training():
    """Closures travel by value, so that workers need not import this file."""

    def train(folder, steps, crash_at):
        import os
        import signal

        import taper
        import taper.distributed as dist
        import taper.distributed.checkpoint as dcp

        dist.init_process_group("gloo")
        rank, world = dist.get_rank(), dist.get_world_size()
        taper.manual_seed(0)
        model = taper.nn.parallel.DistributedDataParallel(taper.nn.Linear(4, 1))
        optimizer = taper.optim.Adam(model.parameters(), lr=0.05)
        state = {"model": model, "optimizer": optimizer, "step": 0}
        if os.path.exists(folder + "/manifest.json"):
            dcp.load(state, checkpoint_id=folder)
        first = state["step"]
        for step in range(first, steps):
            rows = taper.randn(4, 4, generator=taper.Generator().manual_seed(step))
            x = rows.chunk(world)[rank]
            loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            dcp.save({**state, "step": step + 1}, checkpoint_id=folder)
            if step == crash_at and rank == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == "0":
                os.kill(os.getpid(), signal.SIGKILL)
        return first, world, model.module.weight.detach().flatten().tolist()

    return train


def test_workers_restart_from_the_checkpoint_with_the_same_result(cluster, tmp_path):
    from taper.distributed.ray import WorkerGroup

    train = cluster(make_training())
    whole = WorkerGroup(2).run(train, str(tmp_path / "whole"), 5, -1)
    group = WorkerGroup(2, max_restarts=1)
    torn = group.run(train, str(tmp_path / "torn"), 5, 2)
    assert group.restarts == 1 and [first for first, _, _ in torn] == [3, 3]
    assert whole[0][2] == whole[1][2] == torn[0][2] == torn[1][2]


def test_fewer_workers_go_on_where_the_cluster_has_no_more(cluster, tmp_path):
    from taper.distributed.ray import WorkerGroup, WorkersFailed

    train, folder = cluster(make_training()), str(tmp_path / "c")
    WorkerGroup(1).run(train, folder, 2, -1)
    results = WorkerGroup(4, min_workers=1).run(train, folder, 4, -1)
    assert [(first, world) for first, world, _ in results] == [(2, 2), (2, 2)]
    with pytest.raises(WorkersFailed, match="room for [0-2] workers"):
        WorkerGroup(3, timeout=0.5).run(train, folder, 4, -1)


def test_what_a_rank_raised_is_told(cluster):
    from taper.distributed.ray import WorkerGroup, WorkersFailed

    def fails():
        raise KeyError("lost key")

    fails = cluster(fails)
    with pytest.raises(WorkersFailed, match="lost key"):
        WorkerGroup(1).run(fails)
