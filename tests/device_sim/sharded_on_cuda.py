"""A program, not a test: one rank of a job that trains divided models on simulated devices. Started by
test_distributed_on_cuda.py; prints what went wrong, or "right"."""

import sys

import conftest  # loads the simulated device
import numpy as np

import taper
import taper.distributed as dist
import taper.distributed.checkpoint as dcp
from taper import nn
from taper.distributed import fsdp
from taper.distributed.fsdp import fully_shard
from taper.distributed.optim import ZeroRedundancyOptimizer
from taper.distributed.pipelining import PipelineStage, Schedule1F1B
from taper.distributed.tensor import Replicate
from taper.distributed.tensor.parallel import ColwiseParallel, parallelize_module
from taper.nn import functional as F

RANK, SIZE = 0, 1
WHOLE = dcp.StateDictOptions(full_state_dict=True)


class Block(nn.Module):
    """Uses its parameters as they are, and as views."""

    def __init__(self, n):
        super().__init__()
        self.norm, self.up, self.down = nn.LayerNorm(n), nn.Linear(n, 2 * n), nn.Linear(2 * n, n, bias=False)

    def forward(self, x):
        return x + F.gelu(self.up(self.norm(x))) @ self.down.weight.t()


def fresh(seed=1):
    taper.manual_seed(seed)
    return nn.Sequential(nn.Linear(6, 7), Block(7), Block(7), Block(7), nn.Linear(7, 3))


def shard(model, **options):
    for block in model[1:4]:
        fully_shard(block, **options)
    return fully_shard(model, **options)


def adam(model):
    return taper.optim.AdamW(model.parameters(), lr=0.01)


def batch(step, device="cuda", own=True):
    generator = taper.Generator().manual_seed(step)
    x, t = taper.randn(12, 6, generator=generator), taper.randn(12, 3, generator=generator)
    mine = slice(12 // SIZE * RANK, 12 // SIZE * (RANK + 1)) if own else slice(None)
    return x[mine].to(device), t[mine].to(device)


def train(model, optimizer, own=True, device="cuda", steps=range(3)):
    """The losses, averaged over the ranks."""
    losses = []
    # All at once: a copy would make the host wait for the step before.
    for x, t in [batch(step, device, own) for step in steps]:
        optimizer.zero_grad()
        loss = F.mse_loss(model(x), t)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 0.5)
        optimizer.step()
        losses.append(loss.detach())
    total = taper.stack(losses)
    if own:
        dist.all_reduce(total, dist.ReduceOp.AVG)
    return total.cpu().numpy()


def alone(steps=range(3)):
    """(losses, model) of one process on the CPU."""
    model = fresh()
    return train(model, adam(model), False, "cpu", steps), model


def close(model, reference, rtol=1e-4, atol=1e-5):
    state = dcp.get_model_state_dict(model, options=WHOLE)
    for name, value in reference.state_dict().items():
        np.testing.assert_allclose(state[name].cpu().numpy(), value.numpy(), rtol, atol, err_msg=name)


def fully():
    """Losses and parameters of one process on the CPU, whatever stays whole for how long."""
    losses, reference = alone()
    mesh = dist.init_device_mesh("cuda", (SIZE,))
    assert mesh.device_type == "cuda"
    for options in ({}, {"reshard_after_forward": False}, {"reshard_after_forward": 2, "mesh": mesh}):
        model = shard(fresh().cuda(), **options)
        np.testing.assert_allclose(train(model, adam(model)), losses, rtol=1e-4)
        close(model, reference)
        with taper.no_grad():
            x, _ = batch(9)
            np.testing.assert_allclose(
                model(x).cpu().numpy(), reference(x.cpu()).numpy(), rtol=1e-3, atol=1e-5
            )
    # From main memory to the mesh's device; gathered ahead by hand.
    model = shard(fresh(), mesh=mesh)
    assert all(p.is_cuda for p in model.parameters())
    for first, second in zip(model[1:4], model[2:4]):
        first.set_modules_to_forward_prefetch([second])
    optimizer = adam(model)
    model[1].unshard(async_op=True).wait()
    assert model[1].up.weight.shape == (14, 7)
    np.testing.assert_allclose(train(model, optimizer), losses, rtol=1e-4)


