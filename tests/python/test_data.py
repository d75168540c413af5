"""taper.utils.data: data sets, samplers, collation, and the loader with and without worker processes."""

import collections
import os
import pickle
import random
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import taper
from taper.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    DistributedSampler,
    IterableDataset,
    RandomSampler,
    Sampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    default_convert,
    get_worker_info,
    random_split,
)

Point = collections.namedtuple("Point", "x y")


class Numbers(Dataset):
    """Sample i is i; those in `faults` call a function instead."""

    def __init__(self, count, faults=None):
        self.count = count
        self.faults = faults or {}

    def __len__(self):
        return self.count

    def __getitem__(self, index):
        return self.faults[index]() if index in self.faults else index


class Big(Numbers):
    """Samples large enough to travel through shared memory."""

    def __getitem__(self, index):
        return taper.full((100, 50), float(index)), np.full(300, index), {"name": f"n{index}"}


class Counting(IterableDataset):
    """0..count-1, divided among the workers."""

    def __init__(self, count):
        self.count = count

    def __iter__(self):
        info = get_worker_info()
        return iter(range(self.count) if info is None else range(info.id, self.count, info.num_workers))


class Unequal(IterableDataset):
    """Worker 0 has 1 sample, worker 1 has 7."""

    def __iter__(self):
        return iter([0] if get_worker_info().id == 0 else range(10, 17))


class Seeds(Dataset):
    def __len__(self):
        return 8

    def __getitem__(self, index):
        info = get_worker_info()
        return info.id, info.seed, random.random(), float(np.random.rand()), float(taper.rand(()))


class Fails(Exception):
    def __init__(self, a, b):
        super().__init__(a, b)


def raise_value_error():
    raise ValueError("bad sample")


def raise_key_error():
    raise KeyError("no such key")


def raise_stop_iteration():
    raise StopIteration


def raise_two_arguments():
    raise Fails(1, 2)


def kill_self():
    os.kill(os.getpid(), signal.SIGKILL)


def give_lambda():
    return lambda: 0


def wait_for_ever():
    signal.pause()


def first(batch):
    return batch[0]


def fail_to_start(worker):
    raise OSError(f"worker {worker} cannot start")


def flatten(loader):
    return [value for batch in loader for value in batch.tolist()]


# --- data sets ---


def test_tensor_dataset():
    data = TensorDataset(taper.arange(4), taper.arange(8).reshape(4, 2))
    assert len(data) == 4
    assert data[2][0].item() == 2 and data[2][1].tolist() == [4, 5]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(taper.arange(4), taper.arange(3))


def test_concat_chain_stack_subset():
    joined = Numbers(3) + Numbers(2)
    assert isinstance(joined, ConcatDataset)
    assert [joined[i] for i in (0, 2, 3, 4, -1, -5)] == [0, 2, 0, 1, 1, 0]
    with pytest.raises(ValueError):
        joined[5]
    with pytest.raises(AssertionError):
        ConcatDataset([])
    chain = Counting(2) + Counting(3)
    assert isinstance(chain, ChainDataset) and list(chain) == [0, 1, 0, 1, 2]
    assert StackDataset(Numbers(3), Numbers(3))[1] == (1, 1)
    named = StackDataset(a=Numbers(3), b=joined and Numbers(3))
    assert named[2] == {"a": 2, "b": 2} and named.__getitems__([0, 1]) == [{"a": 0, "b": 0}, {"a": 1, "b": 1}]
    with pytest.raises(ValueError, match="Size mismatch between datasets"):
        StackDataset(Numbers(3), Numbers(2))
    part = Subset(Numbers(10), [7, 3])
    assert [part[0], part[1], len(part)] == [7, 3, 2] and part.__getitems__([1, 0]) == [3, 7]


def test_random_split():
    parts = random_split(Numbers(10), [7, 3], generator=taper.Generator().manual_seed(1))
    assert sorted(list(parts[0]) + list(parts[1])) == list(range(10))
    again = random_split(Numbers(10), [7, 3], generator=taper.Generator().manual_seed(1))
    assert list(parts[0]) == list(again[0])
    assert [len(part) for part in random_split(Numbers(10), [0.5, 0.25, 0.25])] == [6, 2, 2]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        random_split(Numbers(10), [3, 3])
    with pytest.warns(UserWarning, match="Length of split at index 1 is 0"):
        random_split(Numbers(2), [0.9, 0.1])


