"""taper.distributed: every collective against NumPy, and what happens when ranks disagree, die, hang or are
strangers."""

import os
import signal
import socket
import time

import jobs
import pytest

import taper
from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

# A second on a quiet machine.
LIMIT = 3


def seconds_in(line):
    """How long a call took to raise DistributedError."""
    assert line.startswith("DistributedError after "), line
    return float(line.split("after ")[1].split(" s")[0])


# Each rank prints nothing and ends well where all values are right.
COLLECTIVES = """
begin()
rng = np.random.default_rng(7)
def parts(shape, dtype):
    # Every rank knows what all ranks hold.
    if dtype == "bool":
        return [rng.integers(0, 2, shape).astype(bool) for _ in range(world)]
    if dtype.startswith("complex"):
        return [(rng.integers(-4, 5, shape) + 1j * rng.integers(-4, 5, shape)).astype(dtype) for _ in range(world)]
    low = 0 if dtype.startswith("u") else -4
    return [rng.integers(low, 5, shape).astype(dtype) for _ in range(world)]
def same(got, expected):
    np.testing.assert_array_equal(got.numpy(), expected)
dtypes = "bool int8 int16 int32 int64 uint8 uint16 uint32 uint64 float16 float32 float64 complex64 complex128".split()
for dtype in dtypes:
    all_of = parts((3, 2), dtype)
    mine = taper.from_numpy(all_of[rank].copy())
    x = mine.clone(); dist.all_reduce(x); same(x, np.add.reduce(all_of, dtype=dtype))
    if not dtype.startswith("complex"):
        x = mine.clone(); dist.all_reduce(x, dist.ReduceOp.PRODUCT); same(x, np.multiply.reduce(all_of, dtype=dtype))
        x = mine.clone(); dist.all_reduce(x, op=dist.ReduceOp.MAX); same(x, np.maximum.reduce(all_of))
        x = mine.clone(); dist.all_reduce(x, dist.ReduceOp.MIN); same(x, np.minimum.reduce(all_of))
    if "float" in dtype or "complex" in dtype:
        x = mine.clone(); dist.all_reduce(x, dist.ReduceOp.AVG)
        np.testing.assert_allclose(x.numpy(), np.add.reduce(all_of) / np.dtype(dtype).type(world), rtol=1e-6)
    else:
        x = mine.clone(); dist.all_reduce(x, dist.ReduceOp.BAND); same(x, np.bitwise_and.reduce(all_of))
        x = mine.clone(); dist.all_reduce(x, dist.ReduceOp.BOR); same(x, np.bitwise_or.reduce(all_of))
        x = mine.clone(); dist.all_reduce(x, dist.ReduceOp.BXOR); same(x, np.bitwise_xor.reduce(all_of))
    for root in range(world):
        x = mine.clone(); dist.broadcast(x, root); same(x, all_of[root])
    x = mine.clone(); dist.reduce(x, world - 1)
    same(x, np.add.reduce(all_of, dtype=dtype) if rank == world - 1 else all_of[rank])
    got = [taper.empty_like(mine) for _ in range(world)]
    dist.all_gather(got, mine)
    for a, b in zip(got, all_of): same(a, b)
    joined = taper.empty(3 * world, 2, dtype=mine.dtype)
    dist.all_gather_into_tensor(joined, mine); same(joined, np.concatenate(all_of))
    got = [taper.empty_like(mine) for _ in range(world)] if rank == 1 else None
    dist.gather(mine, got, dst=1)
    for a, b in zip(got or [], all_of): same(a, b)
    table = [parts((2, 2), dtype) for _ in range(world)]  # table[r][s]: from r to s
    row = [taper.from_numpy(entry.copy()) for entry in table[rank]]
    x = taper.empty_like(row[0]); dist.scatter(x, row if rank == 0 else None, src=0); same(x, table[0][rank])
    x = taper.empty_like(row[0]); dist.reduce_scatter(x, row)
    same(x, np.add.reduce([table[r][rank] for r in range(world)], dtype=dtype))
    x = taper.empty_like(row[0]); dist.reduce_scatter_tensor(x, taper.cat(row))
    same(x, np.add.reduce([table[r][rank] for r in range(world)], dtype=dtype))
    got = [taper.empty_like(row[0]) for _ in range(world)]
    dist.all_to_all(got, row)
    for r in range(world): same(got[r], table[r][rank])
half = taper.ones(5, dtype=taper.bfloat16); dist.all_reduce(half); assert half.tolist() == [world] * 5

# Other strides, views, no elements, no dimensions, much data.
x = taper.arange(12.).reshape(3, 4).t()[1:]; dist.all_reduce(x); same(x, world * np.arange(12.).reshape(3, 4).T[1:])
base = taper.zeros(4, 4); dist.broadcast(base[:, 1] if rank else base[:, 1].fill_(3), 0); assert base[:, 1].tolist() == [3] * 4
got = [taper.zeros(2, 2).t() for _ in range(world)]; dist.all_gather(got, taper.arange(4.).reshape(2, 2).t() + rank)
same(got[1], np.arange(4.).reshape(2, 2).T + 1)
x = taper.empty(0, 3); dist.all_reduce(x); dist.broadcast(x, 0)
x = taper.tensor(2.5); dist.all_reduce(x); assert x.item() == 2.5 * world
x = taper.full((700_001,), float(rank)); dist.all_reduce(x); assert (x == sum(range(world))).all()
x = taper.tensor([float("nan"), 1.]) if rank == 0 else taper.tensor([0., 2.]); dist.all_reduce(x, dist.ReduceOp.MAX)
assert x[0].isnan() and x[1] == 2

# The same bits on all ranks and in every run, for sizes that travel in different ways.
for count in (3, 16_384, 16_385, 300_000):
    x = taper.randn(count, generator=taper.Generator().manual_seed(rank))
    first = x.clone(); dist.all_reduce(first, dist.ReduceOp.AVG)
    again = x.clone(); dist.all_reduce(again, dist.ReduceOp.AVG); assert (first == again).all()
    parts = [taper.empty(count) for _ in range(world)]
    dist.all_gather(parts, first); assert all((part == first).all() for part in parts)
    exact = sum(taper.randn(count, generator=taper.Generator().manual_seed(r)).double() for r in range(world)) / world
    np.testing.assert_allclose(first.numpy(), exact.numpy(), atol=1e-6)

# Parts of different sizes: rank r sends s + 1 rows to rank s.
x = taper.full((sum(range(1, world + 1)), 2), float(rank))
y = taper.empty(world * (rank + 1), 2)
dist.all_to_all_single(y, x, [rank + 1] * world, list(range(1, world + 1)))
same(y[:, 0], np.repeat(np.arange(world), rank + 1))

# Several at once, in order.
a, b = taper.ones(4), taper.ones(3)
works = [dist.all_reduce(a, async_op=True), dist.broadcast(b, 0, async_op=True), dist.all_reduce(a, async_op=True)]
assert all(work.wait() for work in works) and works[0].is_completed() and works[0].is_success()
assert a.tolist() == [world ** 2] * 4
future = dist.all_reduce(taper.ones(2), async_op=True).get_future().then(lambda f: f.value()[0] / world)
assert future.wait().tolist() == [1, 1]

# Between two ranks: order, tags, any source, both ways at once.
right, left = (rank + 1) % world, (rank - 1) % world
got = [taper.zeros(3) for _ in range(3)]
works = [dist.irecv(t, left) for t in got] + [dist.isend(taper.full((3,), 10. * rank + i), right) for i in range(3)]
for work in works: work.wait()
assert [t[0].item() for t in got] == [10. * left + i for i in range(3)]
if rank == 0:
    dist.send(taper.ones(2), 1, tag=5); dist.send(taper.zeros(2), 1, tag=6)
elif rank == 1:
    late, early = taper.empty(2), taper.empty(2)
    works = [dist.irecv(late, 0, tag=6), dist.irecv(early, 0, tag=5)]
    for work in works: work.wait()
    assert early.tolist() == [1, 1] and late.tolist() == [0, 0]
if rank == 0:
    seen = set()
    for _ in range(world - 1):
        x = taper.empty(2, 2).t()
        source = dist.recv(x); assert x[1, 0] == source; seen.add(source)
    assert seen == set(range(1, world))
else:
    dist.send(taper.full((2, 2), float(rank)), 0)

# Values that are no tensors.
values = [None] * world
dist.all_gather_object(values, {"rank": rank, "list": [1, "a", None], "tensor": taper.ones(rank)})
assert [v["rank"] for v in values] == list(range(world)) and values[1]["tensor"].tolist() == [1]
values = [("x", 1), {2, 3}] if rank == 0 else [None, None]
dist.broadcast_object_list(values); assert values == [("x", 1), {2, 3}]
gathered = [None] * world if rank == 0 else None
dist.gather_object("r%d" % rank, gathered); assert rank or gathered == ["r%d" % r for r in range(world)]
own = [None]; dist.scatter_object_list(own, [[r] * r for r in range(world)] if rank == 0 else None); assert own == [[rank] * rank]

# Objects keep their class where it is there to be found and runs no code to be made again.
import dataclasses, enum
import __main__
class Mode(enum.Enum):
    TRAIN = "train"
@dataclasses.dataclass
class Info:
    shape: object
    mode: Mode
class Restored(Info):
    def __setstate__(self, state):
        raise AssertionError("this ran code")
class Ended(Info):
    def __del__(self):
        assert isinstance(self.mode, Mode)
own = [Info(taper.ones(2).shape, Mode.TRAIN), Ended(1, Mode.TRAIN), Restored(1, Mode.TRAIN)]
values = list(own) if rank == 0 else [None] * 3
dist.broadcast_object_list(values); assert values[0] == own[0] and values[0].mode is Mode.TRAIN
assert rank == 0 or [type(v).__name__ for v in values] == ["Info", "SavedObject", "SavedObject"], values

# Groups.
pair = dist.new_group([world - 1, 0])
if rank in (0, world - 1):
    x = taper.full((2,), float(rank)); dist.all_reduce(x, group=pair); assert x[0] == world - 1
    assert dist.get_world_size(pair) == 2 and dist.get_global_rank(pair, 1) == world - 1
    dist.broadcast(x.fill_(rank), world - 1, group=pair); assert x[0] == world - 1
else:
    assert pair is dist.GroupMember.NON_GROUP_MEMBER and dist.get_rank(pair) == -1
alone = [dist.new_group([r]) for r in range(world)][rank]
x = taper.ones(2); dist.all_reduce(x, group=alone); dist.barrier(alone); assert x.tolist() == [1, 1]
dist.barrier(); dist.monitored_barrier(timeout=timedelta(seconds=20))
dist.barrier(); held = dist.distributed_c10d._get_default_store().num_keys(); dist.barrier()
for _ in range(3): dist.monitored_barrier(timeout=timedelta(seconds=20))
dist.barrier(); assert dist.distributed_c10d._get_default_store().num_keys() == held
assert dist.get_backend() == "gloo" and dist.get_process_group_ranks() == list(range(world))
assert "not initialized" not in repr(dist.group.WORLD)
dist.destroy_process_group()
assert not dist.is_initialized()
"""


