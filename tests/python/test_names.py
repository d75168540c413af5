"""Names of PyTorch's that programs type without a second thought, and what they do."""

import importlib
import pickle

import numpy as np
import pytest

import taper
from taper import nn
from taper.nn import functional as F


def t(*values):
    return taper.tensor(values, dtype=taper.float64)


def test_modules_are_where_pytorch_has_them():
    from taper.autograd.anomaly_mode import detect_anomaly
    from taper.autograd.grad_mode import no_grad
    from taper.nn.attention import SDPBackend, sdpa_kernel
    from taper.types import Device, Number, _size  # noqa: F401
    from taper.utils.data._utils.collate import default_collate
    from taper.utils.data.dataloader import get_worker_info

    assert no_grad is taper.no_grad and detect_anomaly is taper.autograd.detect_anomaly
    assert default_collate is taper.utils.data.default_collate and get_worker_info() is None
    x = taper.randn(1, 2, 3, 4)
    with sdpa_kernel([SDPBackend.MATH, SDPBackend.FLASH_ATTENTION]):
        inside = F.scaled_dot_product_attention(x, x, x)
    assert taper.equal(inside, F.scaled_dot_product_attention(x, x, x))
    with pytest.raises(AssertionError), sdpa_kernel("math"):
        pass
    for absent in ("mps", "xpu"):
        module = importlib.import_module(f"taper.{absent}")
        assert not module.is_available() and module.device_count() == 0
    assert isinstance(nn.LSTM(1, 1), nn.RNNBase) and isinstance(nn.GRUCell(1, 1), nn.RNNCellBase)
    assert isinstance(taper.channels_last, taper.memory_format)


def test_accelerator_is_the_gpu_where_there_is_one():
    assert taper.accelerator.is_available() == taper.cuda.is_available()
    assert taper.accelerator.device_count() == taper.cuda.device_count()
    expected = taper.device("cuda") if taper.cuda.is_available() else None
    assert taper.accelerator.current_accelerator() == expected
    with taper.accelerator.device_index(None):
        assert taper.accelerator.memory_allocated() == taper.cuda.memory_allocated()


def test_losses_with_numbers_for_reductions():
    x, y, sign = t(0.2, 0.7, 0.5), t(0.1, 0.9, 0.4), t(1, -1, 1)
    for reduction, name in enumerate(("none", "mean", "sum")):
        pairs = [
            (taper.kl_div(x, y, reduction), F.kl_div(x, y, reduction=name)),
            (
                taper.binary_cross_entropy_with_logits(x, y, None, sign.abs(), reduction),
                F.binary_cross_entropy_with_logits(x, y, pos_weight=sign.abs(), reduction=name),
            ),
            (
                taper.margin_ranking_loss(x, y, sign, 0.5, reduction),
                F.margin_ranking_loss(x, y, sign, margin=0.5, reduction=name),
            ),
            (
                taper.hinge_embedding_loss(x, sign, 2.0, reduction),
                F.hinge_embedding_loss(x, sign, margin=2.0, reduction=name),
            ),
        ]
        assert all(taper.equal(ours, expected) for ours, expected in pairs)


def test_layers_with_arguments_in_the_packages_order():
    table, x = taper.randn(5, 3), taper.randn(4, 3, 6)
    assert taper.equal(taper.embedding(table, taper.tensor([4, 0])), table[[4, 0]])
    mean, var, w, b = taper.zeros(3), taper.ones(3), taper.rand(3), taper.rand(3)
    ours = taper.batch_norm(x, w, b, mean, var, False, 0.1, 1e-5, True)
    assert taper.equal(ours, F.batch_norm(x, mean, var, w, b))
    ours = taper.instance_norm(x, w, b, None, None, True, 0.1, 1e-5, True)
    assert taper.equal(ours, F.instance_norm(x, weight=w, bias=b))
    over_time = taper.conv_tbc(x.permute(2, 0, 1), (kernel := taper.randn(3, 3, 2)), w[:2], 1)
    expected = F.conv1d(x, kernel.permute(2, 1, 0), w[:2], padding=1)
    np.testing.assert_allclose(over_time.permute(1, 2, 0).numpy(), expected.numpy(), rtol=1e-6, atol=1e-6)


def test_cells_as_functions():
    x, h = taper.randn(2, 3), taper.randn(2, 4)
    for kind, function in [
        (nn.GRUCell(3, 4), taper.gru_cell),
        (nn.RNNCell(3, 4), taper.rnn_tanh_cell),
        (nn.RNNCell(3, 4, nonlinearity="relu"), taper.rnn_relu_cell),
    ]:
        assert taper.equal(function(x, h, *kind.parameters()), kind(x, h))
    cell = nn.LSTMCell(3, 4, bias=False)
    ours, expected = taper.lstm_cell(x, (h, h), *cell.parameters()), cell(x, (h, h))
    assert taper.equal(ours[0], expected[0]) and taper.equal(ours[1], expected[1])


