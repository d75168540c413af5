"""Checkpoints of many processes: partial loads, other formats; and modules that compute again in backward."""

import copy

import numpy as np
import pytest

import taper
import taper.distributed.checkpoint as dcp
from taper import nn
from taper.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapping


def network(seed):
    taper.manual_seed(seed)
    return nn.Sequential(
        nn.Linear(3, 4), nn.Tanh(), nn.Sequential(nn.Linear(4, 4), nn.Dropout(0.5)), nn.Linear(4, 2)
    )


def test_partial_loads_leave_alone_what_the_checkpoint_lacks(tmp_path):
    saved, model = network(1), network(2)
    dcp.save({"model": saved[0], "epoch": 3}, checkpoint_id=tmp_path, planner=dcp.DefaultSavePlanner())
    before = model[3].weight.detach().clone()
    state = {"model": {"weight": model[0].weight, "head": model[3].weight}, "epoch": 0, "loss": 0.5}
    with pytest.raises(taper.IOError, match="head"):
        dcp.load(copy.deepcopy(state), checkpoint_id=tmp_path)
    dcp.load(state, checkpoint_id=tmp_path, planner=dcp.DefaultLoadPlanner(allow_partial_load=True))
    assert state["epoch"] == 3 and state["loss"] == 0.5
    assert model[0].weight.equal(saved[0].weight) and model[3].weight.equal(before)
    # Of a module, too.
    other = nn.Linear(3, 4)
    other.extra = nn.Parameter(taper.full((2,), 7.0))
    with pytest.raises(taper.IOError, match="extra"):
        dcp.load({"model": other}, checkpoint_id=tmp_path)
    dcp.load(
        {"model": other}, checkpoint_id=tmp_path, planner=dcp.DefaultLoadPlanner(allow_partial_load=True)
    )
    assert other.weight.equal(saved[0].weight) and other.extra.tolist() == [7.0, 7.0]


def test_checkpoints_become_files_and_files_checkpoints(tmp_path):
    model = network(1)
    optimizer = taper.optim.Adam(model.parameters())
    model(taper.ones(2, 3)).sum().backward()
    optimizer.step()
    folder, file, again = tmp_path / "folder", tmp_path / "file", tmp_path / "again"
    dcp.save({"model": model, "optimizer": optimizer, "epoch": 4}, checkpoint_id=folder)
    dcp.format_utils.dcp_to_torch_save(folder, file)
    state = taper.load(file)
    assert state["epoch"] == 4 and state["model"].keys() == model.state_dict().keys()
    dcp.format_utils.torch_save_to_dcp(file, again)
    other = network(2)
    theirs = taper.optim.Adam(other.parameters())
    dcp.load({"model": other, "optimizer": theirs}, checkpoint_id=again)
    for key, value in model.state_dict().items():
        assert other.state_dict()[key].equal(value)
    for p, q in zip(model.parameters(), other.parameters()):
        assert optimizer.state[p]["exp_avg"].equal(theirs.state[q]["exp_avg"])
    taper.save([1, 2], file)
    with pytest.raises(TypeError, match="holds a list"):
        dcp.format_utils.torch_save_to_dcp(file, again)


def test_wrapped_modules_compute_again_and_keep_their_names():
    plain, model = network(1), network(1)
    calls = []
    model[0].register_forward_hook(lambda module, args, output: calls.append(1))
    wrapping.apply_activation_checkpointing(
        model, check_fn=lambda module: isinstance(module, (nn.Linear, nn.Sequential))
    )
    assert [isinstance(m, wrapping.CheckpointWrapper) for m in model] == [True, False, True, True]
    assert isinstance(model[2][0], wrapping.CheckpointWrapper) and model[0].out_features == 4
    assert list(model.state_dict()) == list(plain.state_dict())
    assert [name for name, _ in model[0].named_parameters()] == ["weight", "bias"]
    x = taper.ones(2, 3)
    for net in (plain, model):
        taper.manual_seed(5)  # of the dropout
        net(x).square().sum().backward()
    assert len(calls) == 2
    for p, q in zip(plain.parameters(), model.parameters()):
        np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-6)
    model.load_state_dict(network(3).state_dict())
    assert model[2][0].weight.equal(network(3)[2][0].weight)
    # States of optimizers go by the names of the plain module.
    ours, theirs = (taper.optim.Adam(net.parameters()) for net in (model, plain))
    ours.step()
    saved = dcp.get_optimizer_state_dict(model, ours)
    assert set(saved["state"]) == set(plain.state_dict())
    dcp.set_optimizer_state_dict(plain, theirs, saved)
    for p, q in zip(model.parameters(), plain.parameters()):
        assert ours.state[p]["exp_avg"].equal(theirs.state[q]["exp_avg"])
