"""Tensors and what Python does with them: construction, NumPy, operators, random numbers, copies."""

import copy
import math
import operator
import pickle

import numpy as np
import pytest

import taper
from taper.testing import assert_close


@pytest.mark.parametrize(
    "data, dtype",
    [
        (1, "int64"),
        (1.5, "float32"),
        (True, "bool"),
        ([1, 2.0], "float32"),
        (1j, "complex64"),
        ([], "float32"),
        (np.float64(2), "float64"),
        (np.ones(2, "int16"), "int16"),
    ],
)
def test_inferred_dtype(data, dtype):
    assert taper.tensor(data).dtype == getattr(taper, dtype)


def test_numpy_shares_memory():
    array = np.ones((2, 3), "f")
    x = taper.from_numpy(array)
    x += 1
    assert array[0, 0] == 2
    x.numpy()[0, 0] = 9
    assert x[0, 0] == 9 and taper.as_tensor(array).data_ptr() == x.data_ptr()


@pytest.mark.parametrize("name", "add sub mul truediv floordiv mod pow lt le gt ge eq ne".split())
@pytest.mark.parametrize("other", [2, 2.5, "tensor"])
def test_operators(name, other):
    a = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    b = np.array([3.0, 2.0, 1.0]) if other == "tensor" else other
    right = taper.tensor(b) if other == "tensor" else b
    function = getattr(operator, name)
    np.testing.assert_allclose(function(taper.tensor(a), right).numpy(), function(a, b), rtol=1e-12)
    np.testing.assert_allclose(function(right, taper.tensor(a)).numpy(), function(b, a), rtol=1e-12)


@pytest.mark.parametrize(
    "equation, shapes",
    [
        ("ij,jk->ik", [(2, 3), (3, 4)]),
        ("ii->i", [(3, 3)]),
        ("ii", [(3, 3)]),
        ("iij", [(3, 3, 2)]),
        ("bij,bjk->bik", [(2, 3, 4), (2, 4, 5)]),
        ("i,j", [(2,), (3,)]),
        ("...ij->...ji", [(2, 3, 4)]),
        ("ij->", [(2, 3)]),
        ("i,i->", [(4,), (4,)]),
        ("ab,bc,cd->ad", [(2, 3), (3, 4), (4, 2)]),
    ],
)
def test_einsum(equation, shapes):
    arrays = [np.random.randn(*shape) for shape in shapes]
    got = taper.einsum(equation, *map(taper.tensor, arrays))
    np.testing.assert_allclose(got.numpy(), np.einsum(equation, *arrays), rtol=1e-10, atol=1e-12)


def test_seeds():
    taper.manual_seed(3)
    first, state = taper.rand(4), taper.get_rng_state()
    second = taper.rand(4)
    taper.set_rng_state(state)
    assert taper.equal(taper.rand(4), second)
    taper.manual_seed(3)
    with taper.random.fork_rng():
        taper.rand(7)
    assert taper.equal(taper.rand(4), first)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies(duplicate):
    x = taper.arange(6.0).reshape(2, 3).requires_grad_()
    y = duplicate(x)
    assert taper.equal(x, y) and y.requires_grad and y.data_ptr() != x.data_ptr()


@pytest.mark.parametrize(
    "actual, expected, error",
    [
        (taper.ones(2), taper.ones(3), AssertionError),
        (taper.ones(2), taper.ones(2).double(), AssertionError),
        (taper.ones(2), taper.ones(2) + 1e-3, AssertionError),
        (taper.ones(2), 1.0, TypeError),
        ([1.0], [1.0, 2.0], AssertionError),
    ],
)
def test_assert_close_refuses(actual, expected, error):
    with pytest.raises(error):
        assert_close(actual, expected)


def test_assert_close_accepts():
    assert_close({"a": [taper.ones(2), 1]}, {"a": [taper.ones(2) + 1e-7, 1]})
    assert_close(taper.ones(2), taper.ones(2) + 0.1, rtol=0, atol=0.2)


