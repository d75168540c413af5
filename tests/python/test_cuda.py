"""What programs meet where there is no CUDA device: one clear error, and nothing that crashes."""

import subprocess
import sys
from pathlib import Path

import pytest

import taper
from taper import nn

ROOT = Path(__file__).resolve().parents[2]

pytestmark = pytest.mark.skipif(taper.cuda.is_available(), reason="there is a CUDA device")


def test_a_reason_is_given_for_no_device():
    assert taper.cuda.device_count() == 0
    assert taper.cuda.why_unavailable()


@pytest.mark.parametrize(
    "make",
    [
        lambda: taper.zeros(2, device="cuda"),
        lambda: taper.ones(2, device="cuda:0"),
        lambda: taper.empty(2, device=taper.device("cuda")),
        lambda: taper.full((2,), 1.0, device="cuda"),
        lambda: taper.arange(3, device="cuda"),
        lambda: taper.rand(2, device="cuda"),
        lambda: taper.randperm(3, device="cuda"),
        lambda: taper.tensor([1.0], device="cuda"),
        lambda: taper.as_tensor([1.0], device="cuda"),
        lambda: taper.zeros_like(taper.zeros(2), device="cuda"),
        lambda: taper.zeros(2).new_zeros(3, device="cuda"),
        lambda: taper.zeros(2).to("cuda"),
        lambda: taper.zeros(2).to(0),
        lambda: taper.zeros(2).to("cuda", taper.float64, non_blocking=True),
        lambda: taper.zeros(2).cuda(),
        lambda: nn.Linear(2, 2).to("cuda"),
        lambda: nn.Linear(2, 2).cuda(),
        lambda: nn.Linear(2, 2, device="cuda"),
        lambda: taper.Generator(device="cuda"),
        lambda: taper.cuda.current_device(),
        lambda: taper.cuda.set_device(0),
        lambda: taper.cuda.synchronize(),
        lambda: taper.cuda.Stream(),
        lambda: taper.cuda.current_stream(),
        lambda: taper.cuda.get_device_properties(0),
        lambda: taper.cuda.mem_get_info(),
        lambda: taper.cuda.get_rng_state(),
        lambda: taper.cuda.CUDAGraph().capture_begin(),
    ],
)
def test_asking_for_a_device_says_why_there_is_none(make):
    with pytest.raises(taper.DeviceError) as error:
        make()
    assert "device cuda is not available: " + taper.cuda.why_unavailable() in str(error.value)


def test_what_asks_nothing_of_a_device_is_harmless():
    taper.cuda.manual_seed(1)
    taper.cuda.manual_seed_all(1)
    taper.cuda.empty_cache()
    taper.cuda.reset_peak_memory_stats()
    assert (
        taper.cuda.memory_allocated()
        == taper.cuda.max_memory_allocated()
        == taper.cuda.memory_reserved()
        == 0
    )
    assert not taper.cuda.is_initialized() and not taper.cuda.is_bf16_supported()
    assert taper.cuda.memory_stats() == {} and "0.0 MiB" in taper.cuda.memory_summary()
    assert taper.cuda.get_rng_state_all() == [] and not taper.cuda.is_current_stream_capturing()
    taper.cuda.ipc_collect()
    with taper.cuda.nvtx.range("nothing"):
        pass


def test_tensors_of_main_memory_move_nowhere():
    x = taper.arange(4)
    assert x.cpu() is x and x.to("cpu") is x
    assert x.to("cpu", copy=True).data_ptr() != x.data_ptr()
    assert x.get_device() == -1 and not x.is_pinned() and x.pin_memory() is x
    assert x.__dlpack_device__() == (1, 0)


def test_seeding_all_devices_seeds_the_cpu():
    taper.manual_seed(7)
    first = taper.rand(3)
    taper.manual_seed(7)
    assert taper.equal(taper.rand(3), first)


def test_the_mnist_example_refuses_in_one_line():
    run = subprocess.run(
        [sys.executable, ROOT / "examples" / "python" / "mnist.py", "--device", "cuda"],
        capture_output=True,
        text=True,
        env={"PYTHONPATH": str(ROOT / "python"), "PATH": ""},
    )
    assert run.returncode != 0
    lines = run.stderr.strip().splitlines()
    assert len(lines) == 1 and "not available" in lines[0] and taper.cuda.why_unavailable() in lines[0]
