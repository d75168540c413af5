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
x.add_(distribute_tensor(start[0], mesh, [Shard(1)])); x.clamp_(-1); x.cumsum_(0)
assert x.placements == (Shard(0),)
np.testing.assert_allclose(x.full_tensor().numpy(), ((start[0] + 1) * 2 + start[0]).clamp(-1).cumsum(0).numpy(), rtol=1e-6)
assert "NotImplementedError" in message(lambda: x.requires_grad_().cumsum_(0))
# An optimizer steps the parts.
w, reference = distribute_tensor(start[1].clone().requires_grad_(), mesh, [Shard(0)]), start[1].clone().requires_grad_()
for p in (w, reference):
    optimizer = taper.optim.Adam([p], lr=0.1)
    for _ in range(3): optimizer.zero_grad(); (p * p).sum().backward(); optimizer.step()
np.testing.assert_allclose(w.full_tensor().detach().numpy(), reference.detach().numpy(), rtol=1e-6)
"""
    )


# Each row: operation, operands' shapes and layouts, the result's layout.
PRODUCTS = """
    (lambda a, b: a @ b, [((5, 6), R), ((6, 4), S(1))], S(1)),
    (lambda a, b: a @ b, [((5, 6), S(1)), ((6, 4), S(0))], P),
    (lambda a, b: a @ b, [((5, 6), R), ((6, 4), S(0))], P),
    (lambda a, b: a @ b, [((5, 6), S(0)), ((6, 4), R)], S(0)),
    (lambda a, b: a @ b, [((5, 6), S(0)), ((6, 4), S(1))], R),
    (lambda a, b: a @ b, [((4, 5, 6), S(1)), ((6, 4), R)], S(1)),
    (lambda a, b: taper.bmm(a, b), [((4, 5, 6), S(0)), ((4, 6, 2), S(0))], S(0)),
    (lambda a, b: a @ b, [((4, 5, 6), S(1)), ((4, 6, 2), R)], S(1)),
    (lambda x, w, b: F.linear(x, w, b), [((3, 5, 6), R), ((4, 6), S(0)), ((4,), S(0))], S(2)),
    (lambda x, w, b: F.linear(x, w, b), [((3, 5, 6), R), ((4, 6), S(0)), ((4,), R)], S(2)),
    (lambda x, w, b: F.linear(x, w, b), [((3, 5, 6), S(2)), ((4, 6), S(1)), ((4,), R)], R),
    (lambda x, w: F.linear(x, w), [((3, 6), S(0)), ((4, 6), R)], S(0)),
    (lambda x, b: x * b, [((5, 6), S(0)), ((6,), R)], S(0)),
    (lambda x, b: x + b, [((5, 6), S(1)), ((6,), R)], S(1)),
    (lambda x, b: b - x, [((5, 6), S(1)), ((5, 1), R)], S(1)),
    (lambda x, y: taper.where(x > 0, x, y), [((5, 6), S(0)), ((5, 6), R)], S(0)),
"""

REDUCTIONS_AND_VIEWS = """
    (lambda x: x.sum(), [((5, 6), S(0))], P),
    (lambda x: x.mean(0), [((5, 6), S(0))], P),
    (lambda x: x.mean(1), [((5, 6), S(0))], S(0)),
    (lambda x: x.sum(0, keepdim=True), [((5, 6), S(1))], S(1)),
    (lambda x: x.sum(dim=(0, 1)), [((3, 5, 6), S(2))], S(0)),
    (lambda x: x.amax(1), [((5, 6), S(0))], S(0)),
    (lambda x: x.amax(0), [((5, 6), S(0))], R),
    (lambda x: x.softmax(-1), [((5, 6), S(0))], S(0)),
    (lambda x: F.log_softmax(x, dim=-1), [((5, 6), S(1))], R),
    (lambda x: x.transpose(0, 1), [((5, 6), S(1))], S(0)),
    (lambda x: x.T, [((5, 6), S(0))], S(1)),
    (lambda x: x.permute(2, 0, 1), [((3, 5, 6), S(1))], S(2)),
    (lambda x: x.unsqueeze(0), [((5, 6), S(1))], S(2)),
    (lambda x: x.view(6, 2, 5), [((6, 10), S(0))], S(0)),
    (lambda x: x.view(-1, 5), [((6, 2, 5), S(0))], S(0)),
    (lambda x: x.reshape(6, -1), [((6, 2, 5), S(0))], S(0)),
    (lambda x: x.view(6, 2, 5), [((12, 5), S(0))], S(0)),
    (lambda x: x.view(3, 4, 5), [((12, 5), S(0))], S(0) if world == 3 else R),