def test_a_convolution_result_can_be_viewed_as_rows():
    x = taper.randn(2, 3, 8, 8)
    layer = taper.nn.Conv2d(3, 4, 3)
    y = layer(x)
    expected = y.detach().numpy().reshape(2, -1)
    rows = y.view(2, -1)
    np.testing.assert_array_equal(rows.detach().numpy(), expected)
    with taper.no_grad():
        y[0, 0, 0, 0] = 7.0
    assert rows[0, 0].item() == 7.0  # they share memory
    rows = taper.relu(layer(x)).view(-1, 4 * 6 * 6)
    rows.square().sum().backward()
    assert layer.weight.grad.shape == (4, 3, 3, 3)


def test_gradients_are_right_after_a_view_put_an_activation_in_order():
    x = taper.randn(2, 3, 6, 6, dtype=taper.float64, requires_grad=True)
    w = taper.randn(2, 3, 3, 3, dtype=taper.float64, requires_grad=True)

    def function(x, w):
        y = taper.nn.functional.conv2d(x, w).tanh()
        kept = y.exp()
        return y.view(2, -1).sum(1) + kept.view(2, -1).mean(1)

    assert taper.autograd.gradcheck(function, (x, w))


@pytest.mark.parametrize("dtype", ["bool", "uint8", "int16", "int64", "float16", "float32", "complex128"])
def test_dlpack_shares_memory_with_numpy_both_ways(dtype):
    array = np.arange(6).reshape(2, 3).astype(dtype).T
    x = taper.from_dlpack(array)
    np.testing.assert_array_equal(x.numpy(), array)
    array[0, 1] = 1
    assert x[0, 1].item() == 1
    y = np.from_dlpack(x)
    x[2, 0] = 0
    assert y[2, 0] == 0 and y.dtype == array.dtype


def test_dlpack_copies_what_is_read_only_or_asked_for():
    array = np.arange(3.0)
    array.flags.writeable = False
    x = taper.from_dlpack(array)
    x[0] = 5
    assert array[0] == 0
    source = taper.arange(3)
    copied = taper.from_dlpack(source, copy=True)
    copied[0] = 7
    assert source[0].item() == 0
    round_trip = taper.from_dlpack(taper.ones(2, dtype=taper.bfloat16))
    assert round_trip.dtype == taper.bfloat16 and round_trip.tolist() == [1, 1]


def test_dlpack_refuses_what_it_cannot_share():
    with pytest.raises(taper.AutogradError):
        taper.ones(2, requires_grad=True).__dlpack__()
    capsule = taper.ones(2).__dlpack__()
    taper.from_dlpack(capsule)
    with pytest.raises(ValueError, match="only once"):
        taper.from_dlpack(capsule)
    with pytest.raises(BufferError):
        taper.ones(2).__dlpack__(dl_device=(2, 0))
    with pytest.raises(ValueError):
        taper.from_dlpack(object())


def test_a_tensor_is_a_buffer():
    x = taper.arange(6, dtype=taper.int32).reshape(2, 3)
    view = memoryview(x)
    assert view.shape == (2, 3) and view.format == "i" and view.tolist() == [[0, 1, 2], [3, 4, 5]]
    view[1, 2] = 9
    assert x[1, 2].item() == 9
    assert memoryview(x.t()).strides == (4, 12)
    assert bytes(taper.tensor([1, 2], dtype=taper.uint8)) == b"\x01\x02"
    x.resize_(1000)
    assert view[0, 1] == 1  # the old memory lives as long as the view
    with pytest.raises(BufferError):
        memoryview(taper.ones(2, requires_grad=True))
    with pytest.raises(BufferError):
        memoryview(taper.ones(2, dtype=taper.bfloat16))


def test_a_plain_sum_converts_first_to_a_dtype_that_could_not_hold_it():
    x = taper.tensor([1.5, 1.5, -0.5])
    assert x.sum(dtype=taper.int64).item() == 2
    assert x.cumsum(0, dtype=taper.int32).tolist() == [1, 2, 2]
    assert x.prod(dtype=taper.int64).item() == 0


@pytest.mark.parametrize(
    "name, dtype", [("Long", taper.int64), ("Half", taper.float16), ("Bool", taper.bool)]
)
def test_typed_tensors_make_and_recognize_their_dtype(name, dtype):
    typed = getattr(taper, name + "Tensor")
    made = typed([1, 0])
    assert made.dtype is dtype and isinstance(made, taper.Tensor) and isinstance(made, typed)
    assert not isinstance(taper.ones(1, dtype=taper.float64), typed)
    assert typed(2, 3).shape == (2, 3) and typed(2, 3).dtype is dtype
    assert taper.ones(1).type(typed).dtype is dtype and taper.ones(1, dtype=dtype).new([1]).dtype is dtype


