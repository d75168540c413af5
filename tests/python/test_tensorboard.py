"""Event files, read back by a decoder of records and messages that is written here."""

import glob
import io
import os
import struct
import wave
import zlib

import numpy as np
import pytest

import taper
from taper import _C
from taper.utils.tensorboard import SummaryWriter


def masked_crc(data):
    crc = _C._crc32c(data)
    return ((crc >> 15 | crc << 17) + 0xA282EAD8) % 2**32


def records(path):
    data = open(path, "rb").read()
    while data:
        size, check = struct.unpack("<QI", data[:12])
        assert check == masked_crc(data[:8])
        body, check = data[12 : 12 + size], struct.unpack("<I", data[12 + size : 16 + size])[0]
        assert check == masked_crc(body)
        yield fields(body)
        data = data[16 + size :]


def number(data):
    value = shift = 0
    for index, byte in enumerate(data):
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, data[index + 1 :]


def fields(data):
    """Field number -> values; messages as bytes."""
    result = {}
    while data:
        key, data = number(data)
        kind = key & 7
        if kind == 0:
            value, data = number(data)
        elif kind == 2:
            size, data = number(data)
            value, data = data[:size], data[size:]
        else:
            size, code = (8, "<d") if kind == 1 else (4, "<f")
            value, data = struct.unpack(code, data[:size])[0], data[size:]
        result.setdefault(key >> 3, []).append(value)
    return result


def values(directory):
    """(step, tag, the Summary.Value's fields) of every summary; the first event is the version."""
    first, *rest = records(glob.glob(os.path.join(directory, "events.out.tfevents.*"))[0])
    assert first[3] == [b"brain.Event:2"]
    for event in rest:
        value = fields(fields(event[5][0])[1][0])
        yield event.get(2, [0])[0], value[1][0].decode(), value


def test_crc32c_of_the_check_value():
    assert _C._crc32c(b"123456789") == 0xE3069283


