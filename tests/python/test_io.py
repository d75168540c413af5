"""taper.save and taper.load: nested values, sharing, damage, kills and full disks; the other formats."""

import collections
import copy
import enum
import io
import json
import os
import pickle
import random
import resource
import signal
import struct
import subprocess
import sys
import textwrap

import numpy as np
import pytest

import taper
from taper import safetensors
from taper.npy import load_npy, load_npz, save_npy, save_npz

DTYPES = [
    "bool uint8 int8 int16 int32 int64 uint16 uint32 uint64".split(),
    "float16 bfloat16 float32 float64 complex64 complex128".split(),
]


def tensor(dtype="float32", shape=(2, 3)):
    values = np.arange(int(np.prod(shape))).reshape(shape)
    if dtype == "bfloat16":
        return taper.tensor(values.astype("float32")).to(taper.bfloat16)
    return taper.tensor(values.astype(dtype))


def raw(value):
    """The bytes of a tensor, with its dtype and shape."""
    return value.dtype, tuple(value.shape), bytes(taper._C._tensor_to_buffer(value))


def round_trip(value):
    file = io.BytesIO()
    taper.save(value, file)
    file.seek(0)
    return taper.load(file)


# --- values ---


@pytest.mark.parametrize(
    "value",
    [
        None,
        True,
        0,
        -(2**63),
        2**63,
        -(10**40),
        0.1,
        -0.0,
        1e308,
        float("inf"),
        "",
        'quote " é \0 \n 😀',
        b"",
        b"\0\xff",
        bytearray(b"ab"),
        1 - 2j,
        complex("inf"),
        [],
        (),
        {},
        (1, (2,), [3]),
        {"a": {"b": [1, 2.0, None]}},
        {1: "int", -5: 0, (1, "x"): "tuple", None: 1, 2.5: 2, True and "yes": 3, b"k": 4},
        {"1": "text", 1: "int"},
        collections.OrderedDict([("z", 1), ("a", 2)]),
        collections.Counter("hello"),
        collections.defaultdict(list, {"a": [1]}),
        collections.defaultdict(None, {"a": 1}),
        {1, "a"},
        frozenset([2]),
        range(3, 10, 2),
        slice(1, None, 2),
        taper.float16,
        taper.device("cpu"),
        taper.Size([2, 3]),
        np.str_("text"),
        {"dict": 1, "tag": "tuple", "tensor": "x"},
    ],
    ids=repr,
)
def test_values(value):
    loaded = round_trip(value)
    assert loaded == value and type(loaded) is type(value) and repr(loaded) == repr(value)


def test_nan_and_order():
    assert np.isnan(round_trip(float("nan")))
    assert list(round_trip({"z": 1, "a": 2, 3: 4})) == ["z", "a", 3]
    assert round_trip(collections.defaultdict(list))["missing"] == []


@pytest.mark.parametrize("dtype", sum(DTYPES, []))
def test_tensors(dtype):
    for shape in [(2, 3), (), (0, 4), (5,)]:
        value = tensor(dtype, shape)
        assert raw(round_trip(value)) == raw(value)


@pytest.mark.parametrize("kind", "bool_ int8 uint64 float16 float32 float64 complex128".split())
def test_numpy_values(kind):
    scalar = getattr(np, kind)(1)
    loaded = round_trip({"s": scalar, "a": np.full((2, 3), scalar).T, "big": np.ones(3, dtype=">f4")})
    assert loaded["s"] == scalar and type(loaded["s"]) is type(scalar)
    assert loaded["a"].dtype == scalar.dtype and loaded["a"].shape == (3, 2) and loaded["a"].flags.writeable
    assert loaded["big"].tolist() == [1, 1, 1]


