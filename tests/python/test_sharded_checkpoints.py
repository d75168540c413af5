"""Divided checkpoints, also as safetensors files, and state dictionaries by names of parameters."""

import json
import struct

import jobs
import numpy as np
import pytest
from test_fully_shard import NETWORK

import taper
from taper import distributed as dist
from taper import safetensors
from taper.distributed import checkpoint as dcp

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")


def test_one_process_writes_and_reads_whole_files(tmp_path):
    state = {"a": {"w": taper.arange(6.0).reshape(2, 3)}, "b": taper.ones(4, dtype=taper.int64)}
    writer = dcp.HuggingFaceStorageWriter(tmp_path, fqn_to_index_mapping={"a.w": 1, "b": 2})
    dcp.save(state, storage_writer=writer, no_dist=True)
    index = json.loads((tmp_path / "model.safetensors.index.json").read_text())
    assert index["metadata"]["total_size"] == 24 + 32
    files = {"a.w": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}
    assert index["weight_map"] == files
    assert safetensors.load_file(tmp_path / files["b"])["b"].tolist() == [1, 1, 1, 1]
    loaded = {"a": {"w": taper.zeros(2, 3, dtype=taper.float64)}, "b": None}
    dcp.load(loaded, storage_reader=dcp.HuggingFaceStorageReader(tmp_path), no_dist=True)
    assert loaded["a"]["w"].tolist() == state["a"]["w"].tolist() and loaded["b"].tolist() == [1, 1, 1, 1]
    with pytest.raises(TypeError, match="'step' is a int"):
        dcp.save({"step": 1}, storage_writer=writer, no_dist=True)
    with pytest.raises(taper.IOError, match="no tensor 'c'"):
        dcp.load({"c": taper.ones(1)}, storage_reader=dcp.HuggingFaceStorageReader(tmp_path), no_dist=True)
    (tmp_path / files["b"]).unlink()
    with pytest.raises(
        taper.IOError, match="model-00002-of-00002.safetensors', which is to hold 'b', is missing"
    ):
        dcp.load(loaded, storage_reader=dcp.HuggingFaceStorageReader(tmp_path), no_dist=True)


def test_files_of_others_are_read(tmp_path):
    """Two parts of one tensor, as PyTorch writes them: a header, and where each begins in its metadata."""
    values = np.arange(15, dtype=np.float32).reshape(5, 3)
    for number, rows in enumerate((values[:2], values[2:])):
        offsets = json.dumps({"w": {"saved_offsets": [2 * number, 0]}})
        header = json.dumps(
            {
                "__metadata__": {"format": "pt", "DCP_VERSION": "1.0", "DCP_SHARDING_INFO": offsets},
                "w": {"dtype": "F32", "shape": list(rows.shape), "data_offsets": [0, rows.nbytes]},
            }
        ).encode()
        file = tmp_path / f"shard-0000{number + 1}-model-00001-of-00001.safetensors"
        file.write_bytes(struct.pack("<Q", len(header)) + header + rows.tobytes())
    loaded = {"w": taper.zeros(5, 3)}
    dcp.load(loaded, storage_reader=dcp.HuggingFaceStorageReader(tmp_path), no_dist=True)
    assert loaded["w"].tolist() == values.tolist()
    file.rename(tmp_path / "away")
    with pytest.raises(taper.IOError, match="does not fit one of shape"):
        dcp.load(loaded, storage_reader=dcp.HuggingFaceStorageReader(tmp_path), no_dist=True)
    (tmp_path / "away").rename(file)
    (tmp_path / "shard-00001-model-00001-of-00001.safetensors").unlink()
    with pytest.raises(taper.IOError, match="'w' is not whole"):
        dcp.load(loaded, storage_reader=dcp.HuggingFaceStorageReader(tmp_path), no_dist=True)


