"""Networks cut into stages equal the whole network in one process, in every order of computing."""

import jobs
import pytest
from test_tensor_parallel import NETWORK

import taper
from taper import distributed as dist
from taper import nn

if dist.is_available():
    from taper.distributed.pipelining import orders
    from taper.distributed.pipelining._backward import (
        stage_backward,
        stage_backward_input,
        stage_backward_weight,
    )

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

PIPELINE = (
    NETWORK
    + """
from taper.distributed.pipelining import *
from taper.distributed.pipelining.schedules import get_schedule_class
class Part(nn.Module):
    def __init__(self, whole, first, last, blocks):
        super().__init__()
        self.table = whole.table if first else None
        self.blocks = nn.ModuleList([whole.blocks[i] for i in blocks])
        self.norm, self.head = (whole.norm, whole.head) if last else (None, None)
    def forward(self, x):
        if self.table is not None: x = self.table(x)
        for block in self.blocks: x = block(x)
        return x if self.head is None else self.head(self.norm(x))
def cut(whole, i, count):
    n = len(whole.blocks)
    return Part(whole, i == 0, i == count - 1, range(n * i // count, n * (i + 1) // count))
def parts(count):
    whole = fresh()
    whole.blocks = nn.ModuleList(block for seed in range(max(2, count // 2)) for block in fresh(seed).blocks)
    return whole, [cut(whole, i, count) for i in range(count)]
def placed(name, ranks, rank):
    "Number of stages, and those of this rank."
    if name in ("GPipe", "1F1B"): return ranks, [rank]
    return 2 * ranks, [rank, 2 * ranks - 1 - rank if name in ("ZBVZeroBubble", "DualPipeV") else ranks + rank]
def made(name, stages, n, **options):
    return get_schedule_class(name)(stages[0] if name in ("GPipe", "1F1B") else stages, n, loss_fn=loss_of, **options)
def alone(count, n, rows, scale, steps=2):
    "After some steps, and the losses of the parts in each."
    whole, found = parts(count)[0], []
    optimizer = adam(whole)
    for step in range(steps):
        x, t = batch(step, rows)
        optimizer.zero_grad()
        losses = [loss_of(whole(a), b) for a, b in zip(x.tensor_split(n), t.tensor_split(n))]
        (sum(losses) / (n if scale else 1)).backward(); optimizer.step(); found.append([l.item() for l in losses])
    return whole, found
"""
)

EQUAL = """
for name, n, rows, scale in cases:
    count, own = placed(name, world, rank)
    modules = parts(count)[1]
    stages = [PipelineStage(modules[i], i, count, "cpu") for i in own]
    schedule, last = made(name, stages, n, scale_grads=scale), count - 1 in own
    reference, expected = alone(count, n, rows, scale)
    optimizer = taper.optim.AdamW([p for i in own for p in modules[i].parameters()], lr=0.01)
    for step in range(2):
        x, t = batch(step, rows)
        losses = ["of the step before"]
        optimizer.zero_grad()
        # The first stage takes x, the last one t; other ranks get neither.
        output = schedule.step(*([x] if 0 in own else []), target=t if last else None, losses=losses)
        optimizer.step()
        if last: np.testing.assert_allclose([l.item() for l in losses], expected[step], rtol=1e-9)
        assert (output is not None) == last and (output is None or output.shape == (rows, 8, 12))
    for i in own: close(modules[i], cut(reference, i, count))
    # Forward only, after training.
    losses = []
    output = schedule.eval(*([x] if 0 in own else []), target=t if last else None, losses=losses)
    if last:
        np.testing.assert_allclose(output.numpy(), reference(x).detach().numpy(), rtol=1e-6, atol=1e-8)
        assert not output.requires_grad and len(losses) == n
    with taper.no_grad():
        assert "use eval()" in message(lambda: schedule.step(x, target=t))
"""


def test_every_schedule_equals_the_whole():
    jobs.run(
        PIPELINE
        + """
cases = [("GPipe", 4, 8, True), ("1F1B", 4, 7, False), ("Interleaved1F1B", 3, 7, True), ("LoopedBFS", 2, 5, True),
         ("InterleavedZeroBubble", 4, 7, True), ("ZBVZeroBubble", 4, 6, False), ("DualPipeV", 5, 7, True)]
"""
        + EQUAL
    )


def test_zero_bubble_schedules_of_four_processes_equal_the_whole():
    jobs.run(
        PIPELINE
        + """
cases = [("InterleavedZeroBubble", 4, 8, True), ("ZBVZeroBubble", 3, 7, True), ("DualPipeV", 8, 8, True)]
"""
        + EQUAL,
        4,
    )


