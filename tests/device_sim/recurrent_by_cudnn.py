"""Recurrent networks on "cuda" beside those on the CPU. test_cudnn_recurrent_on_cuda.py runs this in a process that
loads the stand-in of cuDNN; cuda_hardware runs it on a GPU."""

from functools import partial

import taper
from taper import nn

FLOATS = (taper.float32, taper.float64, taper.float16, taper.bfloat16)
# Of what 16-bit types hold, as the CPU rounds after each step of each gate.
TOLERANCES = {taper.float32: 1e-5, taper.float64: 1e-12, taper.float16: 1e-2, taper.bfloat16: 8e-2}
KINDS = {
    "tanh": nn.RNN,
    "relu": partial(nn.RNN, nonlinearity="relu"),
    "gru": nn.GRU,
    "lstm": nn.LSTM,
    "projected": partial(nn.LSTM, proj_size=2),
}


def numbers(*shape, seed=0):
    return taper.randn(*shape, generator=taper.Generator().manual_seed(seed))


def network(kind, *sizes, dtype=taper.float32, device="cuda", **options):
    taper.manual_seed(5)
    return KINDS[kind](*sizes, **options).to(dtype).to(device)


def initial(net, batch, seed=7):
    places = net.num_layers * (2 if net.bidirectional else 1)
    h = numbers(places, batch, net.proj_size or net.hidden_size, seed=seed)
    return (h, numbers(places, batch, net.hidden_size, seed=seed + 1)) if isinstance(net, nn.LSTM) else h


def each(states):
    return list(states) if isinstance(states, tuple) else [states]


def on(device, dtype, states):
    moved = [state.to(dtype).to(device).requires_grad_() for state in each(states)]
    return tuple(moved) if isinstance(states, tuple) else moved[0]


def results(net, x, states=None, lengths=None):
    """Output, last states, and of a sum in which each number counts differently the gradients of all operands."""
    device, dtype = net.weight_hh_l0.device, net.weight_hh_l0.dtype
    x = x.to(dtype).to(device).requires_grad_()
    states = None if states is None else on(device, dtype, states)
    given = x
    if lengths is not None:
        given = nn.utils.rnn.pack_padded_sequence(x, lengths, net.batch_first, enforce_sorted=False)
    output, last = net(given, states)
    parts = [output if lengths is None else output.data, *each(last)]
    net.zero_grad()
    loss = sum((p * numbers(*p.shape, seed=20 + i).to(dtype).to(device)).sum() for i, p in enumerate(parts))
    loss.backward()
    leaves = [x, *([] if states is None else each(states)), *net.parameters()]
    return parts + [leaf.grad for leaf in leaves]


def close(got, expected, tolerance):
    assert len(got) == len(expected)
    for a, b in zip(got, expected):
        assert a.dtype == b.dtype and a.shape == b.shape
        a, b = a.detach().cpu().double(), b.detach().cpu().double()
        assert ((a - b).abs() <= tolerance * (1 + b.abs().max())).all(), (a - b).abs().max()


def check(kind, *sizes, steps=5, batch=3, dtype=taper.float32, states=True, lengths=None, **options):
    got, expected = [], []
    for device, numbers_there in (("cuda", got), ("cpu", expected)):
        net = network(kind, *sizes, dtype=dtype, device=device, **options)
        shape = (batch, steps, sizes[0]) if net.batch_first else (steps, batch, sizes[0])
        numbers_there += results(net, numbers(*shape), initial(net, batch) if states else None, lengths)
    close(got, expected, TOLERANCES[dtype])


def test_networks_of_each_kind_and_type(device):
    for kind in KINDS:
        check(kind, 3, 4)
        check(kind, 3, 5, num_layers=2, bidirectional=True, batch_first=True, steps=4, batch=2)
        check(kind, 1, 3, bias=False, states=False, steps=1, batch=1, bidirectional=True)
    for kind in ("gru", "projected"):
        for dtype in FLOATS[1:]:
            check(kind, 2, 3, dtype=dtype, num_layers=2, steps=3, batch=2)


def test_sequences_of_different_lengths(device):
    for kind in KINDS:
        check(kind, 3, 4, lengths=[5, 2, 1], num_layers=2, bidirectional=True)
    check("lstm", 2, 3, lengths=[1, 4, 4, 2, 3], batch=5, batch_first=True, states=False)
    check("gru", 2, 3, lengths=[3, 3], steps=3, batch=2)


def test_operands_of_other_layouts(device):
    net = network("lstm", 3, 4)
    x, (h, c) = numbers(5, 2, 3).cuda(), (s.cuda() for s in initial(net, 2))
    expected = net(x, (h, c))[0]
    apart = taper.zeros(5, 2, 6).cuda()
    apart[..., ::2] = x
    flipped = h.transpose(0, 2).contiguous().transpose(0, 2)
    assert not flipped.is_contiguous()
    close([net(apart[..., ::2], (flipped, c))[0]], [expected], 1e-6)
    close([net(x[:, 0], (h[:, 0], c[:, 0]))[0]], [expected[:, 0]], 1e-6)
    y = net(x.transpose(0, 1).contiguous().transpose(0, 1), (h, c))[0]
    y[::2].sum().backward()  # a gradient with gaps
    net(x, (h, c))[1][1].sum().backward()  # of the last cells only, so that there is none of the output
    assert net(taper.zeros(5, 0, 3).cuda())[0].shape == (5, 0, 4)


def test_dropout_between_layers_draws_the_numbers_of_the_cpu(device):
    got, expected = [], []
    for place, numbers_there in (("cuda", got), ("cpu", expected)):
        for lengths in (None, [4, 2]):
            net = network("lstm", 3, 4, num_layers=3, dropout=0.5, bidirectional=True, device=place)
            taper.manual_seed(11)
            numbers_there += results(net, numbers(4, 2, 3), None, lengths)
            numbers_there += results(net.eval(), numbers(4, 2, 3), None, lengths)
    close(got, expected, 1e-5)


def test_gradients_of_gradients_and_graphs_that_are_kept(device):
    def second(device, kind):
        net = network(kind, 2, 3, num_layers=2, bidirectional=True, device=device, dtype=taper.float64)
        x = numbers(3, 2, 2).double().to(device).requires_grad_()
        first = taper.autograd.grad(net(x)[0].pow(2).sum(), [x, *net.parameters()], create_graph=True)
        return list(taper.autograd.grad(sum(g.pow(2).sum() for g in first), [x, *net.parameters()]))

    for kind in ("lstm", "gru", "tanh"):
        close(second("cuda", kind), second("cpu", kind), 1e-10)

    net = network("lstm", 2, 3)
    y = net(numbers(3, 2, 2).cuda())[0].sum()
    gradients = [taper.autograd.grad(y, list(net.parameters()), retain_graph=True) for _ in range(2)]
    with taper.backends.cudnn.flags(enabled=False, allow_tf32=False):
        # Own kernels go back from what cuDNN computed.
        gradients.append(taper.autograd.grad(y, list(net.parameters())))
    close(gradients[1], gradients[0], 1e-6)
    close(gradients[2], gradients[0], 1e-5)


def test_autocast_runs_networks_in_the_narrow_type(device):
    net, x = network("lstm", 3, 4, num_layers=2), numbers(4, 2, 3).cuda()
    expected = net(x)[0]
    with taper.autocast("cuda", dtype=taper.float16):
        output = net(x)[0]
    assert output.dtype is taper.float16
    close([output.float()], [expected], 1e-2)
    output.float().sum().backward()
    assert all(p.grad.dtype is taper.float32 for p in net.parameters())