def test_base_classes_name_themselves():
    with pytest.raises(NotImplementedError):
        Dataset()[0]
    with pytest.raises(NotImplementedError):
        iter(IterableDataset())


# --- samplers ---


def test_samplers():
    assert list(SequentialSampler(Numbers(3))) == [0, 1, 2]
    generator = taper.Generator().manual_seed(3)
    assert sorted(RandomSampler(Numbers(9), generator=generator)) == list(range(9))
    drawn = list(RandomSampler(Numbers(3), replacement=True, num_samples=100))
    assert len(drawn) == 100 and set(drawn) == {0, 1, 2}
    assert len(list(RandomSampler(Numbers(4), num_samples=10))) == 10
    assert sorted(SubsetRandomSampler([5, 8, 2])) == [2, 5, 8]
    weighted = list(WeightedRandomSampler([0.0, 1.0, 1.0], 50))
    assert len(weighted) == 50 and set(weighted) == {1, 2}
    assert sorted(WeightedRandomSampler([1.0, 1.0, 1.0], 3, replacement=False)) == [0, 1, 2]
    assert list(BatchSampler(SequentialSampler(Numbers(5)), 2, False)) == [[0, 1], [2, 3], [4]]
    assert list(BatchSampler(SequentialSampler(Numbers(5)), 2, True)) == [[0, 1], [2, 3]]
    assert len(BatchSampler(range(5), 2, False)) == 3 and len(BatchSampler(range(5), 2, True)) == 2


def test_manual_seed_decides_the_order():
    orders = []
    for seed in (5, 5, 6):
        taper.manual_seed(seed)
        orders.append(flatten(DataLoader(Numbers(50), batch_size=7, shuffle=True)))
    assert orders[0] == orders[1] != orders[2]


@pytest.mark.parametrize(
    "make",
    [
        lambda: RandomSampler(Numbers(3), replacement=1),
        lambda: RandomSampler(Numbers(3), num_samples=0),
        lambda: RandomSampler(Numbers(0)),
        lambda: WeightedRandomSampler([1.0], 0),
        lambda: WeightedRandomSampler([[1.0]], 1),
        lambda: BatchSampler(range(3), 0, False),
        lambda: BatchSampler(range(3), True, False),
        lambda: BatchSampler(range(3), 2, "no"),
        lambda: DistributedSampler(Numbers(3), 2, 2),
    ],
)
def test_samplers_refuse(make):
    with pytest.raises((ValueError, TypeError)):
        make()


@pytest.mark.parametrize("length, drop_last", [(10, False), (10, True), (2, False), (11, True), (0, False)])
def test_distributed_sampler(length, drop_last):
    world = 4
    samplers = [
        DistributedSampler(Numbers(length), world, rank, seed=1, drop_last=drop_last) for rank in range(world)
    ]
    for epoch in range(2):
        for sampler in samplers:
            sampler.set_epoch(epoch)
        parts = [list(sampler) for sampler in samplers]
        assert {len(part) for part in parts} == {len(samplers[0])}
        seen = [index for part in parts for index in part]
        if drop_last:
            assert len(seen) == length // world * world == len(set(seen))
        else:
            assert set(seen) == set(range(length))
    if length > 5:
        samplers[0].set_epoch(0)
        assert list(samplers[0]) != parts[0]


def test_distributed_sampler_reads_the_launchers_environment(monkeypatch):
    for name in list(os.environ):
        if name.endswith(("RANK", "SIZE", "PROCID", "NTASKS")):
            monkeypatch.delenv(name)
    with pytest.raises(RuntimeError, match="give num_replicas and rank"):
        DistributedSampler(Numbers(4))
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    assert list(DistributedSampler(Numbers(4), shuffle=False)) == [1, 3]


# --- collation ---


