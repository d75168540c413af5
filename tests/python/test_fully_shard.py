"""Training with divided parameters equals training in one process on the joined batch."""

import os

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

NETWORK = """
begin()
from taper.nn import functional as F
from taper.distributed.fsdp import (fully_shard, FullyShardedDataParallel as FSDP, MixedPrecisionPolicy,
    ShardingStrategy, StateDictType, FullStateDictConfig)
from taper.distributed.fsdp.wrap import ModuleWrapPolicy
from taper.distributed.tensor import DTensor, Shard
import taper.distributed.checkpoint as dcp
class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(n), nn.Linear(n, 3 * n), nn.Linear(3 * n, n)
    def forward(self, x): return x + self.down(F.gelu(self.up(self.norm(x))))
class Net(nn.Module):
    def __init__(self, n=10):  # rows that 4 ranks cannot divide evenly
        super().__init__()
        self.first = nn.Linear(6, n)
        self.blocks = nn.ModuleList([Block(n) for _ in range(3)])
        self.last = nn.Linear(n, 3)
    def forward(self, x):
        x = self.first(x)
        for block in self.blocks: x = block(x)
        return self.last(x)
def fresh(seed=1):
    taper.manual_seed(seed)
    return Net().double()
def batch(step):
    generator = taper.Generator().manual_seed(step)
    return (taper.randn(4 * world, 6, generator=generator, dtype=taper.float64),
            taper.randn(4 * world, 3, generator=generator, dtype=taper.float64))
def mine(tensor): return tensor[4 * rank:4 * rank + 4]
def adam(model): return taper.optim.AdamW(model.parameters(), lr=0.01)
def train(model, optimizer, part, steps=range(4), clip=0.5):
    norms = []
    for step in steps:
        x, t = map(part, batch(step))
        optimizer.zero_grad()
        F.mse_loss(model(x), t).backward()
        norms.append(float(nn.utils.clip_grad_norm_(model.parameters(), clip)))
        optimizer.step()
    return norms
def shard(model, **options):
    for block in model.blocks: fully_shard(block, **options)
    return fully_shard(model, **options)
def close(state, reference, tolerance=1e-10):
    assert state.keys() == reference.keys()
    for name in state:
        np.testing.assert_allclose(state[name].detach().double().numpy(), reference[name].detach().double().numpy(), rtol=tolerance, atol=tolerance, err_msg=name)
whole = dcp.StateDictOptions(full_state_dict=True)
reference = fresh()
ours = adam(reference)
expected_norms = train(reference, ours, lambda t: t)
expected = reference.state_dict()
"""


@pytest.mark.parametrize("world", [2, 4])
def test_training_equals_one_process(world):
    jobs.run(
        NETWORK
        + """
for options in ({}, {"reshard_after_forward": False}, {"reshard_after_forward": True}):
    model = shard(fresh(), **options)
    optimizer = adam(model)
    assert all(isinstance(p, DTensor) for p in model.parameters())
    held = sum(p.to_local().numel() for p in model.parameters())
    total = sum(p.numel() for p in reference.parameters())
    assert sum(p.numel() for p in model.parameters()) == total
    for p, q in zip(model.parameters(), reference.parameters()):
        assert isinstance(p, DTensor) and p.placements == (Shard(0),) and p.device_mesh.size() == world
        assert p.shape == q.shape and p.ndim == q.ndim and p.size(0) == len(p) == len(q)
    assert held < total / world * 1.2 + 200, (held, total)
    norms = train(model, optimizer, mine)
    np.testing.assert_allclose(norms, expected_norms, rtol=1e-9)
    # Between passes the modules have parts only, and the optimizer state is of parts.
    assert all(isinstance(p, DTensor) for p in model.parameters())
    assert sum(s["exp_avg"].numel() for s in optimizer.state.values()) == held
    close(dcp.get_model_state_dict(model, options=whole), expected)
    with taper.no_grad():
        x, _ = batch(9)
        np.testing.assert_allclose(model(x).numpy(), reference(x).numpy(), rtol=1e-9)
    assert all(isinstance(p, DTensor) for p in model.parameters())
""",
        world,
    )


