"""Names that libraries written for PyTorch use when they are imported, and what they do."""

import sys
import types

import pytest

import taper


@pytest.mark.parametrize(
    "check, error",
    [
        (taper._check, RuntimeError),
        (taper._check_index, IndexError),
        (taper._check_value, ValueError),
        (taper._check_type, TypeError),
        (taper._check_not_implemented, NotImplementedError),
    ],
)
def test_conditions_raise_their_error_with_the_text_given(check, error):
    assert check(True) is None and check(True, lambda: 1 / 0) is None
    with pytest.raises(error, match="^Expected cond to be True"):
        check(False)
    with pytest.raises(error, match="^rows 3$"):
        check(False, lambda: f"rows {3}")
    with pytest.raises(error, match="^text$"):
        check(False, "text")
    with pytest.raises(TypeError, match="cond must be a bool"):
        check(taper.tensor(True))


def test_sizes_and_tensors_as_conditions():
    taper._check_is_size(0)
    taper._check_is_size(2, max=2)
    for size in (-1, 3):
        with pytest.raises(RuntimeError):
            taper._check_is_size(size, max=2)
    taper._assert_async(taper.tensor([2]))
    with pytest.raises(RuntimeError, match="^empty$"):
        taper._assert_async(taper.tensor(False), "empty")
    with pytest.raises(taper.ShapeError, match="one element"):
        taper._assert_async(taper.ones(2))


def test_marks_for_a_tracer_leave_functions_as_they_are():
    def function():
        return 1

    assert taper.fx.wrap(function) is function and taper.fx.wrap("len") == "len"
    with pytest.raises(RuntimeError):
        taper.fx.wrap(3)
    assert not isinstance(taper.nn.ReLU(), taper.fx.GraphModule)

    class Leaves(taper.fx.Tracer):
        pass

    for make in (Leaves, lambda: taper.fx.symbolic_trace(taper.nn.ReLU())):
        with pytest.raises(NotImplementedError, match="hooks"):
            make()


def test_settings_of_the_compiler_are_accepted():
    taper._dynamo.config.suppress_errors = True
    taper._inductor.config.coordinate_descent_tuning = True
    x = taper.ones(2)
    taper._dynamo.mark_dynamic(x, 0)
    assert taper._dynamo.disable(len) is len and not taper._dynamo.is_compiling()
    assert not isinstance(3, taper.SymInt)


def test_limits_of_each_of_a_list_may_be_numbers():
    lists = [taper.tensor([1.0, 5.0]), taper.tensor([3.0])]
    others = [taper.tensor([2.0, float("nan")]), taper.tensor([1.0])]
    assert [x.tolist() for x in taper._foreach_minimum(lists, 2.0)] == [[1.0, 2.0], [2.0]]
    assert taper._foreach_maximum_(lists, others) is None
    assert lists[0][0] == 2 and lists[0][1].isnan() and lists[1].tolist() == [3.0]
    taper._foreach_maximum_(lists, 4)
    assert lists[0][0] == 4 and lists[0][1].isnan() and lists[1].tolist() == [4.0]


def test_device_modules():
    assert taper.get_device_module("cuda:0") is taper.cuda and taper.get_device_module("cpu") is taper.cpu
    assert taper.get_device_module() in (taper.cpu, taper.cuda)


def test_states_of_the_devices_of_tensors():
    from taper.utils.checkpoint import get_device_states, set_device_states

    devices, states = get_device_states(taper.ones(2), 3)
    assert (devices, states) == ([], [])
    set_device_states(devices, states)


def test_weights_of_the_older_store(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", types.ModuleType("tqdm"))
    from taper.utils import model_zoo

    taper.save({"w": taper.ones(2)}, tmp_path / "net-1234abcd.pth")
    loaded = model_zoo.load_url("https://example.org/net-1234abcd.pth", model_dir=str(tmp_path))
    assert loaded["w"].tolist() == [1, 1]
    assert taper.hub.HASH_REGEX.search("net-1234abcd.pth").group(1) == "1234abcd"
    with pytest.raises(NotImplementedError, match="fetches nothing"):
        taper.hub.download_url_to_file("https://example.org/a", str(tmp_path / "a"))


def test_annotations():
    assert taper.futures.Future[int] is taper.Future
    assert taper.jit.Final[int] and taper.optim.optimizer.ParamsT