@pytest.mark.parametrize("world", [2, 3, 4])
def test_collectives_give_what_numpy_gives(world):
    jobs.run(COLLECTIVES, world)


def test_ranks_that_disagree_all_hear_of_it_and_go_on():
    calls = """
        lambda: dist.all_reduce(taper.ones(10 + rank)); rank 1: all_reduce(float32 (11,), sum)
        lambda: dist.all_reduce(taper.ones(4, dtype=[taper.float32, taper.int32][rank])); rank 1: all_reduce(int32 (4,), sum)
        lambda: dist.all_reduce(taper.ones(4, dtype=[taper.float32, taper.float64][rank])); float64
        lambda: dist.all_reduce(taper.ones(4), [dist.ReduceOp.SUM, dist.ReduceOp.MAX][rank]); max
        lambda: dist.broadcast(taper.ones(4 + 2 * rank), 0); rank 1: broadcast(float32 (6,), from rank 0)
        lambda: dist.broadcast(taper.ones(4), rank); rank 1: broadcast(float32 (4,), from rank 1)
        lambda: dist.all_gather([taper.ones(4 + rank)] * 2, taper.ones(4 + rank)); all_gather(float32 (5,))
        lambda: dist.barrier() if rank else dist.all_reduce(taper.ones(3)); rank 1: barrier()
        lambda: dist.all_reduce(taper.ones(2, 2).reshape([(2, 2), (4,)][rank])); rank 1: all_reduce(float32 (4,), sum)
        lambda: dist.all_to_all([taper.ones(1 + rank), taper.ones(2)], [taper.ones(1), taper.ones(2)]); expects 8 bytes
        lambda: dist.send(taper.ones(3), 1) if rank == 0 else dist.recv(taper.ones(4), 0); float32 (
        """
    pairs = [
        line.strip().rsplit("; ", 1) if line.count("; ") == 1 else line.strip().split("; ", 1)
        for line in calls.strip().splitlines()
    ]
    body = "begin(20)\n" + "".join(f"print(message({call}))\n" for call, _ in pairs)
    body += "x = taper.ones(3); dist.all_reduce(x); assert x.tolist() == [2, 2, 2]\n"
    for rank, out in enumerate(jobs.run(body)):
        for line, (call, part) in zip(out.splitlines(), pairs, strict=True):
            assert seconds_in(line) < LIMIT and part in line and f"on rank {rank}" in line, (call, line)