def test_a_view_of_another_dtype_shares_bytes_and_version():
    x = taper.ones(2, 4)
    y = x.view(taper.int32)
    y[0, 0] = 0
    assert x[0].tolist() == [0, 1, 1, 1] and x._version == y._version == 1
    assert x[:, 2:].view(taper.int16).stride() == (8, 1)
    with pytest.raises(
        RuntimeError, match="view: .*offset 1 of float32 must be divisible by 2 to be seen as float64"
    ):
        x[:, 1:3].view(taper.float64)


def test_einsum_takes_lists_of_labels():
    a, b = np.arange(6.0).reshape(2, 3), np.arange(12.0).reshape(3, 4)
    x, y = taper.tensor(a), taper.tensor(b)
    np.testing.assert_array_equal(taper.einsum(x, [0, 1], y, [1, 2], [2, 0]).numpy(), (a @ b).T)
    np.testing.assert_array_equal(taper.einsum(x, [26, 0], y, [0, 1]).numpy(), (a @ b).T)
    np.testing.assert_array_equal(taper.einsum("ij,jk", [x, y]).numpy(), a @ b)
    np.testing.assert_array_equal(taper.einsum(x, [1, 0]).numpy(), a.T)
    with pytest.raises(ValueError, match="a list of labels"):
        taper.einsum(x, [0, 60])
    with pytest.raises(ValueError, match="a list of labels"):
        taper.einsum(x, [0, -1])


def test_real_and_imag_are_views_that_can_be_assigned():
    z = taper.tensor([1 + 2j, 3 - 1j])
    z.real = 5
    z.imag[0] = 7
    assert z.tolist() == [5 + 7j, 5 - 1j]
    x = taper.ones(2)
    assert x.real is x
    with pytest.raises(RuntimeError, match="imag"):
        x.imag


def test_apply_and_map_call_a_function_for_each_element():
    x = taper.tensor([[1.0, 2.0], [3.0, 4.0]])
    assert x.apply_(lambda value: value * 2) is x and x.tolist() == [[2, 4], [6, 8]]
    assert x.map_(taper.tensor([10.0, 20.0]), lambda a, b: a + b).tolist() == [[12, 24], [16, 28]]


def test_new_tensors_lie_in_the_memory_format_that_was_asked_for():
    x = taper.ones(2, 3, 4, 5)
    last = (60, 1, 15, 3)
    for make in (taper.empty_like, taper.zeros_like, taper.rand_like, taper.ones_like):
        assert make(x, memory_format=taper.channels_last).stride() == last
        assert make(x.to(memory_format=taper.channels_last)).stride() == last
        assert make(x.mT, memory_format=taper.contiguous_format).is_contiguous()
    leaf = taper.zeros_like(x, memory_format=taper.channels_last, requires_grad=True)
    assert leaf.is_leaf and leaf.requires_grad and leaf.stride() == last
    assert taper.empty(2, 3, 4, 5, memory_format=taper.channels_last).stride() == last
    assert x.double(memory_format=taper.channels_last).stride() == last
    assert taper.zeros_like(x.mT, memory_format=taper.preserve_format).stride() == x.mT.stride()


def test_what_is_chosen_along_a_dimension_can_be_viewed():
    x = taper.tensor(np.random.default_rng(1).normal(size=(3, 4, 5)))
    for name, arguments in {"sort": (), "median": (), "kthvalue": (2,), "topk": (2,)}.items():
        for result in getattr(x, name)(*arguments, dim=0):
            assert result.is_contiguous()
    np.testing.assert_array_equal(x.sort(0)[0].view(-1).numpy(), np.sort(x.numpy(), 0).ravel())


def test_combinations_of_too_few_elements_stay_in_the_graph():
    x = taper.ones(2, requires_grad=True)
    result = taper.combinations(x, 3)
    assert result.shape == (0, 3) and result.requires_grad
    result.sum().backward()
    assert x.grad.tolist() == [0, 0]


def test_a_complex_tensor_has_no_real_result_in_place():
    with pytest.raises(RuntimeError, match="abs_: not supported for complex tensors"):
        taper.ones(2, dtype=taper.complex64).abs_()


