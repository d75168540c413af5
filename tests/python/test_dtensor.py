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
import io
taper.save({"whole": distribute_tensor(x, mesh, [Replicate()])}, io.BytesIO())
try: taper.save({"part": distribute_tensor(x, mesh, [Shard(0)])}, io.BytesIO())
except TypeError as error: assert "not whole on this rank" in str(error)
else: raise AssertionError("a part was saved as if it were the whole")
terms = DTensor.from_local(taper.full((2, 3), float(rank + 1)), mesh, [Partial()])
assert terms.redistribute(mesh, [Shard(0)]).full_tensor().tolist() == [[sum(range(world + 1))] * 3] * 2
rows = DTensor.from_local(taper.full((2, 3), float(rank)), mesh, [Shard(0)])
assert rows.shape == (2 * world, 3) and rows.full_tensor()[:, 0].tolist() == [r for r in range(world) for _ in range(2)]
made = dt.zeros(7, 2, device_mesh=mesh, placements=[Shard(0)]); assert made.shape == (7, 2) and not made.full_tensor().any()
assert dt.full((4,), 2.5, device_mesh=mesh).tolist() == [2.5] * 4
assert "ValueError" in message(lambda: distribute_tensor(x, mesh, [Shard(2)]))
assert "RuntimeError" in message(lambda: made.redistribute(placements=[Replicate()]).redistribute(mesh, [Partial()]))
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
    (lambda a, b: a @ b, [((5, 6), S(0)), ((6, 4), S(1))], S(1)),
    (lambda a, b: a @ b, [((5, 6), S(0)), ((6, 4), S(0))], S(0)),
    (lambda a, b: a @ b, [((4, 5, 6), S(1)), ((6, 4), R)], S(1)),
    (lambda a, b: taper.bmm(a, b), [((4, 5, 6), S(0)), ((4, 6, 2), S(0))], S(0)),
    (lambda a, b: a @ b, [((4, 5, 6), S(1)), ((4, 6, 2), R)], S(1)),
    (lambda x, w, b: F.linear(x, w, b), [((3, 5, 6), R), ((4, 6), S(0)), ((4,), S(0))], S(2)),
    (lambda x, w, b: F.linear(x, w, b), [((3, 5, 6), R), ((4, 6), S(0)), ((4,), R)], S(2)),
    (lambda x, w, b: F.linear(x, w, b), [((3, 5, 6), S(2)), ((4, 6), S(1)), ((4,), R)], P),
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
    (lambda x: x.amax(1), [((5, 6), S(1))], Partial("max")),
    (lambda x: x.min(), [((5, 6), S(1))], Partial("min")),
    (lambda x: x.mean(1), [((5, 6), S(1))], Partial("avg")),
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
    (lambda x: x[..., 0], [((5, 6), S(0))], S(0)),
    (lambda x: x[None, ..., None, 1:], [((5, 6), S(0))], S(1)),
    (lambda x: x[:, distribute_tensor(words[0], mesh) if isinstance(x, DTensor) else words[0]], [((5, 9), S(0))], S(0)),
    (lambda x, y: x + y, [((5, 6), S(1)), ((5, 6), S(0))], S(0)),
    (lambda x, y: x * y, [((5, 6), S(1)), ((5, 1), S(0))], S(1)),
    (lambda x, y: (x.sum(0) + y) * y, [((5, 6), S(0)), ((6,), R)], P),
    (lambda x, y: (x.sum(0) - y) * y, [((5, 6), S(0)), ((6,), S(0))], S(0)),
    (lambda x: -x.sum(0).view(2, 3).t() / 2, [((5, 6), S(0))], P),
    (lambda x: x.sum(0).relu(), [((5, 6), S(0))], R),
    (lambda x, w: x.sum(0) @ w, [((2, 5, 6), S(0)), ((6, 4), R)], P),
    (lambda x: x.topk(2)[0], [((5, 6), S(0))], S(0)),
    (lambda x: x.max(1)[0], [((5, 6), S(0))], S(0)),
    (lambda x: x.std(0), [((5, 6), S(1))], S(0)),
    (lambda x: x.split([1, 5], 1)[1], [((5, 6), S(0))], S(0)),
    (lambda x: x.unbind(0)[1], [((3, 5, 6), S(2))], S(1)),
    (lambda x: x.norm(dim=1), [((5, 6), S(0))], S(0)),
    (lambda x: taper.movedim(x, 0, 2), [((3, 5, 6), S(0))], S(2)),
    (lambda x: x.flatten(1), [((4, 5, 6), S(0))], S(0)),
    (lambda x: x.unflatten(1, (2, 3)), [((4, 6), S(0))], S(0)),
    (lambda x: x.squeeze(0), [((1, 5, 6), S(2))], S(1)),
    (lambda x: x.unsqueeze(0).expand(3, 5, 6), [((5, 6), S(0))], S(1)),
    (lambda x, y: taper.cat([x, y], 1), [((5, 2), S(0)), ((5, 3), R)], S(0)),
    (lambda x, y: taper.stack([x, y], 1), [((5, 3), S(1)), ((5, 3), S(0))], S(0)),
    (lambda x: F.max_pool2d(x, 2), [((2, 3, 4, 4), S(1))], S(1)),
    (lambda x: F.avg_pool2d(x, 2), [((2, 3, 4, 6), S(3))], R),
    (lambda x, w: F.group_norm(x, 2, w), [((3, 4, 2), S(0)), ((4,), R)], S(0)),
    (lambda q, k: F.scaled_dot_product_attention(q, k, k, is_causal=True), [((2, 4, 3, 2), S(1)), ((2, 4, 3, 2), R)], S(1)),
    (lambda x, y: F.mse_loss(x, y), [((6, 5), S(0)), ((6, 5), R)], Partial("avg")),
    (lambda x: F.cross_entropy(x, distribute_tensor(words[:, 0] % 6, mesh) if isinstance(x, DTensor) else words[:, 0] % 6, reduction="sum"), [((5, 6), S(0))], P),
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