def test_a_model_made_on_meta_takes_its_weights_after_it_was_divided():
    jobs.run(
        NETWORK
        + """
with taper.device("meta"):
    model = shard(Net().double())
assert all(p.device.type == "meta" for p in model.parameters())
model.to_empty(device="cpu")
dcp.set_model_state_dict(model, fresh().state_dict(), options=whole)
norms = train(model, adam(model), mine)
np.testing.assert_allclose(norms, expected_norms, rtol=1e-9)
close(dcp.get_model_state_dict(model, options=whole), expected)
""",
        2,
    )


def test_the_wrapper_gives_values_to_modules_on_meta_and_a_dtype_to_buffers():
    jobs.run(
        NETWORK
        + """
from taper.distributed.fsdp import MixedPrecision
taper.manual_seed(rank)  # what rank 0 drew counts
with taper.device("meta"): model = nn.Sequential(nn.Linear(6, 10), nn.BatchNorm1d(10), nn.Linear(10, 3))
precision = MixedPrecision(buffer_dtype=taper.float64)
model = FSDP(model, sync_module_states=True, mixed_precision=precision)
assert model.module[1].running_mean.dtype == taper.float64
state = model.state_dict()
assert state["0.weight"].abs().max() <= 6 ** -0.5 and state["0.weight"].std() > 0.1
assert state["1.running_var"].tolist() == [1] * 10
filled = []
def fill(module):
    filled.append(type(module).__name__)
    module.to_empty(device="cpu", recurse=False)
    for p in module.parameters(recurse=False): nn.init.constant_(p, 2.0)
with taper.device("meta"): model = nn.Sequential(nn.Linear(6, 3), nn.ReLU())
assert FSDP(model, param_init_fn=fill).state_dict()["0.bias"].tolist() == [2, 2, 2] and filled == ["Linear"]
try: FSDP(nn.Linear(2, 2), mixed_precision=MixedPrecision(keep_low_precision_grads=True))
except NotImplementedError as error: assert "keep_low_precision_grads" in str(error)
else: assert False
""",
        2,
    )


@pytest.mark.parametrize("world", [1, 2])
def test_outer_parameters_that_are_used_last_are_gathered_anew_each_step(world):
    jobs.run(
        NETWORK
        + """
def fresh():
    taper.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 10), nn.ReLU(), nn.Linear(10, 3)).double()
reference = fresh()
train(reference, adam(reference), lambda t: t)
model = fresh()
fully_shard(model[0])  # its backward comes after the last of the outer unit's parameters
fully_shard(model)
train(model, adam(model), mine)
close(dcp.get_model_state_dict(model, options=whole), reference.state_dict())
""",
        world,
    )


@pytest.mark.parametrize("world", [2, 4])
def test_wrapper_strategies_equal_one_process(world):
    jobs.run(
        NETWORK
        + """
from taper.distributed import init_device_mesh
grid = init_device_mesh("cpu", (2, world // 2), mesh_dim_names=("replicate", "shard"))
for strategy, mesh in ((ShardingStrategy.FULL_SHARD, None), (ShardingStrategy.SHARD_GRAD_OP, None),
                       (ShardingStrategy.NO_SHARD, None), (ShardingStrategy.HYBRID_SHARD, grid)):
    model = FSDP(fresh(1 + rank), sharding_strategy=strategy, auto_wrap_policy=ModuleWrapPolicy({Block}),
                 sync_module_states=True, device_mesh=mesh)
    optimizer = adam(model)
    for step in range(4):
        x, t = map(mine, batch(step))
        optimizer.zero_grad()
        F.mse_loss(model(x), t).backward()
        norm = float(model.clip_grad_norm_(0.5))
        np.testing.assert_allclose(norm, expected_norms[step], rtol=1e-9)
        optimizer.step()
    close(model.state_dict(), expected)
    with FSDP.state_dict_type(model, StateDictType.SHARDED_STATE_DICT):
        parts = model.state_dict()
        assert sum(p.to_local().numel() for p in parts.values()) == sum(p.to_local().numel() for p in model.parameters())
        close({name: p.full_tensor() for name, p in parts.items()}, expected)
    with FSDP.state_dict_type(model, StateDictType.FULL_STATE_DICT, FullStateDictConfig(rank0_only=True)):
        assert bool(model.state_dict()) == (rank == 0)
    with FSDP.summon_full_params(model):
        close(dict(model.named_parameters()), dict(reference.named_parameters()))
        with taper.no_grad(): model.module.last.bias.fill_(7.0)
    assert (model.state_dict()["last.bias"] == 7).all() and model.last.bias is model.module.last.bias
    other = FSDP(fresh(5), auto_wrap_policy=ModuleWrapPolicy({Block}))
    other.load_state_dict(expected); close(other.state_dict(), expected)
""",
        world,
    )


