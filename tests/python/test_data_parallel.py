"""Training by several processes equals training by one on the joined batches."""

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

NETWORK = """
begin()
from taper.nn.parallel import DistributedDataParallel as DDP
from taper.nn import functional as F
class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.norm, self.last = nn.Linear(6, 300), nn.BatchNorm1d(300), nn.Linear(300, 3)
        self.spare = nn.Linear(3, 3)
    def forward(self, x, spare=False):
        y = self.last(F.relu(self.first(x)))
        return self.spare(y) if spare else y
def batch(step):
    generator = taper.Generator().manual_seed(step)
    return taper.randn(4 * world, 6, generator=generator), taper.randn(4 * world, 3, generator=generator)
def mine(tensor): return tensor[4 * rank:4 * rank + 4]
def train(model, part, spare, steps=4):
    optimizer = taper.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    for step in range(steps):
        x, t = map(part, batch(step))
        optimizer.zero_grad()
        F.mse_loss(model(x, spare(step)), t).backward()
        optimizer.step()
def fresh(seed=1):
    taper.manual_seed(seed)
    return Net()
def close(model, reference, tolerance=2e-6):
    for (name, a), (_, b) in zip(model.module.named_parameters(), reference.named_parameters()):
        np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=tolerance, atol=tolerance, err_msg=name)
def equal_everywhere(model):
    for p in model.parameters():
        parts = [taper.empty_like(p) for _ in range(world)]
        dist.all_gather(parts, p.detach())
        assert all((parts[0] == part).all() for part in parts)
never, always = lambda step: False, lambda step: True
"""


@pytest.mark.parametrize("world", [2, 3])
def test_training_equals_one_process_on_the_joined_batch(world):
    jobs.run(
        NETWORK
        + """
reference = fresh()
train(reference, lambda t: t, always)
for options in ({}, {"gradient_as_bucket_view": True}, {"bucket_cap_mb": 0.001}, {"find_unused_parameters": True},
                {"static_graph": True, "gradient_as_bucket_view": True, "bucket_cap_mb": 0.002}):
    model = fresh(1 + rank)  # rank 0's parameters count
    model.norm.requires_grad_(False)
    model = DDP(model, **options)
    train(model, mine, always)
    close(model, reference); equal_everywhere(model)
    if "gradient_as_bucket_view" in options:
        places = [p.grad.data_ptr() for p in model.parameters() if p.requires_grad]
        train(model, mine, always, 1)  # drops gradients first
        assert places == [p.grad.data_ptr() for p in model.parameters() if p.requires_grad]
""",
        world,
    )


def test_unused_parameters():
    out = jobs.run(
        NETWORK
        + """
reference = fresh()
reference.norm.requires_grad_(False)
# Rank 0 skips the last layer in odd steps: its gradient there counts as zero.
unused = lambda step: rank == 0 and step % 2 == 1
optimizer = taper.optim.SGD(reference.parameters(), lr=0.1)
model = fresh(); model.norm.requires_grad_(False)
model = DDP(model, find_unused_parameters=True)
own = taper.optim.SGD(model.parameters(), lr=0.1)
for step in range(3):
    x, t = batch(step)
    optimizer.zero_grad(); own.zero_grad()
    losses = [F.mse_loss(reference(x[4 * r:4 * r + 4], not (r == 0 and step % 2 == 1)), t[4 * r:4 * r + 4]) for r in range(world)]
    (sum(losses) / world).backward(); optimizer.step()
    F.mse_loss(model(mine(x), not unused(step)), mine(t)).backward(); own.step()
close(model, reference); equal_everywhere(model)
# Unused by all: no gradient.
model.zero_grad()
model(mine(x)).sum().backward()
assert model.module.spare.weight.grad is None and model.module.first.weight.grad is not None
# Without the option it is an error that says what to do, at the next pass.
dist.barrier()
plain = DDP(fresh())
plain(mine(x)).sum().backward()
print(message(lambda: plain(mine(x))))
"""
    )
    assert all("`find_unused_parameters=True`" in text and "spare.weight" in text for text in out), out