def test_default_collate():
    batch = default_collate([{"x": taper.ones(2), "y": (1, 2.5, "a"), "z": [True]}] * 2)
    assert (
        batch["x"].shape == (2, 2)
        and batch["y"][0].dtype == taper.int64
        and batch["y"][1].dtype == taper.float64
    )
    assert batch["y"][2] == ("a", "a") and batch["z"][0].dtype == taper.bool
    point = default_collate([Point(1, 2.0), Point(3, 4.0)])
    assert isinstance(point, Point) and point.x.tolist() == [1, 3]
    assert default_collate([np.arange(3), np.arange(3)]).shape == (2, 3)
    assert default_collate([np.float32(1), np.float32(2)]).dtype == taper.float32
    ordered = default_collate([collections.OrderedDict(a=1)] * 2)
    assert isinstance(ordered, collections.OrderedDict)
    with pytest.raises(RuntimeError, match="each element in list of batch should be of equal size"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="batch must contain tensors, numpy arrays, numbers, dicts or lists"):
        default_collate([object()])
    with pytest.raises(TypeError):
        default_collate([np.array(["a"])])


def test_default_convert():
    converted = default_convert({"a": np.arange(2), "b": [np.float32(1), "text"], "c": Point(np.ones(1), 2)})
    assert converted["a"].tolist() == [0, 1] and converted["b"][1] == "text"
    assert isinstance(converted["c"], Point) and isinstance(converted["c"].x, taper.Tensor)


# --- the loader ---

starts = pytest.mark.parametrize("start", [None, "spawn", "forkserver"])
workers = pytest.mark.parametrize("count", [0, 1, 3])


@workers
def test_order_and_content(count):
    seen = 0
    for x, array, names in DataLoader(Big(25), batch_size=4, num_workers=count):
        assert x[:, 0, 0].tolist() == array[:, 0].tolist() == [seen + i for i in range(len(x))]
        assert names["name"][0] == f"n{seen}"
        seen += len(x)
    assert seen == 25


@starts
def test_start_methods(start):
    loader = DataLoader(Big(6), batch_size=2, num_workers=2, multiprocessing_context=start)
    assert [x[0, 0, 0].item() for x, _, _ in loader] == [0, 2, 4]


@workers
def test_iterable_dataset(count):
    assert sorted(flatten(DataLoader(Counting(23), batch_size=4, num_workers=count))) == list(range(23))
    sizes = [
        len(batch) for batch in DataLoader(Counting(23), batch_size=4, num_workers=count, drop_last=True)
    ]
    assert set(sizes) == {4}


def test_workers_of_unequal_length():
    batches = [batch.tolist() for batch in DataLoader(Unequal(), batch_size=2, num_workers=2)]
    assert batches == [[0], [10, 11], [12, 13], [14, 15], [16]]


@workers
def test_no_batches(count):
    loader = DataLoader(Numbers(5), batch_size=None, num_workers=count)
    assert list(loader) == [0, 1, 2, 3, 4] and len(loader) == 5


@workers
def test_own_sampler_and_collate(count):
    loader = DataLoader(Numbers(9), batch_sampler=[[3, 1], [8]], collate_fn=first, num_workers=count)
    assert list(loader) == [3, 8] and len(loader) == 2
    assert flatten(DataLoader(Numbers(9), sampler=[7, 7, 0], num_workers=count)) == [7, 7, 0]


def test_lengths():
    assert len(DataLoader(Numbers(10), batch_size=3)) == 4
    assert len(DataLoader(Numbers(10), batch_size=3, drop_last=True)) == 3
    assert len(DataLoader(Numbers(0))) == 0 and list(DataLoader(Numbers(0))) == []
    with pytest.raises(TypeError):
        len(DataLoader(Counting(3)))


@workers
def test_shuffle_is_a_permutation_and_changes(count):
    loader = DataLoader(Numbers(40), batch_size=8, shuffle=True, num_workers=count)
    orders = [flatten(loader), flatten(loader)]
    assert sorted(orders[0]) == list(range(40)) and orders[0] != orders[1]


def test_the_order_does_not_depend_on_workers():
    orders = []
    for count in (0, 2):
        generator = taper.Generator().manual_seed(9)
        loader = DataLoader(Numbers(40), batch_size=8, shuffle=True, num_workers=count, generator=generator)
        orders.append(flatten(loader) + flatten(loader))
    assert orders[0] == orders[1]


def test_out_of_order_gives_everything():
    assert sorted(flatten(DataLoader(Numbers(30), batch_size=4, num_workers=3, in_order=False))) == list(
        range(30)
    )


