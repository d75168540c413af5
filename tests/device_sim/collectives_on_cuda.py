"""A program, not a test: one rank of a job whose tensors are on devices. Started by
test_distributed_on_cuda.py; prints what went wrong, or "right"."""

import sys

import numpy as np

import taper
import taper.distributed as dist
from taper import nn

RANK, SIZE = 0, 1


def on_device(values):
    return taper.tensor(values, dtype=taper.float32).to("cuda")


def expect(got, wanted):
    np.testing.assert_allclose(got.cpu().numpy(), np.array(wanted), rtol=1e-6)


def collectives():
    own = [float(RANK), float(RANK + 1), 2.0]
    x = on_device(own)
    dist.all_reduce(x)
    expect(x, [sum(range(SIZE)), sum(range(1, SIZE + 1)), 2.0 * SIZE])
    x = on_device(own)
    dist.all_reduce(x, dist.ReduceOp.AVG)
    expect(x, [sum(range(SIZE)) / SIZE, sum(range(1, SIZE + 1)) / SIZE, 2.0])
    x = on_device([[RANK, 1.0], [2.0, 3.0]]).t()  # not contiguous
    work = dist.all_reduce(x, dist.ReduceOp.MAX, async_op=True)
    work.wait()
    expect(x, [[SIZE - 1, 2.0], [1.0, 3.0]])
    x = on_device(own)
    dist.broadcast(x, SIZE - 1)
    expect(x, [SIZE - 1, SIZE, 2.0])
    parts = [taper.empty(3, device="cuda") for _ in range(SIZE)]
    dist.all_gather(parts, on_device(own))
    for rank, part in enumerate(parts):
        expect(part, [rank, rank + 1, 2.0])
    whole = taper.empty(3 * SIZE, device="cuda")
    dist.all_gather_into_tensor(whole, on_device(own))
    expect(whole, np.concatenate([[r, r + 1, 2.0] for r in range(SIZE)]))
    piece = taper.empty(2, device="cuda")
    dist.reduce_scatter_tensor(piece, on_device(np.arange(2.0 * SIZE) + RANK))
    expect(piece, np.arange(2 * RANK, 2 * RANK + 2) * SIZE + sum(range(SIZE)))
    x = on_device(own)
    dist.reduce(x, 0)
    expect(x, [sum(range(SIZE)), sum(range(1, SIZE + 1)), 2.0 * SIZE] if RANK == 0 else own)
    flags = taper.tensor([RANK == 0, False]).to("cuda")
    dist.all_reduce(flags, dist.ReduceOp.MAX)
    assert flags.tolist() == [True, False]


def messages():
    outputs = [taper.empty(2, device="cuda") for _ in range(SIZE)]
    dist.all_to_all(outputs, [on_device([RANK, to]) for to in range(SIZE)])
    for rank, output in enumerate(outputs):
        expect(output, [rank, RANK])
    parts = [taper.empty(1, device="cuda") for _ in range(SIZE)] if RANK == 0 else None
    dist.gather(on_device([RANK + 5.0]), parts, dst=0)
    if RANK == 0:
        expect(taper.cat(parts), np.arange(SIZE) + 5.0)
    x = taper.empty(2, device="cuda")
    dist.scatter(x, [on_device([r, 2.0 * r]) for r in range(SIZE)] if RANK == 1 else None, src=1)
    expect(x, [RANK, 2 * RANK])
    if RANK == 0:
        dist.send(on_device([1.0, 2.0]), 1)
    if RANK == 1:
        dist.recv(x, 0)
        expect(x, [1.0, 2.0])


def training():
    """DistributedDataParallel gives the curve of one process on all samples."""
    rng = np.random.default_rng(0)
    inputs = taper.tensor(rng.normal(size=(4 * SIZE, 6)).astype(np.float32))
    targets = taper.tensor(rng.integers(0, 3, 4 * SIZE))

    def curve(device, own, wrap):
        taper.manual_seed(1)
        model = wrap(nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)).to(device))
        optimizer = taper.optim.SGD(model.parameters(), lr=0.2)
        losses = []
        for _ in range(3):
            loss = nn.functional.cross_entropy(model(inputs[own].to(device)), targets[own].to(device))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.detach().cpu())
        return taper.stack(losses)

    alone = curve("cpu", slice(None), lambda model: model)
    mine = curve("cuda", slice(RANK, None, SIZE), nn.parallel.DistributedDataParallel)
    dist.all_reduce(mine, dist.ReduceOp.AVG)
    np.testing.assert_allclose(mine.numpy(), alone.numpy(), rtol=1e-5)


def differing():
    """Ranks that ask for different things are told so when comparison is on."""
    try:
        dist.all_reduce(taper.zeros(2 + RANK, device="cuda"))
    except taper.DistributedError as error:
        assert "the ranks do not agree" in str(error), error
    else:
        raise AssertionError("not noticed")
    x = on_device([1.0])
    dist.all_reduce(x)
    expect(x, [SIZE])


def lost():
    """The last rank ends without a word; the others learn who, where they wait for their device."""
    dist.all_reduce(taper.zeros(2, device="cuda"))
    if RANK == SIZE - 1:
        print("right", flush=True)
        import os

        os._exit(0)
    try:
        x = taper.zeros(2, device="cuda")
        dist.all_reduce(x)
        x.cpu()
        taper.cuda.synchronize()
    except taper.DistributedError as error:
        assert f"rank {SIZE - 1}" in str(error), error
    else:
        raise AssertionError("not noticed")


if __name__ == "__main__":
    dist.init_process_group("nccl")
    RANK, SIZE = dist.get_rank(), dist.get_world_size()
    taper.cuda.set_device(RANK % taper.cuda.device_count())
    assert dist.get_backend() == "nccl"
    globals()[sys.argv[1]]()
    if sys.argv[1] != "lost":
        dist.destroy_process_group()
    print("right", flush=True)
