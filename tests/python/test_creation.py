"""Tensors made of sizes, buffers and files."""

import pytest

import taper


def test_new_tensors_take_their_size_by_name():
    x = taper.ones(2)
    for make in (x.new_zeros, x.new_ones, x.new_empty):
        assert make(size=(2, 3)).shape == make((2, 3)).shape == make(2, 3).shape == (2, 3)
        with pytest.raises(TypeError):
            make(2, sise=3)
        with pytest.raises(TypeError, match="give one"):
            make(2, size=(3,))


def test_a_buffer_of_bfloat16_becomes_a_tensor():
    content = taper.tensor([1.0, -2.5], dtype=taper.bfloat16).view(taper.int16).numpy().tobytes()
    assert taper.frombuffer(bytearray(content), dtype=taper.bfloat16).tolist() == [1, -2.5]


def test_storages_are_read_from_files_and_cut(tmp_path):
    path = tmp_path / "content"
    path.write_bytes(bytes(range(8)))
    storage = taper.UntypedStorage.from_file(str(path), False, 6)
    assert storage.tolist() == list(range(6)) and storage[2:4].tolist() == [2, 3]
    shared = taper.asarray(storage[4:6], dtype=taper.uint8)
    shared[0] = 9
    assert storage[4] == 9
    with pytest.raises(RuntimeError, match="has 8 bytes, fewer than 9"):
        taper.UntypedStorage.from_file(str(path), False, 9)