def test_parts_are_written_by_each_rank_and_read_by_fewer(tmp_path):
    where = f"folder = {str(tmp_path)!r}\nimport os\n"
    jobs.run(
        NETWORK
        + where
        + """
parts = dcp.get_model_state_dict(shard(fresh()))
for name, options in (("parts", {}), ("whole", {"enable_consolidation": True})):
    writer = dcp.HuggingFaceStorageWriter(f"{folder}/{name}", save_distributed=True, **options)
    dcp.save(parts, storage_writer=writer)
    dcp.save(parts, storage_writer=writer)
dcp.save(parts, storage_writer=dcp.HuggingFaceStorageWriter(folder + "/gathered"))
""",
        4,
    )
    assert len(list((tmp_path / "parts").glob("shard-*"))) == 4
    assert (tmp_path / "whole" / "model-00001-of-00001.safetensors").exists()
    jobs.run(
        NETWORK
        + where
        + """
for name in ("parts", "whole", "whole/sharded", "gathered"):
    reader = dcp.HuggingFaceStorageReader(f"{folder}/{name}")
    model = shard(fresh(7)); state = dcp.get_model_state_dict(model)
    dcp.load(state, storage_reader=reader); dcp.set_model_state_dict(model, state)
    close(dcp.get_model_state_dict(model, options=whole), fresh().state_dict(), 0)
writer = dcp.HuggingFaceStorageWriter(folder + "/parts", save_distributed=True)
dcp.save({"other": taper.ones(2)}, storage_writer=writer)  # files of ranks that are no more are removed
assert len(os.listdir(folder + "/parts")) == 1
""",
        2,
    )


def test_state_dictionaries_are_given_and_taken_as_told():
    jobs.run(
        NETWORK
        + """
from taper.nn.parallel import DistributedDataParallel as DDP
from taper.distributed.checkpoint.state_dict import _patch_model_state_dict, _patch_optimizer_state_dict
from taper.distributed.checkpoint import StateDictOptions as Options
model = shard(fresh()); optimizer = adam(model); train(model, optimizer, mine); optimizer.zero_grad()
flat = dcp.get_optimizer_state_dict(model, optimizer, options=Options(flatten_optimizer_state_dict=True))
assert flat["param_groups.first.weight.lr"] == 0.01 and flat["state.first.weight.exp_avg"].shape == (10, 6)
for state in (flat, optimizer.state_dict()):
    other = taper.optim.AdamW(model.parameters(), lr=7.0); dcp.set_optimizer_state_dict(model, other, state)
    assert other.param_groups[0]["lr"] == 0.01 and len(other.state) == len(optimizer.state) > 0
    for p in model.parameters(): assert (other.state[p]["exp_avg"] == optimizer.state[p]["exp_avg"]).all()
# A model on meta, from rank 0's whole state.
with taper.device("meta"): empty = shard(Net().double())
state = expected if rank == 0 else {}
dcp.set_model_state_dict(empty, state, options=Options(full_state_dict=True, broadcast_from_rank0=True))
close(dcp.get_model_state_dict(empty, options=whole), expected, 0)
print(message(lambda: dcp.set_model_state_dict(model, {}, options=Options(broadcast_from_rank0=True))))
# Names are those of the network without wrappers; with FSDP inside, still parts.
net = fresh(); net.blocks[0] = DDP(net.blocks[0])
assert list(dcp.get_model_state_dict(net)) == list(expected)
dcp.set_model_state_dict(net, expected); close(dcp.get_model_state_dict(net), expected, 0)
deep = FSDP(fresh(), auto_wrap_policy=ModuleWrapPolicy({Block})); steps = adam(deep)
parts, moments = dcp.get_state_dict(deep, steps)
assert list(parts) == list(expected) and all(isinstance(v, DTensor) for v in parts.values())
assert set(moments["state"]) == set(expected)
import warnings
with warnings.catch_warnings(record=True) as seen:
    warnings.simplefilter("always")
    inner = dcp.get_model_state_dict(model, submodules={model.first}, options=Options(keep_submodule_prefixes=False))
    assert list(inner) == ["weight", "bias"] and any(w.category is FutureWarning for w in seen)
_patch_model_state_dict(deep, options=whole); _patch_optimizer_state_dict(deep, optimizers=steps)
assert not isinstance(deep.state_dict()["first.bias"], DTensor) and set(steps.state_dict()["state"]) == set(expected)
deep.load_state_dict(expected); steps.load_state_dict(steps.state_dict()); close(deep.state_dict(), expected, 0)
"""
    )


