"""What programs write around tensors on a device: queues, limits of memory, generators, DLPack."""

import copy
import pickle

import pytest

import taper
from taper import cuda, nn
from taper.utils.checkpoint import checkpoint


def test_a_stream_is_a_context(device):
    side = cuda.Stream(priority=-1)
    with side:
        assert cuda.current_stream() == side
        with side, cuda.default_stream():
            assert cuda.current_stream() == cuda.default_stream()
        x = taper.ones(3, device="cuda") + 1
    assert cuda.current_stream() == cuda.default_stream() and isinstance(cuda.current_stream(), cuda.Stream)
    cuda.current_stream().wait_stream(side)
    assert x.sum().item() == 6
    x.record_stream(cuda.current_stream())
    assert side.priority == -1 and cuda.default_stream().priority == 0


def test_another_librarys_stream_is_taken_by_its_handle(device):
    theirs = cuda.Stream()
    ours = cuda.ExternalStream(theirs.cuda_stream)
    with cuda.stream(ours):
        x = taper.ones(3, device="cuda") * 2
    theirs.synchronize()
    assert x.sum().item() == 6
    x.record_stream(cuda.current_stream())
    del x  # before the stream that it is freed on


def test_memory_of_a_process_can_be_limited(device):
    total = cuda.get_device_properties().total_memory
    ooms = cuda.memory_stats()["num_ooms"]
    cuda.set_per_process_memory_fraction((cuda.memory_allocated() + 4000) / total)
    try:
        x = taper.ones(900, device="cuda")
        with pytest.raises(cuda.OutOfMemoryError, match="is allowed"):
            taper.ones(900, device="cuda")
        assert cuda.memory_stats()["num_ooms"] == ooms + 1
        del x
        taper.ones(900, device="cuda")
    finally:
        cuda.set_per_process_memory_fraction(1.0)
    assert cuda.get_per_process_memory_fraction() == 1.0
    with pytest.raises(ValueError, match="0 to 1"):
        cuda.set_per_process_memory_fraction(2.0)


def test_bytes_of_all_allocations_are_counted(device):
    before = cuda.memory_stats()
    taper.empty(1000, device="cuda")
    after = cuda.memory_stats_as_nested_dict()["allocated_bytes"]["all"]
    assert after["allocated"] - before["allocated_bytes.all.allocated"] == 4000
    assert after["freed"] - before["allocated_bytes.all.freed"] == 4000
    assert after["current"] == before["active_bytes.all.current"]


def test_generators_know_their_device_and_can_be_copied(device):
    generator = taper.Generator("cuda").manual_seed(3)
    taper.rand(3, device="cuda", generator=generator)
    copy = generator.clone_state()
    assert generator.device == copy.device == taper.device("cuda:0") != taper.default_generator.device
    assert copy.get_offset() == generator.get_offset() > 0
    a, b = (taper.rand(3, device="cuda", generator=one) for one in (generator, copy))
    assert taper.equal(a, b)
    assert cuda.default_generators[0].device.type == "cuda"


def test_new_tensors_are_made_in_pinned_memory(device):
    for x in (taper.empty(3, pin_memory=True), taper.zeros(3, pin_memory=True), taper.ones(3).pin_memory()):
        assert x.is_pinned()
    assert not taper.empty(3, pin_memory=False).is_pinned()


def test_data_parallel_moves_its_inputs_and_joins_its_results(device):
    module, x = nn.Sequential(nn.Linear(3, 2), nn.BatchNorm1d(2)).double(), taper.rand(6, 3).double()
    expected = nn.DataParallel(module.cuda(), device_ids=[0])(x)
    assert expected.is_cuda
    expected.sum().backward()

    linear = nn.Linear(3, 2).double().cuda()
    twice = nn.DataParallel(linear, device_ids=[0, 0])
    result = twice(x.requires_grad_())
    (result * result).sum().backward()
    gradient = linear.weight.grad.clone()
    linear.zero_grad()
    whole = linear(x.detach().cuda())
    (whole * whole).sum().backward()
    taper.testing.assert_close(result.detach(), whole.detach())
    taper.testing.assert_close(gradient, linear.weight.grad)
    assert x.grad.shape == x.shape
    with pytest.raises(RuntimeError, match="must have its parameters and buffers on device cuda:0"):
        nn.DataParallel(nn.Linear(3, 2), device_ids=[0, 0])(x)


def test_tensors_are_scattered_gathered_and_summed(device):
    x = taper.arange(6.0)
    parts = cuda.comm.scatter(x, [0, "cuda:0"], chunk_sizes=[2, 4])
    assert [part.tolist() for part in parts] == [[0, 1], [2, 3, 4, 5]] and parts[1].is_cuda
    assert taper.equal(cuda.comm.gather(parts, destination=-1), x) and cuda.comm.gather(parts).is_cuda
    assert cuda.comm.reduce_add([part[:2] for part in parts]).tolist() == [2, 4]
    copies = cuda.comm.broadcast(x, devices=[0, 0])
    assert all(copy.is_cuda and taper.equal(copy.cpu(), x) for copy in copies)
    with pytest.raises(RuntimeError, match="either devices or out"):
        cuda.comm.broadcast(x)


def test_memory_is_shared_by_dlpack_and_described_for_cupy(device):
    x = taper.arange(6.0, device="cuda").reshape(2, 3)
    y = taper.from_dlpack(x)
    z = taper.utils.dlpack.from_dlpack(taper.utils.dlpack.to_dlpack(x.T))
    assert y.device == x.device and y.data_ptr() == x.data_ptr() == z.data_ptr() and z.stride() == (1, 3)
    x += 1
    del x
    assert y.sum().item() == 21 and z.tolist() == [[1, 4], [2, 5], [3, 6]]
    side = cuda.Stream()
    with side:  # waits for what the default queue has written
        side.wait_stream(cuda.default_stream())
        assert taper.from_dlpack(y).sum().item() == 21
    described = z.__cuda_array_interface__
    assert described["shape"] == (3, 2) and described["strides"] == (4, 12) and described["typestr"] == "<f4"
    assert described["data"] == (y.data_ptr(), False)
    assert not hasattr(taper.ones(2), "__cuda_array_interface__")