def test_operations_on_a_mesh_of_two_dimensions_equal_those_on_the_whole():
    jobs.run(
        START
        + """
mesh, R = init_device_mesh("cpu", (2, 2)), Replicate()
calls = [lambda a: a.sum(0), lambda a: a.mean(), lambda a: a.mean(1), lambda a: a.amax(0), lambda a: a.max(), lambda a: a.std(0),
         lambda a: a.softmax(-1), lambda a: a.topk(2)[0], lambda a: a.view(-1), lambda a: a.chunk(2, 1)[1], lambda a: a @ a.t(),
         lambda a: a * 2 + a.sum(0) / 3, lambda a: a - a.mean(0), lambda a: taper.cat([a, a.flip(1)], 1)]
for placements in ([Shard(0), R], [Shard(1), Shard(0)], [Shard(0), Shard(0)]):
    for number, call in enumerate(calls):
        plain = whole(7, 5, seed=number).double().requires_grad_()
        laid = distribute_tensor(plain.detach(), mesh, placements).requires_grad_()
        truth, found = call(plain), call(laid)
        np.testing.assert_allclose(found.full_tensor().detach().numpy(), truth.detach().numpy(), rtol=1e-9, atol=1e-12)
        for y in (truth, found): (y if y.ndim == 0 else (y * y).sum()).backward()
        np.testing.assert_allclose(laid.grad.full_tensor().numpy(), plain.grad.numpy(), rtol=1e-9, atol=1e-12, err_msg=f"{number} {placements}")
""",
        4,
    )


