"""Modules: registration, hooks, saved state, containers; layers and losses against NumPy."""

import copy
import io
import pickle

import numpy as np
import pytest

import taper
from taper import nn
from taper.nn import functional as F


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def softmax(x, axis=-1):
    e = np.exp(x - x.max(axis, keepdims=True))
    return e / e.sum(axis, keepdims=True)


def weights(module, suffix="_l0"):
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    return [getattr(module, name + suffix).detach().numpy() for name in names]


def lstm(x, h, c, wi, wh, bi, bh):
    i, f, g, o = np.split(x @ wi.T + bi + h @ wh.T + bh, 4, axis=1)
    c = sigmoid(f) * c + sigmoid(i) * np.tanh(g)
    return sigmoid(o) * np.tanh(c), c


def gru(x, h, c, wi, wh, bi, bh):
    (ir, iz, i_n), (hr, hz, hn) = np.split(x @ wi.T + bi, 3, axis=1), np.split(h @ wh.T + bh, 3, axis=1)
    z = sigmoid(iz + hz)
    return (1 - z) * np.tanh(i_n + sigmoid(ir + hr) * hn) + z * h, c


def rnn(x, h, c, wi, wh, bi, bh):
    return np.tanh(x @ wi.T + bi + h @ wh.T + bh), c


def run_loop(step, x, parameters, lengths=None):
    h = c = np.zeros((x.shape[1], parameters[1].shape[1]))
    outputs = []
    for t, row in enumerate(x):
        alive = np.ones(x.shape[1]) if lengths is None else t < np.array(lengths)
        new_h, new_c = step(row, h, c, *parameters)
        h, c = np.where(alive[:, None], new_h, h), np.where(alive[:, None], new_c, c)
        outputs.append(np.where(alive[:, None], new_h, 0))
    return np.stack(outputs), h


RECURRENT = {"LSTM": lstm, "GRU": gru, "RNN": rnn}


@pytest.mark.parametrize("name", RECURRENT)
def test_recurrent(name):
    module, x = getattr(nn, name)(3, 5).double(), np.random.randn(6, 4, 3)
    output, state = module(taper.tensor(x))
    want, last = run_loop(RECURRENT[name], x, weights(module))
    np.testing.assert_allclose(output.detach().numpy(), want, rtol=1e-9, atol=1e-12)
    state = state[0] if name == "LSTM" else state
    np.testing.assert_allclose(state.detach().numpy()[0], last, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RECURRENT)