def test_scalars(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_scalar("loss", taper.tensor([0.5]), 0)
        writer.add_scalar("loss", 0.25, 300)
        writer.add_scalar("exact", 0.1, 1, new_style=True, double_precision=True)
        writer.add_scalars("both", {"a": 1, "b": 2}, 4)
        with pytest.raises(AssertionError, match="one element"):
            writer.add_scalar("many", taper.ones(2))
    old, new, exact = values(tmp_path)
    assert (old[:2], old[2][2]) == ((0, "loss"), [0.5])
    assert (new[:2], new[2][2]) == ((300, "loss"), [0.25])
    assert struct.unpack("<d", fields(exact[2][8][0])[6][0]) == (0.1,)
    for name, expected in (("both_a", 1), ("both_b", 2)):
        ((step, tag, value),) = values(tmp_path / name)
        assert (step, tag, value[2]) == (4, "both", [expected])


def test_histogram_counts_every_value(tmp_path):
    data = np.random.default_rng(0).normal(size=1000)
    with SummaryWriter(tmp_path) as writer:
        writer.add_histogram("weights", taper.tensor(data), 7)
        writer.add_histogram("few", data, bins=[-10, 0, 10])
        with pytest.raises(ValueError, match="no element"):
            writer.add_histogram("none", taper.ones(0))
    weights, few = (fields(value[5][0]) for _, _, value in values(tmp_path))
    assert [weights[i][0] for i in range(1, 6)] == pytest.approx(
        [data.min(), data.max(), 1000, data.sum(), (data**2).sum()]
    )
    limits, counts = (np.frombuffer(weights[i][0]) for i in (6, 7))
    assert counts.sum() == 1000 and counts[0] == 0 and len(limits) == len(counts)
    assert [np.sum((data >= low) & (data < high)) for low, high in zip(limits, limits[1:])] == counts[
        1:
    ].tolist()
    assert np.frombuffer(few[7][0]).tolist() == [0, (data < 0).sum(), (data >= 0).sum()]


def pixels(image):
    """[H, W, C] of a PNG without filters."""
    width, height = struct.unpack(">II", image[16:24])
    start = image.index(b"IDAT")
    size = struct.unpack(">I", image[start - 4 : start])[0]
    lines = np.frombuffer(zlib.decompress(image[start + 4 : start + 4 + size]), np.uint8).reshape(height, -1)
    assert not lines[:, 0].any() and image.startswith(b"\x89PNG\r\n\x1a\n")
    return lines[:, 1:].reshape(height, width, -1)


def test_images(tmp_path):
    picture = np.arange(24, dtype=np.uint8).reshape(2, 4, 3)
    with SummaryWriter(tmp_path) as writer:
        writer.add_image("uint8", taper.tensor(picture), dataformats="HWC")
        writer.add_image("grey", taper.tensor([[[0.0, 0.5], [1.0, 2.0]]]))
        writer.add_images("rows", taper.zeros(9, 1, 2, 3))
        with pytest.raises(AssertionError, match="different"):
            writer.add_image("flat", taper.zeros(3, 3))
    colour, grey, rows = (fields(value[4][0]) for _, _, value in values(tmp_path))
    assert (colour[1], colour[2], colour[3]) == ([2], [4], [3])
    assert (pixels(colour[4][0]) == picture).all()
    assert pixels(grey[4][0])[:, :, 0].tolist() == [[0, 127], [255, 255]]
    assert pixels(rows[4][0]).shape == (4, 24, 3)


def test_text(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_text("note", "**grün**", 2)
    ((step, tag, value),) = values(tmp_path)
    assert (step, tag) == (2, "note/text_summary")
    assert fields(value[8][0])[8] == ["**grün**".encode()]


def test_default_directory_and_reopening(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    writer = SummaryWriter(comment="_try")
    assert writer.get_logdir().startswith("runs") and writer.get_logdir().endswith("_try")
    writer.close()
    writer.add_scalar("late", 1)
    writer.flush()
    assert [tag for _, tag, _ in values(writer.log_dir)] == ["late"]
    writer.close()


def test_graph_has_every_operation_in_its_module(tmp_path):
    class Net(taper.nn.Module):
        def __init__(self):
            super().__init__()
            self.body = taper.nn.Sequential(taper.nn.Linear(3, 4), taper.nn.ReLU())

        def forward(self, x):
            return self.body(x) + 1

    with SummaryWriter(tmp_path) as writer:
        writer.add_graph(Net(), taper.ones(2, 3))
        with pytest.raises(ValueError, match="needs input_to_model"):
            writer.add_graph(Net())
    (event,) = list(records(glob.glob(os.path.join(tmp_path, "events.out.tfevents.*"))[0]))[1:]
    nodes = [fields(node) for node in fields(event[4][0])[1]]
    found = {
        node[1][0].decode(): (node[2][0].decode(), [s.decode() for s in node.get(3, [])]) for node in nodes
    }
    linear = "Net/Sequential[body]/Linear[0]/linear"
    assert found["input_0"] == ("Input", []) and found["body/0/weight"] == ("Parameter", [])
    assert found[linear] == ("linear", ["input_0", "body/0/weight", "body/0/bias"])
    assert found["Net/Sequential[body]/ReLU[1]/relu"] == ("relu", [linear])
    assert found["Net/add"] == ("add", ["Net/Sequential[body]/ReLU[1]/relu"])


def test_hyperparameters(tmp_path):
    with SummaryWriter(tmp_path) as writer:
        writer.add_hparams({"lr": 0.1, "kind": "sgd", "nesterov": True}, {"accuracy": 0.9}, run_name="run")
        with pytest.raises(ValueError, match="int, float, str or bool"):
            writer.add_hparams({"lr": [1]}, {})
    entries = list(values(tmp_path / "run"))
    assert [tag for _, tag, _ in entries] == [
        "_hparams_/experiment",
        "_hparams_/session_start_info",
        "_hparams_/session_end_info",
        "accuracy",
    ]
    contents = [fields(fields(value[9][0])[1][0]) for _, _, value in entries[:3]]
    assert all(content[1] == [b"hparams"] for content in contents)
    experiment, start = (fields(fields(content[2][0])[field][0]) for content, field in zip(contents, (2, 3)))
    assert [fields(info)[1][0] for info in experiment[5]] == [b"lr", b"kind", b"nesterov"]
    assert [fields(info)[4][0] for info in experiment[5]] == [3, 1, 2]
    given = {fields(pair)[1][0]: fields(fields(pair)[2][0]) for pair in start[1]}
    assert given == {b"lr": {2: [0.1]}, b"kind": {3: [b"sgd"]}, b"nesterov": {4: [1]}}
    assert entries[3][2][2] == [pytest.approx(0.9)]


def test_precision_and_recall(tmp_path):
    labels, chances = np.array([0, 1, 1, 0, 1]), np.array([0.1, 0.4, 0.6, 0.7, 0.9])
    with SummaryWriter(tmp_path) as writer:
        writer.add_pr_curve("pr", taper.tensor(labels), taper.tensor(chances), 2, num_thresholds=11)
        with pytest.raises(ValueError, match="5 labels and 2 predictions"):
            writer.add_pr_curve("pr", labels, chances[:2])
    ((step, tag, value),) = values(tmp_path)
    curves = np.frombuffer(fields(value[8][0])[5][0], "<f4").reshape(6, 11)
    assert (step, tag) == (2, "pr") and fields(fields(value[9][0])[1][0])[1] == [b"pr_curves"]
    for i in range(11):
        above = np.floor(chances * 10) >= i
        true, false = (labels[above] == 1).sum(), (labels[above] == 0).sum()
        np.testing.assert_allclose(curves[:4, i], [true, false, 2 - false, 3 - true])
        np.testing.assert_allclose(curves[4:, i], [true / max(true + false, 1e-7), true / 3], rtol=1e-6)


def test_sound_and_numbers(tmp_path):
    sound = taper.tensor([[0.0, 0.5, -1.0, 2.0]])
    with SummaryWriter(tmp_path) as writer:
        writer.add_audio("beep", sound, 1, sample_rate=8000)
        writer.add_tensor("raw", taper.arange(6.0).view(2, 3))
        with pytest.raises(AssertionError, match="1 dimensional"):
            writer.add_audio("beep", taper.ones(2, 2))
    beep, raw = (value for _, _, value in values(tmp_path))
    content = fields(beep[6][0])
    assert content[1] == [8000.0] and content[3] == [4] and content[5] == [b"audio/wav"]
    wav = wave.open(io.BytesIO(content[4][0]))
    assert (wav.getframerate(), wav.getnchannels(), wav.getsampwidth(), wav.getnframes()) == (8000, 1, 2, 4)
    assert np.frombuffer(wav.readframes(4), "<i2").tolist() == [0, 16383, -32767, 32767]
    stored = fields(raw[8][0])
    assert np.frombuffer(stored[4][0], "<f4").tolist() == [0, 1, 2, 3, 4, 5]
    assert [fields(size)[1][0] for size in fields(stored[2][0])[2]] == [2, 3]


def test_embeddings_for_the_projector(tmp_path):
    points, pictures = np.arange(10.0).reshape(5, 2), np.zeros((5, 1, 2, 2), "f")
    pictures[4] = 1
    with SummaryWriter(tmp_path) as writer:
        writer.add_embedding(taper.tensor(points), metadata=list("abcde"), label_img=pictures, global_step=3)
        writer.add_embedding(points, metadata=[["a", 1]] * 5, metadata_header=["name", "n"], tag="two/b")
        with pytest.raises(AssertionError, match="labels"):
            writer.add_embedding(points, metadata=["a"])
    folder = tmp_path / "00003" / "default"
    np.testing.assert_array_equal(np.loadtxt(folder / "tensors.tsv", delimiter="\t"), points)
    assert (folder / "metadata.tsv").read_text().split() == list("abcde")
    sheet = pixels((folder / "sprite.png").read_bytes())
    assert sheet.shape == (6, 6, 3) and (sheet[2:4, 2:4] == 255).all() and sheet.sum() == 4 * 3 * 255
    assert (tmp_path / "00000/two%2Fb/metadata.tsv").read_text().split("\n")[:2] == ["name\tn", "a\t1"]
    listed = (tmp_path / "projector_config.pbtxt").read_text()
    assert listed.count("embeddings {") == 2 and 'tensor_path: "00003/default/tensors.tsv"' in listed


def test_figures_of_matplotlib(tmp_path):
    pyplot = pytest.importorskip("matplotlib.pyplot")
    figure = pyplot.figure(figsize=(1, 0.5), dpi=40, facecolor="red")
    with SummaryWriter(tmp_path) as writer:
        writer.add_figure("plot", figure, 1)
    ((_, tag, value),) = values(tmp_path)
    drawn = pixels(fields(value[4][0])[4][0])
    assert tag == "plot" and drawn.shape == (20, 40, 3) and (drawn == [255, 0, 0]).all()