def test_accumulation_and_mixed_precision():
    jobs.run(
        NETWORK
        + """
model = shard(fresh())
reference.load_state_dict(fresh().state_dict())
for step in range(2):
    x, t = batch(step); F.mse_loss(reference(x), t).backward()
model.set_requires_gradient_sync(False)
x, t = map(mine, batch(0)); F.mse_loss(model(x), t).backward()
assert all(p.grad is None for p in model.parameters())
model.set_requires_gradient_sync(True)
x, t = map(mine, batch(1)); F.mse_loss(model(x), t).backward()
reference.zero_grad(set_to_none=False); ours.zero_grad()
for step in range(2):
    x, t = batch(step); F.mse_loss(reference(x), t).backward()
for p, q in zip(model.parameters(), reference.parameters()):
    np.testing.assert_allclose(p.grad.full_tensor().numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)

# Computed in bfloat16, kept and averaged in float32.
dtypes = {"param_dtype": taper.bfloat16, "reduce_dtype": taper.float32}
model = fresh().float()
for block in model.blocks: fully_shard(block, mp_policy=MixedPrecisionPolicy(**dtypes))
fully_shard(model, mp_policy=MixedPrecisionPolicy(**dtypes, output_dtype=taper.float32))
kinds = []
model.blocks[1].up.register_forward_hook(lambda m, a, y: kinds.append((m.weight.dtype, a[0].dtype, y.dtype)))
x, t = map(mine, batch(0))
y = model(x.float())
assert kinds == [(taper.bfloat16,) * 3] and y.dtype is taper.float32
F.mse_loss(y, t.float()).backward()
exact = fresh(); x, t = batch(0); F.mse_loss(exact(x), t).backward()
for p, q in zip(model.parameters(), exact.parameters()):
    assert p.dtype is p.grad.dtype is taper.float32
    gap = (p.grad.full_tensor().double() - q.grad).norm() / q.grad.norm()
    assert gap < 0.03, gap
"""
    )


@pytest.mark.skipif("asan" in os.environ.get("LD_PRELOAD", ""), reason="its checks take memory of their own")
def test_memory_of_whole_parameters_is_given_back():
    jobs.run("""
        begin()
        from taper.distributed.fsdp import fully_shard
        def resident():  # private memory, in MiB
            lines = open("/proc/self/smaps_rollup").read().split()
            return int(lines[lines.index("Private_Dirty:") + 1]) / 1024
        layers = nn.Sequential(*[nn.Linear(1000, 1000, bias=False) for _ in range(20)])  # 76 MiB
        for layer in layers: fully_shard(layer)
        fully_shard(layers)
        before, during = resident(), []
        for layer in layers: layer.register_forward_hook(lambda *_: during.append(resident()))
        layers(taper.ones(4, 1000)).sum().backward()
        # Parts of the gradients, 38 MiB, one or two layers, and what is in flight.
        assert max(during) < before + 30 and resident() < before + 70, (before, max(during), resident())
        """)


