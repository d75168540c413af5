"""Recurrent networks by cuDNN: a stand-in that checks what the library checks computes them."""

import subprocess
import sys
from collections import Counter

import pytest
from test_cudnn_on_cuda import environment_of, run_tests

PRELUDE = """
from functools import partial
from conftest import Device  # before taper looks for a device
import taper
from taper import nn

taper.backends.cudnn.allow_tf32 = False
FLOATS = (taper.float32, taper.float64, taper.float16, taper.bfloat16)
# Of what 16-bit types hold, as the CPU rounds after each step of each gate.
TOLERANCES = {taper.float32: 1e-5, taper.float64: 1e-12, taper.float16: 1e-2, taper.bfloat16: 8e-2}
KINDS = {"tanh": nn.RNN, "relu": partial(nn.RNN, nonlinearity="relu"), "gru": nn.GRU, "lstm": nn.LSTM,
         "projected": partial(nn.LSTM, proj_size=2)}

def numbers(*shape, seed=0):
    return taper.randn(*shape, generator=taper.Generator().manual_seed(seed))

def network(kind, *sizes, dtype=taper.float32, device="cuda", **options):
    taper.manual_seed(5)
    return KINDS[kind](*sizes, **options).to(dtype).to(device)

def initial(net, batch, seed=7):
    places = net.num_layers * (2 if net.bidirectional else 1)
    h = numbers(places, batch, net.proj_size or net.hidden_size, seed=seed)
    return (h, numbers(places, batch, net.hidden_size, seed=seed + 1)) if isinstance(net, nn.LSTM) else h

def each(states):
    return list(states) if isinstance(states, tuple) else [states]

def on(device, dtype, states):
    moved = [state.to(dtype).to(device).requires_grad_() for state in each(states)]
    return tuple(moved) if isinstance(states, tuple) else moved[0]

def results(net, x, states=None, lengths=None):
    # Output, last states, and of a sum in which each number counts differently the gradients of all operands.
    device, dtype = net.weight_hh_l0.device, net.weight_hh_l0.dtype
    x = x.to(dtype).to(device).requires_grad_()
    states = None if states is None else on(device, dtype, states)
    given = x
    if lengths is not None:
        given = nn.utils.rnn.pack_padded_sequence(x, lengths, net.batch_first, enforce_sorted=False)
    output, last = net(given, states)
    parts = [output if lengths is None else output.data, *each(last)]
    for net_grad in net.parameters():
        net_grad.grad = None
    loss = sum((p * numbers(*p.shape, seed=20 + i).to(dtype).to(device)).sum() for i, p in enumerate(parts))
    loss.backward()
    leaves = [x, *([] if states is None else each(states)), *net.parameters()]
    return parts + [leaf.grad for leaf in leaves]

def close(got, expected, tolerance):
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a.dtype == b.dtype and a.shape == b.shape
        a, b = a.detach().cpu().double(), b.detach().cpu().double()
        assert ((a - b).abs() <= tolerance * (1 + b.abs().max())).all(), (a - b).abs().max()

def check(kind, *sizes, steps=5, batch=3, dtype=taper.float32, states=True, lengths=None, **options):
    got, expected = [], []
    for device, list_ in (("cuda", got), ("cpu", expected)):
        net = network(kind, *sizes, dtype=dtype, device=device, **options)
        shape = (batch, steps, sizes[0]) if net.batch_first else (steps, batch, sizes[0])
        list_ += results(net, numbers(*shape), initial(net, batch) if states else None, lengths)
    close(got, expected, TOLERANCES[dtype])
"""


