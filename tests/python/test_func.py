"""taper.func: derivatives of functions against closed forms, and maps over a batch against loops."""

import numpy as np
import pytest

import taper
from taper import func


def numbers(*shape):
    return taper.tensor(np.random.default_rng(3).normal(size=shape))


def close(x, y):
    np.testing.assert_allclose(np.asarray(x), np.asarray(y), rtol=1e-9, atol=1e-9)


def test_grad_nests_and_leaves_no_graph():
    x = numbers()
    close(func.grad(taper.sin)(x), np.cos(x.numpy()))
    second = func.grad(func.grad(taper.sin))(x)
    close(second, -np.sin(x.numpy()))
    assert not second.requires_grad


def test_grad_keeps_the_graph_of_what_the_function_closes_over():
    weight = numbers(3).requires_grad_()
    x = numbers(3)
    gradient = func.grad(lambda x: (weight * x**2).sum())(x)
    gradient.sum().backward()
    close(weight.grad, 2 * x.numpy())


def test_grad_and_value_with_aux_over_a_dict():
    gradients, (value, aux) = func.grad_and_value(lambda p: ((p["a"] * p["b"]).sum(), p["a"]), has_aux=True)(
        {"a": numbers(3), "b": taper.ones(3, dtype=taper.float64)}
    )
    close(gradients["b"], numbers(3))
    close(value, numbers(3).sum())
    close(aux, numbers(3))
    with pytest.raises(RuntimeError, match="scalar tensor"):
        func.grad(lambda x: x)(numbers(3))


def test_products_with_the_jacobian():
    a, x, v, t = numbers(2, 3), numbers(3), numbers(2), numbers(3)
    value, pull = func.vjp(lambda x: a @ x.sin(), x)
    jacobian = a.numpy() * np.cos(x.numpy())
    close(value, a.numpy() @ np.sin(x.numpy()))
    (pulled,) = pull(v)
    close(pulled, v.numpy() @ jacobian)
    close(func.jvp(lambda x: a @ x.sin(), (x,), (t,))[1], jacobian @ t.numpy())


@pytest.mark.parametrize("transform", [func.jacrev, func.jacfwd])
def test_jacobians_and_hessian(transform):
    a, x = numbers(2, 3), numbers(3)
    close(transform(lambda x: a @ x.sin())(x), a.numpy() * np.cos(x.numpy()))
    both = transform(lambda x, y: x * y, argnums=(0, 1))(x, x + 1)
    close(both[0], np.diag(x.numpy() + 1))
    close(both[1], np.diag(x.numpy()))
    close(func.hessian(lambda x: (x**3).sum())(x), np.diag(6 * x.numpy()))
    close(transform(transform(lambda x: (x**3).sum()))(x), np.diag(6 * x.numpy()))


def test_vmap_over_chosen_dimensions():
    x, y = numbers(4, 3), numbers(3)
    close(taper.vmap(taper.dot, in_dims=(0, None))(x, y), x.numpy() @ y.numpy())
    close(taper.vmap(lambda p: p["x"] * 2, in_dims=({"x": 1},), out_dims=1)({"x": x}), 2 * x.numpy())
    close(taper.vmap(taper.vmap(taper.mul))(x, x), x.numpy() ** 2)
    with pytest.raises(ValueError, match="same size"):
        taper.vmap(taper.mul)(x, y)


def test_per_example_gradients():
    weight, x = numbers(3), numbers(5, 3)
    loss = lambda w, x: (w @ x) ** 2
    result = taper.vmap(func.grad(loss), in_dims=(None, 0))(weight, x)
    close(result, 2 * (x.numpy() @ weight.numpy())[:, None] * x.numpy())


def test_randomness_of_vmap():
    draw = lambda x: x + taper.rand(2)
    with pytest.raises(RuntimeError, match="randomness"):
        taper.vmap(draw)(taper.zeros(3))
    same = taper.vmap(draw, randomness="same")(taper.zeros(3))
    assert bool((same == same[0]).all())
    different = taper.vmap(draw, randomness="different")(taper.zeros(3))
    assert not bool((different[1] == different[0]).all())


def test_an_ensemble_of_models():
    models = [taper.nn.Linear(3, 2) for _ in range(4)]
    parameters, buffers = func.stack_module_state(models)
    x = taper.randn(5, 3)
    outputs = taper.vmap(lambda p, b: func.functional_call(models[0], (p, b), (x,)))(parameters, buffers)
    for model, output in zip(models, outputs):
        np.testing.assert_allclose(output.detach().numpy(), model(x).detach().numpy(), rtol=1e-6)