def test_checkpoints_of_parts_load_at_other_world_sizes(tmp_path):
    where = f"folder = {str(tmp_path / 'c')!r}\n"
    jobs.run(
        NETWORK
        + where
        + """
model = shard(fresh()); optimizer = adam(model)
train(model, optimizer, lambda t: t)
dcp.save({"model": model, "optimizer": optimizer, "step": 4}, checkpoint_id=folder)
state = {"named": dcp.get_optimizer_state_dict(model, optimizer)}
dcp.save({"model": dcp.get_model_state_dict(model), **state}, checkpoint_id=folder + "-named")
if rank == 0: taper.save(expected, folder + "-expected")
""",
        4,
    )
    jobs.run(
        NETWORK
        + where
        + """
expected = taper.load(folder + "-expected")
model = shard(fresh(3)); optimizer = adam(model)
state = {"model": model, "optimizer": optimizer, "step": 0}
dcp.load(state, checkpoint_id=folder)
assert state["step"] == 4
model_state, optim_state = dcp.get_state_dict(model, optimizer, options=whole)
train(model, optimizer, lambda t: t, range(4, 6))
again = shard(fresh(4)); other = adam(again)
parts = dcp.get_model_state_dict(again); named = dcp.get_optimizer_state_dict(again, other)
dcp.load({"model": parts, "named": named}, checkpoint_id=folder + "-named")
dcp.set_state_dict(again, other, model_state_dict=parts, optim_state_dict=named)
train(again, other, lambda t: t, range(4, 6))
# One process, from whole state dictionaries.
alone = fresh(7); alone.load_state_dict(model_state); ours = adam(alone)
dcp.set_optimizer_state_dict(alone, ours, optim_state)
train(alone, ours, lambda t: t, range(4, 6))
for other in (model, again):
    close(dcp.get_model_state_dict(other, options=whole), alone.state_dict())
stored = dcp.read_state_dict(folder)
assert stored["model"]["blocks.0.up.weight"].shape == (30, 10)
""",
        2,
    )


def test_state_and_gradients_are_described_as_parts_of_a_whole():
    jobs.run(
        NETWORK
        + """
from taper.distributed.tensor import DTensor, distribute_tensor
model = shard(fresh()); optimizer = adam(model)
train(model, optimizer, mine)
state = model.state_dict()
for name, value in state.items():
    assert isinstance(value, DTensor) and value.shape == expected[name].shape, name
close({name: value.full_tensor() for name, value in state.items()}, expected)
full = dcp.get_model_state_dict(model, options=dcp.StateDictOptions(full_state_dict=True, cpu_offload=True))
close(full, expected if rank == 0 else {})
# Gradients: the average over ranks, of which each has its part.
x, t = map(mine, batch(9)); optimizer.zero_grad(); F.mse_loss(model(x), t).backward()
reference.zero_grad(); x, t = batch(9); F.mse_loss(reference(x), t).backward()
for p, q in zip(model.parameters(), reference.parameters()):
    np.testing.assert_allclose(p.grad.full_tensor().numpy(), q.grad.numpy(), rtol=1e-9, atol=1e-12)
    assert p.grad.placements == p.placements and p.grad.to_local().shape == p.to_local().shape
# The optimizer's state, too: whole values, as one process has them.
packed, alone = optimizer.state_dict(), ours.state_dict()
for number, entry in packed["state"].items():
    for key in ("exp_avg", "exp_avg_sq"):
        np.testing.assert_allclose(entry[key].full_tensor().numpy(), alone["state"][number][key].numpy(), rtol=1e-7, atol=1e-12)
for loaded in (packed, alone):
    twin = adam(model); twin.load_state_dict(loaded)
    for p in model.parameters():
        mean = twin.state[p]["exp_avg"]
        assert type(mean) is taper.Tensor and taper.allclose(mean, optimizer.state[p]["exp_avg"], rtol=1e-7)
# A whole state dictionary, laid out by hand or by load_state_dict; parts of another model.
for assign in (False, True):
    other = shard(fresh(3)); slots = other.state_dict()
    laid = {n: nn.Parameter(distribute_tensor(expected[n], d.device_mesh, d.placements)) for n, d in slots.items()}
    other.load_state_dict(laid, assign=assign); close(dcp.get_model_state_dict(other, options=whole), expected)
    for loaded in (expected, state):
        other = shard(fresh(3)); other.load_state_dict(loaded, assign=assign)
        close(dcp.get_model_state_dict(other, options=whole), expected)
""",
        2,
    )


