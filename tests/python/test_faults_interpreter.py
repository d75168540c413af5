"""The end of the interpreter while threads are at work, and objects that Python makes in unusual ways."""

import ctypes
import pickle
import subprocess
import sys
import textwrap
import weakref

import pytest

import taper


def end_of(program):
    """(exit code, standard error) of an interpreter that runs the program."""
    text = "import threading\nimport taper\n" + textwrap.dedent(program)
    done = subprocess.run(
        [sys.executable, "-c", text], capture_output=True, text=True, timeout=120, check=False
    )
    return done.returncode, done.stderr


AT_WORK = {
    "products": "(x @ x).sum().backward()",
    "hooks": "y = x * 2; y.register_hook(lambda gradient: gradient * 2); (y @ y).sum().backward()",
    "hooks of leaves": "x.register_post_accumulate_grad_hook(lambda leaf: sum(range(99))); x.sum().backward()",
    "own functions": "Twice.apply(x @ x).sum().backward()",
    "saved tensors": """
            with taper.autograd.graph.saved_tensors_hooks(lambda tensor: [tensor], lambda packed: packed[0]):
                (x @ x).exp().sum().backward()
    """.strip(),
    "indices that run Python": "x[Index(), Index()]",
}


@pytest.mark.parametrize("name", AT_WORK)
def test_threads_at_work_do_not_end_the_process_badly(name):
    program = f"""
    class Twice(taper.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x * 2

        @staticmethod
        def backward(ctx, gradient):
            return gradient * sum(range(100)) * 0 + gradient * 2

    class Index:
        def __index__(self):
            return sum(range(1000)) * 0

    turns = threading.Semaphore(0)

    def work():
        while True:
            turns.release()
            x = taper.ones(200, 200, requires_grad=True)
            {AT_WORK[name]}

    for _ in range(3):
        threading.Thread(target=work, daemon=True).start()
    for _ in range(30):
        turns.acquire()
    """
    assert end_of(program) == (0, "")


def test_graphs_that_outlive_the_program():
    program = """
    import builtins

    class Kept:
        pass

    x = taper.ones(300, 300, requires_grad=True)
    with taper.autograd.graph.saved_tensors_hooks(lambda tensor: [tensor], lambda packed: packed[0]):
        y = (x @ x).exp()
    x.register_hook(lambda gradient: gradient)
    kept = Kept()
    kept.own, kept.y, builtins.kept = kept, y, kept
    """
    assert end_of(program) == (0, "")


@pytest.mark.parametrize("protocol", range(pickle.HIGHEST_PROTOCOL + 1))
def test_old_pickle_protocols(protocol):
    for value in (
        taper.device("cpu"),
        taper.float32,
        taper.Size([2, 3]),
        taper.ones(2),
        taper.nn.Linear(2, 2),
    ):
        try:
            again = pickle.loads(pickle.dumps(value, protocol))
        except TypeError:
            assert protocol < 2  # as for every class of an extension that says nothing of them
            continue
        assert str(again) == str(value)


def test_the_base_of_the_bound_classes_makes_no_objects():
    base = taper.Generator.__mro__[-2]
    with pytest.raises(RuntimeError, match="no pybind11-registered base types"):
        base.__new__(base)


