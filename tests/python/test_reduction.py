"""DistributedDataParallel where outputs are left out, what it tells of its reductions."""

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


def test_outputs_that_the_loss_leaves_out_count_as_unused():
    jobs.run(LEFT_OUT)


def test_what_the_reduction_tells():
    jobs.run(TOLD)