def test_parameters_within_a_checkpoint_are_waited_for():
    jobs.run(
        NETWORK
        + """
from taper.utils.checkpoint import checkpoint
class Checkpointed(Net):
    def forward(self, x, spare=False):
        return self.last(checkpoint(lambda x: F.relu(self.first(x)), x))
taper.manual_seed(1); reference = Checkpointed()
train(reference, lambda t: t, never)
for options in ({}, {"find_unused_parameters": True}, {"static_graph": True, "bucket_cap_mb": 0.001}):
    taper.manual_seed(1); model = Checkpointed()
    if not options: model.spare.requires_grad_(False), model.norm.requires_grad_(False)
    model = DDP(model, **options)
    train(model, mine, never)
    close(model, reference)
    assert model.module.spare.weight.grad is None
"""
    )


def test_static_graph_and_ignored_parameters_after_the_fact():
    jobs.run(
        NETWORK
        + """
reference = fresh(); train(reference, lambda t: t, never)
model = DDP(fresh()).eval()
with taper.no_grad(): model(mine(batch(0)[0]))
model.train()._set_static_graph(); train(model, mine, never); close(model, reference)
own = nn.Linear(6, 3)
DDP._set_params_and_buffers_to_ignore_for_model(own, ["bias"])
own = DDP(own); own(mine(batch(0)[0])).mul(rank + 1).sum().backward()
assert (own.module.bias.grad == 4 * (rank + 1)).all()
"""
    )


def test_no_sync_accumulates():
    jobs.run(
        NETWORK
        + """
for view in (False, True):
    reference = fresh(); reference.norm.requires_grad_(False)
    model = fresh(); model.norm.requires_grad_(False)
    model = DDP(model, gradient_as_bucket_view=view, bucket_cap_mb=0.01)
    for round in range(3):
        reference.zero_grad(); model.zero_grad(set_to_none=round == 0)
        for step in (0, 1):
            x, t = batch(10 * round + step)
            F.mse_loss(reference(x, True), t).backward()
        with model.no_sync():
            x, t = batch(10 * round); F.mse_loss(model(mine(x), True), mine(t)).backward()
        x, t = batch(10 * round + 1); F.mse_loss(model(mine(x), True), mine(t)).backward()
        for a, b in zip(model.module.parameters(), reference.parameters()):
            if b.grad is not None:
                np.testing.assert_allclose(a.grad.numpy(), b.grad.numpy(), rtol=1e-5, atol=1e-6)
"""
    )


def test_communication_hooks():
    jobs.run(
        NETWORK
        + """
from taper.distributed.algorithms.ddp_comm_hooks import default_hooks
reference = fresh(); train(reference, lambda t: t, always)
def own_hook(state, bucket):
    state.append((bucket.index(), bucket.is_last(), bucket.buffer().numel(), len(bucket.gradients())))
    work = dist.all_reduce(bucket.buffer().div_(world), async_op=True)
    return work.get_future().then(lambda f: f.value()[0])
seen = []
for state, hook, tolerance in ((None, default_hooks.allreduce_hook, 2e-6), (seen, own_hook, 2e-6),
                               (None, default_hooks.bf16_compress_hook, 2e-2), (None, default_hooks.fp16_compress_hook, 2e-3),
                               (None, default_hooks.bf16_compress_wrapper(default_hooks.allreduce_hook), 2e-2)):
    model = fresh(); model.norm.requires_grad_(False)
    model = DDP(model, bucket_cap_mb=0.003)
    model.register_comm_hook(state, hook)
    train(model, mine, always)
    close(model, reference, tolerance); equal_everywhere(model)
assert {entry[0] for entry in seen} == set(range(len(model.reducer.buckets()))) and seen[0][0] == 0
"""
    )