def test_types_by_name_tell_the_device(device):
    x = taper.ones(2, device="cuda")
    assert x.type() == "torch.cuda.FloatTensor" and x.cpu().type() == "torch.FloatTensor"
    assert x.type("torch.LongTensor").device.type == "cpu" and x.type(cuda.LongTensor).is_cuda
    taper.set_default_tensor_type("torch.cuda.DoubleTensor")
    try:
        assert taper.zeros(2).type() == "torch.cuda.DoubleTensor"
    finally:
        taper.set_default_tensor_type("torch.FloatTensor")
    assert not taper.zeros(2).is_cuda and taper.device(0) == taper.device("cuda:0")


def test_loaded_tensors_go_where_a_function_of_storage_and_name_says(device, tmp_path):
    taper.save({"x": taper.ones(2, device="cuda"), "y": taper.ones(2)}, tmp_path / "x.pt")
    here = taper.load(tmp_path / "x.pt", map_location=lambda storage, name: storage)
    there = taper.load(tmp_path / "x.pt", map_location=lambda storage, name: storage.cuda())
    assert not here["x"].is_cuda and there["y"].is_cuda
    assert taper.load(tmp_path / "x.pt", map_location=lambda storage, name: None)["x"].is_cuda


def test_assert_close_compares_devices_unless_told_not_to(device):
    x = taper.ones(2)
    taper.testing.assert_close(x.cuda(), x, check_device=False)
    with pytest.raises(AssertionError, match="'device' do not match: cuda:0 != cpu"):
        taper.testing.assert_close(x.cuda(), x)


@pytest.mark.parametrize(
    "placed",
    [
        lambda make: make(device="cuda"),
        lambda make: make().cuda(),
        lambda make: copy.deepcopy(make().cuda()),
        lambda make: pickle.loads(pickle.dumps(make(device="cuda"))),
    ],
)
def test_lazy_modules_get_their_parameters_where_they_are(device, placed):
    def make(**options):
        layers = nn.LazyConv1d(4, 2, **options), nn.LazyBatchNorm1d(**options), nn.LazyLinear(3, **options)
        return nn.Sequential(*layers)

    model = placed(make)
    model(taper.ones(2, 3, 5, device="cuda")).sum().backward()
    assert all(tensor.is_cuda for tensor in [*model.parameters(), *model.buffers()])


def test_a_checkpointed_function_draws_the_same_numbers_again(device):
    x = taper.ones(200, device="cuda", requires_grad=True)
    y = checkpoint(lambda t: nn.functional.dropout(t * 3, 0.5), x, use_reentrant=False)
    drawn = taper.rand(3, device="cuda")
    state = cuda.get_rng_state()
    y.sum().backward()
    assert taper.equal(x.grad, y.detach()) and y.any() and not y.all()
    assert taper.equal(state, cuda.get_rng_state()) and not taper.equal(drawn, taper.rand(3, device="cuda"))


def test_gradients_are_checked_against_differences(device):
    x = taper.rand(3, dtype=taper.float64, device="cuda", requires_grad=True)
    assert taper.autograd.gradcheck(lambda t: t.sin() * t, x)
    assert taper.autograd.gradgradcheck(lambda t: t.sin() * t, x)
    assert not taper.autograd.gradcheck(lambda t: t.detach() * t, x, raise_exception=False)


@pytest.mark.parametrize("name", ["orthogonal_", "kaiming_normal_", "trunc_normal_", "dirac_", "eye_"])
def test_initial_values_are_those_of_the_cpu(device, name):
    shape = (3, 4, 5) if name == "dirac_" else (3, 4)
    values = []
    for place in ("cpu", "cuda"):
        taper.manual_seed(2)
        values.append(getattr(nn.init, name)(taper.empty(shape, dtype=taper.float64, device=place)).cpu())
    taper.testing.assert_close(*values)


def test_tensorboard_takes_tensors_of_a_device(device, tmp_path):
    from taper.utils.tensorboard import SummaryWriter

    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", taper.tensor(2.0, device="cuda"), 1)
        writer.add_histogram("weights", taper.arange(5.0, device="cuda"), 1)
    assert any(tmp_path.iterdir())


@pytest.mark.parametrize("place", ["cpu", "cuda"])
@pytest.mark.parametrize("name", ["SGD", "Adam", "RMSprop", "ASGD", "Adadelta"])
def test_an_optimizers_state_is_loaded_beside_its_parameters(device, name, place, tmp_path):
    options = {"lr": 0.1, **({"momentum": 0.9} if name == "SGD" else {})}

    def step(optimizer):
        for parameter in optimizer.param_groups[0]["params"]:
            parameter.grad = parameter.detach().cos()
        optimizer.step()

    optimizers = []
    for _ in range(2):
        parameters = [taper.ones(3, device="cuda", requires_grad=True)]
        optimizers.append(getattr(taper.optim, name)(parameters, **options))
        step(optimizers[-1])
    taper.save(optimizers[0].state_dict(), tmp_path / "state.pt")
    optimizers[1].load_state_dict(taper.load(tmp_path / "state.pt", map_location=place))
    for optimizer in optimizers:
        step(optimizer)
    one, other = (optimizer.param_groups[0]["params"][0].detach() for optimizer in optimizers)
    taper.testing.assert_close(one, other)
