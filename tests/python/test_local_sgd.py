"""Local SGD: averages of parameters instead of gradients, against the same steps on the processes' own data."""

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")


def test_gradients_are_averaged_at_first_and_parameters_now_and_then_later():
    jobs.run("""
begin()
from taper.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook import PostLocalSGDState, post_localSGD_hook
from taper.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
from taper.distributed.optim import PostLocalSGDOptimizer
def batch(rank, step): return np.random.default_rng(10 * step + rank).normal(size=(4, 3))
# y = w x, loss mean(y^2): the gradient is 2 w X / rows.
start, rate, warmup, period = np.array([[1.0, -2.0, 0.5]]), 0.1, 2, 3
def gradient(w, x): return 2 * w @ (x.T @ x) / len(x)
def expected(steps):
    ws = [start.copy() for _ in range(world)]
    for step in range(steps):
        gradients = [gradient(w, batch(r, step)) for r, w in enumerate(ws)]
        if step < warmup: gradients = [np.mean(gradients, 0)] * world
        ws = [w - rate * g for w, g in zip(ws, gradients)]
        if step >= warmup and (step - warmup) % period == 0: ws = [np.mean(ws, 0)] * world
    return ws[rank]
model = nn.Linear(3, 1, bias=False).double()
with taper.no_grad(): model.weight.copy_(taper.tensor(start))
model = nn.parallel.DistributedDataParallel(model)
model.register_comm_hook(PostLocalSGDState(None, None, warmup, post_local_gradient_allreduce=False), post_localSGD_hook)
averager = PeriodicModelAverager(period, warmup_steps=warmup)
optimizer = PostLocalSGDOptimizer(taper.optim.SGD(model.parameters(), lr=rate), averager)
for step in range(7):
    optimizer.zero_grad()
    model(taper.tensor(batch(rank, step))).square().mean().backward()
    optimizer.step()
    np.testing.assert_allclose(model.module.weight.detach().numpy(), expected(step + 1), rtol=1e-12)
state = optimizer.state_dict(); assert state["step"] == averager.step == 7
averager.step = 0; optimizer.load_state_dict(state); assert averager.step == 7
# Within subgroups: each process alone.
alone, _ = dist.new_subgroups(1)
state = PostLocalSGDState(None, alone, 0)
single = nn.parallel.DistributedDataParallel(nn.Linear(3, 1, bias=False).double())
single.register_comm_hook(state, post_localSGD_hook)
x = batch(rank, 0); single(taper.tensor(x)).square().mean().backward()
weight = single.module.weight
np.testing.assert_allclose(weight.grad.numpy(), gradient(weight.detach().numpy(), x), rtol=1e-12)
assert "expected 1 or more" in message(lambda: PeriodicModelAverager(0))
# By levels: every 2 steps within one process, every 4 over both.
from taper.distributed.algorithms.model_averaging.hierarchical_model_averager import HierarchicalModelAverager
weight = nn.Parameter(taper.tensor([float(rank)])); weight.grad = taper.zeros(1)
averager = HierarchicalModelAverager({2: 1, 4: world}, warmup_steps=1)
seen = []
for step in range(6):
    averager.average_parameters([weight]); seen.append(weight.item())
assert seen == [rank] * 4 + [0.5] * 2, seen
assert "must be equal to the size" in message(lambda: HierarchicalModelAverager({2: world + 1}))
""")


def test_remote_procedure_calls_are_said_to_be_missing():
    with pytest.raises(ImportError, match="no remote procedure calls"):
        from taper.distributed import rpc  # noqa: F401