def test_bidirectional(name):
    module, x = getattr(nn, name)(3, 5, bidirectional=True).double(), np.random.randn(6, 4, 3)
    output = module(taper.tensor(x))[0].detach().numpy()
    back, _ = run_loop(RECURRENT[name], x[::-1], weights(module, "_l0_reverse"))
    np.testing.assert_allclose(output[:, :, 5:], back[::-1], rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("name", RECURRENT)
def test_packed(name):
    module, x, lengths = getattr(nn, name)(3, 5).double(), np.random.randn(6, 4, 3), [3, 6, 1, 4]
    packed = nn.utils.rnn.pack_padded_sequence(taper.tensor(x), taper.tensor(lengths), enforce_sorted=False)
    output, state = module(packed)
    padded, got_lengths = nn.utils.rnn.pad_packed_sequence(output)
    want, last = run_loop(RECURRENT[name], x, weights(module), lengths)
    assert got_lengths.tolist() == lengths
    np.testing.assert_allclose(padded.detach().numpy(), want, rtol=1e-9, atol=1e-12)
    state = state[0] if name == "LSTM" else state
    np.testing.assert_allclose(state.detach().numpy()[0], last, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("need_weights", [True, False])
def test_multihead_attention(need_weights):
    module, x = nn.MultiheadAttention(8, 2, batch_first=True).double(), np.random.randn(3, 5, 8)
    output, attention = module(*[taper.tensor(x)] * 3, need_weights=need_weights)
    projected = x @ module.in_proj_weight.detach().numpy().T + module.in_proj_bias.detach().numpy()
    q, k, v = (part.reshape(3, 5, 2, 4).transpose(0, 2, 1, 3) for part in np.split(projected, 3, axis=2))
    scores = softmax(q @ k.transpose(0, 1, 3, 2) / 2)
    joined = (scores @ v).transpose(0, 2, 1, 3).reshape(3, 5, 8)
    want = joined @ module.out_proj.weight.detach().numpy().T + module.out_proj.bias.detach().numpy()
    np.testing.assert_allclose(output.detach().numpy(), want, rtol=1e-9, atol=1e-12)
    if need_weights:
        np.testing.assert_allclose(attention.detach().numpy(), scores.mean(1), rtol=1e-9)
    else:
        assert attention is None


X, Y = np.random.RandomState(0).randn(2, 4, 5)
P, Q, SIGN, CLASSES = sigmoid(X), sigmoid(Y), np.sign(Y), np.array([0, 1, 2, 4])
D = X - Y
LOSSES = [
    ("L1Loss", {}, (X, Y), abs(D).mean()),
    ("L1Loss", {"reduction": "none"}, (X, Y), abs(D)),
    ("MSELoss", {}, (X, Y), (D**2).mean()),
    ("MSELoss", {"reduction": "sum"}, (X, Y), (D**2).sum()),
    ("HuberLoss", {"delta": 0.5}, (X, Y), np.where(abs(D) < 0.5, D * D / 2, 0.5 * (abs(D) - 0.25)).mean()),
    ("SmoothL1Loss", {"beta": 0.5}, (X, Y), np.where(abs(D) < 0.5, D * D, abs(D) - 0.25).mean()),
    ("CrossEntropyLoss", {}, (X, CLASSES), -np.log(softmax(X))[range(4), CLASSES].mean()),
    (
        "CrossEntropyLoss",
        {"label_smoothing": 0.1},
        (X, CLASSES),
        -(0.9 * np.log(softmax(X))[range(4), CLASSES] + 0.1 * np.log(softmax(X)).mean(1)).mean(),
    ),
    ("CrossEntropyLoss", {"ignore_index": 1}, (X, CLASSES), -np.log(softmax(X))[[0, 2, 3], [0, 2, 4]].mean()),
    ("CrossEntropyLoss", {}, (X, softmax(Y)), -(softmax(Y) * np.log(softmax(X))).sum(1).mean()),
    ("NLLLoss", {}, (X, CLASSES), -X[range(4), CLASSES].mean()),
    ("BCELoss", {}, (P, Q), -(Q * np.log(P) + (1 - Q) * np.log(1 - P)).mean()),
    ("BCEWithLogitsLoss", {}, (X, Q), -(Q * np.log(P) + (1 - Q) * np.log(1 - P)).mean()),
    ("KLDivLoss", {"reduction": "batchmean"}, (X, Q), (Q * (np.log(Q) - X)).sum() / 4),
    ("PoissonNLLLoss", {}, (X, Q), (np.exp(X) - Q * X).mean()),
    ("GaussianNLLLoss", {}, (X, Y, Q), (np.log(Q) + D * D / Q).mean() / 2),
    ("MarginRankingLoss", {"margin": 0.1}, (X, Y, SIGN), np.maximum(0, -SIGN * D + 0.1).mean()),
    ("HingeEmbeddingLoss", {}, (X, SIGN), np.where(SIGN > 0, X, np.maximum(0, 1 - X)).mean()),
    ("SoftMarginLoss", {}, (X, SIGN), np.log1p(np.exp(-SIGN * X)).mean()),
    (
        "TripletMarginLoss",
        {},
        (X, Y, Q),
        np.maximum(0, np.linalg.norm(D + 1e-6, axis=1) - np.linalg.norm(X - Q + 1e-6, axis=1) + 1).mean(),
    ),
]


@pytest.mark.parametrize(
    "name, options, arguments, want", LOSSES, ids=[f"{c[0]}{i}" for i, c in enumerate(LOSSES)]
)
def test_loss(name, options, arguments, want):
    got = getattr(nn, name)(**options)(*map(taper.tensor, arguments))
    np.testing.assert_allclose(got.numpy(), want, rtol=1e-9)


def test_ctc_sums_over_alignments():
    # Three frames, target "1": the alignments of {blank, 1} that collapse to "1".
    log_p = np.log(softmax(np.random.randn(3, 1, 3)))
    paths = ["111", "110", "100", "011", "001", "010"]
    total = sum(np.exp(sum(log_p[t, 0, int(c)] for t, c in enumerate(path))) for path in paths)
    x = taper.tensor(log_p).requires_grad_()
    loss = F.ctc_loss(x, taper.tensor([[1]]), taper.tensor([3]), taper.tensor([1]), reduction="sum")
    np.testing.assert_allclose(loss.item(), -np.log(total), rtol=1e-9)
    loss.backward()
    # As PyTorch has it: probability minus share of the alignments that emit the class there.
    share = np.array(
        [
            [
                sum(
                    np.exp(sum(log_p[t, 0, int(c)] for t, c in enumerate(p))) for p in paths if p[s] == str(k)
                )
                for k in range(3)
            ]
            for s in range(3)
        ]
    )
    np.testing.assert_allclose(x.grad.numpy()[:, 0], np.exp(log_p[:, 0]) - share / total, atol=1e-12)


def test_binary_cross_entropy_of_saturated_inputs_has_the_bounded_gradient():
    # (x - t) / max(x (1 - x), 1e-12), as PyTorch's; the formula through the logarithms would be NaN.
    x = taper.tensor([0.0, 1.0, 0.0, 1.0, 0.25], requires_grad=True)
    F.binary_cross_entropy(x, taper.tensor([0.0, 0.0, 1.0, 1.0, 1.0]), reduction="sum").backward()
    np.testing.assert_allclose(x.grad.numpy(), [0, 1e12, -1e12, 0, -4], rtol=1e-6)


def test_ctc_of_impossible_targets_is_infinite_unless_zeroed():
    x = taper.log_softmax(taper.randn(3, 2, 4), 2).detach().requires_grad_()
    arguments = (x, taper.tensor([[1, 1, 2], [1, 2, 3]]), [3, 3], [3, 3])
    loss = F.ctc_loss(*arguments, reduction="none")
    assert loss[0].item() == np.inf and np.isfinite(loss[1].item())
    F.ctc_loss(*arguments, zero_infinity=True).backward()
    assert (x.grad[:, 0] == 0).all() and (x.grad[:, 1] != 0).any()


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "binary_cross_entropy"])
def test_loss_shapes_must_agree(name):
    with pytest.raises(RuntimeError, match=name + r".*\(3,\).*\(4,\)"):
        getattr(F, name)(taper.ones(3), taper.ones(4))


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(2, 3)
        self.scale = nn.Parameter(taper.ones(1))
        self.register_buffer("count", taper.zeros(1))
        self.register_buffer("scratch", taper.zeros(1), persistent=False)

    def forward(self, x):
        return self.layer(x) * self.scale


