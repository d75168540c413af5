"""Writing in place through views gives what writing the same elements out of place gives, gradients included."""

import numpy as np
import pytest

import taper


class Elements:
    """A view as positions in a list of 0-d tensors: the same program, without memory that is shared."""

    def __init__(self, cells, positions):
        self.cells, self.positions = cells, positions

    def view(self, change):
        return Elements(self.cells, change(self.positions))

    def write(self, function):
        old = {p: self.cells[p] for p in self.positions.ravel()}
        for p, value in old.items():
            self.cells[p] = function(value)

    def tensor(self):
        return taper.stack([self.cells[p] for p in self.positions.ravel()]).reshape(self.positions.shape)


VIEWS = {
    "first": (lambda x: x[0], lambda p: p[0]),
    "last": (lambda x: x[-1], lambda p: p[-1]),
    "slice": (lambda x: x[::2], lambda p: p[::2]),
    "transpose": (lambda x: x.transpose(0, -1), lambda p: p.swapaxes(0, -1)),
    "flat": (lambda x: x.reshape(-1), lambda p: p.reshape(-1)),
    "diagonal": (lambda x: x.diagonal(), lambda p: p.diagonal()),
    "unsqueeze": (lambda x: x.unsqueeze(0), lambda p: p[None]),
    "narrow": (lambda x: x.narrow(-1, 1, 1), lambda p: p[..., 1:2]),
}
WRITES = {
    "mul_": (lambda x, o: x.mul_(o), lambda v, o: v * o),
    "add_": (lambda x, o: x.add_(o), lambda v, o: v + o),
    "exp_": (lambda x, o: x.exp_(), lambda v, o: v.exp()),
    "neg_": (lambda x, o: x.neg_(), lambda v, o: -v),
    "div_": (lambda x, o: x.div_(o), lambda v, o: v / o),
    "fill_": (lambda x, o: x.fill_(2.0), lambda v, o: v * 0 + 2.0),
    "zero_": (lambda x, o: x.zero_(), lambda v, o: v * 0),
    "copy_": (lambda x, o: x.copy_(o), lambda v, o: v * 0 + o),
    "assign": (lambda x, o: x.__setitem__(Ellipsis, o), lambda v, o: v * 0 + o),
    "square": (lambda x, o: x.mul_(x.clone()), lambda v, o: v * v),
    "sigmoid_": (lambda x, o: x.sigmoid_(), lambda v, o: v.sigmoid()),
    "pow_": (lambda x, o: x.pow_(2), lambda v, o: v**2),
}

BOUNDED = [name for name in WRITES if name not in ("exp_", "square", "pow_")] + ["tanh_"]
WRITES["tanh_"] = (lambda x, o: x.tanh_(), lambda v, o: v.tanh())


def applicable(name, ndim):
    return ndim >= {"first": 1, "last": 1, "slice": 1, "transpose": 2, "diagonal": 2, "narrow": 1}.get(
        name, 0
    )


@pytest.mark.parametrize("seed", range(120))
def test_programs(seed):
    random = np.random.default_rng(seed)
    data = random.uniform(0.5, 1.5, (2, 3, 2)[: random.integers(1, 4)] if seed % 2 else (2, 2))
    leaf = taper.tensor(data, requires_grad=True)
    other = taper.tensor(random.uniform(0.5, 1.5, 3), requires_grad=True)
    base = leaf * 1
    cells = {p: leaf.reshape(-1)[p] * 1 for p in range(data.size)}
    views = [(base, Elements(cells, np.arange(data.size).reshape(data.shape)))]
    program = []
    for _ in range(random.integers(3, 9)):
        view, elements = views[random.integers(len(views))]
        number = other[int(random.integers(3))]
        if random.random() < 0.45:
            names = [n for n in VIEWS if applicable(n, view.ndim) and view.numel() > 1]
            names = [n for n in names if n != "narrow" or view.shape[-1] > 1]
            names = [n for n in names if n != "flat" or view.is_contiguous()]
            if not names:
                continue
            name = names[random.integers(len(names))]
            views.append((VIEWS[name][0](view), elements.view(VIEWS[name][1])))
        else:
            name = BOUNDED[random.integers(len(BOUNDED))]
            WRITES[name][0](view, number)
            elements.write(lambda v: WRITES[name][1](v, number))
        program.append(name)
    for view, elements in views:
        assert np.allclose(view.detach().numpy(), elements.tensor().detach().numpy()), program
    # Weights so that no two contributions cancel or coincide.
    got = sum((k + 1) * (v * v.sin()).sum() for k, (v, _) in enumerate(views))
    want = sum((k + 1) * (e.tensor() * e.tensor().sin()).sum() for k, (_, e) in enumerate(views))
    for x in (leaf, other):
        (a,) = taper.autograd.grad(got, x, retain_graph=True, allow_unused=True, materialize_grads=True)
        (b,) = taper.autograd.grad(want, x, retain_graph=True, allow_unused=True, materialize_grads=True)
        assert np.allclose(a.numpy(), b.numpy(), rtol=1e-9), program


def test_view_follows_its_base():
    x = taper.arange(4.0, requires_grad=True)
    base = x * 1
    view = base[1:3]
    base.mul_(3)
    assert view.grad_fn.name() == "AsStridedBackward0"
    (gradient,) = taper.autograd.grad((view + view).sum() + base.sum(), x)
    assert gradient.tolist() == [3, 9, 9, 3]