class DLTensor(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class Managed(ctypes.Structure):
    _fields_ = [("tensor", DLTensor), ("context", ctypes.c_void_p), ("deleter", ctypes.c_void_p)]


def test_capsules_that_cannot_be():
    deleted, kept = [], []
    deleter = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(deleted.append)
    make_capsule = ctypes.pythonapi.PyCapsule_New
    make_capsule.restype, make_capsule.argtypes = (
        ctypes.py_object,
        [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p],
    )

    class Source:
        def __init__(self, shape, strides=None, data=True, **fields):
            memory = (ctypes.c_float * 8)(*range(8))
            managed = Managed()
            tensor = managed.tensor
            sizes, steps = (
                (ctypes.c_int64 * max(len(v), 1))(*v) if v is not None else None for v in (shape, strides)
            )
            tensor.data = ctypes.addressof(memory) if data else None
            tensor.device_type, tensor.ndim = 1, len(shape or ())
            tensor.code, tensor.bits, tensor.lanes = 2, 32, 1
            if sizes is not None:
                tensor.shape = ctypes.cast(sizes, ctypes.POINTER(ctypes.c_int64))
            if steps is not None:
                tensor.strides = ctypes.cast(steps, ctypes.POINTER(ctypes.c_int64))
            for name, value in fields.items():
                setattr(tensor, name, value)
            managed.deleter = ctypes.cast(deleter, ctypes.c_void_p).value
            kept.append((memory, sizes, steps, managed))
            self.capsule = make_capsule(ctypes.addressof(managed), b"dltensor", None)

        def __dlpack__(self, **options):
            return self.capsule

        def __dlpack_device__(self):
            return (1, 0)

    x = taper.from_dlpack(Source((2, 3)))
    assert x.tolist() == [[0, 1, 2], [3, 4, 5]]
    del x
    assert len(deleted) == 1
    for source in (
        Source((3,), data=False),
        Source((-1,)),
        Source((2**62, 2**62)),
        Source((2**62,), (2**62,)),
        Source((3,), (-1,)),
        Source((3,), device_type=2),
        Source((3,), lanes=4),
        Source((3,), code=9),
        Source((3,), ndim=-5),
        Source(None, ndim=1),
    ):
        with pytest.raises((taper.Error, ValueError, RuntimeError)):
            taper.from_dlpack(source)
    assert len(deleted) == 1  # what was refused is still the producer's


# --- truth, deletion and weak references ---


class NoTruth:
    def __bool__(self):
        raise KeyError("no truth")


def test_flags_whose_truth_raises():
    x = taper.ones(3, requires_grad=True)
    with pytest.raises(KeyError, match="no truth"):
        x.requires_grad = NoTruth()
    with pytest.raises(KeyError, match="no truth"):
        x.sum().backward(retain_graph=NoTruth())
    assert x.requires_grad and x.grad is None


def test_attributes_that_cannot_be_deleted():
    x = taper.ones(3, requires_grad=True)
    for name in dir(x):
        try:
            delattr(x, name)
        except (AttributeError, TypeError):
            pass
    with pytest.raises(TypeError, match="requires_grad cannot be deleted"):
        del x.requires_grad
    assert x.requires_grad and x.tolist() == [1, 1, 1]


def test_a_tensor_that_a_weak_reference_brings_back():
    x = taper.ones(3, requires_grad=True)
    y = (x * 2).sum()
    again = []
    reference = weakref.ref(
        x, lambda _: again.append(y.grad_fn.next_functions[0][0].next_functions[0][0].variable)
    )
    del x
    assert reference() is None and again[0].tolist() == [1, 1, 1]
    y.backward()
    assert again[0].grad.tolist() == [2, 2, 2]


def test_arguments_of_the_class():
    for arguments in (("a", "b"), (1, "b"), ([1], [2]), (None, None)):
        with pytest.raises(TypeError, match="Tensor: expected sizes, or one tensor or list of numbers"):
            taper.Tensor(*arguments)


@pytest.mark.parametrize("optimizer", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_optimizers_whose_state_holds_no_tensors(optimizer):
    weight = taper.ones(3, requires_grad=True)
    options = {"momentum": 0.9} if optimizer in ("SGD", "RMSprop") else {}
    made = getattr(taper.optim, optimizer)([weight], lr=0.1, **options)
    weight.grad = taper.ones(3)
    made.step()
    names = [
        name for name, value in made.state[weight].items() if isinstance(value, taper.Tensor) and value.ndim
    ]
    assert names
    for name in names:
        kept, before = made.state[weight][name], weight.detach().clone()
        for wrong in ("text", 3.0, taper.ones(4), taper.ones(3, dtype=taper.int64)):
            made.state[weight][name] = wrong
            with pytest.raises((TypeError, ValueError)):
                made.step()
            assert (weight == before).all()
        made.state[weight][name] = kept