def test_persistent_workers_are_the_same_processes():
    loader = DataLoader(Seeds(), batch_size=1, num_workers=2, persistent_workers=True)
    epochs = [{(id.item(), seed.item()) for id, seed, *_ in loader} for _ in range(3)]
    assert epochs[0] == epochs[1] == epochs[2] and len(epochs[0]) == 2
    iterator = iter(loader)  # an epoch that is dropped half way
    next(iterator)
    assert len(list(loader)) == 8
    stream = DataLoader(Counting(10), batch_size=3, num_workers=2, persistent_workers=True)
    assert sorted(flatten(stream)) == sorted(flatten(stream)) == list(range(10))


def test_seeds_differ_by_worker_and_epoch_and_repeat():
    runs = []
    for _ in range(2):
        taper.manual_seed(4)
        loader = DataLoader(Seeds(), batch_size=None, num_workers=2)
        runs.append([list(loader), list(loader)])
    assert runs[0] == runs[1]
    first_epoch, second_epoch = runs[0]
    assert first_epoch != second_epoch
    for column in (2, 3, 4):
        assert len({sample[column] for sample in first_epoch}) == 8
    assert {seed - id for id, seed, *_ in first_epoch} == {first_epoch[0][1]}


def test_worker_info():
    assert get_worker_info() is None

    def check(worker):
        info = get_worker_info()
        assert info.id == worker and info.num_workers == 2 and isinstance(info.dataset, Numbers)

    assert len(list(DataLoader(Numbers(4), num_workers=2, worker_init_fn=check))) == 4


# --- faults ---


@pytest.mark.parametrize(
    "fault, kind, text",
    [
        (raise_value_error, ValueError, "bad sample"),
        (raise_key_error, KeyError, "no such key"),
        (raise_stop_iteration, RuntimeError, "StopIteration"),
        (raise_two_arguments, RuntimeError, "Fails: (1, 2)"),
    ],
)
def test_exceptions_of_workers_reach_the_caller(fault, kind, text):
    iterator = iter(DataLoader(Numbers(6, {2: fault}), num_workers=2))
    assert [next(iterator).item(), next(iterator).item()] == [0, 1]
    with pytest.raises(kind) as caught:
        next(iterator)
    message = str(caught.value)
    assert "in DataLoader worker process 0.\nOriginal Traceback" in message
    assert text in message and fault.__name__ in message
    assert next(iterator).item() == 3


def test_exceptions_without_workers():
    with pytest.raises(ValueError, match="^bad sample$"):
        list(DataLoader(Numbers(3, {1: raise_value_error})))
    with pytest.raises(RuntimeError, match="StopIteration"):
        list(DataLoader(Numbers(3, {1: raise_stop_iteration})))


def test_a_worker_that_cannot_start_says_why():
    with pytest.raises(OSError, match="worker 0 cannot start"):
        next(iter(DataLoader(Numbers(4), num_workers=2, worker_init_fn=fail_to_start)))


def test_a_sample_that_cannot_travel():
    with pytest.raises(Exception, match="pickle"):
        list(DataLoader(Numbers(4, {1: give_lambda}), num_workers=1, collate_fn=first))


@starts
def test_a_killed_worker_is_named(start):
    loader = DataLoader(Numbers(8, {5: kill_self}), num_workers=2, multiprocessing_context=start)
    with pytest.raises(
        RuntimeError, match=r"DataLoader worker 1 \(pid \d+\) is killed by signal: SIGKILL"
    ) as caught:
        list(loader)
    assert "it was to fetch the samples [5]" in str(caught.value)


def test_timeout():
    loader = DataLoader(Numbers(2, {0: wait_for_ever}), num_workers=1, timeout=0.2)
    iterator = iter(loader)
    pids = [process.pid for process in iterator._maker.processes]
    os.kill(pids[0], 0)
    with pytest.raises(RuntimeError, match="DataLoader timed out after 0.2 seconds"):
        next(iterator)
    with pytest.raises(ProcessLookupError):
        os.kill(pids[0], 0)