@pytest.mark.parametrize("write", ["mul_", "div_", "sigmoid_", "exp_", "pow_", "square"])
def test_what_an_inplace_operation_reads_is_kept(write):
    data = np.array([0.5, 1.25, 2.0])
    x = taper.tensor(data, requires_grad=True)
    o = taper.tensor(1.5, dtype=taper.float64, requires_grad=True)
    y = x * 1
    WRITES[write][0](y, o)
    gradients = taper.autograd.grad(y.sum(), [x, o], allow_unused=True)
    other = WRITES[write][1](x * 1, o)
    wanted = taper.autograd.grad(other.sum(), [x, o], allow_unused=True)
    for a, b in zip(gradients, wanted):
        assert (a is None) == (b is None)
        assert a is None or np.allclose(a.numpy(), b.numpy())


def test_overwritten_tensor_still_requires_grad():
    x = taper.ones(3, requires_grad=True)
    for overwrite in (
        lambda y: y.zero_(),
        lambda y: y.fill_(2),
        lambda y: y.copy_(taper.ones(3)),
        lambda y: y.__setitem__(Ellipsis, 0),
    ):
        y = x * 2
        overwrite(y)
        assert y.requires_grad and not y.is_leaf
        (gradient,) = taper.autograd.grad(y.sum(), x)
        assert gradient.tolist() == [0, 0, 0]


def test_copy_of_a_leaf_into_a_result():
    x, v = taper.ones(3, requires_grad=True), taper.tensor([1.0, 2.0, 3.0], requires_grad=True)
    y = x * 2
    y[...] = v
    assert not y.is_leaf
    (y * taper.tensor([1.0, 10.0, 100.0])).sum().backward()
    assert v.grad.tolist() == [1, 10, 100]


def test_no_grad_writes_leave_the_history():
    x = taper.ones(2, requires_grad=True)
    y = x * 2
    with taper.no_grad():
        y.add_(1)
    assert y.requires_grad and y.tolist() == [3, 3]
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]


def test_leaves_and_their_views_are_protected():
    x = taper.ones(2, 2, requires_grad=True)
    for write in (
        lambda: x.add_(1),
        lambda: x[0].mul_(2),
        lambda: x.__setitem__(0, 1.0),
        lambda: x.T.zero_(),
    ):
        with pytest.raises(taper.AutogradError, match="leaf"):
            write()
    assert x.tolist() == [[1, 1], [1, 1]]
    with taper.no_grad():
        x[0] = 5
    assert x.tolist() == [[5, 5], [1, 1]]


def test_overwriting_what_an_operation_saved_is_noticed():
    x = taper.ones(3, requires_grad=True)
    w = taper.ones(3)
    y = x * w
    w.add_(1)
    with pytest.raises(taper.AutogradError, match="mul.*modified by an inplace operation.*add_"):
        y.sum().backward()


def test_expanded_tensors_refuse_writes():
    x = taper.zeros(1, 3).expand(4, 3)
    with pytest.raises(taper.Error, match="share memory"):
        x.add_(1)
    assert x.tolist() == [[0, 0, 0]] * 4


@pytest.mark.parametrize(
    "name, arguments",
    [
        ("transpose_", (0, 2)),
        ("swapaxes_", (1, 2)),
        ("swapdims_", (0, -1)),
        ("unsqueeze_", (1,)),
        ("squeeze_", ()),
        ("squeeze_", (1,)),
    ],
)
def test_views_taken_in_place(name, arguments):
    x = taper.arange(6.0).reshape(2, 1, 3).requires_grad_()
    expected = getattr(x, name[:-1])(*arguments)
    y = x * 1
    weights = taper.arange(6.0).reshape(expected.shape)
    assert getattr(y, name)(*arguments) is y
    assert y.shape == expected.shape and y.stride() == expected.stride()
    (got,) = taper.autograd.grad((y * weights).sum(), x)
    (wanted,) = taper.autograd.grad((expected * weights).sum(), x)
    np.testing.assert_array_equal(got.numpy(), wanted.numpy())


def test_matrices_and_strides_in_place():
    x = taper.arange(6.0).reshape(2, 3)
    assert x.t_().tolist() == [[0, 3], [1, 4], [2, 5]]
    assert x.as_strided_((2, 2), (1, 2), 1).tolist() == [[1, 3], [2, 4]]
    with pytest.raises(taper.ShapeError, match="at most 2"):
        taper.ones(1, 2, 3).t_()
    leaf = taper.ones(2, 3, requires_grad=True)
    with pytest.raises(taper.AutogradError, match="leaf"):
        leaf.t_()
    assert leaf.shape == (2, 3)


def test_what_was_saved_before_its_shape_changed_is_noticed():
    x = taper.ones(2, 3, requires_grad=True)
    y = x * 2
    z = y * y
    y.t_()
    with pytest.raises(taper.AutogradError):
        z.sum().backward()


def test_views_in_place_keep_the_object_and_the_history():
    x = taper.arange(6.0).view(2, 3)
    same = x
    assert x.unsqueeze_(0) is same and same.shape == (1, 2, 3)
    assert x.squeeze_(0).transpose_(0, 1) is same and same.shape == (3, 2) and same[2, 1] == 5
    assert x.t_().is_contiguous() and same.tolist() == [[0, 1, 2], [3, 4, 5]]
    leaf = taper.ones(2, requires_grad=True)
    y = leaf * 3
    y.unsqueeze_(1)
    (y * taper.tensor([[1.0], [2.0]])).sum().backward()
    assert leaf.grad.tolist() == [3, 6]
    with pytest.raises(RuntimeError, match="unsqueeze_: a leaf Variable"):
        leaf.unsqueeze_(0)
    copy = x.clone().unsqueeze_(0)
    assert copy.layout == taper.strided and not copy.is_sparse
