"""Starting jobs: taper.distributed.run, torchrun's variables, spawn, and the checkpoints that a restart
needs."""

import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import jobs
import pytest

import taper
import taper.multiprocessing as mp
from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")


def launch(tmp_path, body, *options, arguments=(), seconds=40):
    script = tmp_path / "script.py"
    script.write_text(jobs.PRELUDE + textwrap.dedent(body))
    command = [sys.executable, "-m", "taper.distributed.run", *options, str(script), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=seconds)


def test_run_starts_all_ranks(tmp_path):
    result = launch(
        tmp_path,
        """
        begin()
        x = taper.ones(1); dist.all_reduce(x)
        print(f"{rank} {world} {os.environ['LOCAL_RANK']} {x.item():g} {sys.argv[1:]}\\n", end="", flush=True)
        """,
        "--standalone",
        "--nproc_per_node=3",
        arguments=["--epochs", "2"],
    )
    assert result.returncode == 0, result
    assert sorted(result.stdout.splitlines()) == [f"{r} 3 {r} 3 ['--epochs', '2']" for r in range(3)]


def test_run_on_two_machines(tmp_path):
    (tmp_path / "job.py").write_text(
        jobs.PRELUDE + "begin()\nx = taper.ones(1); dist.all_reduce(x)\n"
        "print(rank, world, dist.get_node_local_rank(), x.item(), flush=True)\n"
    )
    port = jobs.free_port()
    launchers = [
        subprocess.Popen(
            [
                sys.executable,
                "-m",
                "taper.distributed.run",
                "--nnodes",
                "2",
                "--node-rank",
                str(node),
                "--nproc-per-node",
                "1",
                "--master-addr",
                "127.0.0.1",
                "--master-port",
                str(port),
                "-m",
                "job",
            ],
            cwd=tmp_path,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "TAPER_JOB_SECRET": "shared"},
        )
        for node in range(2)
    ]
    outs = jobs.finish(launchers)
    assert [out.out for out in outs] == ["0 2 0 2.0\n", "1 2 0 2.0\n"], outs


LAUNCHERS = {
    "mpirun": ["mpirun", "--allow-run-as-root", "--oversubscribe", "-n", "2", sys.executable],
    "srun": ["srun", "-n", "2", "--immediate=20", sys.executable],
    "torchrun": ["torchrun", "--nproc_per_node", "2", "--no-python", sys.executable],
}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_other_launchers_start_all_ranks(tmp_path, launcher):
    if not shutil.which(launcher):
        pytest.skip(f"{launcher} is not installed")
    if launcher == "srun" and subprocess.run(["sinfo"], capture_output=True).returncode:
        pytest.skip("srun is installed, but no Slurm controller answers")
    (tmp_path / "job.py").write_text(
        "import pathlib, taper, taper.distributed as dist\ndist.init_process_group()\n"
        "x = taper.ones(1); dist.all_reduce(x)\n"
        "path = pathlib.Path(__file__).parent / f'rank{dist.get_rank()}'\n"
        "path.write_text(f'{dist.get_world_size()} {x.item()} {dist.get_node_local_rank()}')\n"
    )
    command = [*LAUNCHERS[launcher], str(tmp_path / "job.py")]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result
    assert [(tmp_path / name).read_text() for name in ("rank0", "rank1")] == ["2 2.0 0", "2 2.0 1"]


def test_run_tells_who_failed_and_ends_the_others(tmp_path):
    start = time.monotonic()
    result = launch(
        tmp_path,
        """
        begin(300)
        dist.barrier()
        if rank == 1:
            os.kill(os.getpid(), signal.SIGKILL)
        time.sleep(60)
        """,
        "--nproc-per-node",
        "2",
    )
    assert result.returncode == 1 and "rank 1" in result.stderr and "killed by SIGKILL" in result.stderr, (
        result
    )
    assert time.monotonic() - start < 20


