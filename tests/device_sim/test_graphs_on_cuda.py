"""Work that is recorded as a graph and run again: what eager work gives, without findings of the checks."""

import gc

import numpy as np
import pytest
from conftest import RUNTIME

import taper
from taper import cuda, nn
from taper.nn import functional as F


def warmed_up(function):
    """function, after a run on a stream of its own."""
    side = cuda.Stream()
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        function()
    cuda.current_stream().wait_stream(side)
    return function


def recorded(function, **options):
    graph = cuda.CUDAGraph()
    with cuda.graph(graph, **options):
        results = function()
    return graph, results


def test_a_run_reads_new_inputs_at_the_old_place(device):
    x, w = taper.ones(3, 4, device="cuda"), taper.arange(8.0).reshape(4, 2).to("cuda")
    function = warmed_up(lambda: F.softmax((x @ w).relu() + 1, 1))
    graph, y = recorded(function)
    for factor in (2.0, -1.0):
        x.fill_(factor)
        graph.replay()
        expected = F.softmax((x.cpu() @ w.cpu()).relu() + 1, 1)
        np.testing.assert_allclose(y.cpu().numpy(), expected.numpy(), rtol=1e-6)


def test_nothing_runs_while_recording(device):
    x = taper.zeros(5, device="cuda")
    warmed_up(lambda: x + 1)
    assert not cuda.is_current_stream_capturing()
    graph = cuda.CUDAGraph()
    with cuda.graph(graph):
        assert cuda.is_current_stream_capturing()
        x.add_(1)
    assert taper.equal(x.cpu(), taper.zeros(5))
    for _ in range(3):
        graph.replay()
    assert taper.equal(x.cpu(), taper.full((5,), 3.0))


@pytest.mark.parametrize("dtype", [taper.float32, taper.float64])
def test_random_numbers_go_on_from_run_to_run(device, dtype):
    x = taper.ones(50, device="cuda", dtype=dtype)

    def function():
        return F.dropout(x, 0.5) + taper.empty_like(x).normal_() + taper.rand(50, device="cuda")

    warmed_up(function)
    taper.manual_seed(3)
    expected = [function().cpu() for _ in range(3)]
    taper.manual_seed(4)
    graph, y = recorded(function)
    taper.manual_seed(3)
    for other in expected[:2]:
        graph.replay()
        assert taper.equal(y.cpu(), other)
    assert taper.equal(function().cpu(), expected[2])


OPTIMIZERS = {
    "SGD": lambda p: taper.optim.SGD(p, lr=0.1, momentum=0.9),
    "AdamW": lambda p: taper.optim.AdamW(p, lr=0.02),
    "Adagrad": lambda p: taper.optim.Adagrad(p, lr=0.1, lr_decay=0.3),
}


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_whole_training_step_is_recorded(device, optimizer):
    rng = np.random.default_rng(0)
    inputs, targets = (
        taper.tensor(rng.normal(size=(8, 6)).astype(np.float32)),
        taper.tensor(rng.integers(0, 3, 8)),
    )

    def training_on(place):
        taper.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 16), nn.GELU(), nn.LayerNorm(16), nn.Linear(16, 3)).to(place)
        chosen, x, y = OPTIMIZERS[optimizer](model.parameters()), inputs.to(place), targets.to(place)

        def step():
            chosen.zero_grad()
            loss = F.cross_entropy(model(x), y)
            loss.backward()
            chosen.step()
            return loss.detach()

        return step

    on_cpu = training_on("cpu")
    expected = [on_cpu().item() for _ in range(6)]
    step = warmed_up(training_on("cuda"))  # keeps the model, which runs use
    graph, loss = recorded(step)
    got = []
    for _ in range(5):
        graph.replay()
        got.append(loss.item())
    np.testing.assert_allclose(got, expected[1:], rtol=2e-5)


def test_what_waits_for_the_device_cannot_be_recorded(device):
    x = taper.ones(3, device="cuda")
    warmed_up(lambda: x.sum())
    with pytest.raises(taper.Error, match="captur"), cuda.graph(cuda.CUDAGraph()):
        (x + 1).sum().item()
    assert not cuda.is_current_stream_capturing()
    assert (x + 1).sum().item() == 6
    with pytest.raises(ValueError, match="default stream"):
        cuda.CUDAGraph().capture_begin()
    with pytest.raises(ValueError, match="nothing is recorded"):
        cuda.CUDAGraph().replay()


def test_memory_from_before_is_freed_after_recording(device):
    x = [taper.ones(2000, device="cuda")]
    y = taper.zeros(2000, device="cuda")

    def function():
        y.add_(x.pop())

    graph, _ = recorded(function)
    graph.reset()
    assert taper.equal((y + 1).cpu(), taper.ones(2000))


@pytest.mark.skipif(RUNTIME is None, reason="asks the simulated device")
def test_a_graphs_memory_lives_as_long_as_the_graph_and_its_tensors(device):
    x = taper.ones(1000, device="cuda")
    warmed_up(lambda: x + 1)
    cuda.synchronize()
    gc.collect()
    before = RUNTIME.device_sim_live_bytes()
    graph, y = recorded(lambda: ((x + 1) * 2, x * 3))
    second, z = recorded(lambda: y[0] + y[1], pool=graph.pool())
    for one in (graph, second):
        one.replay()
    assert taper.equal(z.cpu(), taper.full((1000,), 7.0))
    del graph, second, one
    assert taper.equal((y[0] + z).cpu(), taper.full((1000,), 11.0))
    assert RUNTIME.device_sim_live_bytes() > before
    del y, z
    cuda.synchronize()
    assert RUNTIME.device_sim_live_bytes() == before


def test_a_module_whose_passes_run_as_graphs_trains_as_without(device):
    rng = np.random.default_rng(1)
    x = taper.tensor(rng.normal(size=(2, 5, 6)).astype(np.float32))

    def training_on(place, wrap):
        taper.manual_seed(0)
        model = nn.Sequential(nn.Linear(6, 8), nn.GELU(), nn.Linear(8, 3)).to(place)
        if wrap:
            model = cuda.make_graphed_callables(model, (x[0].to(place).requires_grad_(),))
        optimizer, curve = taper.optim.SGD(model.parameters(), lr=0.1), []
        for step in range(4):
            inputs = x[step % 2].to(place).requires_grad_()
            optimizer.zero_grad()
            loss = model(inputs).square().mean()
            loss.backward()
            optimizer.step()
            curve += [loss.item(), inputs.grad.abs().sum().item()]
        return curve

    np.testing.assert_allclose(training_on("cuda", True), training_on("cpu", False), rtol=1e-5)
