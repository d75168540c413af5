"""Divided layers equal the whole network in one process."""

import subprocess
import sys
from pathlib import Path

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

NETWORK = """
begin()
from taper.nn import functional as F
from taper.distributed import init_device_mesh
from taper.distributed.tensor import DTensor, Replicate, Shard
from taper.distributed.tensor.parallel import *
class Attention(nn.Module):
    def __init__(self, n, heads, ways=1):
        super().__init__()
        self.q, self.k, self.v, self.o = (nn.Linear(n, n) for _ in range(4))
        self.heads = heads
    def forward(self, x):
        q, k, v = (f(x).unflatten(-1, (self.heads, -1)).transpose(1, 2) for f in (self.q, self.k, self.v))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True)
        return self.o(y.transpose(1, 2).flatten(2))
class Block(nn.Module):
    def __init__(self, n):
        super().__init__()
        self.norm1, self.attention, self.norm2 = nn.LayerNorm(n), Attention(n, 4), nn.LayerNorm(n)
        self.up, self.down = nn.Linear(n, 4 * n), nn.Linear(4 * n, n)
    def forward(self, x):
        x = x + self.attention(self.norm1(x))
        return x + self.down(F.gelu(self.up(self.norm2(x))))
class Net(nn.Module):
    def __init__(self, words=12, n=8):
        super().__init__()
        self.table = nn.Embedding(words, n)
        self.blocks = nn.ModuleList([Block(n) for _ in range(2)])
        self.norm, self.head = nn.LayerNorm(n), nn.Linear(n, words)
    def forward(self, x):
        x = self.table(x)
        for block in self.blocks: x = block(x)
        return self.head(self.norm(x))
def fresh(seed=1):
    taper.manual_seed(seed)
    return Net().double()
def batch(step, rows=4):
    generator = taper.Generator().manual_seed(step)
    return (taper.randint(0, 12, (rows, 8), generator=generator), taper.randint(0, 12, (rows, 8), generator=generator))
def loss_of(y, t): return F.cross_entropy(y.flatten(0, 1), t.flatten())
def adam(model): return taper.optim.AdamW(model.parameters(), lr=0.01)
def train(model, optimizer, part=lambda t: t, steps=4, clip=0.3):
    losses = []
    for step in range(steps):
        x, t = map(part, batch(step))
        optimizer.zero_grad(); loss = loss_of(model(x), t); loss.backward()
        if clip: nn.utils.clip_grad_norm_(model.parameters(), clip)
        optimizer.step()
        losses.append(loss.item())
    return losses
def close(model, reference):
    for (name, p), (_, q) in zip(model.named_parameters(), reference.named_parameters(), strict=True):
        value = p.detach().full_tensor() if isinstance(p, DTensor) else p.detach()
        np.testing.assert_allclose(value.numpy(), q.detach().numpy(), rtol=1e-7, atol=1e-9, err_msg=name)
reference = fresh()
"""

PLANS = """
plain = {
    "table": RowwiseParallel(),
    "blocks.*.attention.[qkv]": ColwiseParallel(), "blocks.*.attention.o": RowwiseParallel(),
    "blocks.*.up": ColwiseParallel(), "blocks.*.down": RowwiseParallel(),
    "head": ColwiseParallel(output_layouts=Replicate()),
}
sequence = {
    "table": RowwiseParallel(output_layouts=Shard(1)),
    "blocks.*.norm?": SequenceParallel(), "norm": SequenceParallel(),
    "blocks.*.attention": PrepareModuleInput(input_layouts=Shard(1), desired_input_layouts=Replicate()),
    "blocks.*.attention.[qkv]": ColwiseParallel(), "blocks.*.attention.o": RowwiseParallel(output_layouts=Shard(1)),
    "blocks.*.up": ColwiseParallel(input_layouts=Shard(1)), "blocks.*.down": RowwiseParallel(output_layouts=Shard(1)),
    "head": ColwiseParallel(input_layouts=Shard(1), output_layouts=Replicate()),
}
features = {**plain, "table": ColwiseParallel(output_layouts=Replicate())}
def divide(model, mesh, plan):
    for block in model.blocks: block.attention.heads = 4 // mesh.size()
    return parallelize_module(model, mesh, plan)
"""


@pytest.mark.parametrize("world", [2, 4])
def test_divided_layers_equal_the_whole(world):
    jobs.run(
        NETWORK
        + PLANS
        + """
expected = train(reference, adam(reference))
mesh = init_device_mesh("cpu", (world,))
for plan in (plain, sequence, features):
    model = divide(fresh(), mesh, plan)
    up, down = model.blocks[0].up.weight, model.blocks[0].down.weight
    assert up.shape == (32, 8) and up.to_local().shape == (32 // world, 8) and up.placements == (Shard(0),)
    assert down.shape == (8, 32) and down.to_local().shape == (8, 32 // world)
    np.testing.assert_allclose(train(model, adam(model)), expected, rtol=1e-9)
    close(model, reference)
""",
        world,
    )


