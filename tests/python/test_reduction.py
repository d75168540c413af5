"""DistributedDataParallel where outputs are left out, what it tells of its reductions, and optimizers that step
within backward."""

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

LEFT_OUT = """
from taper.nn.parallel import DistributedDataParallel as DDP
begin()
class Two(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(2, 1, bias=False), nn.Linear(2, 1, bias=False)
        self.uses = "ab"
    def forward(self, x):
        return {name: getattr(self, name)(x) for name in self.uses} | {"x": x * 1}
def values(parameter):
    return None if parameter.grad is None else parameter.grad.flatten().tolist()
x = taper.full((1, 2), rank + 1.0, requires_grad=True)

for as_view in (False, True):
    model = DDP(Two(), find_unused_parameters=True, gradient_as_bucket_view=as_view)
    a, b = model.module.a.weight, model.module.b.weight
    model(x)  # without a backward pass
    # No rank uses a: its gradient stays None; then both are used; then a's stays what it was.
    model(x)["b"].sum().backward()
    assert values(a) is None and values(b) == [1.5, 1.5]
    model.zero_grad()
    out = model(x); (out["a"] + out["b"]).sum().backward()
    assert values(a) == values(b) == [1.5, 1.5]
    for _ in range(2):
        model(x)["b"].sum().backward()
    assert values(a) == [1.5, 1.5] and values(b) == [4.5, 4.5]
    # Each rank leaves out another output: the average counts zero for it.
    model.zero_grad()
    model(x)["ab"[rank]].sum().backward()
    assert values(a) == [0.5, 0.5] and values(b) == [1, 1], (values(a), values(b))
    # One rank's loss uses no parameter at all.
    model.zero_grad()
    out = model(x); (out["a"] if rank else out["x"]).sum().backward()
    assert values(a) == [1, 1] and values(b) is None
    # no_sync() counts as use.
    model.zero_grad()
    with model.no_sync():
        model(x)["a"].sum().backward()
    model(x)["b"].sum().backward()
    assert values(a) == values(b) == [1.5, 1.5]

# A static graph may differ between ranks.
model = DDP(Two(), static_graph=True)
model.module.uses = "ab"[: rank + 1]
for _ in range(3):
    model.zero_grad()
    out = model(x); sum(out[name] for name in model.module.uses).sum().backward()
    assert values(model.module.a.weight) == [1.5, 1.5] and values(model.module.b.weight) == [1, 1]
assert model.reducer._ddp_graph_static() and model._get_ddp_logging_data()["has_rebuilt_buckets"] == 1
dist.destroy_process_group()
"""

TOLD = """
from taper.nn.parallel import DistributedDataParallel as DDP
begin()
net = nn.Sequential(nn.Linear(8, 4), nn.ReLU(), nn.Linear(4, 2).double())
model = DDP(net, bucket_cap_mb_list=[100 / 2**20, 1])
log = model._get_ddp_logging_data()
assert log["bucket_sizes"] == "80, 16, 128", log["bucket_sizes"]  # two kinds of numbers, by reversed registration
assert log["dtypes"] == "double, float" and log["num_parameter_tensors"] == 4 and log["world_size"] == 2
assert "comm_hook" not in log and log["has_sync_bn"] == 0
model = DDP(nn.Linear(8, 4, bias=False))
model._set_ddp_runtime_logging_sample_rate(3)
for _ in range(14):
    model(taper.ones(2, 8)).sum().backward()
log = model._get_ddp_logging_data()
assert log["iteration"] == 12 and log["rebuilt_bucket_sizes"] == "128"
assert log["backward_comm_time"] > 0 and log["avg_forward_compute_time"] > 0
assert log["forward_compute_time_start"] <= log["backward_compute_time_start"] <= log["backward_comm_time_start"]
try:
    model.register_comm_hook(None, 3)
except TypeError as error:
    assert str(error) == model._get_ddp_logging_data()["error"]

# Buckets that no rank uses are left alone.
class One(nn.Module):
    def __init__(self):
        super().__init__()
        self.used, self.unused = nn.Linear(2, 2), nn.Linear(2, 2)
    def forward(self, x): return self.used(x)
for skips, buckets in ((False, 4), (True, 2)):
    model = DDP(One(), bucket_cap_mb=1e-6, find_unused_parameters=True, skip_all_reduce_unused_params=skips)
    for _ in range(2):
        model(taper.full((1, 2), float(rank))).sum().backward()
    assert model.module.used.weight.grad.unique().item() == 1 and model.module.unused.weight.grad is None
    assert model._get_ddp_logging_data()["num_buckets_reduced"] == buckets

# Computed and averaged in 16 bits, kept in 32.
from taper.nn.parallel.distributed import _MixedPrecision
class Seen(nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = nn.Linear(2, 1, bias=False)
        self.register_buffer("scale", taper.ones(1))
        nn.init.constant_(self.linear.weight, 1 + 2**-12)
    def forward(self, x):
        assert x.dtype == self.linear.weight.dtype == self.scale.dtype == taper.bfloat16
        return self.linear(x) * self.scale
model = DDP(Seen(), mixed_precision=_MixedPrecision(taper.bfloat16, taper.float32, taper.bfloat16))
out = model(taper.full((1, 2), rank + 1.0)); out.sum().backward()
weight = model.module.linear.weight
assert out.dtype == taper.bfloat16 and out.item() == 2 * (rank + 1) and weight[0, 0].item() == 1 + 2**-12
assert weight.grad.dtype == taper.float32 and weight.grad.tolist() == [[1.5, 1.5]]

# Models that differ between ranks are refused on all of them.
text = message(lambda: DDP(nn.Linear(2, 3 if rank else 2)))
assert "DDP expects same model" in text, text
assert ("params[0]" in text) == (rank == 1), text
dist.destroy_process_group()
"""