def test_reduction_overlaps_with_backward():
    jobs.run(
        NETWORK
        + """
# The last layers' bucket is under way before backward reaches the first layer.
model = nn.Sequential(*[nn.Linear(64, 64) for _ in range(6)])
model = DDP(model, bucket_cap_mb=0.02)
events = []
def hook(state, bucket):
    events.append(bucket.index())
    return dist.all_reduce(bucket.buffer(), dist.ReduceOp.AVG, async_op=True).get_future()
model.register_comm_hook(None, hook)
x = taper.randn(8, 64)
for _ in range(3):
    events.clear()
    y = x
    for i, layer in enumerate(model.module):
        y = layer(y)
        if i == 1:
            y.register_hook(lambda grad: events.append("second layer reached"))
    model.reducer.prepare_for_backward([])
    y.sum().backward()
    at = events.index("second layer reached")
    assert at >= 2 and events[-1] == len(model.reducer.buckets()) - 1, events
"""
    )


def test_killed_rank_in_backward_is_named():
    processes = jobs.start(
        NETWORK
        + """
model = DDP(fresh(), bucket_cap_mb=0.001, find_unused_parameters=True)
x, t = batch(0)
y = model(mine(x))
if rank == 1:
    y.register_hook(lambda grad: os.kill(os.getpid(), signal.SIGKILL))
print(message(lambda: y.sum().backward()))
""",
        2,
    )
    first, _ = jobs.finish(processes)
    assert first.code == 0 and "rank 1 was lost" in first.out and "all_reduce" in first.out, first


def test_synchronized_batch_norm_equals_batch_norm_of_the_joined_batch():
    jobs.run(
        NETWORK
        + """
for shape in ((6, 5), (6, 5, 4, 3)):
    taper.manual_seed(3)
    x = taper.randn(*shape, dtype=taper.float64) * 3 + 5
    weights = taper.randn(*shape, dtype=taper.float64)
    kind = nn.BatchNorm1d if len(shape) == 2 else nn.BatchNorm2d
    plain = kind(5, dtype=taper.float64)
    synced = nn.SyncBatchNorm.convert_sync_batchnorm(nn.Sequential(kind(5, dtype=taper.float64)))[0]
    assert type(synced) is nn.SyncBatchNorm
    with taper.no_grad():
        for p, q in zip(plain.parameters(), synced.parameters()):
            p.copy_(taper.randn(5)); q.copy_(p)
    part = slice(0, 2) if rank == 0 else slice(2, 6)  # of different sizes
    whole, own = x.clone().requires_grad_(), x[part].clone().requires_grad_()
    a, b = plain(whole), synced(own)
    np.testing.assert_allclose(b.detach().numpy(), a[part].detach().numpy(), rtol=1e-9, atol=1e-12)
    (a * weights).sum().backward(); (b * weights[part]).sum().backward()
    np.testing.assert_allclose(own.grad.numpy(), whole.grad[part].numpy(), rtol=1e-8, atol=1e-10)
    for p, q in zip(plain.parameters(), synced.parameters()):
        grad = q.grad.clone(); dist.all_reduce(grad)
        np.testing.assert_allclose(grad.numpy(), p.grad.numpy(), rtol=1e-8, atol=1e-10)
    np.testing.assert_allclose(synced.running_mean.numpy(), plain.running_mean.numpy(), rtol=1e-9)
    np.testing.assert_allclose(synced.running_var.numpy(), plain.running_var.numpy(), rtol=1e-9)
    synced.eval(); plain.eval()
    np.testing.assert_allclose(synced(own).detach().numpy(), plain(own).detach().numpy(), rtol=1e-9)
"""
    )