def test_registration():
    net = Net()
    assert [name for name, _ in net.named_parameters()] == ["scale", "layer.weight", "layer.bias"]
    assert list(net.state_dict()) == ["scale", "count", "layer.weight", "layer.bias"]
    assert [name for name, _ in net.named_modules()] == ["", "layer"]
    assert len(list(net.buffers())) == 2
    del net.layer
    assert len(list(net.parameters())) == 1
    with pytest.raises(AttributeError, match="'Net' object has no attribute 'layer'"):
        net.layer
    assert not net.eval().training and net.double().scale.dtype == taper.float64


def test_assignment_before_init():
    class Early(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    with pytest.raises(AttributeError, match=r"cannot assign module before Module.__init__\(\) call"):
        Early()


def test_state_dict_errors():
    with pytest.raises(RuntimeError) as caught:
        nn.Linear(2, 2).load_state_dict({"weight": taper.ones(3, 2), "extra": taper.ones(1)})
    for text in (
        "Error(s) in loading state_dict for Linear:",
        'Missing key(s) in state_dict: "bias"',
        'Unexpected key(s) in state_dict: "extra"',
        "size mismatch for weight: copying a param with shape",
    ):
        assert text in str(caught.value)
    result = nn.Linear(2, 2).load_state_dict({"extra": taper.ones(1)}, strict=False)
    assert result.missing_keys == ["weight", "bias"] and result.unexpected_keys == ["extra"]


def through_file(net):
    buffer = io.BytesIO()
    taper.save(net.state_dict(), buffer)
    buffer.seek(0)
    other = Net()
    assert str(other.load_state_dict(taper.load(buffer))) == "<All keys matched successfully>"
    return other


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda m: pickle.loads(pickle.dumps(m)), through_file])
def test_round_trip(duplicate):
    net, x = Net(), taper.ones(1, 2)
    other = duplicate(net)
    assert taper.equal(net(x), other(x)) and isinstance(other.scale, nn.Parameter)
    with taper.no_grad():
        other.scale.fill_(5)
    assert net.scale.item() == 1