def test_wrong_arguments_are_refused_before_anything_is_sent():
    out = jobs.run("""
        begin(20)
        for call in (lambda: dist.all_reduce(taper.ones(2), op=dist.ReduceOp.BAND),
                     lambda: dist.all_reduce(taper.ones(2, dtype=taper.int32), op=dist.ReduceOp.AVG),
                     lambda: dist.broadcast(taper.ones(2), 7),
                     lambda: dist.all_gather([taper.ones(2)], taper.ones(2)),
                     lambda: dist.all_gather_into_tensor(taper.ones(3), taper.ones(2)),
                     lambda: dist.all_reduce(taper.ones(1).expand(3)),
                     lambda: dist.all_reduce([1]),
                     lambda: dist.send(taper.ones(1), rank),
                     lambda: dist.scatter(taper.ones(1), None, src=rank),
                     lambda: dist.all_to_all_single(taper.ones(3), taper.ones(3)),
                     lambda: dist.new_group([0, 5]),
                     lambda: dist.init_process_group("gloo")):
            print(message(call))
        dist.barrier()
        """)[0].splitlines()
    kinds = [line.split(" after")[0] for line in out]
    assert kinds == [
        "ValueError",
        "ValueError",
        "ValueError",
        "ValueError",
        "ShapeError",
        "ValueError",
        "TypeError",
        "ValueError",
        "ValueError",
        "ShapeError",
        "ValueError",
        "ValueError",
    ], out


