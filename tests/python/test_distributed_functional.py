"""Collectives with gradients, against finite differences of what all ranks compute; names that torch has."""

import jobs
import pytest

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")


def test_collectives_have_gradients():
    jobs.run(
        """
        begin()
        import taper.distributed.nn as dnn
        rng = np.random.default_rng(3)
        xs = rng.standard_normal((world, 6, 2)); weights = rng.standard_normal((world, world, 6, 2))
        # What each rank gets from all ranks' inputs, in NumPy: the sum over ranks of result times weight is
        # linear in the inputs, so its gradient is exact by differences.
        cases = {
            "all_reduce": (lambda x: [dnn.all_reduce(x)], lambda xs, r: [xs.sum(0)]),
            "average": (lambda x: [dnn.all_reduce(x, dist.ReduceOp.AVG)], lambda xs, r: [xs.mean(0)]),
            "broadcast": (lambda x: [dnn.broadcast(x, 1)], lambda xs, r: [xs[1]]),
            "reduce": (lambda x: [dnn.reduce(x, 1)] if rank == 1 else [0 * dnn.reduce(x, 1)], lambda xs, r: [xs.sum(0) if r == 1 else 0 * xs[0]]),
            "all_gather": (lambda x: dnn.all_gather(x), lambda xs, r: list(xs)),
            "gather": (lambda x: dnn.gather(x, 1), lambda xs, r: [v if r == 1 else 0 * v for v in xs]),
            "scatter": (lambda x: [dnn.scatter([x * (i + 1) for i in range(world)], 1)], lambda xs, r: [xs[1] * (r + 1)]),
            "reduce_scatter": (lambda x: [dnn.reduce_scatter(taper.empty(2, 2, dtype=x.dtype), list(x.chunk(world)))],
                               lambda xs, r: [xs.sum(0)[2 * r:2 * r + 2]]),
            "all_to_all_single": (lambda x: [dnn.all_to_all_single(taper.empty(6, 2, dtype=x.dtype), x)],
                                  lambda xs, r: [np.concatenate([v[2 * r:2 * r + 2] for v in xs])]),
        }
        for name, (ours, plain) in cases.items():
            x = taper.from_numpy(xs[rank].copy()).requires_grad_()
            outs = ours(x)
            for out, expected in zip(outs, plain(xs, rank), strict=True):
                np.testing.assert_allclose(out.detach().numpy(), expected, rtol=1e-12, err_msg=name)
            sum((out * taper.from_numpy(weights[rank, i][:len(out)].copy())).sum() for i, out in enumerate(outs)).backward()
            def total(xs):
                return sum((v * weights[r, i][:len(v)]).sum() for r in range(world) for i, v in enumerate(plain(xs, r)))
            for index in np.ndindex(6, 2):
                moved = xs.copy(); moved[(rank, *index)] += 1
                np.testing.assert_allclose(x.grad[index].item(), total(moved) - total(xs), rtol=1e-9, atol=1e-9, err_msg=name)
        """,
        3,
    )


