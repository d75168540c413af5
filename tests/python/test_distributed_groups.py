"""Groups of some ranks, their methods, and what is said of wrong arguments."""

import copy

import jobs
import pytest

import taper
from taper import distributed as dist
from taper import nn

needs_gloo = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

GROUPS = """
import re
def refused(kind, pattern, call):
    try:
        call()
    except kind as error:
        assert re.search(pattern, str(error)), str(error)
        return
    raise AssertionError(f"no {kind.__name__} that says {pattern!r}")
begin()
assert dist.GroupMember.WORLD is dist.group.WORLD and dist.group.WORLD.name() == "gloo"
refused(ValueError, "twice", begin)
refused(ValueError, "string-ish", lambda: dist.Backend(None))
refused(ValueError, "must not exceed the world size", lambda: dist.new_subgroups(world + 1))
refused(ValueError, "must be divisible by 'group_size=2'", lambda: dist.new_subgroups(2))
refused(ValueError, "must be positive", lambda: dist.new_subgroups(0))
refused(ValueError, "Rank 1 has appeared in both", lambda: dist.new_subgroups_by_enumeration([[0, 1], [1, 2]]))
refused(ValueError, "Rank -1 is out of range", lambda: dist.new_group([-1]))
refused(ValueError, f"Rank {world} is out of range", lambda: dist.new_group([world]))

# Subgroups of a group.
two = dist.new_group([0, 2])
assert dist.distributed_c10d._rank_not_in_group(two) == (rank == 1)
if rank != 1:
    refused(ValueError, "not part of group", lambda: dist.get_group_rank(two, 1))
alone = dist.new_subgroups_by_enumeration([[2], [0], [1]])[0]
x = taper.full((2,), float(rank)); dist.all_reduce(x, group=alone); assert x.tolist() == [rank] * 2
mine, made = dist.new_subgroups(1)
assert len(made) == world and mine.size() == 1 and dist.get_process_group_ranks(mine) == [rank]

# Lists that only one rank may give.
x, parts = taper.ones(2), [taper.ones(2) for _ in range(world)]
refused(ValueError, "gather_list.* must be specified on destination" if rank == 0 else "must NOT be specified on non-dest",
        lambda: dist.gather(x, None if rank == 0 else parts, dst=0))
refused(ValueError, "scatter_list.* must be specified on source" if rank == 0 else "must NOT be specified on non-source",
        lambda: dist.scatter(x, None if rank == 0 else parts, src=0))
refused(ValueError, "all_reduce does not support max on complex", lambda: dist.all_reduce(taper.ones(1, dtype=taper.complex64), dist.ReduceOp.MAX))

# Collectives that begin together: what they do shows after the end of the context only.
sums, joined, parts = [taper.full((2,), rank + i) for i in range(2)], taper.empty(world), taper.empty(1)
mine, all_parts = taper.tensor([float(rank)]), taper.arange(float(world))
with dist._coalescing_manager():
    for x in sums:
        assert dist.all_reduce(x) is None
    assert [x.tolist() for x in sums] == [[rank] * 2, [rank + 1] * 2]
    sums[0].add_(1)
assert [x.tolist() for x in sums] == [[6] * 2] * 2
with dist._coalescing_manager(async_ops=True) as coalesced:
    dist.all_gather_into_tensor(joined, mine)
    dist.reduce_scatter_tensor(parts, all_parts, dist.ReduceOp.SUM)
    other = taper.ones(1); dist.broadcast(other, 0)
coalesced.wait()
assert joined.tolist() == [0, 1, 2] and parts.item() == 3 * rank
def nested():
    with dist._coalescing_manager():
        dist.all_reduce(mine)
        with dist._coalescing_manager():
            pass
refused(ValueError, "within another one", nested)
dist.all_reduce(mine); assert mine.item() == 3
with dist._coalescing_manager(alone):
    dist.all_reduce(mine)

# The methods of a group.
group = dist.group.WORLD
x = taper.full((2,), rank + 1.); assert group.allreduce([x]).wait() and x.tolist() == [6.0] * 2
x = taper.full((2,), rank + 1.); group.allreduce([x], dist.ReduceOp.MAX).wait(); assert x.tolist() == [3.0] * 2
xs = [taper.ones(2), taper.ones(1) * rank]; group.allreduce_coalesced(xs).wait(); assert [x.tolist() for x in xs] == [[3] * 2, [3]]
refused(RuntimeError, "single-element", lambda: group.allreduce(xs)); refused(RuntimeError, "non-empty", lambda: group.broadcast([]))
refused(RuntimeError, "invalid root rank: 3", lambda: group.reduce([x], 3)); refused(RuntimeError, "same length", lambda: group.allgather([], [x]))
refused(RuntimeError, "empty output on non-root" if rank else "list with 3 tensors", lambda: group.gather([xs] if rank else [], [x], 0))
x = taper.full((2,), float(rank)); group.broadcast([x], 2).wait(); assert x.tolist() == [2.0] * 2
out = [[taper.empty(1) for _ in range(world)]]
group.allgather(out, [taper.tensor([float(rank)])]).wait(); assert [t.item() for t in out[0]] == [0, 1, 2]
x = taper.empty(1); group.reduce_scatter([x], [[taper.tensor([float(i)]) for i in range(world)]]).wait()
assert x.item() == 3 * rank
x = taper.empty(1); group.scatter([x], [[taper.tensor([i + 5.0]) for i in range(world)]] if rank == 1 else [], 1).wait()
assert x.item() == rank + 5
if rank == 0:
    works = [group.recv_anysource([x], 7) for _ in range(1)]; works[0].wait(); assert works[0]._source_rank() == 2
if rank == 2:
    group.send([taper.ones(1)], 0, 7).wait()
group.barrier().wait(); group.monitored_barrier(timedelta(seconds=10))

# A profile shows collectives, those of gradients as well, and what they send.
model = nn.parallel.DistributedDataParallel(nn.Linear(3, 1, bias=False))
with taper.profiler.profile(record_shapes=True) as profile:
    dist.all_reduce(taper.ones(2)); dist.broadcast(taper.ones(2), 0, async_op=True).wait(); dist.barrier()
    dist.all_reduce_coalesced([taper.ones(2), taper.ones(3)])
    model(taper.ones(1, 3)).sum().backward()
events = [event for event in profile.events() if event.name.startswith("gloo:")]
assert [(event.name[5:], event.input_shapes) for event in events] == [
    ("all_reduce", [[2]]), ("broadcast", [[2]]), ("barrier", []), ("all_reduce", [[2], [3]]), ("all_reduce", [[3]])
], [(event.name, event.input_shapes) for event in events]
assert all(event.is_async for event in events)

# A barrier with a time limit of its own.
late = dist.new_group()
if rank == 0:
    refused(dist.DistError, "Timed out waiting 200ms", lambda: dist.barrier(late, timeout=timedelta(seconds=0.2)))
else:
    refused(dist.DistError, "rank 0 gave up in barrier", lambda: dist.recv(taper.empty(1), 0, group=late))
"""


