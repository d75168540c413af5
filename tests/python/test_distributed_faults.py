"""What happens when hosts, links and processes fail, and when strangers knock."""

import re
import signal
import socket
import threading
import time
from datetime import timedelta

import hosts
import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")


@pytest.fixture(scope="module")
def networks():
    """Skips where hosts cannot be made."""
    reason = hosts.missing()
    if reason:
        pytest.skip(reason)


def test_hosts_train_together_over_a_shaped_link(networks):
    with hosts.Hosts(3) as network:
        processes = network.start("""
            begin()
            x = taper.full((100_000,), float(rank)); dist.all_reduce(x); assert (x == 3).all()
            model = nn.parallel.DistributedDataParallel(nn.Linear(50, 50))
            model(taper.full((4, 50), float(rank + 1))).sum().backward()
            # The mean over ranks of 4 rows of rank + 1.
            assert (model.module.weight.grad == 8).all()
            """)
        results = jobs.finish(processes)
    assert [result.code for result in results] == [0, 0, 0], results


@pytest.mark.parametrize("lost", [0, 2])
def test_cut_link_is_named_within_seconds(networks, lost):
    with hosts.Hosts(3) as network:
        processes = network.start("""
            begin(300)
            x = taper.ones(1_000_000)
            dist.all_reduce(x)
            print("under way", flush=True)
            def forever():
                while True: dist.all_reduce(x.fill_(1))
            text = message(forever)
            print(time.monotonic(), text, flush=True)
            """)
        for process in processes:
            assert process.stdout.readline() == "under way\n", process.communicate()
        time.sleep(0.2)  # into the middle of one of them
        network.cut(lost)
        start = time.monotonic()
        results = jobs.finish(processes, 30)
    for rank, result in enumerate(results):
        assert " " in result.out, results
        ended, text = result.out.split(" ", 1)
        assert float(ended) - start < 6, result
        assert f"on rank {rank}: " in text and "all_reduce(float32 (1000000,), sum)" in text, text
        # A host on its own side of the cut cannot tell which side is lost.
        if rank != lost:
            assert f"rank {lost}" in text.split(f"on rank {rank}: ")[1], text


CALLS = {
    "all_reduce": "dist.all_reduce(x)",
    "reduce": "dist.reduce(x, 1)",
    "broadcast": "dist.broadcast(x, 1)",
    "all_gather_into_tensor": "dist.all_gather_into_tensor(taper.empty(2000), x)",
    "gather": "dist.gather(x, [taper.empty(1000) for _ in range(2)] if rank == 0 else None)",
    "scatter": "dist.scatter(x, [taper.empty(1000) for _ in range(2)] if rank == 1 else None, src=1)",
    "reduce_scatter": "dist.reduce_scatter_tensor(taper.empty(500), x)",
    "all_to_all": "dist.all_to_all_single(taper.empty(1000), x)",
    "barrier": "dist.barrier()",
    "recv": "dist.recv(x, 1)",
    "send": "dist.send(x, 1)",
    "all_gather_": "dist.all_gather_object([None, None], {'rank': rank})",
    "all_reduce(float32": "model(x).sum().backward()",
}


@pytest.mark.parametrize("number, limit", [(signal.SIGKILL, 3), (signal.SIGSTOP, 6)])
def test_lost_rank_is_named_in_every_collective(number, limit):
    body = """
        begin(300)
        x = taper.ones(1000)
        model = nn.parallel.DistributedDataParallel(nn.Linear(1000, 3))
        dist.barrier()
        if rank == 1:
            print("here", flush=True)
            os.kill(os.getpid(), %d)
        print(message(lambda: %s), flush=True)
        """
    started = {name: jobs.start(body % (number, call), 2) for name, call in CALLS.items()}
    try:
        for name, processes in started.items():
            (result,) = jobs.finish(processes[:1], 60)
            seconds = re.match(r"DistributedError after ([\d.]+) s: ", result.out)
            assert seconds and float(seconds[1]) < limit, (name, result)
            assert name in result.out and "on rank 0" in result.out and "rank 1 was lost" in result.out, (
                result
            )
    finally:
        for processes in started.values():
            jobs.finish(processes, 0)


def paused(processes, seconds):
    """Stops processes, as a machine that hangs does, and lets rank 0 go on a moment before the others."""
    for process in processes:
        assert process.stdout.readline() == "under way\n", process.communicate()
    for process in processes:
        process.send_signal(signal.SIGSTOP)
    time.sleep(seconds)
    for process in processes:
        process.send_signal(signal.SIGCONT)
        time.sleep(0.3)


