"""Trains the digits network of mnist.py in several processes, and goes on from the last checkpoint when
started again.

    python -m taper.distributed.run --nproc-per-node 2 examples/python/ddp_mnist.py

Rank 0 prints; the last line is the accuracy on the test digits. Started without the launcher it trains in one
process.
"""

import argparse
import os
import time
from pathlib import Path

import mnist

import taper
import taper.distributed as dist
import taper.distributed.checkpoint as dcp
from taper.nn import functional as F
from taper.nn.parallel import DistributedDataParallel
from taper.utils.data import DataLoader
from taper.utils.data.distributed import DistributedSampler


def train_epoch(model, loader, optimizer):
    """One pass over this rank's digits; returns the mean loss over all ranks."""
    total = taper.zeros(2)
    for images, labels in loader:
        loss = F.cross_entropy(model(mnist.shifted(images)), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        total += taper.tensor([loss.item(), 1.0])
    dist.all_reduce(total)
    return (total[0] / total[1]).item()


def test_accuracy(model, dataset):
    """Percentage of digits that are classified rightly; every rank looks at its share of them."""
    images, labels = dataset.tensors
    mine = slice(dist.get_rank(), None, dist.get_world_size())
    model.eval()
    with taper.no_grad():
        hits = (model(images[mine]).argmax(1) == labels[mine]).sum()
    model.train()
    dist.all_reduce(hits)
    return 100 * hits.item() / len(labels)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--data", default=mnist.HERE.parent / "data" / "mnist5k.npz", help="the digits, an .npz file"
    )
    parser.add_argument("--epochs", type=int, default=10)
    parser.add_argument(
        "--out", type=Path, default=Path("ddp_mnist.checkpoint"), help="folder of the checkpoint"
    )
    options = parser.parse_args()

    if "RANK" in os.environ:
        dist.init_process_group("gloo")
    else:
        dist.init_process_group("gloo", "tcp://127.0.0.1:29517", rank=0, world_size=1)
    rank, world = dist.get_rank(), dist.get_world_size()
    taper.manual_seed(0)
    training, test = mnist.load(options.data)
    sampler = DistributedSampler(training, seed=1, drop_last=True)
    loader = DataLoader(training, batch_size=64 // world, sampler=sampler, drop_last=True)
    model = DistributedDataParallel(mnist.Net(), gradient_as_bucket_view=True)
    optimizer = taper.optim.Adam(model.parameters(), lr=2e-3)

    state = {"model": model, "optimizer": optimizer, "epoch": 0}
    if (options.out / "manifest.json").exists():
        dcp.load(state, checkpoint_id=options.out)
    if rank == 0:
        print(f"{world} processes, from epoch {state['epoch']}", flush=True)
    for epoch in range(state["epoch"], options.epochs):
        # The same random numbers whether training was interrupted or not.
        taper.manual_seed(1000 * epoch + rank)
        sampler.set_epoch(epoch)
        start = time.perf_counter()
        loss = train_epoch(model, loader, optimizer)
        seconds = time.perf_counter() - start
        state["epoch"] = epoch + 1
        dcp.save(state, checkpoint_id=options.out)
        if rank == 0:
            print(
                f"epoch {epoch + 1:2d}  loss {loss:.4f}  {len(loader) * 64 / seconds:.0f} digits/s",
                flush=True,
            )
    reached = test_accuracy(model.module, test)
    if rank == 0:
        print(f"test accuracy {reached:.2f} %", flush=True)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