@pytest.mark.parametrize("world", [2, 4])
def test_reductions_that_are_put_off(world):
    jobs.run(
        START
        + """
mesh = init_device_mesh("cpu", (world,))
part = (whole(3, 4, seed=rank) * 9).round()
everyone = taper.stack([(whole(3, 4, seed=r) * 9).round() for r in range(world)])
for op, truth in (("sum", everyone.sum(0)), ("avg", everyone.mean(0)), ("max", everyone.amax(0)), ("min", everyone.amin(0)), ("product", everyone.prod(0))):
    d = DTensor.from_local(part, mesh, [Partial(op)])
    assert d.placements[0].is_partial() and d.placements[0].is_partial(op) and not d.placements[0].is_partial("any")
    np.testing.assert_allclose(d.full_tensor().numpy(), truth.numpy(), rtol=1e-6)
    np.testing.assert_allclose(d.redistribute(placements=[Shard(1)]).full_tensor().numpy(), truth.numpy(), rtol=1e-6)
    np.testing.assert_allclose((d + 1).full_tensor().numpy(), (truth + 1).numpy(), rtol=1e-6)
    assert "RuntimeError" in message(lambda: d.add_(1))
    same(taper.ones_like(d).full_tensor(), taper.ones(3, 4))
# The gradient of a maximum goes where it is.
mine = taper.full((2,), float(rank % 2)).requires_grad_()
(DTensor.from_local(mine, mesh, [Partial("max")]).full_tensor() * taper.tensor([1.0, 2.0])).sum().backward()
assert mine.grad.tolist() == ([2 / world, 4 / world] if rank % 2 else [0.0, 0.0])
x = distribute_tensor((whole(2 * world, 4, seed=7) * 3).round(), mesh, [Shard(0)]).requires_grad_()
plain = x.detach().full_tensor().requires_grad_()
for f in (lambda x: x.max(), lambda x: x.amin((0, 1)), lambda x: x.mean() * 2, lambda x: (x.amax(0) * x.mean(0)).sum()):
    for leaf in (x, plain): leaf.grad = None; f(leaf).backward()  # also of what is Partial yet
    np.testing.assert_allclose(x.grad.full_tensor().sum(0).numpy(), plain.grad.sum(0).numpy(), rtol=1e-6)
(gradient,) = taper.autograd.grad(x.sum(), x); assert gradient.placements == (Shard(0),) and gradient.shape == x.shape
terms = DTensor.from_local(taper.ones(3).requires_grad_(), mesh, [Partial()]); terms.retain_grad()
(terms * 2).sum().backward(); assert terms.grad.full_tensor().tolist() == [2.0] * 3
# What ranks compute with one tensor each by itself has gradients that are summed.
x = distribute_tensor(taper.ones(3), mesh, [Replicate()]).requires_grad_()
(x.to_local(grad_placements=[Partial()]) * (rank + 1.0)).sum().backward()
assert x.grad.full_tensor().tolist() == [sum(range(world + 1))] * 3
checked = DTensor.from_local(taper.full((2,), float(rank)), mesh, [Replicate()], run_check=True)
assert checked.to_local().tolist() == [0.0, 0.0]
assert distribute_tensor(whole(6, 5), mesh, [Shard(0)]).stride() == (5, 1)
assert distribute_tensor(whole(6, 5).t(), mesh, [Shard(1)]).stride() in ((1, 5), (6, 1))
""",
        world,
    )


def test_layouts_that_cannot_be_are_told():
    jobs.run(
        START
        + """
mesh, other = init_device_mesh("cpu", (4,)), init_device_mesh("cpu", (2, 2))
d = distribute_tensor(whole(8, 3), mesh, [Shard(0)])
assert distribute_tensor(d, mesh, [Shard(-2)]) is d and d.nbytes == 96 and d.cpu().placements == (Shard(0),)
for call, text in (
    (lambda: distribute_tensor(d, mesh, [Replicate()]), "ValueError after"),
    (lambda: distribute_tensor(d, other, [Shard(0), Shard(0)]), "different device mesh"),
    (lambda: distribute_tensor(whole(8).requires_grad_() * 2, mesh, [Shard(0)]), "leaf"),
    (lambda: DTensor.from_local(d, mesh, [Shard(0)]), "plain tensor"),
    (lambda: DTensor.from_local(whole(3 if rank < 3 else 4, 2), mesh, [Shard(0)], shape=(10, 2)), "this rank has" if rank == 3 else "no error"),
    (lambda: d.redistribute(mesh), "placements is needed"),
    (lambda: d + distribute_tensor(whole(8, 3), other, [Shard(0), Shard(1)]), "different meshes"),
):
    assert text in message(call), (text, message(call))
terms = distribute_tensor(whole(4, 3), mesh, [Partial()])  # one tensor, as a sum
same(terms.full_tensor(), whole(4, 3)); same(distribute_tensor(whole(4), mesh, [Partial("avg")]).full_tensor(), whole(4))
assert terms.redistribute(placements=[Shard(0)]).to_local().shape == (1, 3)
same(d.redistribute(placements=[Partial()]).full_tensor(), whole(8, 3))
assert d.redistribute(placements=[Replicate()], forward_dtype=taper.float64).dtype == taper.float64
assert [str(p) for p in (Shard(1), Replicate(), Partial())] == ["S(1)", "R", "P(sum)"] and repr(Partial("avg")) == "Partial(avg)"
assert d._spec.placements == (Shard(0),) and d._spec.tensor_meta.stride == (3, 1) and d._local_tensor.shape == (2, 3)
""",
        4,
    )