def test_machine_that_hangs_for_a_while_loses_nobody():
    body = """
        begin(300)
        x = taper.ones(3); dist.all_reduce(x); print("under way", flush=True)
        time.sleep(2.5)
        dist.all_reduce(x); assert x.tolist() == [4, 4, 4]
        """
    processes = jobs.start(body, 2, {"TAPER_HEARTBEAT_TIMEOUT": "2"})
    paused(processes, 1.5)
    results = jobs.finish(processes)
    assert [result.code for result in results] == [0, 0], results


def test_rank_0_that_goes_on_hears_that_it_was_given_up():
    body = """
        begin(300)
        print("under way", flush=True)
        def forever():
            while True: dist.all_reduce(taper.ones(3))
        print(message(forever))
        """
    processes = jobs.start(body, 2, {"TAPER_HEARTBEAT_TIMEOUT": "2"})
    assert processes[1].stdout.readline() == "under way\n"
    paused(processes[:1], 3)
    first, second = jobs.finish(processes)
    assert "on rank 1: rank 0, which runs the rendezvous, was lost: it has not responded" in second.out, (
        second
    )
    assert "on rank 0: rank 1 gave up: rank 0, which runs the rendezvous, was lost" in first.out, first


def test_ranks_that_pass_each_other_are_told_what_the_other_does():
    sent, reduced = jobs.run("""
        begin(1)
        x = taper.ones(3)
        print(message(lambda: dist.all_reduce(x) if rank else dist.send(x, 1)))
        """)
    cause = "send(float32 (3,), to rank 1) of group 'default', on rank 0: Timed out waiting 1000ms: "
    cause += "no other rank called its counterpart; rank 1 is in all_reduce(float32 (3,), sum), collective 1"
    assert cause in sent and (cause in reduced or "rank 0 has not called it" in reduced), (sent, reduced)


def test_rank_that_destroyed_a_group_is_named():
    out = jobs.run("""
        begin()
        group = dist.new_group()
        if rank == 1: dist.destroy_process_group(group)
        else: print(message(lambda: dist.all_reduce(taper.ones(3), group=group)))
        dist.barrier()
        """)
    assert "on rank 0: rank 1 has destroyed the group" in out[0], out


def test_messages_of_a_rank_that_left_arrive_and_others_are_not_waited_for():
    out = jobs.run("""
        begin(300)
        if rank == 1:
            dist.isend(taper.full((3,), 5.0), 0)
        else:
            time.sleep(0.7)  # the other has left by now
            x = taper.zeros(3); dist.recv(x, 1); assert x.tolist() == [5, 5, 5]
            print(message(lambda: dist.monitored_barrier(timeout=timedelta(seconds=60))))
            print(message(lambda: dist.recv(x)))
        """)[0].splitlines()
    seconds = [float(re.match(r"DistributedError after ([\d.]+) s: ", line)[1]) for line in out]
    assert max(seconds) < 4 and "Rank 1 failed to pass" in out[0] and "all other ranks have left" in out[1], (
        out
    )


@pytest.mark.parametrize("port", ["0", "70000"])
def test_ports_that_do_not_exist_are_refused(monkeypatch, port):
    for name, value in (("RANK", "0"), ("WORLD_SIZE", "1"), ("MASTER_ADDR", "127.0.0.1")):
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MASTER_PORT", port)
    with pytest.raises(ValueError, match=f"MASTER_PORT is {port}, expected 1 to 65535"):
        dist.init_process_group()


def test_ranks_that_do_not_join_and_why_others_were_refused():
    port = jobs.free_port()
    processes = [
        *jobs.start("print(message(lambda: begin(2)))", 1, {"WORLD_SIZE": "2"}, port),
        *jobs.start("print(message(lambda: begin(20)))", 1, {"RANK": "1", "WORLD_SIZE": "3"}, port),
    ]
    first, second = (result.out for result in jobs.finish(processes))
    assert "of 2 ranks these did not join within 2 s: 1; a process was refused: world_size is 2" in first, (
        first
    )
    assert "world_size is 2 on rank 0 but 3 on rank 1" in second, second


