"""Streams, events, pinned memory, statistics and errors of taper.cuda on the simulated device."""

import gc

import numpy as np
import pytest
from conftest import RUNTIME

import taper
from taper import cuda


def test_the_device_is_described(device):
    assert cuda.current_device() == 0
    properties = cuda.get_device_properties()
    assert properties.name == cuda.get_device_name(0) and properties.warp_size == 32
    assert cuda.get_device_capability() == (properties.major, properties.minor) >= (7, 5)
    if RUNTIME is not None:
        assert cuda.device_count() == 1 and properties.major == 8 and cuda.is_bf16_supported()
    assert not cuda.can_device_access_peer(0, 0)
    free, total = cuda.mem_get_info()
    assert 0 < free <= total == properties.total_memory
    missing = f"cuda:{cuda.device_count()}"
    with cuda.device(0), pytest.raises(taper.DeviceError, match=missing):
        taper.zeros(2, device=missing)


def test_work_on_streams_is_ordered_by_events(device):
    side, other = cuda.Stream(), cuda.Stream(priority=-1)
    x = taper.ones(1000, device="cuda")
    ready = cuda.current_stream().record_event()
    with cuda.stream(side):
        assert cuda.current_stream() == side != cuda.default_stream()
        side.wait_event(ready)
        y = x * 3
        done = side.record_event()
    with cuda.stream(other):
        other.wait_event(done)
        z = y + x
    y.record_stream(other)
    cuda.current_stream().wait_stream(other)
    assert taper.equal((z + 1).cpu(), taper.full((1000,), 5.0))
    side.synchronize()
    assert side.query() and done.query()
    for tensor in (x, y):
        tensor.record_stream(cuda.current_stream())


@pytest.mark.parametrize("there", [True, False])
def test_backward_of_what_ran_on_another_stream_as_the_documentation_tells(device, there):
    side = cuda.Stream()
    a = taper.arange(1.0, 3001).to("cuda").requires_grad_()
    for _ in range(2):
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            loss = (a.log() * a.sqrt()).sum()
            if there:
                loss.backward()
                a.grad.record_stream(cuda.default_stream())
        cuda.current_stream().wait_stream(side)
        if not there:
            loss.backward(retain_graph=True)
            side.wait_stream(cuda.current_stream())
        del loss
        with cuda.stream(side):
            taper.zeros(3000, device="cuda")  # may get the memory of what was saved
    x = np.arange(1.0, 3001)
    expected = 2 * (1 / np.sqrt(x) + np.log(x) / (2 * np.sqrt(x)))
    np.testing.assert_allclose(a.grad.cpu().numpy(), expected, rtol=1e-5)


def test_products_go_to_the_current_stream(device):
    side = cuda.Stream()
    a = taper.arange(12.0).reshape(3, 4).to("cuda")
    side.wait_stream(cuda.current_stream())
    with cuda.stream(side):
        b = (a * 2) @ a.T
    cuda.current_stream().wait_stream(side)
    assert taper.equal(b.cpu(), (a.cpu() * 2) @ a.cpu().T)
    a.record_stream(side)
    b.record_stream(cuda.current_stream())


def test_events_time_what_lies_between_them(device):
    start, end = cuda.Event(enable_timing=True), cuda.Event(enable_timing=True)
    start.record()
    taper.ones(10, device="cuda").add_(1)
    end.record()
    end.synchronize()
    assert start.elapsed_time(end) >= 0


def test_memory_freed_on_the_host_is_kept_for_the_streams_that_use_it(device):
    side = cuda.Stream()
    for _ in range(3):
        x = taper.full((5000,), 2.0, device="cuda")
        side.wait_stream(cuda.current_stream())
        with cuda.stream(side):
            y = x * 2
        x.record_stream(side)
        del x
        z = taper.zeros(5000, device="cuda")  # may get the memory of x
        cuda.current_stream().wait_stream(side)
        assert taper.equal((y + z).cpu(), taper.full((5000,), 4.0))
        y.record_stream(cuda.current_stream())


def test_memory_of_a_stream_is_freed_in_its_order(device):
    side = cuda.Stream()
    with cuda.stream(side):
        x = taper.full((5000,), 2.0, device="cuda")
        y = x * 2
        del x
        z = y + 1
    cuda.current_stream().wait_stream(side)
    z.record_stream(cuda.current_stream())
    assert taper.equal(z.cpu(), taper.full((5000,), 5.0))


def test_copies_from_and_to_pinned_memory_need_not_wait(device):
    x = taper.arange(3000.0).pin_memory()
    assert x.is_pinned() and not taper.arange(3.0).is_pinned()
    y = x.to("cuda", non_blocking=True)
    del x  # its memory is kept until it is read
    gc.collect()
    back = taper.empty(3000).pin_memory()
    back.copy_(y * 2, non_blocking=True)
    cuda.synchronize()
    assert taper.equal(back, taper.arange(3000.0) * 2)
    back.copy_(y * 3)
    assert taper.equal(back, taper.arange(3000.0) * 3)


def test_pageable_memory_is_ready_when_a_copy_returns(device):
    x = taper.arange(100.0)
    y = x.to("cuda", non_blocking=True)
    x.zero_()
    back = y.to("cpu", non_blocking=True)
    assert taper.equal(back, taper.arange(100.0))


def test_memory_is_counted(device):
    gc.collect()
    before = cuda.memory_allocated()
    cuda.reset_peak_memory_stats()
    x = taper.empty(1000, device="cuda")
    assert cuda.memory_allocated() - before >= 4000
    del x
    assert cuda.memory_allocated() == before
    assert cuda.max_memory_allocated() - before >= 4000
    assert cuda.memory_reserved() <= cuda.max_memory_reserved()
    assert cuda.memory_stats()["allocation.all.freed"] > 0 and "Allocated" in cuda.memory_summary()
    cuda.empty_cache()
    cuda.ipc_collect()


def test_too_large_a_tensor_raises_out_of_memory_and_nothing_is_lost(device):
    x = taper.ones(3, device="cuda")
    with pytest.raises(cuda.OutOfMemoryError, match="CUDA out of memory"):
        taper.empty(2**40, device="cuda")
    assert taper.equal((x + 1).cpu(), taper.full((3,), 2.0))


def test_tensors_travel_by_numpy_pickle_and_files(device, tmp_path):
    import pickle

    x = taper.tensor(np.arange(6.0).reshape(2, 3)).to("cuda")
    with pytest.raises(TypeError, match="cpu"):
        x.numpy()
    assert taper.equal(pickle.loads(pickle.dumps(x)).cpu(), x.cpu())
    taper.save({"x": x}, tmp_path / "x.pt")
    assert taper.load(tmp_path / "x.pt")["x"].is_cuda
    assert not taper.load(tmp_path / "x.pt", map_location="cpu")["x"].is_cuda
    assert "device='cuda:0'" in repr(x)


def test_operands_on_two_devices_are_refused(device):
    x = taper.ones(3, device="cuda")
    with pytest.raises(taper.DeviceError, match="different devices"):
        x + taper.ones(3)
    assert taper.equal(
        (x + taper.tensor(2.0)).cpu(), taper.full((3,), 3.0)
    )  # a number may lie in main memory