@pytest.mark.parametrize("world", [2, 4])
def test_killed_rank_is_named_within_a_second(world, tmp_path):
    calls = [
        "dist.all_reduce(x)",
        "dist.broadcast(x, 1)",
        "dist.all_gather([x.clone() for _ in range(world)], x)",
        "dist.barrier()",
        "dist.recv(x, 1)",
        "dist.all_reduce(big)",
    ]
    for number, call in enumerate(calls if world == 2 else calls[:1] + calls[-1:]):
        ready = tmp_path / str(number)
        ready.mkdir()
        processes = jobs.start(
            f"""
            begin(300)
            x, big = taper.ones(1000), taper.ones(10_000_000)
            dist.all_reduce(x)
            if rank == 1:
                # Not while others are in the first collective.
                while len(os.listdir({str(ready)!r})) < world - 1: os.sched_yield()
                os.kill(os.getpid(), signal.SIGKILL)
            open(os.path.join({str(ready)!r}, str(rank)), "w").close()
            print(message(lambda: {call}))
            print(message(dist.barrier))
            """,
            world,
        )
        for rank, result in enumerate(jobs.finish(processes, 20)):
            if rank == 1:
                assert result.code == -signal.SIGKILL
                continue
            assert result.code == 0, result.err
            first, second = result.out.splitlines()
            assert result.code == 0 and seconds_in(first) < LIMIT, (result.out, result.err)
            assert "rank 1 was lost: its process ended" in first and call.split("(")[0][5:] in first, first
            assert f"on rank {rank}" in first and seconds_in(second) < 0.5