STEPS = """
import copy
from taper.nn.parallel import DistributedDataParallel as DDP
from taper.distributed.optim import ZeroRedundancyOptimizer, _apply_optimizer_in_backward
from taper.distributed.algorithms.ddp_comm_hooks import ddp_zero_hook, default_hooks
from taper.distributed.algorithms.join import Join, Joinable, JoinHook
begin()
taper.manual_seed(0)
first = nn.Sequential(nn.Linear(3, 5), nn.ReLU(), nn.Linear(5, 2))
data = [taper.randn(4, 3) + rank for _ in range(5)]
def trained(make, passes=data):
    model = DDP(copy.deepcopy(first))
    step = make(model)
    for x in passes:
        model(x).square().sum().backward()
        step()
    return taper.cat([p.detach().flatten() for p in model.parameters()]), model
def separate(optimizer):
    return lambda: (optimizer.step(), optimizer.zero_grad())
adam = lambda parameters: taper.optim.Adam(parameters, lr=0.1)
expected, _ = trained(lambda model: separate(adam(model.parameters())))

def in_backward(model):
    _apply_optimizer_in_backward(taper.optim.Adam, model.parameters(), {"lr": 0.1})
    return lambda: None
got, model = trained(in_backward)
assert taper.equal(got, expected) and all(p.grad is None for p in model.parameters())
def fused(model):
    model._register_fused_optim(taper.optim.Adam, lr=0.1)
    return model.zero_grad
assert taper.equal(trained(fused)[0], expected)
def zero(model):
    optimizer = ZeroRedundancyOptimizer(model.parameters(), taper.optim.Adam, overlap_with_ddp=True, lr=0.1)
    hook = ddp_zero_hook.hook_with_zero_step(default_hooks.allreduce_hook, model, optimizer)
    model.register_comm_hook(None, hook)
    return lambda: (optimizer.step(), model.zero_grad())
# The first two passes change nothing.
assert taper.equal(trained(zero, data[:2] + data)[0], expected)

# Hooks of one's own: each process counts who is still there.
class Counter(Joinable):
    join_device, join_process_group = taper.device("cpu"), dist.group.WORLD
    def __call__(self):
        Join.notify_join_context(self)
        count = taper.ones(1); dist.all_reduce(count); return int(count)
    def join_hook(self, **options):
        self.options = options
        class Hook(JoinHook):
            def main_hook(self): dist.all_reduce(taper.zeros(1))
            def post_hook(hook, is_last_joiner): self.last = is_last_joiner
        return Hook()
counter = Counter()
with Join([counter], note="given"):
    seen = [counter() for _ in range(2 + rank)]
assert seen == [2, 2, 1][: 2 + rank] and counter.last == (rank == 1) and counter.options == {"note": "given"}
def uneven():
    with Join([counter], throw_on_early_termination=True):
        for _ in range(2 + rank): counter()
assert ("Detected at least one rank" if rank else "Rank 0 exhausted all inputs.") in message(uneven)
dist.destroy_process_group()
"""


def test_outputs_that_the_loss_leaves_out_count_as_unused():
    jobs.run(LEFT_OUT)


def test_what_the_reduction_tells():
    jobs.run(TOLD)


def test_optimizers_that_step_within_backward_and_joins_of_ones_own():
    jobs.run(STEPS)
