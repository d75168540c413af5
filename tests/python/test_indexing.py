"""Indexing gives what NumPy gives, for reading and for writing, and refuses what PyTorch refuses."""

import numpy as np
import pytest

import taper

ARRAY = np.arange(60).reshape(3, 4, 5)
EXPRESSIONS = """0|-1|1:|::2|:,1|...,2|None|0,1,2|:,None,1:3|[0,2]|[0,2],[1,3]|:,[0,2]|[0,2],:,1|a>30|:,a[0]>10|
([[0,1],[2,0]],)|...,[1,1]|1:1|-2:|True|False|[True,False,True]|np.array([2,0])|0,[1,2],:|[0],1|[0,2],1:3,[1,2]|None,[1]|
...,None|:,:,::3|(0,)|()|...|...,0|np.int64(1)|-100:100|[1],None,[2]|[[0],[2]],[1,3]|True,0|0,True|[]|2,...,-1|
:,[True,False,True,True]|[-1,-3]|np.array([[True]*4]*3)|a%7==0|:2,1:,::2|[2,1,0]|:,:,[4,0]|...,-1:|1,...|
None,None,0|0,None,0|a<0|:,3,:2|[0,1],[0,1],[0,1]|[0,1],...,[0,1]|2:0|1:-1|:-1,:-1,:-1|np.arange(3)[::-1].copy()|
:,[[0],[1]]|[[0]],[[1]]|...,None,0|:0|slice(1,3)|0,slice(None),slice(1,None,2)|[0,0],[1,1]""".replace(
    "\n", ""
).split("|")


def evaluate(expression, target, **names):
    return eval(f"target[{expression}]", {"target": target, "a": ARRAY, "np": np, **names})


@pytest.mark.parametrize("expression", EXPRESSIONS)
def test_get(expression):
    want = evaluate(expression, ARRAY)
    got = evaluate(expression, taper.tensor(ARRAY))
    assert tuple(got.shape) == want.shape
    assert np.array_equal(got.numpy(), want)


@pytest.mark.parametrize("expression", EXPRESSIONS)
@pytest.mark.parametrize("kind", ["scalar", "tensor"])
def test_set(expression, kind):
    shape = evaluate(expression, ARRAY).shape
    value = 7 if kind == "scalar" else np.full(shape, -3)
    array, x = ARRAY.copy(), taper.tensor(ARRAY)
    exec(f"t[{expression}] = v", {"t": array, "v": value, "a": ARRAY, "np": np})
    value = value if kind == "scalar" else taper.tensor(value)
    exec(f"t[{expression}] = v", {"t": x, "v": value, "a": ARRAY, "np": np})
    assert np.array_equal(x.numpy(), array)


@pytest.mark.parametrize("expression", ["0", ":,1", "[0,2]", "[0,0]", "a>30", "...,None", ":,[1,1],2"])
def test_gradient_counts_reads(expression):
    x = taper.tensor(ARRAY, dtype=taper.float64).requires_grad_()
    evaluate(expression, x).sum().backward()
    want = np.zeros(ARRAY.size)
    np.add.at(want, evaluate(expression, np.arange(ARRAY.size).reshape(ARRAY.shape)).ravel(), 1)
    assert np.array_equal(x.grad.numpy().ravel(), want)


@pytest.mark.parametrize(
    "expression, error, text",
    [
        ("3", IndexError, "index 3 is out of bounds for dimension 0 with size 3"),
        ("[5]", IndexError, "index 5"),
        ("0,0,0,0", IndexError, "too many indices for tensor of dimension 3"),
        ("::-1", ValueError, "step must be greater than zero"),
        ("1.5", IndexError, "tensors used as indices must be"),
        ("[True,False]", IndexError, "the shape of the mask"),
    ],
)
def test_refused(expression, error, text):
    with pytest.raises(error, match=text):
        evaluate(expression, taper.tensor(ARRAY))


@pytest.mark.parametrize(
    "key",
    [[[0, 1], [2, 0]], [(0, 1), 2], [slice(0, 2)], [slice(0, 1), 1], [None, 0], [..., 0], [[0, 1], None]],
)
def test_a_list_of_more_than_numbers_is_a_tuple(key):
    x, y = taper.tensor(ARRAY), ARRAY.copy()
    assert x[key].tolist() == ARRAY[tuple(key)].tolist()
    x[key] = -1
    y[tuple(key)] = -1
    assert x.tolist() == y.tolist()


def test_a_list_of_32_lists_is_an_index():
    assert taper.tensor(ARRAY)[[[0, 1]] * 32].shape == (32, 2, 4, 5)


def test_views_share_memory():
    x = taper.zeros(3, 4)
    x[1:, ::2][0, 1] = 5
    assert x[1, 2] == 5 and x.sum() == 5


def test_iteration_ends():
    assert [row.tolist() for row in taper.tensor([[1, 2], [3, 4]])] == [[1, 2], [3, 4]]