def test_lists_of_divided_tensors_are_saved_whole_and_described(tmp_path):
    jobs.run(
        f"folder = {str(tmp_path / 'c')!r}"
        + """
begin()
import taper.distributed.checkpoint as dcp
from taper.distributed.checkpoint.state_dict_loader import _load_state_dict_from_keys
from taper.distributed.tensor import Shard, distribute_tensor
mesh = dist.init_device_mesh("cpu", (2,))
def cut(value): return distribute_tensor(value, mesh, [Shard(0)])
rows = taper.arange(10.0).reshape(5, 2)
state = {"layers": [cut(rows), {"w": (cut(rows + 1), 3)}], "plain": [1, 2], "n": 4}
metadata = dcp.save(state, checkpoint_id=folder)
held = [cut(rows * 0), {"w": (cut(rows * 0), 0)}]
other = {"layers": held, "plain": [], "n": 0}
dcp.load(other, checkpoint_id=folder)
assert other["layers"] is held and (held[0].full_tensor() == rows).all() and other["plain"] == [1, 2]
assert (held[1]["w"][0].full_tensor() == rows + 1).all() and held[1]["w"][1] == 3 and other["n"] == 4
for known in (metadata, dcp.FileSystemReader(folder).read_metadata()):
    entry = known.state_dict_metadata["layers.0"]
    assert entry.size == (5, 2) and entry.properties.dtype is taper.float32
    assert [(tuple(c.offsets), tuple(c.sizes)) for c in entry.chunks] == [((0, 0), (3, 2)), ((3, 0), (2, 2))]
    assert isinstance(known.state_dict_metadata["plain"], dcp.BytesStorageMetadata)
part = _load_state_dict_from_keys("layers.1", checkpoint_id=folder)
assert set(part) == {"layers"} and (part["layers"][1]["w"][0] == rows + 1).all()
try: dcp.save({"n": 5}, storage_writer=dcp.FileSystemWriter(folder, overwrite=False))
except dcp.CheckpointException as error: assert "already exists" in str(error) and set(error.failures) == {0, 1}
else: assert False
# A module is filled in place: no rank needs room for more than its parts.
model = dist.fsdp.fully_shard(nn.Linear(4, 6)); before = model.weight.to_local().data_ptr()
dcp.save({"model": model}, checkpoint_id=folder)
with taper.no_grad(): model.weight.fill_(0.0)
dcp.load({"model": model}, checkpoint_id=folder)
assert model.weight.to_local().data_ptr() == before and (model.weight.full_tensor() != 0).all()
with taper.device("meta"): away = dist.fsdp.fully_shard(nn.Linear(4, 6))
dcp.load({"model": away}, checkpoint_id=folder)
assert (away.weight.full_tensor() == model.weight.full_tensor()).all()
wrong = message(lambda: dcp.load({"model": nn.Linear(4, 6, bias=False)}, checkpoint_id=folder))
assert "Unexpected key" in wrong and "bias" in wrong
"""
    )


def test_training_goes_on_from_a_checkpoint_bit_by_bit(tmp_path):
    """With as many processes as wrote it; with others to rounding."""
    script = (
        NETWORK
        + f"folder = {str(tmp_path)!r}\n"
        + """
from taper.distributed.fsdp import MixedPrecision
def batch(step):  # the same on all ranks, however many
    generator = taper.Generator().manual_seed(step)
    return [taper.randn(8, size, generator=generator, dtype=taper.float64) for size in (6, 3)]
def begin_training(kind, seed):
    if kind == "fully_shard": model = shard(fresh(seed))
    else: model = FSDP(fresh(seed), auto_wrap_policy=ModuleWrapPolicy({Block}), mixed_precision=MixedPrecision(reduce_dtype=taper.float32))
    optimizer = adam(model)
    return {"model": model, "optimizer": optimizer, "scheduler": taper.optim.lr_scheduler.StepLR(optimizer, 2)}
def go_on(state, steps):
    for step in steps:
        train(state["model"], state["optimizer"], lambda t: t, [step]); state["scheduler"].step()
def values(state): return {n: full(v) for n, v in dcp.get_model_state_dict(state["model"]).items()}
def full(v): return v.full_tensor() if isinstance(v, DTensor) else v
for kind in ("fully_shard", "wrapper"):
    state, where = begin_training(kind, 1 if WRITES else 5), f"{folder}/{kind}"
    if WRITES:
        go_on(state, range(3)); dcp.save(state, checkpoint_id=where); go_on(state, range(3, 6))
        held = values(state)
        if rank == 0: taper.save(held, where + ".expected")
    else:
        dcp.load(state, checkpoint_id=where); go_on(state, range(3, 6))
        close(values(state), taper.load(where + ".expected"), TOLERANCE)
"""
    )
    jobs.run("WRITES = True\n" + script, 2)
    jobs.run("WRITES, TOLERANCE = False, 0\n" + script, 2)
    jobs.run("WRITES, TOLERANCE = False, 1e-5\n" + script, 3)