def test_numpys_functions_give_tensors_for_tensors():
    x, array = taper.tensor([1.0, 4.0]), np.array([2.0, 3.0])
    for result, expected in [
        (np.sqrt(x), [1, 2]),
        (x * array, [2, 12]),
        (x - array, [-1, 1]),
        (np.maximum(x, 2), [2, 4]),
    ]:
        assert isinstance(result, taper.Tensor) and result.tolist() == expected
    with pytest.raises(RuntimeError, match="requires grad"):
        x.requires_grad_() * array


def test_numbers_of_uint64_are_read_whole():
    x = taper.from_numpy(np.array([2**64 - 1], dtype=np.uint64))
    assert x.item() == int(x) == x.tolist()[0] == 2**64 - 1


def test_comparisons_with_arrays_are_tensors():
    x, array = taper.tensor([1.0, 2.0, 3.0]), np.array([2.0, 2.0, 2.0])
    assert (x == array).tolist() == (array == x).tolist() == [False, True, False]
    assert (x < array).tolist() == (array > x).tolist() == [True, False, False]
    assert (x != array[::-1]).tolist() == [True, False, True]


def test_one_stride_for_each_dimension_and_each_dimension_once():
    with pytest.raises(RuntimeError, match="1 strides for 2 dimensions"):
        taper.empty_strided((2, 3), (1,))
    with pytest.raises((RuntimeError, ValueError), match="more than once"):
        taper.ones(1, 2, 1).squeeze((0, -3))


@pytest.mark.parametrize(
    "data, dtype",
    [
        (300, "uint8"),
        (-129, "int8"),
        (2**31, "int32"),
        (float("nan"), "int32"),
        (2**63, None),
        (1e10, "int16"),
    ],
)
def test_numbers_that_a_dtype_cannot_hold_are_refused(data, dtype):
    with pytest.raises(ValueError):
        taper.tensor([0, data], dtype=dtype and getattr(taper, dtype))


def test_numbers_at_the_ends_of_a_dtype_are_taken():
    assert taper.tensor([255, -1], dtype=taper.uint8).tolist() == [255, 255]
    assert taper.tensor([-128.9, 127.9], dtype=taper.int8).tolist() == [-128, 127]
    assert taper.tensor(2**63, dtype=taper.uint64).item() == 2**63
    assert taper.tensor([2**63, 1.5], dtype=taper.float64).tolist() == [2.0**63, 1.5]


def test_conjugate_transpose_is_of_matrices():
    assert taper.ones(2, 3).H.shape == (3, 2)
    with pytest.raises(RuntimeError, match="mH"):
        taper.ones(2, 3, 4).H


def test_where_of_two_numbers_has_the_default_dtypes():
    mask = taper.tensor([True, False])
    assert taper.where(mask, 1.0, 2.0).dtype == taper.float32
    assert taper.where(mask, 1j, 2j).dtype == taper.complex64
    assert taper.where(mask, 1, 2).dtype == taper.int64
    assert taper.where(mask, 1.0, taper.ones(2, dtype=taper.float64)).dtype == taper.float64


@pytest.mark.parametrize("value", [300, -256, float("nan"), 1e10, 1 + 1j])
def test_filling_refuses_a_number_that_the_dtype_cannot_hold(value):
    x = taper.zeros(2, dtype=taper.uint8)
    for fill in (x.fill_, lambda v: x.__setitem__(0, v), lambda v: taper.full((2,), v, dtype=taper.uint8)):
        with pytest.raises(RuntimeError, match="without overflow"):
            fill(value)
    assert x.tolist() == [0, 0] and x.fill_(-1).tolist() == [255, 255]
    assert taper.full((1,), float("inf"), dtype=taper.float16).item() == float("inf")


def test_a_size_given_to_the_class_is_that_of_the_tensor():
    assert taper.Tensor(taper.Size([2, 3])).shape == (2, 3)
    assert taper.Tensor([2, 3]).tolist() == [2, 3]


def test_gather_by_one_number():
    assert taper.arange(3.0).gather(0, taper.tensor(1)).item() == 1


def test_tensors_of_one_element_in_lists_are_numbers():
    assert taper.tensor([taper.ones(1), 2.0]).tolist() == [1, 2]
    assert taper.tensor([[taper.ones(1)], [taper.ones(1, 1)]]).tolist() == [[1], [1]]
    assert taper.tensor(taper.ones(1, 1)).shape == (1, 1)