def run(script, log, **environment):
    """The passes of the stand-in that the script runs, and how often."""
    command = [
        sys.executable,
        "-c",
        PRELUDE + script + "\nassert Device().findings() == '', Device().findings()",
    ]
    done = subprocess.run(
        command, env=environment_of(log) | environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


def passes(times):
    """As often forward for training, and back to the data and to the weights."""
    return {f"recurrent_{name}": times for name in ("training", "data", "weights")}


def test_networks_by_cudnn(device, tmp_path):
    script = """
for kind in KINDS:
    check(kind, 3, 4)
    check(kind, 3, 5, num_layers=2, bidirectional=True, batch_first=True, steps=4, batch=2)
    check(kind, 1, 3, bias=False, states=False, steps=1, batch=1, bidirectional=True)
for kind in ("gru", "projected"):
    for dtype in FLOATS[1:]:
        check(kind, 2, 3, dtype=dtype, num_layers=2, steps=3, batch=2)
"""
    assert run(script, tmp_path / "executed") == passes(5 * 3 + 2 * 3)


def test_sequences_of_different_lengths(device, tmp_path):
    script = """
for kind in KINDS:
    check(kind, 3, 4, lengths=[5, 2, 1], num_layers=2, bidirectional=True)
check("lstm", 2, 3, lengths=[1, 4, 4, 2, 3], batch=5, batch_first=True, states=False)
check("gru", 2, 3, lengths=[3, 3], steps=3, batch=2)
"""
    assert run(script, tmp_path / "executed") == passes(5 + 2)


def test_operands_of_other_layouts(device, tmp_path):
    script = """
net = network("lstm", 3, 4)
x, (h, c) = numbers(5, 2, 3).cuda(), (s.cuda() for s in initial(net, 2))
expected = net(x, (h, c))[0]
apart = taper.zeros(5, 2, 6).cuda()
apart[..., ::2] = x
flipped = h.transpose(0, 2).contiguous().transpose(0, 2)
assert not flipped.is_contiguous() or flipped.numel() < 2
close([net(apart[..., ::2], (flipped, c))[0]], [expected], 0)
close([net(x[:, 0], (h[:, 0], c[:, 0]))[0]], [expected[:, 0]], 1e-6)
y = net(x.transpose(0, 1).contiguous().transpose(0, 1), (h, c))[0]
y[::2].sum().backward()  # a gradient with gaps
net(x, (h, c))[1][1].sum().backward()  # of the last cells only, so that there is none of the output
assert net(taper.zeros(5, 0, 3).cuda())[0].shape == (5, 0, 4)
"""
    counts = run(script, tmp_path / "executed")
    assert counts == {"recurrent_training": 5, "recurrent_data": 2, "recurrent_weights": 2}


def test_what_is_not_wanted_is_not_computed(device, tmp_path):
    script = """
net = network("gru", 3, 4)
x = numbers(4, 2, 3).cuda()
with taper.no_grad():
    quiet = net(x)[0]
net.requires_grad_(False)
close([net(x)[0]], [quiet], 0)
x.requires_grad_()
net(x)[0].sum().backward()
expected = network("gru", 3, 4, device="cpu")
y = x.detach().cpu().requires_grad_()
expected(y)[0].sum().backward()
close([x.grad], [y.grad], 1e-5)
"""
    counts = run(script, tmp_path / "executed")
    assert counts == {"recurrent_inference": 2, "recurrent_training": 1, "recurrent_data": 1}


def test_dropout_between_layers_draws_the_numbers_of_the_cpu(device, tmp_path):
    script = """
got, expected = [], []
for device, list_ in (("cuda", got), ("cpu", expected)):
    for lengths in (None, [4, 2]):
        net = network("lstm", 3, 4, num_layers=3, dropout=0.5, bidirectional=True, device=device)
        taper.manual_seed(11)
        list_ += results(net, numbers(4, 2, 3), None, lengths)
        list_ += results(net.eval(), numbers(4, 2, 3), None, lengths)
close(got, expected, 1e-5)
"""
    assert run(script, tmp_path / "executed") == passes(2 * (3 + 1))


@pytest.mark.parametrize(
    "setting",
    ["taper.backends.cudnn.enabled = False", "taper.backends.cudnn.deterministic = True"]
    + ["taper.use_deterministic_algorithms(True)"],
)
def test_settings_that_own_kernels_obey(device, tmp_path, setting):
    assert run(f"{setting}\ncheck('lstm', 3, 4)", tmp_path / "executed") == {}


def test_buffers_of_one_size_make_it_repeatable(device, tmp_path):
    script = "taper.use_deterministic_algorithms(True)\ncheck('lstm', 3, 4)"
    assert run(script, tmp_path / "executed", CUBLAS_WORKSPACE_CONFIG=":4096:2") == passes(1)


@pytest.mark.parametrize(
    "lacking, counts",
    [
        ("forward", {}),
        ("data", {"recurrent_training": 1}),
        ("weights", {"recurrent_training": 1, "recurrent_data": 1}),
    ],
)
def test_own_kernels_do_what_cudnn_lacks(device, tmp_path, lacking, counts):
    script = "check('lstm', 3, 4, num_layers=2, bidirectional=True)"
    assert run(script, tmp_path / "executed", DEVICE_SIM_CUDNN_LACKS=lacking) == counts


def test_precision_of_float32_products(device, tmp_path):
    log = tmp_path / "executed"
    script = """
def tf32(x):
    return (x.view(taper.int32) + 0x1000 & ~0x1FFF).view(taper.float32)

x, nets = numbers(1, 2, 3), [network("gru", 3, 4, bias=False, device=d) for d in ("cuda", "cpu")]
with taper.no_grad():
    exact = nets[1](x)[0]
    for p in nets[1].parameters():
        p.copy_(tf32(p))
    short = nets[1](tf32(x))[0]
    close([nets[0](x.cuda())[0]], [exact], 1e-7)
    taper.backends.cudnn.allow_tf32 = True
    close([nets[0](x.cuda())[0]], [short], 1e-7)
    nets[0].half()(x.cuda().half())
assert (exact - short).abs().max() > 1e-5
"""
    run(script, log)
    # CUDNN_FMA_MATH, CUDNN_DEFAULT_MATH, CUDNN_TENSOR_OP_MATH
    assert [line.split()[1] for line in log.read_text().splitlines()] == ["3", "0", "1"]


def test_gradients_of_gradients_and_graphs_that_are_kept(device, tmp_path):
    script = """
def second(device, kind):
    net = network(kind, 2, 3, num_layers=2, bidirectional=True, device=device, dtype=taper.float64)
    x = numbers(3, 2, 2).double().to(device).requires_grad_()
    first = taper.autograd.grad(net(x)[0].pow(2).sum(), [x, *net.parameters()], create_graph=True)
    return list(taper.autograd.grad(sum(g.pow(2).sum() for g in first), [x, *net.parameters()]))

for kind in ("lstm", "gru", "tanh"):
    close(second("cuda", kind), second("cpu", kind), 1e-10)

net = network("lstm", 2, 3)
y = net(numbers(3, 2, 2).cuda())[0].sum()
gradients = [taper.autograd.grad(y, list(net.parameters()), retain_graph=True) for _ in range(2)]
taper.backends.cudnn.enabled = False  # own kernels go back from what cuDNN computed
gradients.append(taper.autograd.grad(y, list(net.parameters())))
close(gradients[1], gradients[0], 0)
close(gradients[2], gradients[0], 1e-5)
"""
    # Second gradients also go back through the network itself, by cuDNN.
    counts = run(script, tmp_path / "executed")
    assert counts == {"recurrent_training": 3 + 1, "recurrent_data": 3 + 2, "recurrent_weights": 3 + 2}


def test_autocast_runs_networks_in_the_narrow_type(device, tmp_path):
    script = """
net, x = network("lstm", 3, 4, num_layers=2), numbers(4, 2, 3).cuda()
expected = net(x)[0]
with taper.autocast("cuda", dtype=taper.float16):
    output = net(x)[0]
assert output.dtype is taper.float16
close([output.float()], [expected], 1e-2)
output.float().sum().backward()
assert all(p.grad.dtype is taper.float32 for p in net.parameters())
"""
    assert run(script, tmp_path / "executed")["recurrent_weights"] == 1


def test_recorded_graphs(device, tmp_path):
    log = tmp_path / "executed"
    script = """
def step(net, x):
    net.zero_grad(set_to_none=False)
    y = net(x)[0]
    y.sum().backward()
    return [y, *(p.grad for p in net.parameters())]

def recorded(steps):
    net, x = network("lstm", 3, 4), numbers(steps, 2, 3).cuda()
    expected = [t.clone() for t in step(net, x)] if steps == 4 else None
    for p in net.parameters():
        p.grad = taper.zeros_like(p)
    taper.cuda.synchronize()
    graph = taper.cuda.CUDAGraph()
    with taper.cuda.graph(graph):
        results = step(net, x)
    for _ in range(2):
        graph.replay()
    taper.cuda.synchronize()
    close(results, expected or step(network("lstm", 3, 4), x), 1e-5)

recorded(4)  # met before: cuDNN once by itself and once into the graph
taper.cuda.synchronize()
print("recurrent_then 0", file=open(LOG, "a"))
recorded(3)  # of three steps nothing has run: own kernels are recorded, and cuDNN runs once by itself
"""
    run(f"LOG = {str(log)!r}\n{script}", log)
    lines = [line.split()[0].removeprefix("recurrent_") for line in log.read_text().splitlines()]
    assert lines == ["training", "data", "weights"] * 2 + ["then"] + ["training", "data", "weights"]


def test_streams_and_memory_that_is_used_again(device, tmp_path):
    script = """
net, x = network("lstm", 3, 4, num_layers=2), numbers(4, 2, 3).cuda()
side = taper.cuda.Stream()
expected = step = None
for _ in range(3):
    side.wait_stream(taper.cuda.current_stream())
    with taper.cuda.stream(side):
        net.zero_grad()
        y = net(x)[0]
        y.sum().backward()
        noise = taper.full((4096,), 7.0, device="cuda")
    taper.cuda.current_stream().wait_stream(side)
    step = [y.clone(), *(p.grad.clone() for p in net.parameters())]
    if expected is not None:
        close(step, expected, 0)
    expected = step
"""
    assert run(script, tmp_path / "executed") == passes(3)


def test_training_follows_the_curve_of_the_cpu(device, tmp_path):
    log = tmp_path / "executed"
    run_tests("test_training_on_cuda.py", log, "-k", "each_model and lstm")
    assert Counter(line.split()[0] for line in log.read_text().splitlines())["recurrent_weights"] > 2