def test_rows_are_scaled_down_to_a_norm():
    weight = taper.tensor([[3.0, 4.0], [0.3, 0.4], [6.0, 8.0]])
    taper.embedding_renorm_(weight, taper.tensor([0, 1, 1]), 1.0, 2.0)
    np.testing.assert_allclose(weight.numpy(), [[0.6, 0.8], [0.3, 0.4], [6, 8]], rtol=1e-6)


def test_random_counts():
    generator = taper.Generator().manual_seed(3)
    rates = taper.full((20000,), 4.0)
    drawn = taper.poisson(rates, generator)
    assert drawn.dtype == taper.float32 and taper.equal(drawn, drawn.round())
    assert float(drawn.mean()) == pytest.approx(4, abs=0.06) and float(drawn.var()) == pytest.approx(
        4, abs=0.2
    )
    assert taper.equal(drawn, taper.poisson(rates, taper.Generator().manual_seed(3)))
    trials = taper.binomial(taper.full((20000,), 10.0), taper.full((20000,), 0.3))
    assert float(trials.mean()) == pytest.approx(3, abs=0.05) and float(trials.max()) <= 10
    with pytest.raises(ValueError, match="rate to be non-negative"):
        taper.poisson(taper.tensor([-1.0]))


def test_old_names():
    with pytest.warns(UserWarning, match="arange"):
        assert taper.range(1, 2, 0.5).tolist() == [1, 1.5, 2]
    with pytest.warns(FutureWarning, match="xavier_uniform_"):
        nn.init.xavier_uniform(taper.empty(2, 2))
    with pytest.raises(AssertionError, match="told"):
        taper._assert(False, "told")
    before = taper.get_default_dtype()
    taper.set_default_tensor_type("taper.DoubleTensor")
    try:
        assert taper.ones(1).dtype == taper.float64
    finally:
        taper.set_default_dtype(before)
    assert taper.cond(taper.tensor(True), lambda x: x + 1, lambda x: x, (taper.tensor(1),)).item() == 2
    (count,) = taper.while_loop(lambda i: i < 5, lambda i: (i + 2,), (taper.tensor(0),))
    assert count.item() == 6 and taper.sym_max(1, 2) == 2


def test_methods_of_tensors():
    x = taper.arange(6.0).view(2, 3)
    assert next(iter(reversed(x))).tolist() == [3, 4, 5] and complex(taper.tensor(2 + 1j)) == 2 + 1j
    assert (
        x.T.dim_order() == (1, 0) and x.to_dense() is x and x[0]._is_view() and not taper.ones(1)._is_view()
    )
    y = taper.zeros(1)
    assert y.set_(x) is y and y.shape == x.shape and y.data_ptr() == x.const_data_ptr()

    class Own(taper.Tensor):
        pass

    made = taper.Tensor._make_subclass(Own, x, True)
    assert type(made) is Own and made.requires_grad and made.is_leaf


@pytest.mark.parametrize("create_graph", [False, True])
def test_products_with_a_hessian(create_graph):
    rng = np.random.default_rng(0)
    a, b, v, w = (taper.from_numpy(rng.normal(size=3)) for _ in range(4))

    def function(x, y):  # gradients (2 x y^2, 2 x^2 y)
        return (x**2 * y**2).sum()

    for product in (taper.autograd.functional.hvp, taper.autograd.functional.vhp):
        value, (first, second) = product(function, (a, b), (v, w), create_graph=create_graph)
        assert value.item() == pytest.approx(((a * b) ** 2).sum().item())
        np.testing.assert_allclose(first.detach(), (2 * b**2 * v + 4 * a * b * w).numpy())
        np.testing.assert_allclose(second.detach(), (4 * a * b * v + 2 * a**2 * w).numpy())
    with pytest.raises(RuntimeError, match="single element"):
        taper.autograd.functional.hvp(lambda x: x, a, v)
    assert taper.autograd.functional.jacobian(lambda x: x**2, a, create_graph=True).requires_grad


