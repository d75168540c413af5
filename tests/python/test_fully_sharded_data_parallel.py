"""FullyShardedDataParallel as a wrapper: nesting, names, kinds of state dictionaries, state of optimizers."""

import jobs
import pytest
from test_fully_shard import NETWORK

from taper import distributed as dist

pytestmark = pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")

WRAPPED = (
    NETWORK
    + """
from taper.distributed.fsdp import (FullOptimStateDictConfig, MixedPrecision, OptimStateKeyType,
    ShardedStateDictConfig)
from taper.distributed.fsdp.wrap import CustomPolicy, always_wrap_policy, enable_wrap, wrap
from functools import partial
def wrapped(seed=1, **options): return FSDP(fresh(seed), auto_wrap_policy=ModuleWrapPolicy({Block}), **options)
def run(model, optimizer, steps=range(4)):
    for step in steps:
        x, t = map(mine, batch(step)); optimizer.zero_grad()
        F.mse_loss(model(x), t).backward(); model.clip_grad_norm_(0.5); optimizer.step()
"""
)


def test_chosen_modules_are_wrapped_and_names_are_those_of_the_network():
    jobs.run(
        WRAPPED
        + """
model = wrapped()
assert isinstance(model.blocks[0], FSDP) and type(model.blocks[0].module) is Block and type(model.module) is Net
assert len(FSDP.fsdp_modules(model)) == 4 and FSDP.fsdp_modules(model, root_only=True) == [model]
assert model.check_is_root() and not model.blocks[0].check_is_root()
assert list(model.state_dict()) == list(expected)
class Outer(nn.Module):
    def __init__(self, net): super().__init__(); self.net, self.extra = net, nn.Linear(2, 2)
outer, other = Outer(model), Outer(wrapped(7))
state = outer.state_dict()
assert list(state) == ["net." + name for name in expected] + ["extra.weight", "extra.bias"]
other.load_state_dict(state); close(other.state_dict(), state)
lacking = {name: value for name, value in state.items() if name != "net.last.bias"}
keys = other.load_state_dict({**lacking, "net.first.more": state["extra.bias"]}, strict=False)
assert keys.missing_keys == ["net.last.bias"] and keys.unexpected_keys == ["net.first.more"]
# By hand, inner ones first, and by a policy with options of its own.
with enable_wrap(wrapper_cls=FSDP): inner = wrap(nn.Linear(6, 6).double())
by_hand = FSDP(nn.Sequential(inner, nn.Linear(6, 3).double()))
by_hand(batch(0)[0]).sum().backward(); assert by_hand.module[0].check_is_root() is False
lambdas = CustomPolicy(lambda m: {"sharding_strategy": ShardingStrategy.SHARD_GRAD_OP} if isinstance(m, Block) else False)
assert FSDP(fresh(), auto_wrap_policy=lambdas).blocks[1].sharding_strategy is ShardingStrategy.SHARD_GRAD_OP
assert "not already have FSDP" in message(lambda: FSDP(model, auto_wrap_policy=always_wrap_policy))
assert "root FSDP" in message(lambda: model.blocks[0].clip_grad_norm_(1.0))
assert "ignored_states" in message(lambda: FSDP(nn.Linear(2, 2), ignored_modules=[], ignored_states=[]))
"""
    )


def test_whole_parameters_and_gradients_can_be_seen_and_changed():
    jobs.run(
        WRAPPED
        + """
model = wrapped(); x, t = map(mine, batch(0)); F.mse_loss(model(x), t).backward()
alone = fresh(); x, t = batch(0); F.mse_loss(alone(x), t).backward()
with FSDP.summon_full_params(model, with_grads=True):
    close(dict(model.named_parameters()), dict(alone.named_parameters()))
    close({n: p.grad for n, p in model.named_parameters()}, {n: p.grad for n, p in alone.named_parameters()})
    for p in model.parameters(): p.grad.mul_(3.0)
for p, q in zip(model.parameters(), alone.parameters()):
    np.testing.assert_allclose(p.grad.full_tensor().numpy(), 3 * q.grad.numpy(), rtol=1e-9, atol=1e-12)
with FSDP.summon_full_params(model, writeback=False, rank0_only=True):
    assert isinstance(model.first.weight, DTensor) == (rank != 0)
    if rank == 0: model.first.weight.data.zero_()
close(model.state_dict(), fresh().state_dict())
assert "writeback=True and rank0_only" in message(lambda: FSDP.summon_full_params(model, rank0_only=True).__enter__())
model.apply(lambda m: m.bias.data.fill_(2.0) if isinstance(m, nn.Linear) else None)
assert (model.state_dict()["blocks.2.down.bias"] == 2).all()
"""
    )