def test_views_and_sharing():
    x = tensor()
    loaded = round_trip({"x": x, "again": x, "detached": x.detach(), "t": x.T, "row": x[1]})
    assert loaded["x"] is loaded["again"] and loaded["x"].data_ptr() == loaded["detached"].data_ptr()
    assert loaded["t"].tolist() == x.T.tolist() and loaded["row"].tolist() == [3, 4, 5]
    inner = [x]
    assert round_trip([inner, inner])[1][0] is not None


def test_gradient_flags():
    x = tensor().requires_grad_()
    loaded = round_trip({"x": x, "y": x * 2, "plain": x.detach()})
    assert loaded["x"].requires_grad and loaded["x"].is_leaf and loaded["y"].is_leaf
    assert not loaded["plain"].requires_grad


def test_refusals_name_the_place():
    class Model:
        def state_dict(self):
            return {}

    with pytest.raises(TypeError, match=r"cannot store a .*Model at \['a'\]\[1\]; save its state_dict\(\)"):
        taper.save({"a": [0, Model()]}, io.BytesIO())
    with pytest.raises(TypeError, match="code cannot be saved"):
        taper.save(print, io.BytesIO())
    with pytest.raises(TypeError, match="NumPy values of dtype object"):
        taper.save(np.array([None]), io.BytesIO())
    with pytest.raises(TypeError, match="defaultdict"):
        taper.save(collections.defaultdict(lambda: 3), io.BytesIO())
    with pytest.raises(ValueError, match="lone surrogates"):
        taper.save("\ud800", io.BytesIO())
    endless = []
    endless.append(endless)
    with pytest.raises(ValueError, match="contain itself"):
        taper.save(endless, io.BytesIO())


def test_copies_and_pickles():
    x = tensor().requires_grad_()
    for again in (copy.deepcopy(x), pickle.loads(pickle.dumps(x)), pickle.loads(pickle.dumps(x, protocol=2))):
        assert raw(again) == raw(x) and again.requires_grad and again.data_ptr() != x.data_ptr()


# --- files ---


def test_paths_and_file_objects(tmp_path):
    for path in (tmp_path / "a.pt", str(tmp_path / "b"), os.fsencode(tmp_path / "c")):
        taper.save({"x": 1}, path)
        assert taper.load(path) == {"x": 1}
    with open(tmp_path / "d", "wb") as file:
        taper.save([1], file)
    with open(tmp_path / "d", "rb") as file:
        assert taper.load(file, map_location="cpu", weights_only=False, mmap=True) == [1]
    assert sorted(os.listdir(tmp_path)) == ["a.pt", "b", "c", "d"]
    with pytest.raises(FileNotFoundError):
        taper.load(tmp_path / "absent")
    with pytest.raises(OSError, match="No such file or directory"):
        taper.save(1, tmp_path / "absent" / "x")
    with pytest.raises(OSError, match="Is a directory"):
        taper.save(1, tmp_path)
    odd = os.fsencode(tmp_path) + b"/\xff"
    taper.save(1, odd)
    assert taper.load(odd) == 1
    with pytest.raises(OSError, match=r"\?' is truncated|bytes"):
        os.truncate(odd, 20)
        taper.load(odd)


def test_map_location(tmp_path):
    taper.save({"x": tensor()}, tmp_path / "f")
    for place in (
        None,
        "cpu",
        taper.device("cpu"),
        {"cuda:0": "cpu"},
        lambda saved: "cpu",
        lambda saved: None,
        lambda *saved: saved[0] if len(saved) == 2 else "gpu",
    ):
        assert taper.load(tmp_path / "f", map_location=place)["x"].device == taper.device("cpu")
    with pytest.raises(RuntimeError):
        taper.load(tmp_path / "f", map_location="gpu")


def pickled_zip(path):
    import zipfile

    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("archive/data.pkl", b"\x80\x02}q\x00.")