def test_stages_with_replicas_equal_the_whole():
    jobs.run(
        PIPELINE
        + """
from taper.distributed.fsdp import fully_shard
from taper.nn.parallel import DistributedDataParallel
mesh = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "pp"))
copy, half = mesh.get_local_rank("dp"), slice(4 * mesh.get_local_rank("dp"), 4 * mesh.get_local_rank("dp") + 4)
reference = parts(1)[0]; optimizer = adam(reference)
for step in range(2):
    x, t = batch(step, 8); optimizer.zero_grad(); loss_of(reference(x), t).backward(); optimizer.step()
def ddp(module): return DistributedDataParallel(module, process_group=mesh["dp"].get_group())
def fsdp(module):
    for block in module.blocks: fully_shard(block, mesh=mesh["dp"])
    return fully_shard(module, mesh=mesh["dp"])
for name, wrap in (("1F1B", ddp), ("1F1B", fsdp), ("ZBVZeroBubble", ddp), ("ZBVZeroBubble", fsdp)):
    count, own = placed(name, 2, mesh.get_local_rank("pp"))
    modules = parts(count)[1]
    wrapped = [wrap(modules[i]) for i in own]
    stages = [PipelineStage(m, i, count, group=mesh["pp"].get_group()) for m, i in zip(wrapped, own)]
    schedule = made(name, stages, 3)
    optimizer = taper.optim.AdamW([p for m in wrapped for p in m.parameters()], lr=0.01)
    for step in range(2):
        x, t = batch(step, 8)
        optimizer.zero_grad()
        schedule.step(*([x[half].repeat(3, 1)] if 0 in own else []), target=t[half].repeat(3, 1))
        optimizer.step()
    for i in own: close(modules[i], cut(reference, i, count))
""",
        4,
    )


def test_arguments_are_cut_and_outputs_joined_as_told():
    jobs.run(
        PIPELINE
        + """
from taper.distributed.pipelining.microbatch import TensorChunkSpec, _Replicate
class First(nn.Module):
    def forward(self, x, y, scale=None, table=None):
        assert table.shape == (3,)
        return (x + y.t()) * scale, x.sum(1).long()
class Last(nn.Module):
    def forward(self, x, counts, factor=1.0): return {"product": (x * factor).t(), "counts": counts}
x, y = taper.randn(6, 3), taper.randn(3, 6)
stage = PipelineStage(First() if rank == 0 else Last(), rank, 2, "cpu")
options = {"args_chunk_spec": TensorChunkSpec.from_tuple((0, 1)), "output_merge_spec": {"product": TensorChunkSpec(1), "counts": TensorChunkSpec(0)}}
options["kwargs_chunk_spec"] = {"scale": TensorChunkSpec(0), "table": _Replicate()} if rank == 0 else None
schedule = ScheduleGPipe(stage, 4, **options)
named = {"scale": taper.arange(6.0).reshape(6, 1), "table": taper.zeros(3)} if rank == 0 else {"factor": 2.0}
output = schedule.step(*([x, y] if rank == 0 else []), **named)
if rank == 1:
    np.testing.assert_allclose(output["product"].numpy(), (2 * (x + y.t()) * taper.arange(6.0).reshape(6, 1)).t().numpy())
    assert output["counts"].tolist() == x.sum(1).long().tolist()
assert schedule.step(*([x, y] if rank == 0 else []), return_outputs=False, **named) is None
# Parts that the caller made.
cut = {"arg_mbs": [(x[i:i + 1], y[:, i:i + 1]) for i in range(4)], "kwarg_mbs": [{"scale": 1, "table": taper.zeros(3)}] * 4}
output = schedule.step(**(cut if rank == 0 else {}))
if rank == 1: assert output["product"].shape == (3, 4)
assert "ShapeError" in message(lambda: schedule.step(x[:3], y))
assert "Expecting 4 arg_mbs but got 1" in message(lambda: schedule.step(arg_mbs=[(x,)]))
assert "is to have the stages [0, 3] of 4, got [0, 2]" in message(
    lambda: ScheduleZBVZeroBubble([PipelineStage(nn.Linear(1, 1), i, 4) for i in (0, 2)], 4)) or rank == 1
assert "exactly 2 stages" in message(lambda: ScheduleZBVZeroBubble([stage], 4))
"""
    )


