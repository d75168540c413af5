"""DTensor: tensors laid out on a mesh of processes, against the same computation on the whole."""

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

START = """
begin()
from taper.distributed.device_mesh import init_device_mesh
from taper.distributed import tensor as dt
from taper.distributed.tensor import DTensor, Partial, Replicate, Shard, distribute_tensor
def whole(*shape, seed=0): return taper.randn(*shape, generator=taper.Generator().manual_seed(seed))
def same(a, b): np.testing.assert_array_equal(a.detach().numpy(), b.detach().numpy())
"""


@pytest.mark.parametrize("world", [2, 3])
def test_layouts_and_back(world):
    jobs.run(
        START
        + """
mesh = init_device_mesh("cpu", (world,))
x = whole(5, 4, seed=rank)  # rank 0's counts
zero = whole(5, 4, seed=0)
for placement in (Shard(0), Shard(1), Shard(-1), Replicate()):
    d = distribute_tensor(x, mesh, [placement])
    assert d.shape == (5, 4) and d.size(1) == 4 and d.numel() == 20 and len(d) == 5 and d.ndim == 2
    assert d.is_leaf and isinstance(d, taper.Tensor) and d.device_mesh == mesh
    dim = placement.dim % 2 if placement != Replicate() else None
    part = zero if dim is None else zero.chunk(world, dim)[rank] if rank < len(zero.chunk(world, dim)) else None
    if part is not None: same(d.to_local(), part)
    same(d.full_tensor(), zero)
    for other in (Shard(0), Shard(1), Replicate()):
        moved = d.redistribute(mesh, [other])
        assert moved.placements == (other,); same(moved.full_tensor(), zero)
terms = DTensor.from_local(taper.full((2, 3), float(rank + 1)), mesh, [Partial()])
assert terms.redistribute(mesh, [Shard(0)]).full_tensor().tolist() == [[sum(range(world + 1))] * 3] * 2
rows = DTensor.from_local(taper.full((2, 3), float(rank)), mesh, [Shard(0)])
assert rows.shape == (2 * world, 3) and rows.full_tensor()[:, 0].tolist() == [r for r in range(world) for _ in range(2)]
made = dt.zeros(7, 2, device_mesh=mesh, placements=[Shard(0)]); assert made.shape == (7, 2) and not made.full_tensor().any()
assert dt.full((4,), 2.5, device_mesh=mesh).tolist() == [2.5] * 4
assert "ValueError" in message(lambda: distribute_tensor(x, mesh, [Shard(2)]))
assert "ValueError" in message(lambda: rows.redistribute(mesh, [Partial()]))
assert "RuntimeError" in message(lambda: rows + taper.ones(2 * world, 3))
""",
        world,
    )


def test_mesh_of_two_dimensions():
    jobs.run(
        START
        + """
mesh, zero = init_device_mesh("cpu", (2, 2), mesh_dim_names=("dp", "tp")), whole(6, 5)
for placements in ([Shard(0), Shard(1)], [Shard(0), Shard(0)], [Replicate(), Shard(1)], [Shard(1), Replicate()]):
    d = distribute_tensor(zero, mesh, placements)
    same(d.full_tensor(), zero)
    same(d.redistribute(placements=[Shard(1), Shard(0)]).full_tensor(), zero)
a, b = mesh.get_coordinate()
same(distribute_tensor(zero, mesh, [Shard(0), Shard(0)]).to_local(), zero.chunk(2)[a].chunk(2)[b])
""",
        4,
    )


def test_operations_and_gradients_equal_those_on_the_whole():
    jobs.run(
        START
        + """
mesh = init_device_mesh("cpu", (world,))
from taper.nn import functional as F
def compute(x, w, b):
    y = F.relu(x * 2 - 1)          # part by part
    y = y @ w + b                   # gathered
    return (y.softmax(-1) * y).sum() / len(x) + x.exp().mean()
start = [whole(5, 4, seed=1), whole(4, 3, seed=2), whole(3, seed=3)]
plain = [t.clone().requires_grad_() for t in start]
compute(*plain).backward()
for placements in ((Shard(0), Shard(1), Replicate()), (Shard(1), Shard(0), Shard(0)), (Replicate(),) * 3):
    laid = [distribute_tensor(t.clone().requires_grad_(), mesh, [p]) for t, p in zip(start, placements)]
    value = compute(*laid)
    assert isinstance(value, DTensor)
    np.testing.assert_allclose(value.item(), compute(*plain).item(), rtol=1e-6)
    value.backward()
    for d, p, placement in zip(laid, plain, placements):
        assert d.grad.placements == d.placements and d.grad.shape == p.shape
        np.testing.assert_allclose(d.grad.full_tensor().numpy(), p.grad.numpy(), rtol=1e-5, atol=1e-6)
# Through from_local, redistribute and to_local: the parts of one sum.
part = whole(2, 3, seed=rank).requires_grad_()
d = DTensor.from_local(part, mesh, [Shard(0)]).redistribute(placements=[Shard(1)])
(d.to_local() ** 2).sum().backward()
np.testing.assert_allclose(part.grad.numpy(), 2 * part.detach().numpy(), rtol=1e-6)
x = distribute_tensor(start[0], mesh, [Shard(0)])
assert (x + x).placements == (Shard(0),) and (x.T).shape == (4, 5) and x[1:3].shape == (2, 4)
same((x.T).full_tensor(), start[0].T)
x += 1; x.mul_(2); same(x.full_tensor(), (start[0] + 1) * 2)
assert "NotImplementedError" in message(lambda: x.add_(distribute_tensor(start[0], mesh, [Shard(1)])))
# An optimizer steps the parts.
w, reference = distribute_tensor(start[1].clone().requires_grad_(), mesh, [Shard(0)]), start[1].clone().requires_grad_()
for p in (w, reference):
    optimizer = taper.optim.Adam([p], lr=0.1)
    for _ in range(3): optimizer.zero_grad(); (p * p).sum().backward(); optimizer.step()
np.testing.assert_allclose(w.full_tensor().detach().numpy(), reference.detach().numpy(), rtol=1e-6)
"""
    )