def test_recorded_exceptions_reach_the_starter_and_the_other_ranks(tmp_path):
    result = launch(
        tmp_path,
        """
        from taper.distributed.elastic.multiprocessing.errors import record
        @record
        def main():
            begin(300)
            dist.barrier()
            if rank == 1:
                raise KeyError("lost key")
            print(message(dist.barrier), flush=True)
        main()
        """,
        "--nproc-per-node",
        "2",
    )
    assert result.returncode == 1 and "failed: exit code 1: KeyError: 'lost key'" in result.stderr, result
    assert "rank 1 gave up: KeyError: 'lost key'" in result.stdout, result


def test_run_restarts_from_the_checkpoint_with_the_same_losses(tmp_path):
    body = f"""
        import taper.distributed.checkpoint as dcp
        from taper.nn import functional as F
        folder, crash = {str(tmp_path / "checkpoint")!r}, sys.argv[1] == "crash"
        begin()
        taper.manual_seed(0)
        model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 1)))
        optimizer = taper.optim.Adam(model.parameters(), lr=0.01)
        state = {{"model": model, "optimizer": optimizer, "step": 0}}
        if crash and os.path.exists(folder + "/manifest.json"):
            dcp.load(state, checkpoint_id=folder)
        for step in range(state["step"], 6):
            x = taper.randn(4, 5, generator=taper.Generator().manual_seed(10 * step + rank))
            loss = F.mse_loss(model(x), x.sum(1, keepdim=True))
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            if rank == 0: print(f"step {{step}} {{loss.item().hex()}}", flush=True)
            if crash:
                dcp.save({{**state, "step": step + 1}}, checkpoint_id=folder)
                if step in (1, 3) and rank == 1 and os.environ["TORCHELASTIC_RESTART_COUNT"] == str(step // 2):
                    os.kill(os.getpid(), signal.SIGKILL)
        """
    whole = launch(tmp_path, body, "--nproc-per-node", "2", arguments=["whole"])
    torn = launch(tmp_path, body, "--nproc-per-node", "2", "--max-restarts", "2", arguments=["crash"])
    assert whole.returncode == torn.returncode == 0, (whole, torn)
    # A step that was done and not saved may be done again: the same way.
    assert (
        sorted(set(torn.stdout.splitlines())) == whole.stdout.splitlines()
        and torn.stderr.count("SIGKILL") == 2
    )


