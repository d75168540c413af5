"""Functions that change modules in place: their names stay, and they compute as with a wrapper."""

import jobs
import pytest

import taper
from taper import distributed as dist
from taper import nn
from taper.distributed._composable import checkpoint, contract


def test_functions_are_applied_once_and_keep_names():
    @contract()
    def mark(module, value):
        mark.state(module).value = value
        return module

    @contract()
    def wrap(module):
        return nn.Sequential(module)

    model = nn.Linear(2, 2)
    assert mark.state(model) is None and mark(model, 7) is model and mark.state(model).value == 7
    with pytest.raises(AssertionError, match="mark has already been applied"):
        mark(model, 8)
    with pytest.raises(RuntimeError, match="cannot modify FQNs"):
        wrap(nn.Linear(2, 2))


def test_checkpointed_modules_compute_again_in_backward():
    def network():
        taper.manual_seed(1)
        return nn.Sequential(nn.Sequential(nn.Linear(3, 4), nn.Tanh()), nn.Linear(4, 2))

    model, plain, calls = network(), network(), []
    checkpoint(model[0])
    model[0][0].register_forward_hook(lambda *_: calls.append(1))
    for one in (model, plain):
        one(taper.ones(2, 3)).square().sum().backward()
    assert len(calls) == 2 and list(model.state_dict()) == list(plain.state_dict())
    for p, q in zip(model.parameters(), plain.parameters()):
        assert p.grad.equal(q.grad)


@pytest.mark.skipif(not dist.is_available(), reason="built without Gloo")
def test_replicated_modules_average_gradients_in_place():
    jobs.run("""
        begin()
        from taper.distributed._composable import replicate
        def fresh(seed=1): taper.manual_seed(seed); return nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
        model, alone = fresh(1 + rank), fresh()  # rank 0's values count
        assert replicate(model) is model and list(model.state_dict()) == list(alone.state_dict())
        x = taper.randn(2 * world, 3)
        for _ in range(2):
            model(x[2 * rank:2 * rank + 2]).square().mean().backward(); alone(x).square().mean().backward()
            for p, q in zip(model.parameters(), alone.parameters()):
                np.testing.assert_allclose(p.grad.numpy(), q.grad.numpy(), rtol=1e-5, atol=1e-7)
        model = nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)); replicate(model, ignored_modules=[model[1]])
        model(x + rank).sum().backward()
        sums = [taper.empty(4) for _ in range(world)]; dist.all_gather(sums, model[0].bias.grad)
        assert (sums[0] == sums[1]).all()
        print(message(lambda: replicate(dist.fsdp.fully_shard(nn.Linear(2, 2)))))
        """)