@pytest.mark.parametrize("stopped", [0, 1])
def test_stopped_rank_is_named_within_five_seconds(stopped):
    processes = jobs.start(
        f"""
        begin(300)
        x = taper.ones(1000)
        dist.all_reduce(x)
        if rank == {stopped}:
            os.kill(os.getpid(), signal.SIGSTOP)
        print(message(lambda: dist.all_reduce(x)))
        """,
        3,
    )
    others = [process for rank, process in enumerate(processes) if rank != stopped]
    try:
        for result in jobs.finish(others, 20):
            assert (
                seconds_in(result.out) < 5
                and f"rank {stopped}" in result.out
                and "it has not responded" in result.out
            ), result
    finally:
        jobs.finish([processes[stopped]], 0)


def test_rank_that_leaves_raises_or_is_late_is_named():
    ends = {
        "leaves": ("sys.exit(0)", "rank 0 has left the job after its collective 1 without calling this one"),
        "raises": ("raise KeyError('lost key')", "rank 0 gave up: KeyError: 'lost key'"),
        "is late": (
            "time.sleep(2)",
            "Timed out waiting 1000ms: rank 0 has not called it (its last was all_reduce(float32 "
            "(10,), sum), collective 1)",
        ),
    }
    started = [
        jobs.start(
            f"""
        begin(1)
        x = taper.ones(10)
        dist.all_reduce(x)
        if rank == 0:
            {end}
        print(message(lambda: dist.all_reduce(x)))
        """,
            2,
        )
        for end, _ in ends.values()
    ]
    for processes, (_, text) in zip(started, ends.values()):
        results = jobs.finish(processes, 20)
        assert text in results[1].out and results[1].code == 0, results
    assert "rank 1 gave up in all_reduce" in results[0].out


def test_rank_that_leaves_a_new_group_at_once_does_not_break_it_for_the_others():
    out = jobs.run(
        """
        begin(20)
        for i in range(30):
            group = dist.new_group()
            if rank == i % world:
                dist.destroy_process_group(group)
        # Dropped by two, and alive until it is destroyed.
        group = dist.new_group()
        if rank:
            del group
            group = None
        dist.barrier()
        if rank == 2:
            dist.new_group()
            sys.exit(0)
        late = dist.new_group()
        print(message(lambda: dist.barrier(late)))
        print(message(dist.new_group))
        """,
        3,
    )
    for text in out[:2]:
        used, made = text.splitlines()
        assert seconds_in(used) < LIMIT and "rank 2 has left the job" in used, text
        assert seconds_in(made) < LIMIT and "new_group: " in made and "rank 2 has left the job" in made, text


def test_rank_that_does_not_call_new_group_is_named():
    out = jobs.run("""
        begin(20)
        if rank == 0:
            print(message(lambda: dist.new_group(timeout=timedelta(seconds=0.5))))
        dist.barrier()
        """)
    assert "rank 1 did not call it within 0.5 s" in out[0], out


def test_monitored_barrier_names_the_late():
    out = jobs.run(
        """
        begin(20)
        if rank == 2:
            time.sleep(1)
        print(message(lambda: dist.monitored_barrier(timeout=timedelta(seconds=0.3))))
        dist.barrier()
        """,
        3,
    )
    assert all("ank 2" in text and "monitoredBarrier" in text and "within 300 ms" in text for text in out), (
        out
    )


def garbage(port, content, wait=True):
    with socket.create_connection(("127.0.0.1", port), timeout=5) as stranger:
        stranger.sendall(content)
        stranger.settimeout(6)
        try:
            while wait and stranger.recv(4096):
                pass
        except (ConnectionResetError, TimeoutError):
            pass


