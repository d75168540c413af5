"""Recurrent networks by cuDNN: a stand-in that checks what the library checks computes them."""

import subprocess
import sys
from collections import Counter

import pytest
from test_cudnn_on_cuda import environment_of, run_tests

PRELUDE = """
from conftest import Device  # before taper looks for a device
from recurrent_by_cudnn import *

taper.backends.cudnn.allow_tf32 = False
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
    return counts_of(log)


def passes(training, back):
    """As often forward for training, and as often back to the data and to the weights."""
    return {"recurrent_training": training, "recurrent_data": back, "recurrent_weights": back}


def counts_of(log):
    return Counter(line.split()[0] for line in log.read_text().splitlines()) if log.exists() else Counter()


@pytest.mark.parametrize(
    "case, training, back",
    [
        ("of_each_kind", 5 * 3 + 2 * 3, 5 * 3 + 2 * 3),
        ("lengths", 5 + 2, 5 + 2),
        ("layouts", 5, 2),
        ("dropout", 2 * (3 + 1), 2 * (3 + 1)),
        # Second gradients also go back through the network itself.
        ("gradients", 3 + 1, 3 + 2),
        ("autocast", 2, 1),
    ],
)
def test_what_networks_compute(device, tmp_path, case, training, back):
    log = tmp_path / "executed"
    run_tests("recurrent_by_cudnn.py", log, "-k", case)
    assert counts_of(log) == passes(training, back)


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


@pytest.mark.parametrize(
    "setting",
    ["taper.backends.cudnn.enabled = False", "taper.backends.cudnn.deterministic = True"]
    + ["taper.use_deterministic_algorithms(True)"],
)
def test_settings_that_own_kernels_obey(device, tmp_path, setting):
    assert run(f"{setting}\ncheck('lstm', 3, 4)", tmp_path / "executed") == {}


def test_buffers_of_one_size_make_it_repeatable(device, tmp_path):
    script = "taper.use_deterministic_algorithms(True)\ncheck('lstm', 3, 4)"
    assert run(script, tmp_path / "executed", CUBLAS_WORKSPACE_CONFIG=":4096:2") == passes(1, 1)


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
    assert run(script, tmp_path / "executed") == passes(3, 3)


def test_training_follows_the_curve_of_the_cpu(device, tmp_path):
    log = tmp_path / "executed"
    run_tests("test_training_on_cuda.py", log, "-k", "each_model and lstm")
    assert counts_of(log)["recurrent_weights"] > 2