def test_wait_with_a_timeout_names_the_collective():
    out = jobs.run("""
        begin()
        x = taper.ones(3)
        if rank == 0:
            work = dist.all_reduce(x, async_op=True)
            print(message(lambda: work.wait(timedelta(seconds=0.1))))
        dist.barrier(dist.new_group())
        if rank == 1: dist.all_reduce(x)
        if rank == 0: work.wait()
        assert x.tolist() == [2, 2, 2]
        """)
    assert "Work.wait: all_reduce(float32 (3,), sum) was not done within 0.1 s" in out[0], out


def test_slow_strangers_do_not_keep_a_job_from_meeting():
    port = jobs.free_port()
    (first,) = jobs.start("begin(60)\nx = taper.ones(3); dist.all_reduce(x)", 1, {"WORLD_SIZE": "2"}, port)
    crowd, deadline = [], time.monotonic() + 20
    try:
        while len(crowd) < 400:
            try:
                crowd.append(socket.create_connection(("127.0.0.1", port), timeout=5))
                if len(crowd) % 2:
                    crowd[-1].sendall(b"\x20")  # the beginning of something that never comes
            except ConnectionRefusedError:
                assert time.monotonic() < deadline
                time.sleep(0.05)
        second = jobs.start(
            "begin(60)\nx = taper.ones(3); dist.all_reduce(x)", 1, {"RANK": "1", "WORLD_SIZE": "2"}, port
        )
        results = jobs.finish([first, *second], 40)
        assert [result.code for result in results] == [0, 0], results
    finally:
        for stranger in crowd:
            stranger.close()


# What rank 1 tells the store when it calls the first new_group, and where rank 0 then says that it listens.
CALLED, LISTENS = "group/group 1/called/1", "group/group 1/0"


def test_rank_lost_while_a_group_connects_is_named():
    processes = jobs.start(
        f"""
        begin(300)
        if rank == 1:
            store = taper._C._distributed._store()
            store.set({CALLED!r}, "here")
            store.get({LISTENS!r})
            os.kill(os.getpid(), signal.SIGKILL)
        print(message(dist.new_group), flush=True)
        """,
        2,
    )
    result = jobs.finish(processes, 20)[0]
    seconds = re.match(r"DistributedError after ([\d.]+) s: new_group: rank 0 cannot connect", result.out)
    assert seconds and float(seconds[1]) < 3 and "rank 1 was lost" in result.out, result


@pytest.mark.parametrize("full", [0, 1])
def test_rank_with_too_many_open_files_tells_the_others(full):
    out = jobs.run(f"""
        import resource
        begin(300)
        if rank == {full}:
            resource.setrlimit(resource.RLIMIT_NOFILE, (128, 128))
            held = []
            try:
                while True: held.append(os.open("/dev/null", os.O_RDONLY))
            except OSError:
                for _ in range(2): os.close(held.pop())  # enough to begin with
        print(message(dist.new_group))
        """)
    assert all("DistributedError after" in text and "Too many open files" in text for text in out), out
    assert f"rank {full} gave up in new_group" in out[1 - full], out


def test_strangers_at_the_port_of_a_pair_are_left_standing():
    # A preamble of Gloo's that no buffer waits for, a frame of the right length with no proof, and nothing.
    jobs.run(f"""
        import socket, struct
        begin()
        if rank == 1:
            store = taper._C._distributed._store()
            store.set({CALLED!r}, "here")
            address = store.get({LISTENS!r})
            port = struct.unpack(">H", address[2:4])[0]
            strangers = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
            strangers[0].sendall(struct.pack("6Q", 48, 1, 0, 0, 1 << 40, 0))
            strangers[1].sendall(struct.pack("I", 64) + os.urandom(64))
            strangers[2].close()
        group = dist.new_group()
        x = taper.full((3,), rank + 1.0); dist.all_reduce(x, group=group)
        assert x.tolist() == [3, 3, 3]
        """)


STORES = """
store = dist.TCPStore("127.0.0.1", {port}, is_master=rank == 0 and {first}, timeout=timedelta(seconds=30))
dist.init_process_group("gloo", store=dist.PrefixStore("job {job}", store), rank=rank, world_size=world)
x = taper.full((2,), {job}.0); dist.all_reduce(x); assert x.tolist() == [2 * {job}.0] * 2
dist.destroy_process_group()
# Again over the same store: a meeting of its own.
dist.init_process_group("gloo", store=dist.PrefixStore("job {job}", store), rank=rank, world_size=world)
dist.barrier(); dist.destroy_process_group()
store.add("done", 1)
while {first} and rank == 0 and store.add("done", 0) < 4: time.sleep(0.05)
"""


