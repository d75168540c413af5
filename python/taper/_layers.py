"""PyTorch's forms of nn's functions at the top of the package: reductions are numbers, orders others."""

from . import _C
from .nn import functional as F
from .nn.modules.rnn import GRUCell, LSTMCell, RNNCell

_f = _C._homes["taper"]


def _reduction(number):
    return ("none", "mean", "sum")[number]


def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=1):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.binary_cross_entropy_with_logits(
        input, target, weight=weight, reduction=_reduction(reduction), pos_weight=pos_weight
    )


def kl_div(input, target, reduction=1, *, log_target=False):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.kl_div(input, target, reduction=_reduction(reduction), log_target=log_target)


def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=1):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.cosine_embedding_loss(input1, input2, target, margin=margin, reduction=_reduction(reduction))


def hinge_embedding_loss(input, target, margin=1.0, reduction=1):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.hinge_embedding_loss(input, target, margin=margin, reduction=_reduction(reduction))


def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=1):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.margin_ranking_loss(input1, input2, target, margin=margin, reduction=_reduction(reduction))


def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.poisson_nll_loss(
        input, target, log_input=log_input, full=full, eps=eps, reduction=_reduction(reduction)
    )


def triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2.0, eps=1e-06, swap=False, reduction=1):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.triplet_margin_loss(
        anchor, positive, negative, margin=margin, p=p, eps=eps, swap=swap, reduction=_reduction(reduction)
    )


def ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=1, zero_infinity=False):
    """nn.functional's; reduction 0 is none, 1 mean, 2 sum."""
    return F.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, _reduction(reduction), zero_infinity
    )


def batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled=True):
    """nn.functional.batch_norm with the arguments in this order."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def instance_norm(
    input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled=True
):
    """nn.functional.instance_norm with the arguments in this order."""
    return F.instance_norm(input, running_mean, running_var, weight, bias, use_input_stats, momentum, eps)


def embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
    """Rows of weight; nn.functional.embedding with the table first and -1 for no padding."""
    padding = None if padding_idx < 0 else padding_idx
    return F.embedding(indices, weight, padding, scale_grad_by_freq=scale_grad_by_freq, sparse=sparse)


def embedding_renorm_(weight, indices, max_norm, norm_type):
    """Scales the rows of weight that indices name, where their norm exceeds max_norm, down to it."""
    rows = _f["unique"](indices.reshape(-1))
    with _no_grad():
        chosen = weight.index_select(0, rows)
        norms = chosen.norm(norm_type, dim=1, keepdim=True)
        scale = _f["where"](norms > max_norm, max_norm / (norms + 1e-7), 1.0)
        return weight.index_copy_(0, rows, chosen * scale)


def _no_grad():
    from ._grad_mode import no_grad

    return no_grad()


def _cell(kind, input, hx, parameters, **options):
    w_ih, w_hh, b_ih, b_hh = parameters
    cell = kind(w_ih.shape[1], w_hh.shape[1], bias=b_ih is not None, **options)
    names = ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    given = {name: value for name, value in zip(names, parameters) if value is not None}
    from .nn.utils.stateless import functional_call

    return functional_call(cell, given, (input, hx))


def lstm_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """(h, c) after one step of an LSTM; hx = (h, c)."""
    return _cell(LSTMCell, input, tuple(hx), (w_ih, w_hh, b_ih, b_hh))


def gru_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """h after one step of a GRU."""
    return _cell(GRUCell, input, hx, (w_ih, w_hh, b_ih, b_hh))


def rnn_tanh_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """h after one step of Elman's network."""
    return _cell(RNNCell, input, hx, (w_ih, w_hh, b_ih, b_hh))


def rnn_relu_cell(input, hx, w_ih, w_hh, b_ih=None, b_hh=None):
    """h after one step of Elman's network with relu."""
    return _cell(RNNCell, input, hx, (w_ih, w_hh, b_ih, b_hh), nonlinearity="relu")


def conv_tbc(input, weight, bias, pad=0):
    """A convolution over time: input [time, batch, in], weight [width, in, out], bias [out]."""
    result = F.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return result.permute(2, 0, 1)


def dropout_(input, p, train):
    """Dropout in place."""
    return F.dropout(input, p, train, inplace=True)


def alpha_dropout_(input, p, train):
    """nn.functional.alpha_dropout in place."""
    return input.copy_(F.alpha_dropout(input, p, train))


def feature_dropout(input, p, train):
    """Dropout of whole channels."""
    shape = tuple(input.shape[:2]) + (1,) * (input.ndim - 2)
    return input * F.dropout(_f["ones"](shape, dtype=input.dtype, device=input.device), p, train)


def feature_dropout_(input, p, train):
    """feature_dropout in place."""
    return input.copy_(feature_dropout(input, p, train))


def feature_alpha_dropout_(input, p, train):
    """nn.functional.feature_alpha_dropout in place."""
    return input.copy_(F.feature_alpha_dropout(input, p, train))


def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False, generator=None):
    """nn.functional.rrelu in place."""
    return input.copy_(F.rrelu(input, lower, upper, training))