def test_foreign_files_are_explained(tmp_path):
    path = tmp_path / "model.pt"
    pickled_zip(path)
    with pytest.raises(taper.IOError, match="is a zip archive, as torch.save writes") as caught:
        taper.load(path)
    assert "safetensors.torch.save_file" in str(caught.value)
    for protocol in (2, 4, 5):
        path.write_bytes(pickle.dumps({"a": 1}, protocol=protocol))
        with pytest.raises(taper.IOError, match="is a pickle. Taper does not unpickle"):
            taper.load(path)
    np.save(tmp_path / "x.npy", np.ones(3))
    with pytest.raises(taper.IOError, match="is a NumPy array; read it with"):
        taper.load(tmp_path / "x.npy")
    path.write_bytes(b"hello, this is text and no checkpoint")
    with pytest.raises(taper.IOError, match="is no safetensors file"):
        taper.load(path)


# --- damage ---


@pytest.fixture
def checkpoint(tmp_path):
    path = tmp_path / "checkpoint"
    state = {
        "step": 7,
        "w": tensor("float32", (64, 64)),
        "b": tensor("float64", (1000,)),
        "flags": tensor("bool", (50,)),
    }
    taper.save(state, path)
    return path


def test_truncations(checkpoint):
    content = checkpoint.read_bytes()
    for size in [0, 1, 7, 8, 9, 100, len(content) // 2, len(content) - 1]:
        checkpoint.write_bytes(content[:size])
        with pytest.raises(taper.IOError, match="checkpoint"):
            taper.load(checkpoint)
    checkpoint.write_bytes(content + b"x")
    with pytest.raises(taper.IOError, match="1 bytes after its last tensor"):
        taper.load(checkpoint)


def test_flipped_bits_and_zeroed_blocks(checkpoint):
    content = checkpoint.read_bytes()
    generator = random.Random(0)
    for _ in range(200):
        damaged = bytearray(content)
        bit = generator.randrange(len(content) * 8)
        damaged[bit // 8] ^= 1 << bit % 8
        checkpoint.write_bytes(damaged)
        with pytest.raises(taper.IOError, match="checkpoint"):
            taper.load(checkpoint)
    for _ in range(50):
        start = generator.randrange(len(content) - 4096)
        damaged = bytearray(content)
        damaged[start : start + 4096] = bytes(4096)
        checkpoint.write_bytes(damaged)
        with pytest.raises(taper.IOError, match="checkpoint"):
            taper.load(checkpoint)


def test_damage_is_named_and_can_be_read_anyway(checkpoint):
    content = bytearray(checkpoint.read_bytes())
    content[-1] ^= 1
    checkpoint.write_bytes(content)
    with pytest.raises(taper.IOError, match=r"tensor 'flags' \(bytes \d+ to \d+ of the file\) has CRC-32C"):
        taper.load(checkpoint)
    assert taper.load(checkpoint, verify=False)["step"] == 7


def header_file(header, data=b""):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def entry(dtype="U8", shape=(4,), offsets=(0, 4)):
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


@pytest.mark.parametrize(
    "content",
    [
        struct.pack("<Q", 2**63) + b"{}",
        struct.pack("<Q", 10**9) + b"{}",
        header_file(b'{"x":' + b"[" * 100_000),
        header_file(b'{"x":{"dtype":"U8"},"x":{}}'),
        header_file(b'{"\xff":1}'),
        header_file({"x": entry(), "y": entry(offsets=(2, 6))}, bytes(6)),
        header_file({"x": entry(offsets=(4, 0))}, bytes(4)),
        header_file({"x": entry(offsets=(0, 2**40))}, bytes(4)),
        header_file({"x": entry(shape=(2**40, 2**40))}, bytes(4)),
        header_file({"x": entry(shape=(2**32, 2**32), offsets=(0, 0))}),
        header_file({"x": entry(shape=(-4,))}, bytes(4)),
        header_file({"x": entry("F64")}, bytes(4)),
        header_file({"x": entry("Q7")}, bytes(4)),
        header_file({"x": entry(), "y": entry(offsets=(8, 12))}, bytes(12)),
    ],
)
def test_malicious_headers(content, tmp_path):
    path = tmp_path / "bad.safetensors"
    path.write_bytes(content)
    for read in (
        taper.load,
        safetensors.load_file,
        safetensors.safe_open,
        lambda p: safetensors.load(content),
    ):
        with pytest.raises(taper.IOError):
            read(path)


def test_loading_runs_no_code_of_the_file():
    tree = {"version": 1, "root": {"list": ["rm"], "tag": "os.system"}}
    content = safetensors.save({}, {"taper.tree": json.dumps(tree)})
    with pytest.raises(taper.IOError, match="holds a 'os.system', which this version of Taper does not know"):
        taper.load(io.BytesIO(content))
    tree["root"] = {"text": "no number", "tag": "int"}
    with pytest.raises(taper.IOError, match="holds a damaged 'int'"):
        taper.load(io.BytesIO(safetensors.save({}, {"taper.tree": json.dumps(tree)})))


def test_loaded_tensors_do_not_depend_on_the_file(checkpoint):
    loaded = taper.load(checkpoint, mmap=True)
    before = raw(loaded["w"])
    with open(checkpoint, "r+b") as file:
        file.write(bytes(os.path.getsize(checkpoint)))
    assert raw(loaded["w"]) == before
    os.truncate(checkpoint, 0)
    assert raw(loaded["w"]) == before


# --- kills and full disks ---

SAVER = """
    import sys, numpy, taper

    path = sys.argv[1]
    data = numpy.zeros(2_000_000, dtype="float32")
    for step in range(10_000):
        data[:] = step
        taper.save({"step": step, "data": taper.tensor(data)}, path)
        print(step, flush=True)
"""


def test_kills_leave_a_whole_file(tmp_path):
    path = tmp_path / "checkpoint"
    generator = random.Random(1)
    for _ in range(15):
        saver = subprocess.Popen(
            [sys.executable, "-c", textwrap.dedent(SAVER), path], stdout=subprocess.PIPE, text=True
        )
        done = 0
        for line in saver.stdout:  # kill it somewhere inside of the save after this line
            done = int(line)
            if done >= 2:
                break
        for _ in range(generator.randrange(20_000)):
            pass
        saver.send_signal(signal.SIGKILL)
        saver.wait(60)
        saver.stdout.close()
        loaded = taper.load(path)
        assert loaded["step"] >= done
        assert loaded["data"][0].item() == loaded["data"][-1].item() == loaded["step"]
    assert (
        len(os.listdir(tmp_path)) <= 2
    )  # at most one unfinished file was caught between its name and its place


def test_a_file_too_large_keeps_the_old_one(tmp_path):
    path = tmp_path / "checkpoint"
    taper.save({"step": 1}, path)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    old_handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))
        with pytest.raises(taper.IOError, match="checkpoint': File too large"):
            taper.save({"step": 2, "x": tensor("float64", (100_000,))}, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, old_handler)
    assert taper.load(path) == {"step": 1}
    assert os.listdir(tmp_path) == ["checkpoint"]