def test_two_jobs_share_one_store():
    port = jobs.free_port()
    first = jobs.start(STORES.format(port=port, first=True, job=1), 2)
    second = jobs.start(STORES.format(port=port, first=False, job=2), 2)
    results = jobs.finish(first + second)
    assert [result.code for result in results] == [0] * 4, results


def test_queues_of_stores_are_first_in_first_out(tmp_path, monkeypatch):
    monkeypatch.setenv("TAPER_JOB_SECRET", "secret of the tests")
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    for store in (
        table := dist.HashStore(),
        dist.PrefixStore("p", table),
        server,
        dist.PrefixStore("p", server),
    ):
        store.queue_push("q", "first")
        other = store.clone()
        other.queue_push("q", b"second")
        assert store.queue_len("q") == 2 and store.check(["q"]) and store.list_keys() == []
        assert [other.queue_pop("q"), store.queue_pop("q")] == [b"first", b"second"]
        assert store.queue_len("q") == 0 and not store.check(["q"])
        with pytest.raises(dist.QueueEmptyError, match="'q' is empty"):
            store.queue_pop("q", block=False)
        store.set_timeout(timedelta(seconds=0.05))
        with pytest.raises(dist.DistError, match="nothing came into the queue 'q' within 0.05 s"):
            store.queue_pop("q")
        thread = threading.Thread(target=other.queue_push, args=("q", "late"))
        store.set_timeout(timedelta(seconds=30))
        thread.start()
        assert store.queue_pop("q") == b"late"
        thread.join()
    with pytest.raises(NotImplementedError, match="FileStore has no queues"):
        dist.PrefixStore("p", dist.FileStore(tmp_path / "store")).queue_pop("q")


def test_stores_keep_what_they_are_told(tmp_path, monkeypatch):
    monkeypatch.setenv("TAPER_JOB_SECRET", "secret of the tests")
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    client = dist.TCPStore("127.0.0.1", server.port)
    file = dist.FileStore(tmp_path / "store")
    for one, other in (
        (server, client),
        (file, dist.FileStore(tmp_path / "store")),
        (table := dist.HashStore(), table),
        (dist.PrefixStore("a", server), dist.PrefixStore("a", client)),
    ):
        one.set("k", "text")
        assert other.get("k") == b"text" and other.check(["k"]) and not other.check(["k", "none"])
        assert one.add("n", 3) == 3 and other.add("n", -1) == 2
        assert one.compare_set("k", "other", "new") == b"text"
        assert one.compare_set("k", "text", b"\xff\0") == other.get("k") == b"\xff\0"
        one.append("k", "!")
        assert other.multi_get(["k", "n"]) == [b"\xff\0!", b"2"]
        assert sorted(one.clone().list_keys()) == ["k", "n"] and isinstance(one, dist.Store)
        assert one.delete_key("k") and not other.delete_key("k")
        with pytest.raises(
            dist.DistError, match="wait timeout after 50ms, the key '?(a/)?none'? was not set"
        ):
            other.wait(["none"], timedelta(seconds=0.05))
    assert client.num_keys() == 2  # n, and that of the prefix

    monkeypatch.setenv("TAPER_JOB_SECRET", "another")
    with pytest.raises(dist.DistError, match="the job's secret differs|no answer"):
        dist.TCPStore("127.0.0.1", server.port)
    for content in (b"\xff\xff\xff\xff", b"\0\0\0\2{}", b"GET / HTTP/1.1\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", server.port)) as stranger:
            stranger.sendall(content)
    assert client.get("n") == b"2"


def test_store_turns_a_crowd_of_strangers_away_but_nobody_who_waits(monkeypatch):
    monkeypatch.setenv("TAPER_JOB_SECRET", "secret of the tests")
    before = threading.active_count()
    server = dist.TCPStore("127.0.0.1", 0, is_master=True, wait_for_workers=False)
    crowd = [socket.create_connection(("127.0.0.1", server.port)) for _ in range(400)]
    deadline = time.monotonic() + 1
    while threading.active_count() < before + 500 and time.monotonic() < deadline:
        time.sleep(0.01)
    # Two threads for each stranger: one that listens, one that ends it.
    assert threading.active_count() <= before + 2 * 256 + 8
    thread = threading.Timer(0.2, lambda: [stranger.close() for stranger in crowd])
    thread.start()
    assert dist.TCPStore("127.0.0.1", server.port).add("n", 1) == 1
    thread.join()