def test_divided_layers_take_and_give_distributed_tensors():
    jobs.run(
        NETWORK
        + """
from taper.distributed.tensor import DTensor, distribute_tensor
mesh = init_device_mesh("cpu", (world,))
plan = {"up": ColwiseParallel(use_local_output=False), "norm2": SequenceParallel(),
        "down": RowwiseParallel(output_layouts=Shard(1), use_local_output=False)}
block = parallelize_module(fresh().blocks[0], mesh, plan); alone = fresh().blocks[0]
x = taper.randn(2, 4, 8, generator=taper.Generator().manual_seed(3)).double()
middle = block.up(distribute_tensor(x, mesh, [Shard(1)]))
assert isinstance(middle, DTensor) and middle.placements == (Shard(2),) and middle.shape == (2, 4, 32)
y = block.down(F.gelu(middle))
assert y.placements == (Shard(1),)
y = distribute_tensor(x, mesh, [Shard(1)]) + y
z = block.norm2(y)
assert z.placements == (Shard(1),)
expected = alone.norm2(x + alone.down(F.gelu(alone.up(x))))
np.testing.assert_allclose(z.full_tensor().detach().numpy(), expected.detach().numpy(), rtol=1e-9)
(z * z).sum().backward(); (expected * expected).sum().backward()
for name, p in block.named_parameters():
    if p.grad is not None:
        whole = p.grad.full_tensor() if isinstance(p, DTensor) else p.grad
        np.testing.assert_allclose(whole.numpy(), alone.get_parameter(name).grad.numpy(), rtol=1e-8, atol=1e-10, err_msg=name)
"""
    )


def test_styles_lay_out_what_comes_and_goes():
    jobs.run(
        NETWORK
        + """
mesh = init_device_mesh("cpu", (world,))
# Parameters are those of one rank, however the others were seeded.
for source in (0, 1, None):
    taper.manual_seed(rank); layer = nn.Linear(4, 6)
    layer = parallelize_module(layer, mesh, ColwiseParallel(), src_data_rank=source)
    held = [None] * world; dist.all_gather_object(held, layer.weight.detach().full_tensor())
    taper.manual_seed(source or 0); own = nn.Linear(4, 6).weight.detach()
    assert (held[0] == held[1]).all() and ((held[0] == own).all() or source is None)
# Words that stand for padding get no gradient.
words, n = taper.tensor([[0, 3, 5], [1, 1, 6]]), 7
for padding in (1, 5):
    taper.manual_seed(0); alone = nn.Embedding(n, 4, padding_idx=padding)
    taper.manual_seed(0); table = parallelize_module(nn.Embedding(n, 4, padding_idx=padding), mesh, RowwiseParallel())
    for layer in (alone, table): (layer(words) ** 2).sum().backward()
    np.testing.assert_allclose(table.weight.grad.full_tensor().numpy(), alone.weight.grad.numpy(), rtol=1e-6)
class Show(nn.Module):
    def forward(self, x, y=None): return x, y
half = taper.ones(2, 3)
plan = dict(input_layouts=(Shard(0), None), desired_input_layouts=(Replicate(), None))
x, y = parallelize_module(Show(), mesh, PrepareModuleInput(**plan))(half, half)
assert x.placements == (Replicate(),) and x.shape == (2 * world, 3) and y is half
x, y = parallelize_module(Show(), mesh, PrepareModuleInput(**plan, use_local_output=True))(half, 3)
assert not isinstance(x, DTensor) and x.shape == (2 * world, 3) and y == 3
named = PrepareModuleInput(input_kwarg_layouts={"y": Shard(1)}, desired_input_kwarg_layouts={"y": Replicate()})
assert parallelize_module(Show(), mesh, named)(half, y=half)[1].shape == (2, 3 * world)
assert "same length" in message(lambda: parallelize_module(Show(), mesh, PrepareModuleInput(**plan))(half))
assert "same length" in message(lambda: PrepareModuleOutput(output_layouts=(Shard(0),), desired_output_layouts=(Shard(0), None)))
assert "not be None" in message(lambda: PrepareModuleInput(input_layouts=Shard(0)))
"""
    )


def test_divided_layers_and_divided_parameters_together():
    jobs.run(
        NETWORK
        + PLANS
        + """
from taper.distributed.fsdp import fully_shard
train(reference, adam(reference))
mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp"))
place = mesh.get_local_rank("dp")
assert mesh["tp"].size() == 2 and mesh.get_coordinate() == [rank // 2, rank % 2] and mesh["dp", "tp"].ndim == 2
for plan in (plain, sequence):
    model = divide(fresh(), mesh["tp"], plan)
    for block in model.blocks: fully_shard(block, mesh=mesh["dp"])
    fully_shard(model, mesh=mesh["dp"])
    train(model, adam(model), lambda t: t[2 * place:2 * place + 2])
    close(model, reference)
""",
        4,
    )


