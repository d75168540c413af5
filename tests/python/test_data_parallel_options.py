"""DistributedDataParallel: what it says of unfinished passes, its buffers, and its further options."""

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

OPTIONS = """
import io, re
from taper.nn.parallel import DistributedDataParallel as DDP
from taper.nn.parallel.distributed import _BufferCommHookLocation
def refused(pattern, call):
    try:
        call()
    except Exception as error:
        assert isinstance(error, (RuntimeError, ValueError)) and re.search(pattern, str(error)), str(error)
        return
    raise AssertionError(f"no error that says {pattern!r}")
begin()
class Two(nn.Module):
    def __init__(self, both):
        super().__init__()
        self.a, self.b, self.both = nn.Linear(2, 2, bias=False), nn.Linear(2, 2, bias=False), both
        self.register_buffer("seen", taper.full((1,), float(rank)))
    def forward(self, x):
        return self.b(self.a(x)) if self.both else self.a(x)
x = taper.ones(1, 2)
def step(model):
    model(x).sum().backward()

# A parameter without a gradient is named.
model = DDP(Two(False)); step(model)
refused("(?s)Expected to have finished reduction.*find_unused_parameters=True.*did not receive grad for rank .: b.weight",
        lambda: step(model))
step(DDP(Two(False), find_unused_parameters=True))

# static_graph holds to its word.
model = DDP(Two(False), static_graph=True); step(model); step(model)
model.module.both = True
refused("training graph has changed in this iteration.*: that was b.weight", lambda: step(model))
refused("training graph has changed in this iteration.*(?s:.*)did not receive grad for rank .: b.weight", lambda: step(model))
model = DDP(Two(True)); step(model)
refused("before training loop starts", model._set_static_graph)

# Buffers: at the start, before each pass, also those that are replaced, by a hook, or never.
model = DDP(Two(True), forward_sync_buffers=False); assert model.module.seen.item() == 0
model.module.seen.fill_(rank); model(x); assert model.module.seen.item() == rank and not model.broadcast_buffers
model = DDP(Two(True), broadcast_buffers=False); assert model.module.seen.item() == rank
model = DDP(Two(True)); model.module.seen = taper.full((1,), rank + 4.0); model(x); assert model.module.seen.item() == 4
model = DDP(Two(True))
def total(state, buffers):
    return [dist.all_reduce(b, async_op=True).get_future() for b in buffers.values()]
model._register_buffer_comm_hook(None, total, _BufferCommHookLocation.POST_FORWARD)
model.module.seen.fill_(rank + 1); model(x); assert model.module.seen.item() == 3

# Buffers travel after a pass whose gradients were reduced, for evaluation as for training.
class Counts(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(taper.ones(1))
        self.register_buffer("count", taper.zeros(1))
    def forward(self, x):
        self.found.append(self.count.item())
        self.count += rank + 1
        return self.weight * x
model = DDP(Counts()); found = model.module.found = []
model(x); model(x); model.eval()
with taper.no_grad(): model(x); model(x)
model.train(); model(x); model(x)
with model.no_sync(): model(x); model(x)
model(x); model(x)
assert found == [[0, 1, 2, 3, 4, 5, 6, 7, 8, 9], [0, 1, 2, 4, 6, 5, 6, 8, 10, 9]][rank], found

# The last of several passes of a step can be made the one that reduces.
model = DDP(Counts(), broadcast_buffers=False); model.module.found = []
model(taper.ones(1)).sum().backward(); model.zero_grad()
with model.no_sync(): first, second = model(taper.full((1,), rank + 1.0)), model(taper.full((1,), rank + 2.0))
first.sum().backward(); assert model.module.weight.grad.item() == rank + 1
assert model.reducer._rebuild_buckets() and not model.reducer._rebuild_buckets()
model.reducer.prepare_for_backward([])
second.sum().backward(); assert model.module.weight.grad.item() == 4

# Ignored by name, and delayed.
inner = Two(True)
DDP._set_params_and_buffers_to_ignore_for_model(inner, ["b.weight", "seen"])
taper.manual_seed(rank); nn.init.normal_(inner.b.weight); kept = inner.b.weight.clone()
model = DDP(inner); assert taper.equal(inner.b.weight, kept) and inner.seen.item() == rank
assert [n for n, _ in DDP._get_data_parallel_params(inner, named_params=True)] == ["a.weight"]
inner = Two(True); nn.init.eye_(inner.a.weight); nn.init.eye_(inner.b.weight)
model = DDP(inner, delay_all_reduce_named_params=[("b.weight", inner.b.weight)], param_to_hook_all_reduce=inner.a.weight)
model(taper.full((1, 2), float(rank))).sum().backward()
for weight in (inner.a.weight, inner.b.weight): assert (weight.grad == 0.5).all(), weight.grad
refused("need to be set at the same time", lambda: DDP(Two(True), param_to_hook_all_reduce=inner.a.weight))

# A mesh instead of a group.
mesh = dist.init_device_mesh("cpu", (world,))
assert DDP(Two(True), device_mesh=mesh).process_group is mesh.get_group()
refused("both process_group and device_mesh", lambda: DDP(Two(True), process_group=mesh.get_group(), device_mesh=mesh))

# A copy from a pickle reduces gradients, too.
import pickle, sys
sys.modules["__main__"].Two = Two
model = pickle.loads(pickle.dumps(DDP(Two(True))))
model(taper.full((1, 2), float(rank))).sum().backward()
grads = [taper.empty(2, 2) for _ in range(world)]; dist.all_gather(grads, model.module.a.weight.grad)
assert taper.equal(*grads)
other = dist.new_group()
refused("only supported .* default process group", lambda: pickle.dumps(DDP(Two(True), process_group=other)))
"""


def test_options_of_data_parallel_training():
    jobs.run(OPTIONS)