def test_large_index_lists_do_not_deadlock():
    class Sizes(Dataset):
        def __len__(self):
            return 200_000

        def __getitems__(self, indices):
            return [bytes(200_000), len(indices)]

    loader = DataLoader(Sizes(), batch_size=100_000, num_workers=1, prefetch_factor=8, collate_fn=list)
    assert [batch[1] for batch in loader] == [100_000, 100_000]


def test_a_dropped_iterator_ends_its_workers():
    iterator = iter(DataLoader(Big(1000), batch_size=10, num_workers=2))
    next(iterator)
    pids = [process.pid for process in iterator._maker.processes]
    del iterator
    for pid in pids:
        with pytest.raises(ProcessLookupError):
            os.kill(pid, 0)


SCRIPT = """
    import os, signal, sys
    import taper
    from taper.utils.data import DataLoader, Dataset

    class Data(Dataset):
        def __len__(self):
            return 1000

        def __getitem__(self, index):
            return taper.ones(1000)

    iterator = iter(DataLoader(Data(), batch_size=10, num_workers=2, persistent_workers={persistent}))
    next(iterator)
    print(*[process.pid for process in iterator._maker.processes], flush=True)
"""


def run_script(body, persistent=False):
    script = textwrap.dedent(SCRIPT.format(persistent=persistent)) + textwrap.dedent(body)
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, timeout=60, start_new_session=True
    )
    for pid in done.stdout.split():
        with pytest.raises(ProcessLookupError):
            os.kill(int(pid), 0)
    return done


@pytest.mark.parametrize("persistent", [False, True])
def test_the_interpreter_ends_with_an_iterator_alive(persistent):
    done = run_script("", persistent)
    assert done.returncode == 0 and done.stderr == ""


def test_ctrl_c():
    done = run_script("os.killpg(0, signal.SIGINT)\nwhile True: next(iterator)")
    assert done.returncode == -signal.SIGINT
    assert done.stderr.count("KeyboardInterrupt") == 1


def test_workers_end_when_the_loader_is_killed():
    script = textwrap.dedent(SCRIPT.format(persistent=False)) + "os.kill(os.getpid(), signal.SIGKILL)"
    # The pipe of stdout closes when the last process that holds it has ended.
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, timeout=60)
    assert done.returncode == -signal.SIGKILL


# --- arguments ---


@pytest.mark.parametrize(
    "arguments, text",
    [
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"timeout": -1}, "timeout option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified in multiprocessing"),
        ({"prefetch_factor": 0, "num_workers": 1}, "prefetch_factor option should be at least 1"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"sampler": [1], "shuffle": True}, "sampler option is mutually exclusive with shuffle"),
        (
            {"batch_sampler": [[1]], "batch_size": 3},
            "batch_sampler option is mutually exclusive with batch_size",
        ),
        ({"batch_size": None, "drop_last": True}, "mutually exclusive with drop_last"),
        ({"batch_size": 0}, "batch_size should be a positive integer value, but got batch_size=0"),
        ({"multiprocessing_context": "fork"}, "can only be used with multi-process loading"),
        ({"multiprocessing_context": "none", "num_workers": 1}, "should specify a valid start method"),
    ],
)
def test_the_loader_refuses(arguments, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Numbers(4), **arguments)


@pytest.mark.parametrize("name, value", [("shuffle", True), ("sampler", [1]), ("batch_sampler", [[1]])])
def test_iterable_datasets_take_no_sampler(name, value):
    with pytest.raises(ValueError, match=f"expected unspecified {name} option"):
        DataLoader(Counting(3), **{name: value})


def test_fixed_attributes():
    loader = DataLoader(Numbers(3))
    with pytest.raises(
        ValueError, match="batch_size attribute should not be set after DataLoader is initialized"
    ):
        loader.batch_size = 2


def test_a_wrong_length_is_reported():
    class Short(Counting):
        def __len__(self):
            return 2

    loader = DataLoader(Short(3))
    assert len(loader) == 2
    with pytest.warns(UserWarning, match="was reported to be 2"):
        list(loader)


def test_loaders_can_be_pickled():
    again = pickle.loads(pickle.dumps(DataLoader(Numbers(5), batch_size=2)))
    assert [batch.tolist() for batch in again] == [[0, 1], [2, 3], [4]]


def test_samplers_are_generic():
    assert Sampler[int] and Dataset[int] and DataLoader[int]
