"""Classes that take over operations, and the classes of results."""

import pytest

import taper
from taper.overrides import TorchFunctionMode, has_torch_function, is_tensor_like


class Units(taper.Tensor):
    """A subclass without any method: results keep the class."""


class Logged(taper.Tensor):
    calls = []

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        cls.calls.append(func.__name__)
        return super().__torch_function__(func, types, args, kwargs)


class Duck:
    """No tensor, but takes over."""

    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return func.__name__, types, len(args), kwargs


class Counted(taper.Tensor):
    @classmethod
    def __taper_function__(cls, func, types, args=(), kwargs=None):
        return "taken over"


def test_results_of_a_subclass_keep_its_class():
    x = taper.ones(2, 2).as_subclass(Units)
    results = [x + 1, 1 - x, x @ x, x.sum(), x[0], taper.cat([x, x]), x.double(), taper.relu(x), -x]
    assert [type(result) for result in results] == [Units] * len(results)
    assert all(type(part) is Units for part in x.max(1))
    assert type(taper.ones(2) + taper.ones(2)) is taper.Tensor
    assert type(x.as_subclass(taper.Tensor)) is taper.Tensor
    assert x.tolist() == [[1, 1], [1, 1]] and hash(x) == hash(x)


def test_subclass_shares_memory_and_history():
    x = taper.ones(2, requires_grad=True)
    y = (x * 2).as_subclass(Units)
    y.sum().backward()
    assert x.grad.tolist() == [2, 2]
    z = taper.zeros(2)
    z.as_subclass(Units).add_(1)
    assert z.tolist() == [1, 1]
    with pytest.raises(TypeError, match="as_subclass: expected a subclass of Tensor"):
        z.as_subclass(int)


def test_torch_function_sees_operations_methods_and_operators():
    x = taper.ones(3).as_subclass(Logged)
    Logged.calls.clear()
    result = taper.nn.functional.gelu(x * 2).mean()
    x[0] = 5
    assert Logged.calls == ["__mul__", "gelu", "mean", "__setitem__"]
    assert type(result) is Logged and x.tolist() == [5, 1, 1]


def test_values_that_are_no_tensors_take_over_too():
    assert taper.mul(taper.ones(1), Duck()) == ("mul", (Duck,), 2, {})
    assert taper.cat([Duck()], dim=0) == ("cat", (Duck,), 1, {"dim": 0})
    assert has_torch_function([Duck()]) and not has_torch_function([1, taper.ones(1)])
    assert is_tensor_like(Duck()) and not is_tensor_like(3)


def test_tapers_own_name_of_the_protocol():
    assert taper.exp(taper.ones(1).as_subclass(Counted)) == "taken over"


def test_a_subclass_goes_before_its_base():
    class Derived(Logged):
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return "derived"

    base, derived = taper.ones(1).as_subclass(Logged), taper.ones(1).as_subclass(Derived)
    assert taper.add(base, derived) == "derived" and base + derived == "derived"


def test_nobody_takes_over_is_an_error():
    class Refusing:
        @classmethod
        def __torch_function__(cls, func, types, args=(), kwargs=None):
            return NotImplemented

    with pytest.raises(TypeError, match="no implementation found for 'taper.mul'.*Refusing"):
        taper.mul(taper.ones(1), Refusing())


def test_mode_gets_every_call_while_open():
    class Names(TorchFunctionMode):
        def __init__(self):
            self.names = []

        def __torch_function__(self, func, types, args=(), kwargs=None):
            self.names.append(func.__name__)
            return func(*args, **(kwargs or {}))

    with Names() as mode:
        taper.exp(taper.ones(2))
    taper.exp(taper.ones(2))
    assert mode.names == ["ones", "exp"]


def test_parameters_and_results_of_modules_stay_plain():
    class Weight(taper.nn.Parameter):
        pass

    layer = taper.nn.Linear(2, 2)
    layer.weight = Weight(taper.ones(2, 2))
    assert type(layer.weight) is Weight and type(layer(taper.ones(1, 2))) is taper.Tensor
    assert type(layer.weight * 2) is taper.Tensor