def test_groups_and_engines_by_their_other_names():
    jobs.run(
        """
        begin()
        x = taper.full((2,), float(rank)); y = taper.empty(2 * world) if rank == 2 else None
        dist.gather_into_tensor(y, x, dst=2)
        if rank == 2: assert y.tolist() == [0, 0, 1, 1, 2, 2, 3, 3]
        own, all_groups = dist.new_subgroups_by_enumeration([[0, 3], [1, 2]])
        assert dist.get_process_group_ranks(own) == ([0, 3] if rank in (0, 3) else [1, 2]) and len(all_groups) == 2
        odd = dist.split_group(split_ranks=[[1, 3]])
        assert (odd is None) == (rank % 2 == 0)
        if odd is not None:
            dist.all_reduce(x, group=odd); assert x.tolist() == [4, 4]
        dist.set_timeout(timedelta(seconds=20))
        mesh = dist.init_device_mesh("cpu", (2, 2), mesh_dim_names=("a", "b"))
        assert dist.get_process_group_ranks(mesh.get_group("b")) == [rank // 2 * 2, rank // 2 * 2 + 1]
        assert dist.get_process_group_ranks(mesh["a"].get_group()) == [rank % 2, rank % 2 + 2]
        assert mesh.get_coordinate() == [rank // 2, rank % 2] and mesh.size() == 4 and mesh.size(0) == 2
        assert "a=2, b=2" in repr(mesh) and mesh == dist.DeviceMesh("cpu", [[0, 1], [2, 3]], mesh_dim_names=("a", "b"))
        assert "Invalid mesh_dim_names ('c',) specified" in message(lambda: mesh["c"])
        assert "in ascending order" in message(lambda: mesh["b", "a"])
        flat = mesh._flatten("ab")
        assert flat is mesh["ab"] and flat.get_group().size() == 4 and flat.mesh.tolist() == [0, 1, 2, 3]
        cube = dist.init_device_mesh("cpu", (1, 2, 2), mesh_dim_names=("p", "a", "b"))
        pairs = cube["p", "a"]._flatten()
        assert dist.get_process_group_ranks(pairs.get_group()) == [rank % 2, rank % 2 + 2] and cube["p_a", "b"].shape == (2, 2)
        parts = flat._unflatten(0, (2, 2), ("x", "y"))
        assert dist.get_process_group_ranks(parts["x"].get_group()) == [rank % 2, rank % 2 + 2]
        assert dist.DeviceMesh._concatenate([cube["a"], cube["b"]]).mesh.tolist() == [[0, 1], [2, 3]]
        import pickle
        assert pickle.loads(pickle.dumps(mesh)).get_group("b") is mesh.get_group("b")
        assert dist.init_device_mesh("cpu", (3,)).get_coordinate() == ([rank] if rank < 3 else None)
        from taper.distributed import _functional_collectives as functional
        assert functional.permute_tensor(x[:1] * 0 + rank, [1, 2, 3, 0], list(range(4))).item() == (rank - 1) % 4
        assert functional.all_reduce(taper.ones(1) * rank, "sum", [[0, 1], [2, 3]]).item() == (1 if rank < 2 else 5)
        dist.barrier()
        """,
        4,
    )
    assert dist.is_backend_available("gloo") and not dist.is_backend_available("nccl")
    assert dist.get_default_backend_for_device("cpu") == "gloo"


def test_collectives_that_return_their_results_have_gradients():
    jobs.run(
        """
begin()
from taper.distributed import _functional_collectives as fc, init_device_mesh
mesh = init_device_mesh("cpu", (world,))
x = (taper.arange(4.0) + 10 * rank).requires_grad_()
total = fc.wait_tensor(fc.all_reduce(x, "sum", mesh))
assert total.tolist() == [10, 12, 14, 16]
assert fc.all_gather_tensor(x.view(2, 2), 1, (mesh, 0)).tolist() == [[0, 1, 10, 11], [2, 3, 12, 13]]
part = fc.reduce_scatter_tensor(x, "avg", 0, dist.group.WORLD)
assert part.tolist() == [[5, 6], [7, 8]][rank]
sent = [1, 3] if rank == 0 else [3, 1]
came = fc.all_to_all_single_autograd(x, [1, 3] if rank == 0 else [3, 1], sent, mesh)
assert came.tolist() == ([0, 10, 11, 12] if rank == 0 else [1, 2, 3, 13])
assert fc.broadcast(x.detach(), 1, mesh).tolist() == [10, 11, 12, 13]
(came * (rank + 1)).sum().backward()
assert x.grad.tolist() == ([1, 2, 2, 2] if rank == 0 else [1, 1, 1, 2])
try: fc.all_reduce(x, "mean", mesh)
except ValueError as error: assert "avg" in str(error)
else: assert False
""",
        2,
    )