def test_sharded_optimizer_equals_the_whole_one():
    jobs.run(
        NETWORK
        + """
from taper.distributed.optim import ZeroRedundancyOptimizer
def gradients(model, step):
    x, t = batch(step)
    F.mse_loss(model(x, True), t).backward()
def whole(model): return taper.optim.Adam([{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
                                           {"params": [p for p in model.parameters() if p.ndim == 1]}], lr=0.01)
def divided(model): return ZeroRedundancyOptimizer([{"params": [p for p in model.parameters() if p.ndim > 1], "weight_decay": 0.1},
                                                    {"params": [p for p in model.parameters() if p.ndim == 1]}],
                                                   taper.optim.Adam, lr=0.01)
reference, model = fresh(), fresh()
a, b = whole(reference), divided(model)
schedules = [taper.optim.lr_scheduler.StepLR(o, 2, 0.5) for o in (a, b)]
for step in range(4):
    for net, optimizer, schedule in zip((reference, model), (a, b), schedules):
        optimizer.zero_grad(); gradients(net, step); optimizer.step(); schedule.step()
for p, q in zip(reference.parameters(), model.parameters()):
    assert (p == q).all()
assert 0 < len(b.optim.state) < len(a.state)
b.consolidate_state_dict(to=0)
if rank == 0:
    saved = b.state_dict()
    assert saved["state"].keys() == a.state_dict()["state"].keys()
    for number, state in a.state_dict()["state"].items():
        assert (saved["state"][number]["exp_avg"] == state["exp_avg"]).all()
else:
    assert "has not been consolidated" in message(b.state_dict)
c = divided(model); c.load_state_dict(a.state_dict())
for net, optimizer in ((reference, a), (model, c)):
    optimizer.zero_grad(); gradients(net, 9); optimizer.step()
for p, q in zip(reference.parameters(), model.parameters()):
    assert (p == q).all()
# Ranks that had no parameter at first get their part of later ones.
def pair(): return [nn.Parameter(taper.arange(n) + 1.0) for n in (3, 5)]
(p, q), (r, s) = pair(), pair()
late = ZeroRedundancyOptimizer([p], taper.optim.Adam, lr=0.1); late.add_param_group({"params": [q], "lr": 0.2})
alone = taper.optim.Adam([{"params": [r]}, {"params": [s], "lr": 0.2}], lr=0.1)
for optimizer, both in ((late, (p, q)), (alone, (r, s))):
    for parameter in both: (parameter ** 2).sum().backward()
    optimizer.step()
assert (p == r).all() and (q == s).all()
"""
    )


def test_join_trains_with_uneven_inputs():
    jobs.run(
        NETWORK
        + """
# Rank r has 2 + 2 r batches. In the steps of fewer ranks the others' gradients are zero.
class Plain(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(6, 40), nn.Linear(40, 3)
        self.register_buffer("seen", taper.zeros(1))
    def forward(self, x):
        if self.training: self.seen += 1
        return self.last(F.relu(self.first(x)))
counts = [2 + 2 * r for r in range(world)]
for divides_by_all in (True, False):
    taper.manual_seed(1); reference = Plain()
    ours = taper.optim.SGD(reference.parameters(), lr=0.1)
    for step in range(max(counts)):
        x, t = batch(step)
        active = [r for r in range(world) if step < counts[r]]
        ours.zero_grad()
        losses = [F.mse_loss(reference(x[4 * r:4 * r + 4]), t[4 * r:4 * r + 4]) for r in active]
        (sum(losses) / (world if divides_by_all else len(active))).backward(); ours.step()
    for options in ({}, {"gradient_as_bucket_view": True, "bucket_cap_mb": 0.001}, {"find_unused_parameters": True}):
        taper.manual_seed(1 + rank); model = DDP(Plain(), **options)
        optimizer = taper.optim.SGD(model.parameters(), lr=0.1)
        with model.join(divide_by_initial_world_size=divides_by_all):
            for step in range(counts[rank]):
                x, t = batch(step)
                optimizer.zero_grad(); F.mse_loss(model(mine(x)), mine(t)).backward(); optimizer.step()
        for p, q in zip(model.module.parameters(), reference.parameters()):
            np.testing.assert_allclose(p.detach().numpy(), q.detach().numpy(), rtol=1e-5, atol=1e-6)
        equal_everywhere(model)
        # And on with equal numbers.
        x, t = batch(99); F.mse_loss(model(mine(x)), mine(t)).backward(); equal_everywhere(model)
def early():
    with model.join(throw_on_early_termination=True):
        for step in range(counts[rank]): model(mine(x)).sum().backward()
assert "exhausted" in message(early)
""",
        3,
    )