def test_kinds_of_state_dictionaries_are_chosen_and_put_back():
    jobs.run(
        WRAPPED
        + """
model = wrapped()
before = FSDP.set_state_dict_type(model, StateDictType.SHARDED_STATE_DICT)
assert before.state_dict_type is StateDictType.FULL_STATE_DICT and before.optim_state_dict_config.offload_to_cpu
rank0 = (FullStateDictConfig(offload_to_cpu=True, rank0_only=True), FullOptimStateDictConfig(rank0_only=True))
optimizer = adam(model); run(model, optimizer)
with FSDP.state_dict_type(model, StateDictType.FULL_STATE_DICT, *rank0):
    state, moments = model.state_dict(), FSDP.optim_state_dict(model, optimizer)
    assert bool(state) == bool(moments) == (rank == 0)
    # Rank 0's state, for another model and optimizer.
    other = wrapped(5); twin = adam(other); FSDP.set_state_dict_type(other, StateDictType.FULL_STATE_DICT, *rank0)
    twin.load_state_dict(FSDP.optim_state_dict_to_load(other, twin, moments))
assert FSDP.get_state_dict_type(model).state_dict_type is StateDictType.SHARDED_STATE_DICT
parts = model.state_dict(); assert all(isinstance(v, DTensor) for v in parts.values())
for kind in (StateDictType.SHARDED_STATE_DICT, StateDictType.LOCAL_STATE_DICT):
    FSDP.set_state_dict_type(other, kind); other.load_state_dict(parts)
    run(model, optimizer, [5]); run(other, twin, [5])
    close({n: v.full_tensor() for n, v in other.state_dict().items()}, {n: v.full_tensor() for n, v in model.state_dict().items()}, 0)
wrong = message(lambda: FSDP.set_state_dict_type(model, StateDictType.FULL_STATE_DICT, ShardedStateDictConfig()))
assert "Expected state_dict_config of type" in wrong
# Buffers of another dtype while they are used have their own in state dictionaries; batch norms compute in theirs.
net = nn.Sequential(nn.Linear(6, 4), nn.BatchNorm1d(4))
low = MixedPrecision(taper.bfloat16, taper.float32)
model, seen = FSDP(net, mixed_precision=low, auto_wrap_policy=ModuleWrapPolicy({nn.Linear})), []
model.module[1].module.register_forward_hook(lambda m, a, y: seen.append((a[0].dtype, m.weight.dtype)))
assert model(batch(0)[0].float()).dtype is taper.bfloat16 and seen == [(taper.float32, taper.float32)]
model = FSDP(nn.BatchNorm1d(4), mixed_precision=MixedPrecision(buffer_dtype=taper.bfloat16))
assert model.module.running_mean.dtype is taper.bfloat16 and model.state_dict()["running_mean"].dtype is taper.float32
"""
    )


def test_state_of_optimizers_goes_by_names_and_by_numbers():
    jobs.run(
        WRAPPED
        + """
def groups(model):
    named = dict(model.named_parameters())
    return [{"params": [p for n, p in named.items() if n.endswith("bias")], "weight_decay": 0.0},
            {"params": [p for n, p in named.items() if not n.endswith("bias")], "lr": 0.02}]
model = wrapped(); optimizer = taper.optim.AdamW(groups(model), lr=0.01); run(model, optimizer)
alone = fresh(); ours = taper.optim.AdamW(groups(alone), lr=0.01); train(alone, ours, lambda t: t)
moments = FSDP.optim_state_dict(model, optimizer)
assert moments["param_groups"][0]["params"] == [n for n, _ in alone.named_parameters() if n.endswith("bias")]
for name, p in alone.named_parameters():
    for key in ("exp_avg", "exp_avg_sq"):
        np.testing.assert_allclose(moments["state"][name][key].numpy(), ours.state[p][key].numpy(), rtol=1e-7, atol=1e-15)
assert FSDP.optim_state_dict(model, adam(model))["state"] == {}
assert bool(FSDP.full_optim_state_dict(model, optimizer)) == (rank == 0)
full = FSDP.full_optim_state_dict(model, optimizer, rank0_only=False)
raw = FSDP.optim_state_dict(model, optimizer, optimizer.state_dict())
for name in full["state"]: assert (raw["state"][name]["exp_avg"] == full["state"][name]["exp_avg"]).all()
run(model, optimizer, [7])
for load in (lambda m, o: o.load_state_dict(FSDP.optim_state_dict_to_load(m, o, full)),
             lambda m, o: FSDP.optim_state_dict_to_load(m, o, full, load_directly=True),
             lambda m, o: o.load_state_dict(FSDP.shard_full_optim_state_dict(full, m, optim=o)),
             lambda m, o: o.load_state_dict(FSDP.scatter_full_optim_state_dict(full if rank == 0 else None, m, optim=o))):
    other = wrapped(); twin = taper.optim.AdamW(groups(other), lr=0.5); run(other, taper.optim.AdamW(groups(other), lr=0.01))
    load(other, twin); run(other, twin, [7])
    close(other.state_dict(), model.state_dict(), 0)
plain = adam(fresh()); names = [n for n, _ in fresh().named_parameters()]
numbered = FSDP.rekey_optim_state_dict(full, OptimStateKeyType.PARAM_ID, fresh())
assert set(numbered["state"]) == set(range(len(names)))
assert (numbered["state"][3]["exp_avg"] == full["state"][names[3]]["exp_avg"]).all()
again = FSDP.rekey_optim_state_dict(numbered, OptimStateKeyType.PARAM_NAME, fresh())
assert set(again["state"]) == set(names)
""",
        seconds=60,
    )