# Recorded from PyTorch 2.15, without its pauses; OVERLAP_F_B as the two actions in it.
ORDERS = {
    "interleaved": "1F0 1F1 3F0 3B0 3F1 3B1 1F2 1B0 1F3 1B1 3F2 3B2 3F3 3B3 1B2 1B3",
    "zero bubble": "1F0 1F1 3F0 3I0 3F1 3I1 3W0 1F2 1I0 3W1 1F3 1I1 1W0 3F2 3I2 1W1 3F3 3I3 3W2 1I2 3W3 1I3 1W2 1W3",
    "zbv": "1F0 2F0 1F1 2F1 2I0 2W0 1F2 1I0 1W0 2F2 2I1 2W1 1F3 1I1 1W1 2F3 2I2 2W2 1I2 2I3 1I3 1W2 2W3 1W3",
    "dual pipe": "1F0 2F0 1F1 2F1 1F2 2B0 2F2 1B0 1F3 2B1 2F3 1B1 2B2 1B2 2I3 1I3 2W3 1W3",
    "breadth first": "1F0 1F1 1F2 1F3 3F0 3F1 3F2 3F3 3B3 3B2 3B1 3B0 1B3 1B2 1B1 1B0",
    "1f1b": "1F0 1B0 1F1 1B1 1F2 1B2 1F3 1B3",
}


def test_orders_are_those_of_the_papers():
    found = {
        "interleaved": orders.interleaved(1, 2, 2, 4),
        "zero bubble": orders.interleaved(1, 2, 2, 4, divides_backward=True),
        "zbv": orders.zero_bubble_v(1, 2, 4),
        "dual pipe": orders.dual_pipe_v(1, 2, 4),
        "breadth first": orders.breadth_first(1, 2, 2, 4),
        "1f1b": orders.one_forward_one_backward(1, 2, 4),
    }
    assert {name: " ".join(map(str, row)) for name, row in found.items()} == ORDERS
    assert [str(a) for a in orders.merged(found["zbv"])[:6]] == "1F0 2F0 1F1 2F1 2B0 1F2".split()


def test_orders_that_cannot_be_computed_are_refused():
    def check(*rows):
        actions = {
            rank: [orders.Action.from_str(text) for text in row.split()] for rank, row in enumerate(rows)
        }
        return orders.ranks_of_stages(actions, 2, 1)

    assert check("0F0 0B0", "1F0 1I0 1W0") == {0: 0, 1: 1}
    for rows, text in (
        (("0B0 0F0", "1F0 1B0"), "wait for each other forever, before {0: '0B0'"),
        (("0F0 0B0", "1F0"), "part 0 in stage 1"),
        (("0F0 0B0 1F0", "1B0"), "stage 1 is in ranks 0 and 1"),
        (("0F0 0B0 0F1", "1F0 1B0"), "has 0F1"),
    ):
        with pytest.raises(ValueError) as error:
            check(*rows)
        assert text in str(error.value)
    with pytest.raises(ValueError, match="is no action"):
        orders.Action.from_str("0SEND_F1")


def test_backward_in_two_parts_gives_the_gradients_of_one():
    def network():
        taper.manual_seed(0)
        return nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.LayerNorm(5), nn.Linear(5, 3)).double()

    class Doubled(taper.autograd.Function):
        """Computes both gradients, asked for or not."""

        runs = 0

        @staticmethod
        def forward(ctx, x, w):
            ctx.save_for_backward(x, w)
            return x * w

        @staticmethod
        def backward(ctx, dy):
            Doubled.runs += 1
            x, w = ctx.saved_tensors
            return dy * w, dy * x

    whole, cut = network(), network()
    w = [taper.ones(3).double().mul_(2).requires_grad_() for _ in range(3)]
    x = [taper.randn(2, 4).double().requires_grad_()]
    x.append(x[0].detach().clone().requires_grad_())

    def outputs(model, x, w):
        y = Doubled.apply(model(x), w)
        return [y.square().sum() + w.sum(), taper.cat([w, w * w])]  # the second without x

    starts = [taper.ones(()).double(), taper.ones(6).double()]
    (dx,) = stage_backward(outputs(whole, x[0], w[0]), starts, [x[0]])
    Doubled.runs = 0
    made = outputs(cut, x[1], w[1])
    (found,), rest = stage_backward_input(made, starts, [x[1]], cut.parameters())
    assert found.tolist() == x[1].grad.tolist() == dx.tolist() and w[1].grad is None
    assert all(p.grad is None for p in cut.parameters())
    stage_backward_weight(cut.parameters(), rest)
    assert Doubled.runs == 1
    assert w[1].grad.tolist() == w[0].grad.tolist()
    for p, q in zip(cut.parameters(), whole.parameters(), strict=True):
        assert p.grad.tolist() == q.grad.tolist()
    with pytest.raises(RuntimeError, match="second time"):
        made[0].backward()