def test_wrong_use_is_told():
    out = jobs.run(
        NETWORK
        + """
model = shard(fresh())
def say(call): print(message(call).splitlines()[0])
say(lambda: fully_shard(model))
say(lambda: fully_shard(nn.ParameterList([nn.Parameter(taper.tensor(1.0))])))
say(lambda: fully_shard(nn.ModuleList([nn.Linear(2, 2)])))
say(lambda: fully_shard(fresh(), offload_policy=object()))
say(lambda: fully_shard(fresh(), reshard_after_forward=3))
say(lambda: model.set_modules_to_forward_prefetch([nn.Linear(2, 2)]))
with taper.device("meta"): parts = shard(Net())
say(lambda: parts(taper.ones(1, 6)))
model.blocks[0](taper.ones(1, 10).double())
say(lambda: model(taper.ones(1, 6).double()))
"""
    )[0].splitlines()
    for line, text in zip(
        out,
        (
            "already been applied to the following module",
            "doesn't support scalar parameters. Change 0 to a 1D tensor",
            "containers that do not implement forward",
            "offload_policy",
            "should be a factor of 2, not 3",
            "Expects FSDPModule but got",
            "still on meta device: ['first.weight', 'first.bias', 'last.weight', 'last.bias']",
            "already been lazily initialized for blocks.0",
        ),
        strict=True,
    ):
        assert text in line, line


def test_parameters_are_distributed_tensors():
    jobs.run(
        NETWORK
        + """
from taper.distributed import init_device_mesh
model = shard(fresh()); optimizer = adam(model)
train(model, optimizer, mine)
named = dict(reference.named_parameters())
for name, p in model.named_parameters():
    # What is computed with them is that of the whole.
    np.testing.assert_allclose((p * p).sum().item(), (named[name] ** 2).sum().item(), rtol=1e-9)
    np.testing.assert_allclose(p.detach().norm().item(), named[name].norm().item(), rtol=1e-9)
    with taper.no_grad(): p.mul_(2.0); p.data.add_(p.data, alpha=-0.5)
close(dcp.get_model_state_dict(model, options=whole), expected)
import taper.distributed.tensor
# Optimizers that do not step each element by itself.
for kind in (taper.optim.Muon, taper.optim.Adafactor):
    matrices = lambda: (taper.manual_seed(2), nn.Sequential(nn.Linear(6, 5, bias=False), nn.Linear(5, 3, bias=False)).double())[1]
    ours, theirs = fully_shard(matrices()), matrices()
    for m, part in ((ours, mine), (theirs, lambda t: t)): train(m, kind(m.parameters(), lr=0.05), part, clip=10.0)
    close(dcp.get_model_state_dict(ours, options=whole), theirs.state_dict())
# A step is skipped by all ranks where one has an infinite part of a gradient.
model = fully_shard(nn.Linear(6, 4)); sgd = taper.optim.SGD(model.parameters(), lr=1.0)
scaler, before = taper.amp.GradScaler("cpu", init_scale=2.0), model.weight.detach().full_tensor()
scaler.scale(model(taper.ones(1, 6)).sum()).backward()
if rank == 1: model.weight.grad.to_local()[0, 0] = float("inf")
scaler.step(sgd); scaler.update()
assert scaler.get_scale() == 1.0 and (model.weight.detach().full_tensor() == before).all()
sgd.zero_grad(); scaler.scale(model(taper.ones(1, 6)).sum()).backward(); scaler.step(sgd)
np.testing.assert_allclose(model.weight.detach().full_tensor().numpy(), before.numpy() - 1, rtol=1e-6)
grid = init_device_mesh("cpu", (world, 1), mesh_dim_names=("replicate", "shard"))
model = fully_shard(nn.Linear(6, 4), mesh=grid)
assert model.weight.placements == (dist.tensor.Replicate(), Shard(0)) and model.weight.device_mesh == grid
"""
    )