def test_hooks():
    layer, log = nn.Linear(2, 2), []
    layer.register_forward_pre_hook(lambda m, args: log.append("pre"))
    handle = layer.register_forward_hook(lambda m, args, out: out * 0)
    layer.register_full_backward_hook(lambda m, gin, gout: log.append(("backward", tuple(gout[0].shape))))
    y = layer(taper.ones(3, 2, requires_grad=True))
    assert y.abs().sum() == 0
    y.sum().backward()
    assert log == ["pre", ("backward", (3, 2))]
    handle.remove()
    assert layer(taper.ones(3, 2)).abs().sum() != 0


def test_containers():
    modules = nn.ModuleList([nn.Linear(1, 1), nn.ReLU()])
    modules.insert(0, nn.Tanh())
    modules.append(nn.Sigmoid())
    del modules[1]
    assert [type(m).__name__ for m in modules] == ["Tanh", "ReLU", "Sigmoid"]
    chosen = nn.ModuleDict({"a": nn.Linear(1, 1)})
    assert "a" in chosen and list(chosen.state_dict()) == ["a.weight", "a.bias"]
    chain = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    assert len(chain[:2]) == 2 and chain(taper.ones(4, 2)).shape == (4, 1)
    assert len(list(nn.ParameterList([taper.ones(1)]).parameters())) == 1
    assert dict(nn.ParameterDict({"x": taper.ones(1)}).named_parameters()).keys() == {"x"}


def test_clip_grad_norm():
    p = nn.Parameter(taper.zeros(2))
    p.grad = taper.tensor([3.0, 4.0])
    assert nn.utils.clip_grad_norm_([p], 1.0).item() == 5
    np.testing.assert_allclose(p.grad.numpy(), [0.6, 0.8], rtol=1e-5)


def test_initializers():
    w = taper.empty(200, 300)
    for fill, std in [
        (nn.init.xavier_normal_, (2 / 500) ** 0.5),
        (nn.init.xavier_uniform_, (2 / 500) ** 0.5),
        (nn.init.kaiming_normal_, (2 / 300) ** 0.5),
        (nn.init.kaiming_uniform_, (2 / 300) ** 0.5),
    ]:
        assert fill(w).std().item() == pytest.approx(std, rel=0.02)
    q = nn.init.orthogonal_(taper.empty(5, 8)).numpy()
    np.testing.assert_allclose(q @ q.T, np.eye(5), atol=1e-5)


def test_batch_norm_statistics():
    layer, x = nn.BatchNorm1d(3).double(), np.random.randn(8, 3)
    y = layer(taper.tensor(x)).detach().numpy()
    np.testing.assert_allclose(y, (x - x.mean(0)) / np.sqrt(x.var(0) + 1e-5), rtol=1e-8)
    np.testing.assert_allclose(layer.running_mean.numpy(), 0.1 * x.mean(0), rtol=1e-6)
    np.testing.assert_allclose(layer.running_var.numpy(), 0.9 + 0.1 * x.var(0, ddof=1), rtol=1e-6)


def test_a_small_network_learns():
    net = nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(4 * 16, 3))
    x, target = taper.randn(12, 1, 6, 6), taper.arange(12) % 3
    optimizer = taper.optim.Adam(net.parameters(), lr=1e-2)
    for _ in range(60):
        optimizer.zero_grad()
        loss = F.cross_entropy(net(x), target)
        loss.backward()
        optimizer.step()
    assert loss.item() < 0.1