def test_strangers_and_garbage_do_no_harm():
    port = jobs.free_port()
    (first,) = jobs.start(
        """
        begin(30)
        x = taper.ones(3); dist.all_reduce(x); print(x.tolist())
        """,
        1,
        {"WORLD_SIZE": "2"},
        port,
    )
    deadline = time.monotonic() + 10
    while True:
        try:
            garbage(port, b"GET / HTTP/1.1\r\n\r\n")
            break
        except ConnectionRefusedError:
            assert time.monotonic() < deadline
            time.sleep(0.05)
    for content in (
        b"\0\0\0\0",
        b"\xff" * 8,
        b"\4\0\0\0\5abc",
        b"\x05\0\0\0\2\xff\xff\xff\xff",
        os.urandom(300),
        b"\x00\x04\0\0" + b"\2" * 1024,
    ):
        garbage(port, content)
    garbage(port, b"\x20\0", wait=False)
    stranger = jobs.start(
        "begin(3)", 1, {"RANK": "1", "WORLD_SIZE": "2", "TAPER_JOB_SECRET": "another"}, port
    )
    stranger[0].wait()
    script = "begin(30)\nx = taper.ones(3); dist.all_reduce(x); print(x.tolist())"
    second = jobs.start(script, 1, {"RANK": "1", "WORLD_SIZE": "2"}, port)
    outs = jobs.finish([first, second[0], stranger[0]])
    assert outs[0].out == outs[1].out == "[2.0, 2.0, 2.0]\n", outs
    assert "the job's secret differs" in outs[2].err


def test_second_process_of_a_rank_cannot_enter():
    port = jobs.free_port()
    processes = jobs.start("begin(30); dist.barrier(); time.sleep(2); dist.barrier()", 2, port=port)
    time.sleep(1)
    again = jobs.finish(jobs.start("print(message(begin))", 1, {"RANK": "1", "WORLD_SIZE": "2"}, port))
    assert "rank 1 has joined already" in again[0].out, again
    assert all(result.code == 0 for result in jobs.finish(processes))


def test_rank_0_listens_on_the_master_address_only(tmp_path):
    (first,) = jobs.start(
        """
def listening():  # (address, port) in hexadecimal digits: proc(5)
    rows = [line.split() for name in ("tcp", "tcp6") for line in open("/proc/self/net/" + name)][1:]
    mine = {os.readlink(f"/proc/self/fd/{fd}") for fd in os.listdir("/proc/self/fd") if os.path.islink(f"/proc/self/fd/{fd}")}
    return {row[1].split(":")[0] for row in rows if len(row) > 9 and row[3] == "0A" and f"socket:[{row[9]}]" in mine}
begin()
print(sorted(listening()))
dist.destroy_process_group()
dist.init_process_group(init_method="file://" + os.environ["MEETING"], rank=0, world_size=1)
print(sorted(listening()))
""",
        1,
        {"MEETING": str(tmp_path / "meeting")},
    )
    (result,) = jobs.finish([first])
    assert result.code == 0, result.err
    assert result.out == "['0100007F']\n" * 2


def test_jobs_end_with_work_under_way_and_begin_anew():
    # The memory of what is under way and the locks of its connections belong to three threads.
    jobs.run(
        """
for _ in range(8):
    begin()
    works = [dist.all_reduce(taper.ones(1_000_000), async_op=True) for _ in range(2)]
    dist.destroy_process_group()
"""
    )


def test_ranks_of_a_group_that_this_process_is_not_in():
    jobs.run(
        """
assert "ValueError" in message(dist.get_rank) and "ValueError" in message(lambda: dist.all_reduce(taper.ones(1)))
begin()
assert "ValueError" in message(begin)
group = dist.new_group([0])
if rank == 1:
    assert dist.get_rank(group) == dist.get_world_size(group) == -1
    for call in (dist.get_process_group_ranks, lambda g: dist.get_global_rank(g, 0), lambda g: dist.get_group_rank(g, 0)):
        assert "ValueError" in message(lambda: call(group))
assert dist.Backend("GLOO") == dist.Backend.GLOO == "gloo"
assert "ValueError" in message(lambda: dist.batch_isend_irecv([1]))
"""
    )