def test_a_number_with_an_imaginary_part_is_no_real_one():
    assert float(taper.tensor(2 + 0j)) == int(taper.tensor(2 + 0j)) == 2
    for conversion in (float, int):
        with pytest.raises(RuntimeError, match="imaginary"):
            conversion(taper.tensor(1 + 1j))


def test_rows_of_numbers_between_complex_ends():
    got = taper.linspace(0, 1 + 1j, 3)
    assert got.dtype == taper.complex64 and got.tolist() == [0, 0.5 + 0.5j, 1 + 1j]
    powers = taper.logspace(0, 1j, 3, dtype=taper.complex128)
    assert np.allclose(powers.numpy(), 10.0 ** np.array([0, 0.5j, 1j]))
    with pytest.raises(TypeError, match="expected a complex one"):
        taper.linspace(0, 1j, 3, dtype=taper.float32)


def test_expanded_tensors_are_filled():
    base = taper.zeros(3, 1)
    rows = base.expand(3, 4)
    rows[1] = 5
    rows[2:].fill_(7)
    assert base.tolist() == [[0], [5], [7]]
    assert rows.t_().shape == (4, 3)
    with pytest.raises(ValueError, match="share memory"):
        base.expand(3, 4)[:] = taper.ones(4)


def test_set_shows_other_memory():
    numbers, x = taper.arange(6.0), taper.empty(0)
    assert x.set_(numbers.untyped_storage(), 1, (2, 2), (2, 1)) is x
    x[1, 0] = 9
    assert x.tolist() == [[1, 2], [9, 4]] and numbers.tolist() == [0, 1, 2, 9, 4, 5]
    assert x.set_(numbers, 4, (2,)).tolist() == [4, 5]
    assert x.set_(numbers.storage()).shape == (6,) and x.set_().shape == (0,)
    with pytest.raises(ValueError, match="outside"):
        x.set_(numbers, 5, (2, 2))
    with pytest.raises(TypeError, match="cannot show"):
        x.set_(taper.arange(3))


def test_at_least_so_many_dimensions_of_several_tensors():
    scalar, vector = taper.tensor(1.0), taper.ones(2)
    assert [t.shape for t in taper.atleast_2d(scalar, vector)] == [(1, 1), (1, 2)]
    assert [t.shape for t in taper.atleast_3d([scalar, vector])] == [(1, 1, 1), (1, 2, 1)]
    assert taper.atleast_1d(scalar).shape == (1,)


def test_a_number_to_the_powers_of_a_list():
    assert [t.tolist() for t in taper._foreach_pow(2.0, [taper.ones(2), taper.tensor([3.0])])] == [
        [2, 2],
        [8],
    ]


@pytest.mark.parametrize(
    "name, shapes",
    [
        ("addmm", [(2, 3), (2, 4), (4, 3)]),
        ("addmv", [(2,), (2, 4), (4,)]),
        ("addr", [(2, 3), (2,), (3,)]),
        ("addbmm", [(2, 3), (5, 2, 4), (5, 4, 3)]),
        ("baddbmm", [(5, 2, 3), (5, 2, 4), (5, 4, 3)]),
    ],
)
def test_factors_of_products_may_come_first(name, shapes):
    x, a, b = (taper.arange(float(math.prod(shape))).reshape(shape) for shape in shapes)
    function, method = getattr(taper, name), getattr(x, name)
    with_both, with_beta = function(x, a, b, beta=2, alpha=3), function(x, a, b, beta=2)
    assert taper.equal(function(2, x, 3, a, b), with_both) and taper.equal(function(2, x, a, b), with_beta)
    assert taper.equal(method(2, 3, a, b), with_both) and taper.equal(method(2, a, b), with_beta)
    assert taper.equal(getattr(x.clone(), name + "_")(2, 3, a, b), with_both)