def test_a_rank_that_cannot_write_fails_the_others_and_leaves_nothing(tmp_path):
    jobs.run(
        f"import os\nfolder = {str(tmp_path)!r}"
        + """
begin()
import taper.distributed.checkpoint as dcp
dcp.save({"n": 1}, checkpoint_id=folder)
before = sorted(os.listdir(folder))
write = taper.serialization.save
def write_or_fail(value, place):  # what travels between ranks is not written to a path
    if isinstance(place, os.PathLike): raise OSError(28, "No space left on device", str(place))
    write(value, place)
if rank == 1: taper.serialization.save = write_or_fail
said = message(lambda: dcp.save({"n": 2, f"own{rank}": taper.ones(3)}, checkpoint_id=folder))
assert "writing failed: rank 1: OSError: [Errno 28] No space left" in said and "00001.part" in said, said
dist.barrier()
assert sorted(os.listdir(folder)) == before, os.listdir(folder)
wrong = message(lambda: dcp.save({("t",) if rank else "k": 1}, checkpoint_id=folder))
assert wrong.startswith("TypeError" if rank else "CheckpointException") and "neither text" in wrong
state = {"n": 0}; dcp.load(state, checkpoint_id=folder); assert state["n"] == 1
said = message(lambda: dcp.load({"lost": 0}, checkpoint_id=folder))
assert "ranks 0, 1: IOError: there is no entry ['lost']" in said, said
"""
    )


def test_wrappers_save_and_load_as_trainers_do(tmp_path):
    """What Lightning and accelerate do with FullyShardedDataParallel: parts by name, read back in one process."""
    jobs.run(
        NETWORK
        + f"folder = {str(tmp_path / 'c')!r}\n"
        + """
from taper.distributed.checkpoint.optimizer import load_sharded_optimizer_state_dict
from taper.distributed.checkpoint.format_utils import _EmptyStateDictLoadPlanner
from taper.distributed.checkpoint.state_dict_loader import _load_state_dict
def wrapped(seed): return FSDP(fresh(seed), auto_wrap_policy=ModuleWrapPolicy({Block}))
def run(model, optimizer, steps):
    for step in steps:
        x, t = map(mine, batch(step)); optimizer.zero_grad(); F.mse_loss(model(x), t).backward(); optimizer.step()
model = wrapped(1); optimizer = adam(model); run(model, optimizer, range(2))
with FSDP.state_dict_type(model, StateDictType.SHARDED_STATE_DICT):
    state = {"model": model.state_dict(), "optimizer": FSDP.optim_state_dict(model, optimizer)}
    dcp.save(state, storage_writer=dcp.FileSystemWriter(folder), planner=dcp.DefaultSavePlanner())
other = wrapped(5); twin = adam(other)
with FSDP.state_dict_type(other, StateDictType.SHARDED_STATE_DICT):
    parts, reader = {"model": other.state_dict()}, dcp.FileSystemReader(folder)
    dcp.load(parts, storage_reader=reader, planner=dcp.DefaultLoadPlanner()); other.load_state_dict(parts["model"])
    moments = load_sharded_optimizer_state_dict(parts["model"], "optimizer", reader)["optimizer"]
    twin.load_state_dict(FSDP.optim_state_dict_to_load(other, twin, moments))
run(model, optimizer, [2]); run(other, twin, [2]); close(other.state_dict(), model.state_dict(), 0)
everything = {}
_load_state_dict(everything, dcp.FileSystemReader(folder), planner=_EmptyStateDictLoadPlanner(), no_dist=True)
assert set(everything["model"]) == set(expected) and everything["model"]["first.weight"].shape == (10, 6)
assert everything["optimizer"]["param_groups"][0]["params"] == list(expected)
"""
    )