def test_a_full_disk_keeps_the_old_file(tmp_path):
    with pytest.raises(OSError, match="'/dev/full': No space left on device"):
        taper.save({"x": tensor("float64", (100_000,))}, "/dev/full")
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=5m", "tmpfs", tmp_path], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("mounting a tmpfs is not permitted here")
    try:
        path = tmp_path / "checkpoint"
        taper.save({"step": 1, "x": tensor("float64", (100_000,))}, path)
        with pytest.raises(OSError, match="checkpoint': No space left on device"):
            taper.save({"step": 2, "x": tensor("float64", (1_000_000,))}, path)
        assert taper.load(path)["step"] == 1
        assert os.listdir(tmp_path) == ["checkpoint"]
    finally:
        subprocess.run(["umount", tmp_path], check=True)


# --- safetensors ---


def test_safetensors(tmp_path):
    path = tmp_path / "m.safetensors"
    tensors = {name: tensor(name) for name in sum(DTYPES, [])} | {
        "row": tensor()[1],
        "empty": tensor(shape=(0, 2)),
    }
    safetensors.save_file(tensors, path, metadata={"format": "pt"})
    loaded = safetensors.load_file(path)
    assert list(loaded) == list(tensors)
    assert {name: raw(value) for name, value in loaded.items()} == {n: raw(v) for n, v in tensors.items()}
    assert list(safetensors.load(safetensors.save(tensors))) == list(tensors)
    assert list(taper.load(path)) == list(tensors)
    with safetensors.safe_open(path, framework="pt", device="cpu") as file:
        assert file.metadata()["format"] == "pt" and list(file.keys()) == list(tensors)
        assert sorted(file.offset_keys()) == sorted(tensors)
        assert raw(file.get_tensor("float32")) == raw(tensors["float32"])
        with pytest.raises(ValueError, match="has no tensor 'absent'"):
            file.get_tensor("absent")
    with pytest.raises(taper.IOError, match="closed"):
        file.keys()
    with pytest.raises(FileNotFoundError):
        safetensors.load_file(tmp_path / "absent")
    with pytest.raises(TypeError, match="metadata must be text"):
        safetensors.save_file({}, path, metadata={"a": 1})
    with pytest.raises(TypeError, match="expected a dictionary of names and tensors"):
        safetensors.save_file({"a": 1}, path)