def test_hook_of_several_gradients():
    x, y, z = (taper.ones(2, requires_grad=True) for _ in range(3))
    seen, first = [], []
    handle = taper.autograd.graph.register_multi_grad_hook((x, y, z), seen.append)
    any_one = taper.autograd.graph.register_multi_grad_hook((x, y), first.append, mode="any")
    (x * y * z).sum().backward()
    (x * 2 + z).sum().backward()
    assert [[None if g is None else g.tolist() for g in gradients] for gradients in seen] == [
        [[1, 1], [1, 1], [1, 1]],
        [[2, 2], None, [1, 1]],
    ]
    assert [g.tolist() for g in first] == [[1, 1], [2, 2]]
    handle.remove(), any_one.remove()
    (x * y).sum().backward()
    assert len(seen) == 2 and len(first) == 2


def test_checkpoint_runs_in_the_contexts_it_is_given():
    entered = []

    class Note:
        def __init__(self, name):
            self.name = name

        def __enter__(self):
            entered.append(self.name)

        def __exit__(self, *exception):
            pass

    from taper.utils.checkpoint import checkpoint, noop_context_fn, set_checkpoint_debug_enabled

    x = taper.tensor([2.0], requires_grad=True)
    run = lambda v, power: v**power
    y = checkpoint(
        run,
        x,
        power=3,
        use_reentrant=False,
        context_fn=lambda: (Note("first"), Note("again")),
        determinism_check="none",
        debug=True,
    )
    assert entered == ["first"]
    y.backward()
    assert entered == ["first", "again"] and x.grad.item() == 12
    with set_checkpoint_debug_enabled(True), noop_context_fn()[0]:
        pass


def test_linear_part_of_a_function_and_batch_norms_without_statistics():
    value, push = taper.func.linearize(lambda x: x**2, t(1, 2, 3))
    assert value.tolist() == [1, 4, 9] and push(t(1, 1, 2)).tolist() == [2, 4, 12]
    net = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3))
    assert taper.func.replace_all_batch_norm_modules_(net) is net
    assert net[1].running_mean is None and not net[1].track_running_stats
    assert net.eval()(taper.randn(5, 2)).mean().abs().item() < 1e-6


def test_trees():
    from collections import namedtuple

    from taper.utils import _pytree as trees

    Point = namedtuple("Point", "x y")
    tree = {"a": [1, 2.5], "b": (Point(3, "s"), None)}
    leaves, spec = trees.tree_flatten(tree)
    assert leaves == [1, 2.5, 3, "s", None] and trees.tree_unflatten(leaves, spec) == tree
    assert spec.num_leaves == 5 and spec == trees.tree_structure(tree) and spec.unflatten(leaves) == tree
    assert spec != trees.tree_structure({"a": [1], "b": (Point(3, "s"), None)})
    assert trees.tree_map_only(int, lambda x: -x, tree)["a"] == [-1, 2.5]
    assert trees.tree_any(lambda x: x == 3, tree) and not trees.tree_all(lambda x: x == 3, tree)
    assert trees.tree_leaves([[1], [2, 3]], is_leaf=lambda x: x == [2, 3]) == [1, [2, 3]]
    with pytest.raises(ValueError, match="got 1 leaves for a tree of 5"):
        trees.tree_unflatten([1], spec)

    class Pair:
        def __init__(self, a, b):
            self.a, self.b = a, b

    trees.register_pytree_node(Pair, lambda p: ([p.a, p.b], None), lambda parts, _: Pair(*parts))
    doubled = trees.tree_map(lambda x: 2 * x, Pair(1, [2]))
    assert (doubled.a, doubled.b) == (2, [4])


def test_gradients_of_convolutions_by_name():
    x, w = taper.randn(2, 3, 5, requires_grad=True), taper.randn(4, 3, 2, requires_grad=True)
    y = F.conv1d(x, w, stride=2, padding=1)
    start = taper.randn(*y.shape)
    y.backward(start)
    assert taper.equal(nn.grad.conv1d_input(x.shape, w, start, stride=2, padding=1), x.grad)
    assert taper.equal(nn.grad.conv1d_weight(x, w.shape, start, stride=2, padding=1), w.grad)


def test_made_tensors_and_old_comparison():
    from taper.testing import assert_allclose, make_tensor

    for dtype in (taper.float32, taper.bfloat16, taper.int16, taper.uint8, taper.bool, taper.complex64):
        made = make_tensor((4, 5), dtype=dtype, device="cpu", noncontiguous=True, exclude_zero=True)
        assert made.dtype == dtype and tuple(made.shape) == (4, 5) and not made.is_contiguous()
        assert bool((made != 0).all())
    made = make_tensor(1000, dtype=taper.float64, low=2, high=3, requires_grad=True)
    assert made.requires_grad and float(made.min()) >= 2 and float(made.max()) < 3
    with pytest.raises(ValueError, match="low must be less than high"):
        make_tensor(2, dtype=taper.float32, low=3, high=1)
    with pytest.raises(ValueError, match="require grad"):
        make_tensor(2, dtype=taper.int64, requires_grad=True)
    assert_allclose(taper.tensor([1.0, float("nan")]), np.array([1.0, np.nan]))
    with pytest.raises(AssertionError):
        assert_allclose(taper.tensor([1.0]), [2.0])


