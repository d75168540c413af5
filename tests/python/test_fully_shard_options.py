"""What fully_shard and the methods of its modules may be told: groups, smaller worlds, factors, hooks."""

import jobs
import pytest
from test_fully_shard import NETWORK

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

# Gradients of the mean over all processes, as one process has them.
GRADIENTS = """
begin()
from taper.nn import functional as F
from taper.distributed import init_device_mesh
from taper.distributed.fsdp import (
    FSDPModule, MixedPrecisionPolicy, fully_shard, register_fsdp_forward_method, share_comm_ctx)
from taper.distributed.tensor import DTensor
def fresh(dtype=taper.float64):
    taper.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 10), nn.Tanh(), nn.Linear(10, 7), nn.Linear(7, 3)).to(dtype)
def batch(rank):
    return taper.randn(4, 6, generator=taper.Generator().manual_seed(rank), dtype=taper.float64)
def expected(*batches, scale=1.0):
    reference = fresh()
    for number in batches:
        for r in range(world): reference(batch(r + number)).square().mean().backward()
    return [p.grad * (scale / world) for p in reference.parameters()]
def check(model, gradients):
    for p, g in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_allclose(p.grad.full_tensor().numpy(), g.numpy(), rtol=1e-9, atol=1e-12)
def step(model, number=0): model(batch(rank + number)).square().mean().backward()
def parts(module): return [isinstance(p, DTensor) for p in module.parameters()]
"""


def test_parameters_stay_divided_among_fewer_ranks_after_forward():
    jobs.run(
        GRADIENTS
        + """
mesh = init_device_mesh("cpu", (4,))
for mesh, size in ((None, 2), (mesh, 2), (None, 4), (init_device_mesh("cpu", (2, 2)), 2)):
    model = fresh()
    fully_shard(model[0], mesh=mesh, reshard_after_forward=size)
    fully_shard(model, mesh=mesh, reshard_after_forward=size)
    y = model(batch(rank))
    assert all(parts(model))
    sizes = []
    gather = type(dist.group.WORLD)._all_gather_into_tensor
    type(dist.group.WORLD)._all_gather_into_tensor = lambda self, *a: (sizes.append(self.size()), gather(self, *a))[1]
    y.square().mean().backward()
    type(dist.group.WORLD)._all_gather_into_tensor = gather
    assert set(sizes) == {size}, sizes
    check(model, expected(0))
    taper.optim.SGD(model.parameters(), lr=0.1).step(); model.zero_grad()
    alone = fresh()
    for p, g in zip(alone.parameters(), expected(0)): p.data -= 0.1 * g
    np.testing.assert_allclose(model(batch(9)).detach().numpy(), alone(batch(9)).detach().numpy(), rtol=1e-9)
""",
        4,
    )


def test_groups_of_modules_and_dtypes_train_as_one_process():
    jobs.run(
        GRADIENTS
        + """
model = fresh()
assert type(fully_shard([model[0], model[2]])) is list
fully_shard(model)
assert isinstance(model[0], FSDPModule) and isinstance(model[2], FSDPModule) and type(model[:2]) is nn.Sequential
for number in range(2): model.zero_grad(); step(model, number); check(model, expected(number))
with taper.no_grad(): model(batch(0))
assert all(parts(model))
# float32 weights, which a cast makes float64 afterwards; one group of two dtypes.
model = fresh(taper.float32)
model[3].double(); fully_shard(model)
assert [p.dtype for p in model.parameters()] == 4 * [taper.float32] + 2 * [taper.float64]
model.double(); share_comm_ctx([model])
with taper.no_grad():
    for p, q in zip(model.parameters(), fresh().parameters()): p.copy_(dist.tensor.distribute_tensor(q, p.device_mesh, p.placements))
step(model); check(model, expected(0))
# Parameters that a state dictionary, or the program, put in their place.
with taper.device("meta"): model = fresh(); fully_shard(model[0]); fully_shard(model)
laid = {n: dist.tensor.distribute_tensor(v, model.state_dict()[n].device_mesh, [dist.tensor.Shard(0)]) for n, v in fresh().state_dict().items()}
model.load_state_dict(laid, assign=True)
model[3].bias = nn.Parameter(dist.tensor.distribute_tensor(fresh()[3].bias.detach(), model[3].weight.device_mesh))
step(model); check(model, expected(0))
"""
    )


