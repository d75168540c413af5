"""The adaptive softmax, and the cross entropy of a linear layer."""

import numpy as np
import pytest

import taper


def made(**options):
    taper.manual_seed(1)
    return taper.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [3, 7], div_value=2.0, **options).double()


@pytest.mark.parametrize("head_bias", [False, True])
def test_probabilities_sum_to_one_and_hold_those_of_the_targets(head_bias):
    layer = made(head_bias=head_bias)
    x, y = taper.randn(20, 8, dtype=taper.float64), taper.arange(20) % 12
    every = layer.log_prob(x)
    np.testing.assert_allclose(every.exp().sum(1).detach().numpy(), np.ones(20), rtol=1e-12)
    output, loss = layer(x, y)
    np.testing.assert_allclose(
        output.detach().numpy(), every.detach().numpy()[np.arange(20), y.numpy()], rtol=1e-12
    )
    assert loss.item() == pytest.approx(-output.mean().item())
    assert (layer.predict(x) == every.argmax(1)).all()
    one = layer(x[3], y[3])
    assert one.output.shape == () and one.output.item() == pytest.approx(output[3].item())


def test_gradients_reach_head_and_clusters():
    layer = made()
    layer(taper.randn(12, 8, dtype=taper.float64), taper.arange(12)).loss.backward()
    assert all(p.grad is not None and p.grad.abs().sum() > 0 for p in layer.parameters())
    # PyTorch's names, under which weights are stored.
    assert sorted(layer.state_dict()) == [
        "head.weight", "tail.0.0.weight", "tail.0.1.weight", "tail.1.0.weight", "tail.1.1.weight"
    ]  # fmt: skip


def test_adaptive_softmax_errors():
    layer = made()
    with pytest.raises(taper.ValueError, match="cutoffs"):
        taper.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [7, 3])
    with pytest.raises(taper.IndexError, match="between|should be in"):
        layer(taper.zeros(1, 8, dtype=taper.float64), taper.tensor([12]))
    with pytest.raises(taper.ShapeError, match="batch"):
        layer(taper.zeros(2, 8, dtype=taper.float64), taper.tensor([1]))


@pytest.mark.parametrize("reduction", ["mean", "sum", "none"])
def test_linear_cross_entropy_is_a_linear_layer_with_cross_entropy(reduction):
    F = taper.nn.functional
    x, w, b = (taper.randn(*s, dtype=taper.float64) for s in ((5, 4), (3, 2, 4), (3, 2)))
    y = taper.randint(0, 3, (5, 2))
    got = F.linear_cross_entropy(x, w, y, linear_bias=b, reduction=reduction, label_smoothing=0.1)
    logits = np.einsum("ni,coi->nco", x.numpy(), w.numpy()) + b.numpy()
    log_p = logits - np.log(np.exp(logits).sum(1, keepdims=True))
    chosen = np.take_along_axis(log_p, y.numpy()[:, None], 1)[:, 0]
    loss = -0.9 * chosen - 0.1 * log_p.mean(1)
    expected = {"mean": loss.mean(), "sum": loss.sum(), "none": loss}[reduction]
    np.testing.assert_allclose(got.numpy(), expected, rtol=1e-12)


def test_linear_cross_entropy_errors_and_layer():
    F = taper.nn.functional
    with pytest.raises(taper.ShapeError, match="expected input"):
        F.linear_cross_entropy(taper.ones(2, 3), taper.ones(4, 5), taper.tensor([0, 1]))
    with pytest.raises(taper.ValueError, match="ignore_index"):
        F.linear_cross_entropy(taper.ones(2, 3), taper.ones(4, 3), taper.ones(2, 4), ignore_index=0)
    layer = taper.nn.LinearCrossEntropyLoss(3, 4, bias=True, ignore_index=1)
    loss = layer(taper.ones(2, 3), taper.tensor([0, 1]))
    assert loss.item() == pytest.approx(layer(taper.ones(1, 3), taper.tensor([0])).item(), rel=1e-6)