def test_functions_of_parts_and_what_is_counted_and_shown():
    out = jobs.run(
        START
        + """
from taper.distributed.tensor.experimental import implicit_replication, local_map
from taper.distributed.tensor.debug import CommDebugMode, visualize_sharding
mesh = init_device_mesh("cpu", (2, 2))
x, w, R = whole(4, 6), whole(6, 2, seed=1), Replicate()
a, b = distribute_tensor(x, mesh, [R, Shard(1)]).requires_grad_(), distribute_tensor(w, mesh, [R, Shard(0)])
multiply = local_map(lambda a, b, scale: (a @ b * scale, "kept"), out_placements=([R, Partial()], None), in_placements=([R, Shard(1)], [R, Shard(0)], None))
comm = CommDebugMode()
with comm: product, kept = multiply(a, b, 2.0)
assert kept == "kept" and product.placements == (R, Partial()) and comm.get_total_counts() == 0
with comm: found = product.redistribute(placements=[R, Shard(0)])
assert comm.get_comm_counts() == {"reduce_scatter_tensor": 1}
np.testing.assert_allclose(found.full_tensor().detach().numpy(), (2 * x @ w).numpy(), rtol=1e-5, atol=1e-6)
found.sum().backward(); np.testing.assert_allclose(a.grad.full_tensor().numpy(), (2 * w.sum(1)).expand(4, 6).numpy(), rtol=1e-5)
with comm: a.detach().full_tensor(); product.detach().full_tensor()
assert comm.get_comm_counts() == {"all_gather": 1, "all_reduce": 1}
assert "redistribute_inputs" in message(lambda: multiply(b.t().contiguous().redistribute(placements=[R, R]), b, 1.0))
# Each rank has its columns of the same tensor: gradients of what all have are summed.
wide = distribute_tensor(whole(3), mesh, [R, R]).requires_grad_()
local_map(lambda v: v * (rank % 2 + 1.0), out_placements=[R, Shard(0)], in_grad_placements=([R, Partial()],))(wide).sum().backward()
assert wide.grad.full_tensor().tolist() == [3.0] * 3
assert "RuntimeError" in message(lambda: a + x)
with implicit_replication(): same((a + x).full_tensor(), x + x); assert (a + x).placements == a.placements
visualize_sharding(distribute_tensor(whole(5, 4), mesh, [Shard(0), Shard(1)]))
visualize_sharding(distribute_tensor(whole(3), mesh, [R, Shard(0)]), header="one")
""",
        4,
    )
    lines = [line.split() for line in out[0].splitlines()]
    assert lines == [
        ["0-1", "2-3"],
        ["0-2", "cpu:0", "cpu:1"],
        ["3-4", "cpu:2", "cpu:3"],
        ["one"],
        [],
        ["0-1", "cpu:0,2"],
        ["2-2", "cpu:1,3"],
    ]


def test_random_numbers_are_those_of_one_tensor():
    jobs.run(
        START
        + """
from taper.nn import functional as F
mesh = init_device_mesh("cpu", (2, 2))
taper.manual_seed(rank)  # replicas are equal nevertheless
x = distribute_tensor(taper.ones(8, 6), mesh, [Replicate(), Shard(0)]).requires_grad_()
y = F.dropout(x, 0.5)
assert y.placements == x.placements and set(y.full_tensor().flatten().tolist()) == {0.0, 2.0}
y.sum().backward(); same(x.grad.full_tensor(), y.full_tensor())
everyone = [None] * world
for made in (y, taper.rand_like(x), taper.randn_like(x), dt.rand(4, 3, device_mesh=mesh, placements=[Shard(0), Replicate()])):
    dist.all_gather_object(everyone, made.full_tensor().detach())
    for other in everyone: same(other, everyone[0])
assert F.dropout(x, 0.5, training=False).placements == x.placements
taper.manual_seed(3); d = dt.randn(5, 4, device_mesh=mesh, placements=[Shard(0), Shard(1)])
taper.manual_seed(3); same(d.full_tensor(), taper.empty(5, 4).normal_())
assert dt.full((3,), 2, device_mesh=mesh).dtype == taper.int64 and dt.ones(5, device_mesh=mesh, placements=[Shard(0)] * 2).full_tensor().tolist() == [1.0] * 5
""",
        4,
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