def gpt():
    """A small language model, whose attention takes slices of a parameter."""

    def losses_of(device, own, divide):
        taper.manual_seed(1)
        blocks = [nn.TransformerEncoderLayer(8, 2, 16, dropout=0.0, batch_first=True) for _ in range(2)]
        model = nn.Sequential(nn.Embedding(11, 8), *blocks, nn.Linear(8, 11)).to(device)
        words = taper.randint(0, 11, (6, 5), generator=taper.Generator().manual_seed(2))[own].to(device)
        for block in model[1:3] if divide else ():
            fully_shard(block)
        optimizer, losses = adam(fully_shard(model) if divide else model), []
        for _ in range(3):
            optimizer.zero_grad()
            loss = F.cross_entropy(model(words[:, :-1]).flatten(0, 1), words[:, 1:].flatten())
            loss.backward()
            optimizer.step()
            losses.append(loss.detach())
        return taper.stack(losses)

    mine = losses_of("cuda", slice(6 // SIZE * RANK, 6 // SIZE * (RANK + 1)), True)
    dist.all_reduce(mine, dist.ReduceOp.AVG)
    np.testing.assert_allclose(mine.cpu().numpy(), losses_of("cpu", slice(None), False).numpy(), rtol=1e-4)


def memory():
    """Whole parameters are there only while they are used, also those that views were saved of."""
    layers = nn.Sequential(*[nn.Linear(64, 64, bias=False) for _ in range(8)]).cuda()
    each = 64 * 64 * 4
    for layer in layers:
        fully_shard(layer)
    fully_shard(layers)
    parts, during = taper.cuda.memory_allocated(), []
    for layer in layers:
        layer.register_forward_hook(lambda *_: during.append(taper.cuda.memory_allocated()))
    layers(taper.ones(2, 64, device="cuda")).sum().backward()
    assert max(during) < parts + 4 * each, (parts, during)
    # The parts' gradients.
    assert taper.cuda.memory_allocated() < parts + 8 * each / SIZE + 2 * each, (
        parts,
        taper.cuda.memory_allocated(),
    )


def modes():
    """Replicas, accumulation, dtypes, parts in main memory."""
    losses, reference = alone()
    grid = dist.init_device_mesh("cuda", (SIZE, 1), mesh_dim_names=("replicate", "shard"))
    model = shard(fresh().cuda(), mesh=grid)
    np.testing.assert_allclose(train(model, adam(model)), losses, rtol=1e-4)
    offload = fsdp.CPUOffloadPolicy()
    model = shard(fresh(), mesh=dist.init_device_mesh("cuda", (SIZE,)), offload_policy=offload)
    assert all(p.device.type == "cpu" and p.is_pinned() for p in model.parameters())
    np.testing.assert_allclose(train(model, adam(model)), losses, rtol=1e-4)
    close(model, reference)

    model, reference = shard(fresh().cuda()), fresh()
    for step in range(2):
        model.set_requires_gradient_sync(step == 1)
        x, t = batch(step)
        F.mse_loss(model(x), t).backward()
        x, t = batch(step, "cpu", False)
        F.mse_loss(reference(x), t).backward()
    for p, q in zip(model.parameters(), reference.parameters()):
        np.testing.assert_allclose(p.grad.full_tensor().cpu().numpy(), q.grad.numpy(), rtol=1e-3, atol=1e-6)

    model = fresh().cuda()
    for block in model[1:4]:
        fully_shard(block, mp_policy=fsdp.MixedPrecisionPolicy(taper.bfloat16, taper.float32))
    fully_shard(model, mp_policy=fsdp.MixedPrecisionPolicy(taper.bfloat16, output_dtype=taper.float32))
    np.testing.assert_allclose(train(model, adam(model)), losses, rtol=0.05)
    assert all(p.dtype == taper.float32 for p in model.parameters())


def neighbours():
    """Parameters that stay divided among two of four ranks between forward and backward."""
    losses, reference = alone()
    model = shard(fresh().cuda(), reshard_after_forward=2)
    np.testing.assert_allclose(train(model, adam(model)), losses, rtol=1e-4)
    close(model, reference)


def wrapped():
    """FullyShardedDataParallel on devices, from meta, and its state dictionaries."""
    losses, reference = alone()
    model = fsdp.FullyShardedDataParallel(
        fresh(), auto_wrap_policy=fsdp.wrap.ModuleWrapPolicy({Block}), device_id=taper.cuda.current_device()
    )
    optimizer = adam(model)
    with model.no_sync():
        pass
    np.testing.assert_allclose(train(model, optimizer), losses, rtol=1e-4)
    with fsdp.FullyShardedDataParallel.summon_full_params(model):
        assert model.module[0].weight.shape == (7, 6) and model.module[0].weight.is_cuda
    for name, value in model.state_dict().items():
        np.testing.assert_allclose(value.cpu().numpy(), reference.state_dict()[name].numpy(), 1e-4, 1e-5)


def checkpoint():
    """From meta; a checkpoint of parts on devices goes on in another number of processes."""
    losses, _ = alone(range(5))
    with taper.device("meta"):
        model = shard(fresh())
    model.to_empty(device="cuda")
    optimizer = adam(model)
    if SIZE == 2:
        dcp.set_model_state_dict(model, fresh().state_dict(), options=WHOLE)
        np.testing.assert_allclose(train(model, optimizer), losses[:3], rtol=1e-4)
        dcp.save({"model": model, "optimizer": optimizer}, checkpoint_id=sys.argv[2])
    else:
        dcp.load({"model": model, "optimizer": optimizer}, checkpoint_id=sys.argv[2])
        assert all(state["exp_avg"].is_cuda for state in optimizer.state.values())
        np.testing.assert_allclose(train(model, optimizer, steps=range(3, 5)), losses[3:], rtol=1e-4)


def layers():
    """Divided layers, alone and below divided parameters; all ranks compute with the same batch."""
    losses, reference = alone()
    mesh = dist.init_device_mesh("cuda", (SIZE,))
    model = fresh().cuda()
    for block in model[1:4]:
        parallelize_module(block, mesh, {"up": ColwiseParallel(output_layouts=Replicate())})
    assert model[1].up.weight.is_cuda
    np.testing.assert_allclose(train(model, adam(model), False), losses, rtol=1e-4)
    close(model, reference)


def others():
    """Batch norm over all ranks, an optimizer in parts, stages."""
    losses, reference = alone()
    model = nn.parallel.DistributedDataParallel(fresh().cuda())
    optimizer = ZeroRedundancyOptimizer(model.parameters(), taper.optim.AdamW, lr=0.01)
    np.testing.assert_allclose(train(model, optimizer), losses, rtol=1e-4)

    norm, alike = nn.SyncBatchNorm(6).cuda(), nn.BatchNorm1d(6)
    x, whole = batch(0)[0], batch(0, "cpu", False)[0]
    own = slice(12 // SIZE * RANK, 12 // SIZE * (RANK + 1))
    np.testing.assert_allclose(norm(x).detach().cpu().numpy(), alike(whole)[own].detach().numpy(), 1e-4, 1e-5)

    model = fresh().cuda()
    stage = PipelineStage(model[3 * RANK : 3 * RANK + 3 - RANK], RANK, SIZE)
    schedule, found = Schedule1F1B(stage, 2, loss_fn=F.mse_loss), []
    x, t = batch(0, own=False)
    schedule.step(*([x] if RANK == 0 else []), target=t, losses=found)
    if RANK == SIZE - 1:
        np.testing.assert_allclose(np.mean([loss.item() for loss in found]), losses[0], rtol=1e-4)


if __name__ == "__main__":
    dist.init_process_group("nccl")
    RANK, SIZE = dist.get_rank(), dist.get_world_size()
    taper.cuda.set_device(RANK % taper.cuda.device_count())
    globals()[sys.argv[1]]()
    taper.cuda.synchronize()
    dist.destroy_process_group()
    print(conftest.Device().findings() or "right", flush=True)