@pytest.mark.parametrize("layer, shape", [("1d", (3, 5)), ("2d", (3, 4, 5)), ("3d", (3, 2, 4, 5))])
def test_instance_norm_of_one_sample_normalizes_each_channel(layer, shape):
    x = np.random.default_rng(0).normal(2, 3, shape)
    rows = x.reshape(3, -1)
    expected = (rows - rows.mean(1, keepdims=True)) / np.sqrt(rows.var(1, keepdims=True) + 1e-5)
    norm = getattr(nn, "InstanceNorm" + layer)(3, affine=True, track_running_stats=True, dtype=taper.float64)
    result = norm(taper.tensor(x))
    assert result.shape == shape
    np.testing.assert_allclose(result.detach().numpy().reshape(3, -1), expected, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(norm.running_mean.numpy(), 0.1 * rows.mean(1), rtol=1e-10)


def test_batch_norm_of_an_empty_batch_leaves_the_statistics():
    norm = nn.BatchNorm1d(2)
    assert norm(taper.ones(0, 2, 3)).shape == (0, 2, 3)
    assert norm.running_mean.tolist() == [0, 0] and norm.running_var.tolist() == [1, 1]
    with pytest.raises(ValueError, match="more than 1 value per channel"):
        norm(taper.ones(1, 2))
    with pytest.raises(ValueError, match="eps must be positive"):
        nn.BatchNorm1d(2, eps=0)(taper.ones(3, 2))


@pytest.mark.parametrize(
    "make, error",
    [
        (lambda: nn.LSTM(2, 3, bias=1), "bias should be of type bool, got: int"),
        (lambda: nn.GRU(2, 3, batch_first="yes"), "batch_first should be of type bool, got: str"),
        (lambda: nn.Softmax(dim="a"), "dim must be an int or None"),
        (
            lambda: nn.GRUCell(2, 3)(taper.ones(1, 2), taper.ones(1, 1, 1, 3)),
            "expected hidden to be 1D or 2D, got 4D",
        ),
        (lambda: nn.CircularPad1d(1)(taper.ones(1, 1, 2, 2)), "expected 2D or 3D input .got 4D input"),
        (
            lambda: nn.CrossEntropyLoss(ignore_index=1)(taper.ones(2, 2), taper.ones(2, 2)),
            "ignore_index is not supported for floating point target",
        ),
    ],
)
def test_layers_refuse_arguments_of_another_kind(make, error):
    with pytest.raises((TypeError, ValueError), match=error):
        make()


def test_layers_are_written_as_pytorch_writes_them():
    assert repr(nn.AvgPool1d(2)) == "AvgPool1d(kernel_size=(2,), stride=(2,), padding=(0,))"
    assert repr(nn.RNNCell(5, 10, nonlinearity="relu")) == "RNNCell(5, 10, nonlinearity=relu)"
    projection = "NonDynamicallyQuantizableLinear(in_features=4, out_features=4, bias=True)"
    assert f"(out_proj): {projection}" in repr(nn.MultiheadAttention(4, 2))


def test_huber_delta_must_be_a_real_number():
    with pytest.raises(TypeError, match="delta must be a float or int"):
        nn.HuberLoss(delta=1 + 1j)
    with pytest.raises(TypeError, match="'delta' must be float, not str"):
        nn.functional.huber_loss(taper.ones(1), taper.ones(1), delta="1")


@pytest.mark.parametrize(
    "layer",
    [
        nn.GRUCell(3, 4),
        nn.EmbeddingBag(5, 3, padding_idx=1),
        nn.GroupNorm(2, 4),
        nn.RMSNorm(4),
        nn.PReLU(3, init=0.1),
    ],
    ids=lambda layer: type(layer).__name__,
)
def test_parameters_are_reset_in_place(layer):
    parameters = list(layer.parameters())
    with taper.no_grad():
        for parameter in parameters:
            parameter.fill_(7)
    layer.reset_parameters()
    assert all(a is b for a, b in zip(parameters, layer.parameters()))
    assert not any(bool((parameter == 7).any()) for parameter in parameters)
    if isinstance(layer, nn.EmbeddingBag):
        assert bool((layer.weight[1] == 0).all())
    if isinstance(layer, nn.PReLU):
        np.testing.assert_allclose(layer.weight.detach().numpy(), [0.1] * 3, rtol=1e-6)


def test_losses_take_their_arguments_in_pytorchs_order():
    loss = nn.TripletMarginLoss(0.5, 1.0, 1e-3, True)
    assert (loss.margin, loss.p, loss.eps, loss.swap) == (0.5, 1.0, 1e-3, True)
    loss = nn.PoissonNLLLoss(False, True, None, 1e-3)
    assert (loss.log_input, loss.full, loss.eps, loss.reduction) == (False, True, 1e-3, "mean")
    with pytest.raises(TypeError):
        nn.GaussianNLLLoss(True)


def test_parameter_dict_is_a_dictionary():
    p = nn.ParameterDict({"a": taper.ones(1), "b": taper.zeros(2)})
    assert p.get("c", 3) == 3 and p.setdefault("a", 5) is p["a"] and list(reversed(p)) == ["b", "a"]
    joined = p | {"c": taper.ones(3)}
    assert list(joined) == ["a", "b", "c"] and isinstance(joined["c"], nn.Parameter) and len(p) == 2
    b = p["b"]
    assert p.popitem() == ("b", b) and p.pop("a").item() == 1 and len(list(p.parameters())) == 0
    joined.clear()
    assert len(joined) == 0 and list(joined.copy().fromkeys(["x"], 1).items()) == [("x", 1)]


def test_modules_that_occur_twice():
    shared = nn.Linear(1, 1)
    net = nn.Sequential(shared, shared)
    assert len(list(net.modules())) == 2 and len(list(net.modules(remove_duplicate=False))) == 3


def test_uses_that_are_refused_as_in_pytorch():
    with pytest.raises(ValueError, match="strided convolutions"):
        nn.Conv2d(3, 4, 3, stride=2, padding="same")
    with pytest.raises(RuntimeError, match="floating point and complex"):
        nn.Parameter(taper.tensor([1]))
    assert not nn.Parameter(taper.tensor([1]), requires_grad=False).requires_grad
    with pytest.raises(TypeError, match="only accepts floating point"):
        nn.Linear(1, 1).to(taper.int32)
    with pytest.raises(RuntimeError, match="empty list"):
        nn.utils.rnn.pad_sequence([])
    with pytest.raises(RuntimeError, match="only supports Tensor or scalar"):
        _ = "a" in taper.tensor([1])
    with pytest.warns(UserWarning, match="num_layers greater than 1"):
        nn.GRU(2, 3, dropout=0.5)


def test_sequential_times_a_number():
    layer = nn.Linear(2, 2)
    net = nn.Sequential(layer, nn.ReLU()) * 2
    assert len(net) == 4 and net[2] is layer
    net *= 2
    assert len(net) == 8 and len(3 * nn.Sequential(layer)) == 3
    with pytest.raises(ValueError, match="Non-positive"):
        net * 0
    with pytest.raises(TypeError):
        net * 1.5


def test_containers_of_parameters_show_values_of_other_kinds():
    assert "(1): Object of type: int" in repr(nn.ParameterList([taper.ones(1), 3]))
    assert "(b): Object of type: str" in repr(nn.ParameterDict({"a": taper.ones(1), "b": "text"}))


@pytest.mark.parametrize("channels", [1, 3, 7, 15])
def test_weight_gradients_of_strided_windows_of_one_element_over_few_channels(channels):
    # oneDNN's channels-last kernel writes behind its memory here: `make test-guarded` sees it.
    x = taper.arange(channels * 64 * 64, dtype=taper.float32).reshape(1, channels, 64, 64) % 13
    weight = taper.ones(48, channels, 1, 1, requires_grad=True)
    nn.functional.conv2d(x, weight, stride=2).sum().backward()
    assert weight.grad[47, :, 0, 0].tolist() == x[0, :, ::2, ::2].sum((1, 2)).tolist()


def test_arguments_of_to_are_told_apart():
    parse = taper._C._nn._parse_to
    cpu = taper.device("cpu")
    assert parse("cpu", taper.float64, True) == (cpu, taper.float64, True, None)
    assert parse(taper.ones(1, dtype=taper.bfloat16)) == (cpu, taper.bfloat16, False, None)
    assert parse(dtype=taper.float16) == (None, taper.float16, False, None)
    layer = nn.Linear(1, 1)
    assert layer.to("cpu", taper.float64).weight.dtype is taper.float64
    with pytest.raises(TypeError):
        layer.to(taper.float32, dtyp=taper.float64)