@needs_gloo
def test_groups_say_what_is_wrong_and_have_methods():
    jobs.run(GROUPS, 3)


def test_parameter_of_integers_is_copied_and_pickled():
    parameter = nn.Parameter(taper.tensor([2, 3]), requires_grad=False)
    copied = copy.deepcopy(parameter)
    assert isinstance(copied, nn.Parameter) and copied.tolist() == [2, 3] and not copied.requires_grad


def test_store_refuses_what_is_neither_text_nor_bytes():
    store = dist.HashStore()
    for call in (
        lambda: store.set("a", 1),
        lambda: store.set(1, "a"),
        lambda: store.get(1),
        lambda: store.append("a", 1),
        lambda: store.add("a", 1.5),
        lambda: store.set_timeout(5),
    ):
        with pytest.raises(TypeError):
            call()
    assert store.num_keys() == 0


APART = """
from taper.distributed import distributed_c10d as c10d
begin()
def total(group):
    x = taper.full((2,), rank + 1.0)
    dist.all_reduce(x, group=group)
    return x.tolist()

# Only the members make these groups, some more often than others do.
if rank < 2:
    pairs = [dist.new_group([1, 0], use_local_synchronization=True, group_desc="pair") for _ in range(2)]
    assert total(pairs[0]) == total(pairs[1]) == [3, 3] and pairs[1].group_desc == "pair"
some = dist.new_group([0, 2], use_local_synchronization=True)
assert (some is dist.GroupMember.NON_GROUP_MEMBER) == (rank == 1)
if rank != 1:
    assert total(some) == [4, 4]
everybody = dist.new_group()
assert total(everybody) == [6, 6]
assert dist.get_pg_count() == (5 if rank == 0 else 4 if rank == 1 else 3)

# What times out in one group fails that group only, on all its ranks.
hasty = dist.new_group([0, 1], timeout=timedelta(seconds=1))
if rank == 0:
    text = message(lambda: total(hasty))
    assert "Timed out" in text and "rank 1 has not called it" in text, text
assert total(None) == total(everybody) == [6, 6]
if rank == 1:
    text = message(lambda: total(hasty))
    assert "rank 0 gave up in all_reduce" in text and "Timed out" in text, text
assert total(None) == [6, 6]

# A group that is a job of its own, with other ranks.
store = dist.PrefixStore("apart", c10d._get_default_store())
apart, _ = c10d._new_process_group_helper(world, (rank + 1) % world, [], "gloo", store)
assert total(apart) == [6, 6] and dist.get_rank(apart) == (rank + 1) % world
x = taper.full((1,), float(rank)); dist.broadcast(x, 0, group=apart); assert x.item() == world - 1
dist.destroy_process_group(apart)
assert total(None) == [6, 6] and c10d._world.pg_group_ranks[dist.group.WORLD] == {0: 0, 1: 1, 2: 2}
assert c10d._find_or_create_pg_by_ranks_and_tag("", [0, 1, 2]) is dist.group.WORLD
dist.destroy_process_group()
"""


@needs_gloo
def test_groups_that_members_make_that_fail_and_that_are_jobs_of_their_own():
    jobs.run(APART, world=3)
