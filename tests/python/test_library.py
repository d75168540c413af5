"""Operations of a program's own, by taper.library."""

import pytest

import taper


@pytest.fixture
def square():
    @taper.library.custom_op("own::square", mutates_args=())
    def square(x: taper.Tensor, factor: float = 1.0) -> taper.Tensor:
        return taper.from_numpy(x.numpy() ** 2 * factor)

    yield square
    taper.library.Library("own", "DEF")._destroy()


def test_an_operation_is_found_by_its_name(square):
    x = taper.tensor([1.0, 3.0])
    assert taper.ops.own.square(x).tolist() == [1, 9]
    assert taper.ops.own.square.default(x, factor=2.0).tolist() == [2, 18]
    with pytest.raises(AttributeError, match="cube"):
        taper.ops.own.cube


def test_without_a_formula_backward_says_what_is_missing(square):
    y = square(taper.tensor([2.0], requires_grad=True))
    assert y.requires_grad and y.item() == 4
    with pytest.raises(RuntimeError, match="own::square.*register_autograd"):
        y.sum().backward()


def test_a_registered_formula_gives_the_gradient(square):
    def setup_context(ctx, inputs, output):
        x, ctx.factor = inputs
        ctx.save_for_backward(x)

    def backward(ctx, gradient):
        assert ctx.needs_input_grad == (True, False)
        return gradient * 2 * ctx.saved_tensors[0] * ctx.factor, None

    square.register_autograd(backward, setup_context=setup_context)
    x = taper.tensor([2.0, 5.0], requires_grad=True)
    square(x, 3.0).sum().backward()
    assert x.grad.tolist() == [12, 30]


def test_the_fake_of_an_operation_answers_on_meta(square):
    x = taper.empty(2, 3, device="meta")
    with pytest.raises(taper.NotImplementedError, match="own::square.*meta"):
        square(x)
    square.register_fake(lambda x, factor: taper.empty_like(x))
    assert square(x).shape == (2, 3) and square(x).is_meta


def test_a_library_names_operations_by_their_schemas():
    own = taper.library.Library("own2", "DEF")
    own.define("twice(Tensor x) -> Tensor")
    own.impl("twice", lambda x: x * 2, "CompositeImplicitAutograd")
    x = taper.ones(2, requires_grad=True)
    taper.ops.own2.twice(x).sum().backward()
    assert x.grad.tolist() == [2, 2]
    own._destroy()