"""

LAYERS_AND_INDICES = """
    (lambda x: x.relu().pow(2), [((5, 6), S(0))], S(0)),
    (lambda x, w, b: F.layer_norm(x, (6,), w, b), [((4, 5, 6), S(1)), ((6,), R), ((6,), S(0))], S(1)),
    (lambda x, w: F.layer_norm(x, (5, 6), weight=w), [((4, 5, 6), S(1)), ((5, 6), R)], R),
    (lambda x, w: F.rms_norm(x, (6,), w), [((2, 6), S(0)), ((6,), R)], S(0)),
    (lambda x, w: F.rms_norm(x, (6,), w), [((4, 6), R), ((6,), S(0))], R),
    (lambda x, w, b: F.conv2d(x, w, b, padding=1), [((5, 2, 4, 3), S(0)), ((3, 2, 3, 3), R), ((3,), R)], S(0)),
    (lambda x, w: F.conv1d(x, w, stride=2), [((4, 2, 7), S(0)), ((3, 2, 3), S(0))], S(0)),
    (lambda x, w: F.conv1d(x, w), [((4, 2, 7), S(2)), ((3, 2, 3), R)], R),
    (lambda x: x[1], [((5, 6), S(1))], S(0)),
    (lambda x: x[:, 1:5:2], [((5, 6), S(0))], S(0)),
    (lambda x: x[..., 0], [((5, 6), S(0))], R),
    (lambda x: x[1:3], [((5, 6), S(0))], R),
    (lambda x: x[0, :, -1], [((2, 5, 6), S(1))], S(0)),
    (lambda w: F.embedding(distribute_tensor(words, mesh, [S(0)]) if isinstance(w, DTensor) else words, w), [((9, 4), R)], S(0)),
    (lambda w: F.embedding(distribute_tensor(words, mesh, [S(1)]) if isinstance(w, DTensor) else words, w, padding_idx=3), [((9, 4), S(0))], S(1)),
    (lambda w: F.embedding(distribute_tensor(words, mesh) if isinstance(w, DTensor) else words, w), [((9, 4), S(1))], S(2)),
    (lambda w: F.embedding(distribute_tensor(words, mesh) if isinstance(w, DTensor) else words, w), [((9, 4), S(0))], R),
"""


@pytest.mark.parametrize("world", [2, 3])
def test_products_reductions_layers_and_views_work_on_parts(world):
    jobs.run(
        START
        + """
from taper.nn import functional as F
mesh = init_device_mesh("cpu", (world,))
def near(a, b): np.testing.assert_allclose(a.detach().numpy(), b.detach().numpy(), rtol=1e-12, atol=1e-14)
S, R, P = Shard, Replicate(), Partial()
words = taper.tensor([[1, 3, 8], [3, 3, 0], [5, 2, 1], [7, 4, 3], [0, 0, 6]])
cases = [
"""
        + PRODUCTS
        + REDUCTIONS_AND_VIEWS
        + LAYERS_AND_INDICES
        + """
]
for number, (call, operands, expected) in enumerate(cases):
    plain = [whole(*shape, seed=i).double().requires_grad_() for i, (shape, _) in enumerate(operands)]
    laid = [distribute_tensor(x.detach(), mesh, [p]).requires_grad_() for x, (_, p) in zip(plain, operands)]
    truth, found = call(*plain), call(*laid)
    assert found.placements == (expected,), (number, found.placements)
    assert found.shape == truth.shape, number
    near(found.full_tensor(), truth)
    weight = whole(*truth.shape, seed=9).double()
    (truth * weight).sum().backward(); (found * distribute_tensor(weight, mesh)).sum().backward()
    for x, d in zip(plain, laid):
        assert d.grad.placements == d.placements
        near(d.grad.full_tensor(), x.grad)
""",
        world,
    )


def test_modules_with_distributed_parameters_train_as_whole_ones():
    jobs.run(
        START
        + """
import copy
from taper.distributed.tensor import distribute_module
mesh = init_device_mesh("cpu", (world,))
def fresh():
    taper.manual_seed(1)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 3), nn.BatchNorm1d(3).eval()).double()
def partition(name, module, mesh):
    if name == "0":
        for key, p in module.named_parameters(): module.register_parameter(key, nn.Parameter(distribute_tensor(p, mesh, [Shard(0)])))
    if name == "2":
        module.weight = nn.Parameter(distribute_tensor(module.weight, mesh, [Shard(1)]))
enter = lambda module, inputs, mesh: (distribute_tensor(inputs[0], mesh),)
leave = lambda module, outputs, mesh: outputs.full_tensor()
model, reference = distribute_module(fresh(), mesh, partition, enter, leave), fresh()
assert [p.placements[0] for p in model.parameters()][:4] == [Shard(0), Shard(0), Shard(1), Replicate()]
assert all(isinstance(p, DTensor) and isinstance(p, nn.Parameter) for p in model.parameters())
twin = copy.deepcopy(model[0]); assert twin.weight.shape == (8, 6) and isinstance(twin.weight, nn.Parameter)
ours, theirs = (taper.optim.AdamW(m.parameters(), lr=0.05) for m in (model, reference))
for step in range(3):
    x = whole(5, 6, seed=step).double()
    for m, o in ((model, ours), (reference, theirs)):
        o.zero_grad(); m(x).square().mean().backward(); o.step()
for (name, d), (_, p) in zip(model.state_dict().items(), reference.state_dict().items()):
    np.testing.assert_allclose(d.full_tensor().numpy(), p.numpy(), rtol=1e-9, err_msg=name)
model.load_state_dict(distribute_module(fresh(), mesh, partition).state_dict())
same(model[0].weight.full_tensor(), fresh()[0].weight)
"""
    )


def test_a_rank_knows_where_its_part_lies():
    jobs.run(
        """
begin()
from taper.distributed.tensor import init_device_mesh, Shard, Replicate
from taper.distributed.tensor._utils import compute_local_shape_and_global_offset as place
mesh = init_device_mesh("cpu", (2, 2))
row, column = divmod(rank, 2)
assert place((5, 3), mesh, [Shard(0), Shard(1)]) == ((3 - row, 2 - column), (3 * row, 2 * column))
assert place((5, 3), mesh, [Replicate(), Shard(0)]) == ((3 - column, 3), (3 * column, 0))
# Cut twice: 3 and 2 rows, then 2 and 1, and 1 and 1.
assert place((5, 3), mesh, [Shard(0), Shard(0)]) == (([2, 1, 1, 1][rank], 3), ([0, 2, 3, 4][rank], 0))
assert [Shard.local_shard_size_and_offset(5, 4, r) for r in range(4)] == [(2, 0), (2, 2), (1, 4), (0, 5)]
""",
        4,
    )