def test_segments_are_reduced():
    x = taper.arange(12.0).reshape(2, 3, 2)
    lengths = taper.tensor([[0, 3], [1, 2]])
    # PyTorch's results.
    empty = {"sum": 0, "max": -math.inf, "min": math.inf, "prod": 1}
    rest = {
        "sum": [[6, 9], [6, 7], [18, 20]],
        "max": [[4, 5], [6, 7], [10, 11]],
        "min": [[0, 1], [6, 7], [8, 9]],
        "prod": [[0, 15], [6, 7], [80, 99]],
    }
    for reduce in empty:
        got = taper.segment_reduce(x, reduce, lengths=lengths, axis=1).flatten(0, 1).tolist()
        assert got == [[empty[reduce]] * 2, *rest[reduce]]
    mean = taper.segment_reduce(x, "mean", offsets=taper.tensor([[0, 0, 3], [0, 1, 3]]), axis=1).flatten(0, 1)
    assert mean[0].isnan().all() and mean[1:].tolist() == [[2, 3], [6, 7], [9, 10]]
    with_initial = taper.segment_reduce(x, "mean", lengths=lengths, axis=1, initial=2)
    assert with_initial[:, 0].tolist() == [[2, 2], [8, 9]]
    with pytest.raises(ValueError, match="add up to the 3 elements"):
        taper.segment_reduce(x, "sum", lengths=taper.tensor([[0, 2], [1, 2]]), axis=1)


def test_normal_refuses_negative_deviations():
    with pytest.raises(ValueError, match="at least 0"):
        taper.normal(taper.zeros(2), taper.tensor([1.0, -1.0]))


def test_batches_are_scattered_and_gathered():
    from taper.nn.parallel import scatter_gather

    batch = {"x": taper.arange(4), "names": ("a", [taper.ones(4, 2)])}
    parts = scatter_gather.scatter(batch, ["cpu", "cpu"])
    assert [part["x"].tolist() for part in parts] == [[0, 1], [2, 3]]
    assert parts[1]["names"][0] == "a" and parts[1]["names"][1][0].shape == (2, 2)
    args, kwargs = scatter_gather.scatter_kwargs((taper.arange(4),), {"flag": True}, ["cpu", "cpu"])
    assert len(args) == len(kwargs) == 2 and kwargs[1] == {"flag": True}
    outputs = [(part["x"], {"loss": part["x"].sum()}) for part in parts]
    joined, losses = scatter_gather.gather(outputs, "cpu")
    assert joined.tolist() == [0, 1, 2, 3] and losses["loss"].tolist() == [1, 5]


def test_random_tensors_like_another_take_a_generator():
    x = taper.ones(2, 3)

    def drawn(function, *args):
        generator = taper.Generator().manual_seed(3)
        return function(x, *args, generator=generator, requires_grad=True)

    for function, args in ((taper.rand_like, ()), (taper.randn_like, ()), (taper.randint_like, (0, 9))):
        first = drawn(function, *args)
        assert first.requires_grad and taper.equal(first, drawn(function, *args))


def test_other_names_of_parameters():
    x = taper.arange(6)
    assert [part.tolist() for part in x.split(split_size=4)] == [[0, 1, 2, 3], [4, 5]]
    assert [part.tolist() for part in taper.split(tensor=x, split_size_or_sections=[1, 5])][0] == [0]
    assert [len(part) for part in taper.tensor_split(x, indices=(1,))] == [1, 5]
    assert [len(part) for part in taper.tensor_split(x, sections=4)] == [2, 2, 1, 1]
    assert taper.gather(x, 0, taper.tensor([5]), sparse_grad=False).tolist() == [5]


def test_results_written_to_out_have_names():
    out = taper.empty(0), taper.empty(0, dtype=taper.int64)
    result = taper.max(taper.eye(2), 0, out=out)
    assert result.values is out[0] and result.indices is out[1] and out[1].tolist() == [0, 1]


def test_shifts_in_place_write_into_the_tensor():
    x = taper.tensor([1, 2])
    y = x
    x <<= 2
    assert x is y and y.tolist() == [4, 8]
    x >>= taper.tensor([1, 3])
    assert x is y and y.tolist() == [2, 1]
    with pytest.raises(ValueError, match="broadcast"):
        x <<= taper.ones(2, 2, dtype=taper.int64)


def test_types_of_tensors_know_their_device():
    assert isinstance(taper.ones(2), taper.FloatTensor)
    assert not isinstance(taper.ones(2), taper.cuda.FloatTensor)
    assert repr(taper.cuda.LongTensor) == "<class 'taper.cuda.LongTensor'>"
    with pytest.raises(AttributeError, match="NoTensor"):
        taper.cuda.NoTensor