@pytest.mark.parametrize(
    "index",
    [
        0,
        -1,
        slice(2, 5),
        slice(None),
        slice(1, None, 2),
        slice(5, 2),
        (slice(1, 3), 0),
        (2, slice(1)),
        (..., 1),
    ],
    ids=repr,
)
def test_slices(tmp_path, index):
    value = tensor("int32", (6, 4))
    safetensors.save_file({"x": value}, tmp_path / "f")
    with safetensors.safe_open(tmp_path / "f") as file:
        part = file.get_slice("x")
        assert part.get_shape() == [6, 4] and part.get_dtype() == "I32"
        assert part[index].tolist() == value[index].tolist()


def test_slices_refuse(tmp_path):
    safetensors.save_file({"x": tensor()}, tmp_path / "f")
    part = safetensors.safe_open(tmp_path / "f").get_slice("x")
    with pytest.raises(IndexError):
        part[2]
    with pytest.raises(ValueError):
        part[::-1]


# --- NumPy's formats ---


@pytest.mark.parametrize("dtype", [name for name in sum(DTYPES, []) if name != "bfloat16"])
def test_npy_agrees_with_numpy(tmp_path, dtype):
    for shape in [(), (3,), (2, 3, 4), (0, 2)]:
        value = tensor(dtype, shape)
        save_npy(value, tmp_path / "t.npy")
        array = np.load(tmp_path / "t.npy")
        assert array.dtype == dtype and array.tolist() == value.tolist()
        for variant in (array, array.copy(order="F"), array.astype(array.dtype.newbyteorder(">"))):
            np.save(tmp_path / "n.npy", variant)
            assert raw(load_npy(tmp_path / "n.npy")) == raw(value)


@pytest.mark.parametrize("compress", [False, True])
def test_npz_agrees_with_numpy(tmp_path, compress):
    tensors = {"a": tensor(), "folder/é": tensor("int64", (300, 30)), "scalar": tensor("bool", ())}
    save_npz(tensors, tmp_path / "t.npz", compress=compress)
    with np.load(tmp_path / "t.npz") as archive:
        assert {name: archive[name].tolist() for name in archive} == {
            n: v.tolist() for n, v in tensors.items()
        }
    (np.savez_compressed if compress else np.savez)(
        tmp_path / "n.npz", **{name: np.array(value.tolist()) for name, value in tensors.items()}
    )
    assert {name: value.tolist() for name, value in load_npz(tmp_path / "n.npz").items()} == {
        name: value.tolist() for name, value in tensors.items()
    }