def test_hub_serves_local_directories_only(tmp_path):
    (tmp_path / "hubconf.py").write_text("import taper\ndef ones(n=2):\n    return taper.ones(n)\n")
    assert taper.hub.load(str(tmp_path), "ones", 3, source="local").tolist() == [1, 1, 1]
    assert taper.hub.list(str(tmp_path), source="local") == ["ones"]
    with pytest.raises(ValueError, match="fetches nothing"):
        taper.hub.load("pytorch/vision", "resnet18")
    taper.save({"w": taper.ones(1)}, tmp_path / "m.pt")
    state = taper.hub.load_state_dict_from_url("https://host/m.pt?x=1", model_dir=str(tmp_path))
    assert state["w"].item() == 1
    with pytest.raises(FileNotFoundError, match=r"n\.pt is not there"):
        taper.hub.load_state_dict_from_url("https://host/n.pt", model_dir=str(tmp_path))


def test_questions_about_other_builds_are_answered():
    assert taper.jit.isinstance([1], list[int]) and not taper.jit.isinstance([1], dict)
    taper.multiprocessing.set_sharing_strategy("file_system")
    assert taper.multiprocessing.get_sharing_strategy() == "file_descriptor"
    assert not taper.backends.cuda.is_flash_attention_available()
    assert pickle.loads(pickle.dumps(taper.kl_div)) is taper.kl_div
    assert taper.__version__ in taper.__config__.show()
    assert str(taper.get_num_threads()) in taper.__config__.parallel_info()


def test_a_schedule_of_no_schedules_is_refused():
    optimizer = taper.optim.SGD([nn.Parameter(taper.ones(1))], lr=0.1)
    with pytest.raises(ValueError, match="at least one scheduler"):
        taper.optim.lr_scheduler.SequentialLR(optimizer, [], [])


def test_modules_are_wrapped_where_that_is_enabled():
    from taper.distributed.fsdp.wrap import enable_wrap, wrap

    layer = nn.Linear(1, 1)
    assert wrap(layer) is layer
    with enable_wrap(wrapper_cls=lambda module, **options: (module, options), a=1, b=2):
        assert wrap(layer, b=3) == (layer, {"a": 1, "b": 3})
    assert wrap(layer) is layer


def test_hessian_is_of_functions_that_give_one_number():
    x = t(1, 2)
    assert taper.autograd.functional.hessian(lambda v: (v**3).sum(), x).tolist() == [[6, 0], [0, 12]]
    with pytest.raises(RuntimeError, match="single element"):
        taper.autograd.functional.hessian(lambda v: v**3, x)


def test_operations_on_each_of_a_list():
    tensors, others = [t(1, 2), t(3)], [t(10, 20), t(30)]
    values = lambda result: [x.tolist() for x in result]
    assert values(taper._foreach_add(tensors, others, alpha=2)) == [[21, 42], [63]]
    assert values(taper._foreach_mul(tensors, [2, 3])) == [[2, 4], [9]]
    assert values(taper._foreach_lerp(tensors, others, 0.5)) == [[5.5, 11], [16.5]]
    assert values(taper._foreach_norm([t(3, 4), t(-2)])) == [5, 2]
    assert taper._foreach_addcdiv_(tensors, others, [t(5, 5), t(3)], -0.5) is None
    assert values(tensors) == [[0, 0], [-2]]
    taper._foreach_addcmul_(tensors, others, others, value=[1, 2])
    assert values(tensors) == [[100, 400], [1798]]
    taper._foreach_zero_(tensors)
    taper._foreach_copy_(tensors, others)
    assert values(tensors) == values(others)
    with pytest.raises(ValueError, match="got 2 and 1"):
        taper._foreach_add(tensors, others[:1])
    assert not hasattr(taper, "_foreach_no_such_name")


def test_arithmetic_of_two_numbers_is_a_tensor():
    assert repr(taper.div(7, 2)) == "tensor(3.5000)" and repr(taper.add(1, 2, alpha=3)) == "tensor(7)"
    assert taper.div(7, 2, rounding_mode="floor").dtype is taper.int64
    assert taper.mul(2, 1.5).item() == 3 and taper.sub(1, 4).item() == -3
    with pytest.raises(TypeError, match="no form"):
        taper.add(1, "a")
    with pytest.raises(TypeError, match="no form"):
        taper.add(taper.tensor(1), "a")