def test_parameters_are_cut_along_the_dimension_that_a_function_says():
    jobs.run(
        NETWORK
        + """
def last(p): return Shard(-1) if p.ndim > 1 and p.shape[-1] % world == 0 else None
model = shard(fresh(), shard_placement_fn=last); optimizer = adam(model)
assert model.blocks[0].up.weight.placements == (Shard(1),) and model.blocks[0].up.bias.placements == (Shard(0),)
assert model.blocks[0].up.weight.to_local().shape == (30, 10 // world)
np.testing.assert_allclose(train(model, optimizer, mine), expected_norms, rtol=1e-9)
close(dcp.get_model_state_dict(model, options=whole), expected)
print(message(lambda: fully_shard(nn.Linear(3, 2), shard_placement_fn=lambda p: Shard(p.ndim - 1))))
"""
    )


def test_parts_are_drawn_as_those_of_the_whole():
    jobs.run(
        NETWORK
        + """
with taper.device("meta"): model = shard(Net().double())
model.to_empty(device="cpu")
def draw(model):
    taper.manual_seed(5)
    for module in model.modules():
        if hasattr(module, "reset_parameters"): module.reset_parameters()
    nn.init.trunc_normal_(model.first.weight, std=0.2)
    with taper.no_grad(): model.last.weight[1:, :2] = 7.0
draw(model); alone = fresh(); draw(alone)
close(dcp.get_model_state_dict(model, options=whole), alone.state_dict())
# Ranks that are seeded differently draw different parts, and replicas the same.
from taper.distributed import init_device_mesh
grid = init_device_mesh("cpu", (world, 1), mesh_dim_names=("replicate", "shard"))
copies, parts = fully_shard(nn.Linear(64, 64), mesh=grid), fully_shard(nn.Linear(64, 64))
for module in (copies, parts): taper.manual_seed(rank); module.reset_parameters()
gathered = [taper.empty(64, 64) for _ in range(world)]
dist.all_gather(gathered, copies.weight.to_local().detach()); assert (gathered[0] == gathered[1]).all()
drawn = parts.weight.detach().full_tensor(); assert (drawn[:32] != drawn[32:]).any()
"""
    )


def test_a_backward_that_raised_leaves_nothing_behind():
    jobs.run(
        NETWORK
        + """
class Raise(taper.autograd.Function):
    @staticmethod
    def forward(ctx, x): return x * 1
    @staticmethod
    def backward(ctx, dy): raise RuntimeError("no gradient")
reference, model = shard(fresh()), shard(fresh())
train(reference, adam(reference), mine)
optimizer = adam(model)
handle = model.blocks[0].register_forward_hook(lambda module, args, y: Raise.apply(y))
x, t = map(mine, batch(9))
try: F.mse_loss(model(x), t).backward()
except RuntimeError as error: assert "no gradient" in str(error)
handle.remove()
train(model, optimizer, mine)
close(dcp.get_model_state_dict(model, options=whole), dcp.get_model_state_dict(reference, options=whole), 0)
"""
    )


def test_whole_parameters_that_are_looked_at_keep_their_digits():
    jobs.run(
        NETWORK
        + """
from taper.distributed.fsdp import MixedPrecision
model = FSDP(fresh().float(), mixed_precision=MixedPrecision(param_dtype=taper.bfloat16))
before = {name: value.full_tensor() for name, value in model.module.state_dict().items()}
with FSDP.summon_full_params(model): pass
after = {name: value.full_tensor() for name, value in model.module.state_dict().items()}
close(after, before, 0)
with FSDP.summon_full_params(model), taper.no_grad(): model.module.last.bias[1] = 2.0
bias = model.module.last.bias.full_tensor()
assert bias[1] == 2 and bias[0] == before["last.bias"][0] and bias[2] == before["last.bias"][2]
"""
    )