def test_npy_refuses(tmp_path):
    with pytest.raises(TypeError, match="NumPy has no bfloat16"):
        save_npy(tensor("bfloat16"), tmp_path / "b.npy")
    for array, text in [
        (np.array([None]), "pickled Python objects, which are never loaded"),
        (np.array(["a"]), "NumPy dtype '<U1', which Taper does not have"),
        (np.zeros(2, dtype=[("a", "f4")]), "structured dtype"),
    ]:
        np.save(tmp_path / "bad.npy", array)
        with pytest.raises(taper.IOError, match=text):
            load_npy(tmp_path / "bad.npy")
    pickled_zip(tmp_path / "model.pt")
    with pytest.raises(taper.IOError, match="'archive/data.pkl' is no .npy array"):
        load_npz(tmp_path / "model.pt")


class Rate(enum.Enum):
    FIXED = "fixed"


class Settings:
    """What programs keep beside weights."""

    def __init__(self, rate):
        self.rate, self.kind = rate, Rate.FIXED


class Counted(Settings):
    """Has a way of its own to be kept."""

    def __getstate__(self):
        return {"rate": self.rate}

    def __setstate__(self, state):
        self.rate, self.kind = state["rate"], "restored"


def saved(obj, **options):
    file = io.BytesIO()
    taper.save(obj, file)
    file.seek(0)
    return taper.load(file, **options)


def test_an_object_keeps_its_attributes_and_where_that_is_asked_for_its_class():
    state = {"settings": Settings(taper.ones(2)), "again": [Counted(3)]}
    plain = saved(state)
    assert type(plain["settings"]).__name__ == "SavedObject" and "Settings" in repr(plain["settings"])
    assert plain["settings"].rate.tolist() == [1, 1] and plain["settings"].kind == "fixed"
    with pytest.raises(AttributeError, match="Settings.*weights_only=False"):
        plain["settings"].missing
    trusted = saved(state, weights_only=False)
    assert type(trusted["settings"]) is Settings and trusted["settings"].kind is Rate.FIXED
    assert type(trusted["again"][0]) is Counted and trusted["again"][0].kind == "restored"
    with taper.serialization.safe_globals([Settings]):
        allowed = saved(state)
        assert type(allowed["settings"]) is Settings and allowed["settings"].kind == "fixed"
        assert type(allowed["again"][0]).__name__ == "SavedObject"
    assert taper.serialization.get_safe_globals() == []


def test_whole_modules_are_saved_and_loaded():
    model = taper.nn.Sequential(taper.nn.Linear(2, 3), taper.nn.LSTM(3, 4), taper.nn.BatchNorm1d(4))
    model[1].weight_hh_l0 = model[1].weight_ih_l0  # shared
    model.eval()
    loaded = saved(model, weights_only=False)
    assert repr(loaded) == repr(model) and not loaded.training
    assert loaded.state_dict().keys() == model.state_dict().keys()
    for a, b in zip(loaded.state_dict().values(), model.state_dict().values()):
        assert taper.equal(a, b)
    assert loaded[1].weight_hh_l0 is loaded[1].weight_ih_l0
    x = taper.ones(5, 2)
    assert taper.equal(loaded[0](x), model[0](x))
    model[0].register_forward_hook(lambda *args: None)
    with pytest.raises(TypeError, match="_forward_hooks.*code cannot be saved"):
        saved(model)


def test_an_object_that_would_run_code_when_unpickled_is_refused():
    with pytest.raises(TypeError, match="cannot store a .*Harmful"):
        saved(Harmful())


class Harmful:
    def __reduce__(self):
        return print, ("ran",)


def test_an_object_that_holds_itself_is_refused():
    settings = Settings(1)
    settings.rate = settings
    with pytest.raises(ValueError, match="contain itself"):
        saved(settings)