def test_run_restarts_on_all_machines(tmp_path):
    body = """
        begin()
        attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
        for step in range(3):
            x = taper.ones(1); dist.all_reduce(x)
            if attempt == step and rank == 1 - attempt: os.kill(os.getpid(), signal.SIGKILL)
        print(f"rank {rank} done in attempt {attempt}", flush=True)
        """
    (tmp_path / "job.py").write_text(jobs.PRELUDE + textwrap.dedent(body))
    place = ["--nnodes", "2", "--master-addr", "127.0.0.1", "--master-port", str(jobs.free_port())]
    command = [sys.executable, "-m", "taper.distributed.run", *place, "--max-restarts", "2", "--node-rank"]
    starters = [
        subprocess.Popen(
            [*command, str(node), str(tmp_path / "job.py")],
            env={**os.environ, "TAPER_JOB_SECRET": "secret of the tests"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for node in range(2)
    ]
    said = [starter.communicate(timeout=40) for starter in starters]
    assert [out for out, _ in said] == [f"rank {node} done in attempt 2\n" for node in range(2)], said
    assert all(err.count("starting all again") == 2 for _, err in said), said


def test_run_writes_output_to_files_and_the_console(tmp_path):
    (tmp_path / "job.py").write_text("import os, sys\nprint('out'), print('err', file=sys.stderr)\n")

    def ran(*options):
        command = [sys.executable, "-m", "taper.distributed.run", "--nproc-per-node", "2", *options]
        return subprocess.run([*command, str(tmp_path / "job.py")], capture_output=True, text=True)

    result = ran("--log-dir", str(tmp_path / "logs"), "--tee", "0:1,1:0", "--redirects", "2")
    assert result.stdout.splitlines() in (["[default0]:out", "out"], ["out", "[default0]:out"]), result
    (folder,) = (tmp_path / "logs").iterdir()
    written = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.log")}
    assert written == {
        "attempt_0/0/stdout.log": "out\n",
        "attempt_0/0/stderr.log": "err\n",
        "attempt_0/1/stderr.log": "err\n",
    }
    assert ran("--local-ranks-filter", "1").stdout == "out\n"
    assert "expected 0 to 3" in ran("--tee", "5").stderr


def test_killed_at_random_moments_gives_the_uninterrupted_run(tmp_path):
    rng = random.Random(11)
    # By attempt: the rank, the step that it reaches, and the seconds that it goes on from there.
    kills = {n: (rng.randrange(2), 3 * n + rng.randrange(3), rng.uniform(0, 0.02)) for n in range(3)}
    body = f"""
        import threading
        import taper.distributed.checkpoint as dcp
        folder, kills = sys.argv[1], {kills} if sys.argv[2] == "crash" else {{}}
        begin()
        taper.manual_seed(0)
        model = nn.parallel.DistributedDataParallel(nn.Sequential(nn.Linear(5, 8), nn.Dropout(0.2), nn.Linear(8, 1)))
        optimizer = taper.optim.AdamW(model.parameters(), lr=0.01)
        state = {{"model": model, "optimizer": optimizer, "step": 0}}
        if os.path.exists(folder + "/manifest.json"):
            dcp.load(state, checkpoint_id=folder)
        victim, last, seconds = kills.get(int(os.environ["TORCHELASTIC_RESTART_COUNT"]), (None, 0, 0))
        for step in range(state["step"], 12):
            if rank == victim and step >= last:
                threading.Timer(seconds, os.kill, (os.getpid(), signal.SIGKILL)).start()
            taper.manual_seed(100 * step + rank)
            x = taper.randn(4, 5)
            loss = (model(x) - x.sum(1, keepdim=True)).square().mean()
            optimizer.zero_grad(); loss.backward(); optimizer.step()
            dcp.save({{**state, "step": step + 1}}, checkpoint_id=folder)
        if rank == 0:
            print([value.hex() for p in model.parameters() for value in p.detach().flatten().tolist()])
        """
    options = ("--nproc-per-node", "2", "--max-restarts", "3")
    whole = launch(tmp_path, body, *options, arguments=[str(tmp_path / "whole"), "whole"], seconds=90)
    torn = launch(tmp_path, body, *options, arguments=[str(tmp_path / "torn"), "crash"], seconds=90)
    assert whole.returncode == torn.returncode == 0, (whole, torn)
    assert whole.stdout == torn.stdout and torn.stderr.count("SIGKILL") >= 1, torn.stderr


def test_run_passes_signals_on(tmp_path):
    script = tmp_path / "script.py"
    script.write_text("import time\nprint('up', flush=True)\ntime.sleep(60)\n")
    launcher = subprocess.Popen(
        [sys.executable, "-m", "taper.distributed.run", "--nproc-per-node", "2", str(script)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert launcher.stdout.readline() == launcher.stdout.readline() == "up\n"
    launcher.send_signal(signal.SIGTERM)
    assert launcher.wait(15) == 128 + signal.SIGTERM and launcher.stdout.read() == ""


def test_wrong_options_are_told():
    for options, text in (
        (["--nproc-per-node", "x", "s.py"], "--nproc-per-node is 'x'"),
        (["--nnodes", "2", "s.py"], "--master-addr and --master-port say where"),
    ):
        result = subprocess.run(
            [sys.executable, "-m", "taper.distributed.run", *options], capture_output=True, text=True
        )
        assert result.returncode and text in result.stderr


def spawned(index, port, good):
    taper.set_num_threads(1)
    dist.init_process_group("gloo", f"tcp://127.0.0.1:{port}", rank=index, world_size=2)
    x = taper.full((2,), float(index))
    dist.all_reduce(x)
    assert x.tolist() == [1, 1]
    if not good and index == 1:
        raise KeyError("wrong turn")
    dist.barrier()


def test_spawn_runs_a_function_in_processes(monkeypatch):
    monkeypatch.setenv("TAPER_JOB_SECRET", "secret of the tests")
    mp.spawn(spawned, (jobs.free_port(), True), nprocs=2)
    with pytest.raises(mp.ProcessRaisedException, match="Process 1(.|\n)*KeyError: 'wrong turn'"):
        mp.spawn(spawned, (jobs.free_port(), False), nprocs=2)
    with pytest.raises(mp.ProcessExitedException, match="signal SIGKILL"):
        mp.spawn(killed, nprocs=1)


def killed(index):
    os.kill(os.getpid(), signal.SIGKILL)


def killed_or_waiting(index):
    if index == 1:
        os.kill(os.getpid(), signal.SIGKILL)
    signal.pause()


def test_join_finds_a_process_that_ended_badly_before_it_was_called():
    context = mp.spawn(killed_or_waiting, nprocs=2, join=False)
    context.processes[1].join()
    with pytest.raises(mp.ProcessExitedException, match="process 1 terminated with signal SIGKILL"):
        context.join()


SAVING = """
import taper.distributed.checkpoint as dcp
begin()
def state(step):
    return {"model": {"a": taper.full((1000, 50), float(step)), "b": taper.full((7,), step)}, "step": step,
            "own": {f"of rank {rank}": taper.full((3,), 10. * step + rank)}}
"""


def test_checkpoint_loads_at_other_world_sizes(tmp_path):
    where = f"folder = {str(tmp_path / 'c')!r}\n"
    jobs.run(
        SAVING + where + "dcp.save(state(4), checkpoint_id=folder)\ndcp.save(state(5), checkpoint_id=folder)",
        3,
    )
    assert len(list((tmp_path / "c").iterdir())) == 4  # three parts and the manifest
    jobs.run(
        SAVING
        + where
        + """
mine = {**state(0), "own": {f"of rank {r}": taper.zeros(3) for r in range(rank, 3)}}
dcp.load(mine, checkpoint_id=folder)
assert mine["step"] == 5 and (mine["model"]["a"] == 5).all() and mine["own"]["of rank 2"].tolist() == [52] * 3
print(message(lambda: dcp.load({"missing": 1} if rank else {"step": 0}, checkpoint_id=folder)))
print(message(lambda: dcp.load({"model": {"b": taper.zeros(8)}}, checkpoint_id=folder)))
""",
        2,
    )
    whole = taper.distributed.checkpoint.read_state_dict(tmp_path / "c")
    assert whole["step"] == 5 and set(whole["own"]) == {"of rank 0", "of rank 1", "of rank 2"}
    part = max((tmp_path / "c").glob("*.part"), key=lambda path: path.stat().st_size)
    content = bytearray(part.read_bytes())
    content[-100] ^= 1
    part.write_bytes(content)
    with pytest.raises(taper.IOError):
        taper.distributed.checkpoint.read_state_dict(tmp_path / "c")


def test_checkpoint_in_the_background_holds_what_was_there_when_it_began(tmp_path):
    jobs.run(
        SAVING
        + f"folder = {str(tmp_path / 'c')!r}\n"
        + """
model = nn.Linear(3, 2); optimizer = taper.optim.Adam(model.parameters(), lr=0.1)
def step(): model(taper.ones(1, 3)).sum().backward(); optimizer.step()
taper.manual_seed(0)
step()
before = model.weight.detach().clone()
saving = dcp.async_save({"model": model, "optimizer": optimizer}, checkpoint_id=folder)
for _ in range(3):
    step(); x = taper.ones(2); dist.all_reduce(x); assert x.tolist() == [2, 2]
assert "model.weight" in saving.result().state_dict_metadata and (model.weight != before).any()
dcp.load_state_dict({"model": model}, dcp.FileSystemReader(folder))
assert (model.weight == before).all()
bad = dcp.async_save({f"code {rank}": (lambda: 0) if rank else 1}, storage_writer=dcp.FileSystemWriter(folder))
try:
    bad.result()
except dcp.CheckpointException as error:
    assert "rank 1: TypeError" in str(error)
else:
    raise AssertionError
if rank == 0:
    dcp.save({"alone": 1}, checkpoint_id=folder, no_dist=True)
    assert dcp.read_state_dict(folder) == {"alone": 1}
assert isinstance(model, dcp.Stateful) and not isinstance(3, dcp.Stateful)
"""
    )


def test_checkpoint_failure_is_told_on_all_ranks_and_keeps_the_old(tmp_path):
    out = jobs.run(
        SAVING
        + f"folder = {str(tmp_path / 'c')!r}\n"
        + """
dcp.save(state(1), checkpoint_id=folder)
bad = {**state(2), "own": {"code": (lambda: 0) if rank else 1}}
print(message(lambda: dcp.save(bad, checkpoint_id=folder)))
mine = state(0); dcp.load(mine, checkpoint_id=folder); assert mine["step"] == 1
print(message(lambda: dcp.save(state(1), checkpoint_id=folder + str(rank))))
"""
    )
    for text in out:
        first, second = text.splitlines()
        assert "rank 1: TypeError" in first and "the part of rank 1 is not in" in second, out


def test_killed_writers_never_tear_a_checkpoint(tmp_path):
    rng = random.Random(5)
    checkpoint, folder = taper.distributed.checkpoint, tmp_path / "c"

    def state(step):
        return {
            "a": taper.full((300_000,), float(step)),
            "b": taper.full((300_000,), float(step)),
            "step": step,
        }

    checkpoint.save(state(0), checkpoint_id=folder)
    last = 0
    for _ in range(50):
        begun, begins = os.pipe()
        writer = os.fork()
        if writer == 0:
            for step in range(last + 1, 10_000):
                os.write(begins, b".")
                checkpoint.save(state(step), checkpoint_id=folder)
            os._exit(0)
        ended = rng.randint(0, 2)
        for _ in range(ended + 1):
            os.read(begun, 1)
        time.sleep(rng.uniform(0, 0.02))
        os.kill(writer, signal.SIGKILL)
        os.waitpid(writer, 0)
        os.close(begun)
        os.close(begins)
        whole = checkpoint.read_state_dict(folder)
        assert (whole["a"] == whole["step"]).all() and (whole["b"] == whole["step"]).all()
        assert whole["step"] >= last + ended
        last = whole["step"]
    checkpoint.save(state(last + 1), checkpoint_id=folder)
    assert len(list(folder.iterdir())) == 2, "what killed writers left is removed"


def test_killed_rank_while_saving_leaves_the_old_checkpoint(tmp_path):
    folder = tmp_path / "c"
    for victim in (0, 1):
        processes = jobs.start(
            SAVING
            + f"""
from taper import serialization
folder = {str(folder)!r}
dcp.save(state({victim + 1}), checkpoint_id=folder)
if rank == {victim}:
    real = serialization.save
    def save(*arguments):
        real(*arguments)
        os.kill(os.getpid(), signal.SIGKILL)
    serialization.save = lambda value, where: save(value, where) if isinstance(where, os.PathLike) else real(value, where)
print(message(lambda: dcp.save(state(9), checkpoint_id=folder)))
""",
            2,
        )
        results = jobs.finish(processes)
        assert f"rank {victim}" in results[1 - victim].out, results
        assert taper.distributed.checkpoint.read_state_dict(folder)["step"] == victim + 1
        assert Path(folder, "manifest.json").exists()


def total_of_ranks(offset, folder):
    attempt = int(os.environ["TORCHELASTIC_RESTART_COUNT"])
    (Path(folder) / f"{attempt}.{os.environ['RANK']}").touch()
    if attempt == 0 and os.environ["RANK"] == "1":
        raise KeyError("first attempt")
    dist.init_process_group("gloo")
    x = taper.tensor(float(dist.get_rank() + offset))
    dist.all_reduce(x)
    return dist.get_rank(), x.item()


def test_elastic_launch_gives_results_and_starts_again(tmp_path):
    from taper.distributed.elastic.multiprocessing.errors import ChildFailedError
    from taper.distributed.launcher.api import LaunchConfig, elastic_launch

    config = LaunchConfig(1, 1, 2, max_restarts=1)
    assert elastic_launch(config, total_of_ranks)(10, tmp_path) == {0: (0, 21.0), 1: (1, 21.0)}
    assert {"0.0", "0.1", "1.0", "1.1"} >= {path.name for path in tmp_path.iterdir()} >= {"0.1", "1.0", "1.1"}
    with pytest.raises(ChildFailedError, match="total_of_ranks FAILED: rank 1 .*KeyError: 'first attempt'"):
        elastic_launch(LaunchConfig(1, 1, 2, max_restarts=0), total_of_ranks)(10, tmp_path)