def test_layouts_that_do_not_fit_are_told():
    out = jobs.run(
        NETWORK
        + PLANS
        + """
mesh = init_device_mesh("cpu", (world,))
model = divide(fresh(), mesh, sequence)
print(message(lambda: model(taper.zeros(2, 7, dtype=taper.int64))))
print(message(lambda: parallelize_module(nn.Conv2d(1, 1, 1), mesh, ColwiseParallel())))
print(message(lambda: parallelize_module(nn.Linear(1, 1), None, ColwiseParallel())))
print(message(lambda: init_device_mesh("cpu", (3,))))
"""
    )[0].splitlines()
    texts = ("cannot be divided evenly among 2 ranks", "Linear and Embedding", "mesh['tp']", "found 3 ranks")
    for line, text in zip(out, texts, strict=True):
        assert text in line, line


def test_gpt_example_has_the_same_losses_in_every_mode():
    script = Path(__file__).parents[2] / "examples/python/gpt.py"
    size = "--steps 3 --every 1 --batch 8 --context 16 --width 16 --layers 2 --heads 2 --lr 0.01".split()

    def losses(*command):
        command = [sys.executable, *command, str(script), *size]
        if len(command) > len(size) + 2:
            command += ["--parallel", *mode.split()]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
        assert result.returncode == 0, result.stderr
        return [float(line.split("loss ")[1].split()[0]) for line in result.stdout.splitlines()]

    mode = "none"
    alone = losses()
    assert len(alone) == 3 and alone[-1] < alone[0] - 0.05
    for mode in ("ddp", "fsdp", "tp", "pp", "pp --schedule ZBVZeroBubble"):
        several = losses("-m", "taper.distributed.run", "--nproc-per-node", "2")
        assert several == pytest.approx(alone, abs=2e-4), mode


@pytest.mark.parametrize("world", [2, 3])
def test_cross_entropy_of_divided_classes_equals_that_of_the_whole(world):
    jobs.run(
        """
begin()
from taper.nn import functional as F
from taper.distributed import init_device_mesh
from taper.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from taper.distributed.tensor.parallel import loss_parallel
mesh = init_device_mesh("cpu", (world,))
# Recorded from PyTorch 2.15: cross_entropy([[1, 2, 3, 4], [0, -1, 2, 5]], [2, 0]).
logits = distribute_tensor(taper.tensor([[1.0, 2, 3, 4], [0, -1, 2, 5]]).double(), mesh, [Shard(1)]).requires_grad_()
with loss_parallel():
    loss = F.cross_entropy(logits, taper.tensor([2, 0])); loss.backward()
np.testing.assert_allclose(loss.item(), 3.248759161408416, rtol=1e-12)
np.testing.assert_allclose(logits.grad.full_tensor().numpy()[1], [-0.49681873322570214, 0.001170322643145965, 0.023506558660950864, 0.47214185192160535], rtol=1e-10)
make = taper.Generator().manual_seed(1)
for shape in ((6, 7), (4, 7, 3), (5, 2)):  # of two classes a third rank has none
    values = 30 * taper.randn(*shape, generator=make).double()
    target = taper.randint(0, shape[1], (shape[0], *shape[2:]), generator=make)
    target[0] = -100; target[1] = 1
    weight = taper.rand(shape[1], generator=make).double()
    for options in ({}, {"reduction": "sum"}, {"reduction": "none"}, {"ignore_index": 1}, {"weight": weight},
                    {"weight": weight, "reduction": "sum"}):
        if "ignore_index" in options: target[0] = 0
        else: target[0] = -100
        x, d = values.clone().requires_grad_(), distribute_tensor(values, mesh, [Shard(-1 if len(shape) == 2 else 1)]).requires_grad_()
        truth = F.cross_entropy(x, target, **options)
        with loss_parallel():
            found = nn.CrossEntropyLoss(**options)(d, target)
            assert found.placements == (Replicate(),)
            slope = 1 + taper.arange(truth.numel()).double().reshape(truth.shape)
            (truth * slope).sum().backward(); (found * distribute_tensor(slope, mesh)).sum().backward()
        np.testing.assert_allclose(found.detach().full_tensor().numpy(), truth.detach().numpy(), rtol=1e-12)
        assert d.grad.placements == (Shard(1),)
        np.testing.assert_allclose(d.grad.full_tensor().numpy(), x.grad.numpy(), rtol=1e-10, atol=1e-14)
with loss_parallel():
    assert "IndexError" in message(lambda: F.cross_entropy(logits, taper.tensor([2, 4])))
    rows = logits.detach().redistribute(placements=[Shard(0)])  # gathered
    np.testing.assert_allclose(F.cross_entropy(rows, distribute_tensor(taper.tensor([2, 0]), mesh)).item(), loss.item())
assert "RuntimeError" in message(lambda: F.cross_entropy(logits, taper.tensor([2, 0])))
""",
        world,
    )