def test_power_sgd_hooks():
    jobs.run(
        NETWORK
        + """
from taper.distributed.algorithms.ddp_comm_hooks import DDPCommHookType, powerSGD_hook as power, register_ddp_comm_hook
# With as many columns as the gradients have nothing is lost.
reference = fresh(); train(reference, lambda t: t, always, 6)
for hook, options in ((power.powerSGD_hook, {"matrix_approximation_rank": 6, "min_compression_rate": 0.1}),
                      (power.powerSGD_hook, {"matrix_approximation_rank": 6, "min_compression_rate": 0.1,
                                             "use_error_feedback": False, "warm_start": False})):
    model = fresh(); model.norm.requires_grad_(False)
    model = DDP(model)
    state = power.PowerSGDState(None, start_powerSGD_iter=2, **options)
    model.register_comm_hook(state, hook)
    train(model, mine, always, 6)
    assert state.iter == 6 and state.compression_stats()[2] > 0
    close(model, reference, 2e-4); equal_everywhere(model)
# With one column: each step loses something, and gives it back later.
def first_hook_by_hand(gradients, steps):
    # Algorithm 1 of Vogels et al. for one matrix, in float64; q begins as given.
    total = np.zeros_like(gradients[0][0]); error = [np.zeros_like(total) for _ in range(world)]; q = None
    for step in range(steps):
        m = [g + e for g, e in zip(gradients[step], error)]
        if q is None: q = start
        p = sum(x @ q for x in m); p /= np.linalg.norm(p)
        q = sum(x.T @ p for x in m) / world
        error = [x - p @ q.T for x in m]; total += p @ q.T
    return total
rng = np.random.default_rng(3)
gradients = [[rng.normal(size=(8, 12)) for _ in range(world)] for _ in range(5)]
class Bucket:
    def __init__(self, g): self.g = g
    def index(self): return 0
    def is_last(self): return True
    def buffer(self): return self.g.view(-1)
    def gradients(self): return [self.g]
start = taper.randn(12, 1, generator=taper.Generator().manual_seed(0)).numpy().astype(float); start /= np.linalg.norm(start)
for dtype, rtol in ((taper.float32, 1e-3), (taper.float64, 1e-9)):
    state = power.PowerSGDState(None, start_powerSGD_iter=2, min_compression_rate=1); state.iter = 2
    total = np.zeros((8, 12))
    for step in range(5):
        g = taper.tensor(gradients[step][rank], dtype=dtype)
        total += power.powerSGD_hook(state, Bucket(g)).wait().view(8, 12).numpy()
    np.testing.assert_allclose(total, first_hook_by_hand(gradients, 5), rtol=rtol, atol=rtol / 10)
for kind in DDPCommHookType:
    model = DDP(nn.Linear(40, 30)); register_ddp_comm_hook(kind, model)
    model(taper.ones(2, 40)).sum().backward(); equal_everywhere(model)
model = DDP(nn.Linear(36, 36, bias=False).double()); state = power.PowerSGDState(None, start_powerSGD_iter=2)
model.register_comm_hook(state, power.batched_powerSGD_hook)
for step in range(4):
    model.zero_grad(); model(taper.full((2, 36), rank + 1., dtype=taper.float64)).sum().backward()
# A square of equal numbers has rank 1, so nothing is lost: the mean of 2 rows of 1 and of 2.
np.testing.assert_allclose(model.module.weight.grad.numpy(), np.full((36, 36), 3.), rtol=1e-4)
""",
        seconds=60,
    )