def test_missing_rank_is_named():
    (only,) = jobs.finish(jobs.start("print(message(lambda: begin(1)))", 1, {"WORLD_SIZE": "3"}))
    assert "of 3 ranks these did not join within 1 s: 1, 2" in only.out, only


def test_other_ways_to_meet(tmp_path):
    (tmp_path / "meeting").write_text("left over from a crash\n")
    methods = f"""
        for method in ("file://{tmp_path}/meeting", "tcp://127.0.0.1:{jobs.free_port()}", "file://{tmp_path}/meeting"):
            dist.init_process_group("gloo", init_method=method, rank=rank, world_size=world, timeout=timedelta(seconds=20))
            x = taper.ones(2); dist.all_reduce(x); assert x.tolist() == [2, 2]
            dist.destroy_process_group()
        """
    jobs.run(methods)
    assert not (tmp_path / "meeting").exists()


@pytest.mark.parametrize(
    "names",
    [
        ("OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK"),
        ("SLURM_PROCID", "SLURM_NTASKS", "SLURM_LOCALID"),
    ],
)
def test_variables_of_other_launchers(names):
    jobs.run(
        """
        for name, value in zip(%r, (rank, world, rank)):
            os.environ[name] = str(value)
        for name in ("RANK", "WORLD_SIZE"):
            del os.environ[name]
        begin()
        assert (dist.get_rank(), dist.get_world_size(), dist.get_node_local_rank()) == (rank, world, rank)
        dist.barrier()
        """
        % (names,)
    )


def has_ipv6():
    try:
        with socket.socket(socket.AF_INET6) as probe:
            probe.bind(("::1", 0))
    except OSError:
        return False
    return True


@pytest.mark.skipif(not has_ipv6(), reason="this machine has no ::1")
def test_addresses_of_ipv6():
    for address in ("::1", "[::1]"):
        jobs.run(
            "begin(); x = taper.ones(300000); dist.all_reduce(x); assert x[0] == world",
            env={"MASTER_ADDR": address},
        )


def test_store_is_shared():
    jobs.run("""
        begin()
        store = taper._C._distributed._store()
        if rank == 0:
            store.set("greeting", "hello")
        assert store.get("greeting") == b"hello" and store.check(["greeting"])
        store.add("count", 2); dist.barrier(); assert store.add("count", 0) == 2 * world
        changed = store.compare_set("greeting", "hello", "bye" + str(rank))
        dist.barrier(); assert store.get("greeting") == changed and not store.check(["nothing"])
        try:
            store.wait(["nothing"], timedelta(seconds=0.2))
        except taper.DistributedError:
            pass
        else:
            raise AssertionError("wait did not time out")
        """)


def test_without_a_group_the_error_says_so():
    with pytest.raises(ValueError, match="call init_process_group"):
        dist.all_reduce(taper.ones(1))
    with pytest.raises(ValueError, match="backend 'nccl' is not available"):
        dist.init_process_group("nccl")
    with pytest.raises(ValueError, match="unknown init_method"):
        dist.init_process_group(init_method="ftp://x")
    assert not dist.is_initialized()


def test_rank_that_left_cannot_come_back_while_the_others_go_on(tmp_path):
    out = jobs.run(
        f"told = {str(tmp_path / 'told')!r}"
        + """
begin(30)
pair = dist.new_group([0, 1])
dist.barrier()
if rank == 2:
    dist.destroy_process_group()
    print(message(begin))
    open(told, "w").close()
else:
    done = taper.zeros(1)
    while not done.item():
        done.fill_(rank == 0 and os.path.exists(told)); dist.all_reduce(done, group=pair)
    print("went on", message(dist.barrier))
""",
        3,
    )
    assert (
        seconds_in(out[2]) < LIMIT and "rank 2 left this job, and others have called collectives" in out[2]
    ), out
    assert all("went on" in text and "rank 2 has left the job" in text for text in out[:2]), out