def test_gradients_are_divided_summed_and_changed_as_told():
    jobs.run(
        GRADIENTS
        + """
model = fully_shard(fresh()); model.set_gradient_divide_factor(3.0)
step(model); check(model, expected(0, scale=world / 3))
grid = init_device_mesh("cpu", (2, world // 2), mesh_dim_names=("replicate", "shard"))
model = fully_shard(fresh(), mesh=grid)
for number in range(3):
    model.set_requires_all_reduce(number == 2); step(model, number)
    assert all((p.grad is None) == (number < 2) for p in model.parameters())
check(model, expected(0, 1, 2))
model = fully_shard(fresh(), mesh=grid["shard"])
def over_replicas(gradient):
    assert gradient.ndim == 1
    dist.all_reduce(gradient, group=grid.get_group("replicate")); gradient /= 2
model.set_all_reduce_hook(over_replicas); step(model); check(model, expected(0))
assert "native HSDP" in message(lambda: fully_shard(fresh(), mesh=grid).set_all_reduce_hook(print, stream=1))
# Whole gradients are accumulated in the dtype in which they are averaged.
model = fully_shard(fresh(taper.float32), mp_policy=MixedPrecisionPolicy(taper.bfloat16, taper.float32))
model.set_requires_gradient_sync(False)
for _ in range(300): model[3].bias, model(batch(rank).float()).float().sum().backward()
model.set_requires_gradient_sync(True); model(batch(rank).float()).float().sum().backward()
assert (model[3].bias.grad.full_tensor() == 4 * 301).all()  # bfloat16 stops at 512
"""
    )


def test_hooks_and_methods_see_the_parameters_they_should():
    jobs.run(
        GRADIENTS
        + """
model = fully_shard(fresh()); optimizers = {p: taper.optim.SGD([p], lr=0.1) for p in model.parameters()}
for p in model.parameters():  # each stepped as soon as its gradient is there
    p.register_post_accumulate_grad_hook(lambda p: (optimizers[p].step(), optimizers[p].zero_grad()))
step(model)
alone = fresh()
for p, q, g in zip(model.parameters(), alone.parameters(), expected(0)):
    assert p.grad is None
    np.testing.assert_allclose(p.detach().full_tensor().numpy(), (q - 0.1 * g).detach().numpy(), rtol=1e-9)
class Net(nn.Module):
    def __init__(self): super().__init__(); self.inner = fresh()
    def features(self, x): return self.inner(x)
    def forward(self, x): return self.features(x)
net = Net(); net.outer = Net(); fully_shard(net.outer); fully_shard(net)
register_fsdp_forward_method(net.outer, "features"); register_fsdp_forward_method(nn.Linear(2, 2), "none")
net.forward = lambda x: net.outer.features(x)
step(net); check(net.outer, expected(0))
assert net.outer.features.__self__ is net.outer and "does not have a method" in message(
    lambda: register_fsdp_forward_method(net, "none"))
# A gradient that is asked for, not accumulated; state dictionaries show parts.
model = fresh(); fully_shard(model[0]); fully_shard(model, reshard_after_forward=False)
x = batch(rank).requires_grad_()
y = model(x).square().mean()
assert not any(parts(model[3])) and all(isinstance(v, DTensor) for v in model.state_dict().values())
(g,) = taper.autograd.grad(model(x).square().mean(), x)
other = batch(rank).requires_grad_(); fresh()(other).square().mean().backward()
np.testing.assert_allclose(g.numpy(), other.grad.numpy(), rtol=1e-9)
assert all(parts(model)) and "deepcopy" in message(lambda: __import__("copy").deepcopy(model))
"""
    )


def test_an_optimizer_made_after_a_backward_that_raised_has_parts():
    jobs.run(
        NETWORK
        + """
class Raise(taper.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 1
    @staticmethod
    def backward(ctx, dy): raise RuntimeError("no gradient")
model = shard(fresh())
handle = model.blocks[0].register_forward_hook(lambda module, args, y: Raise.apply(y))
x, t = map(mine, batch(9))
assert "no gradient" in message(lambda: F.mse_loss(model(x), t).backward())
handle.remove(); optimizer = adam(model)
assert all(isinstance(p, DTensor) for group in optimizer.param_groups for p in group["params"])
train(model, optimizer, mine)
close(dcp.get_model_state_dict(model, options=whole), expected)
"""
    )
