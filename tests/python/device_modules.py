# A program, not a test: modules, losses, optimizers, distributions and transforms on "cuda" and on the CPU, each as one
# line of results. Started by test_host_device.py with TAPER_CUDA_LIBRARY set; prints what differs.
import json

import numpy as np

import taper
from taper import nn
from taper.nn import functional as F

numbers = np.random.default_rng(0)


def x(*shape):
    return taper.tensor(numbers.normal(size=shape).astype(np.float32))


def u(*shape):
    return taper.tensor(numbers.uniform(size=shape).astype(np.float32))


def integers(*shape, high, low=0):
    return taper.tensor(numbers.integers(low, high, shape))


def seed():
    """The same numbers for inputs, which are made in main memory, and for what draws on the device."""
    global numbers
    numbers = np.random.default_rng(0)
    taper.manual_seed(0)


# Made anew on each device, in training mode, from the same seed: (module, inputs).
MODULES = {
    "Linear": lambda: (nn.Linear(4, 3), [x(2, 4)]),
    "Bilinear": lambda: (nn.Bilinear(3, 4, 2), [x(2, 3), x(2, 4)]),
    "Conv1d": lambda: (nn.Conv1d(2, 3, 3, padding=1, padding_mode="circular"), [x(2, 2, 8)]),
    "Conv2d": lambda: (nn.Conv2d(4, 4, 3, groups=2, stride=2, padding="valid"), [x(2, 4, 9, 9)]),
    "Conv2d same": lambda: (nn.Conv2d(2, 3, 4, padding="same"), [x(1, 2, 6, 6)]),
    "Conv3d": lambda: (nn.Conv3d(1, 2, 2, dilation=2), [x(1, 1, 5, 5, 5)]),
    "ConvTranspose2d": lambda: (nn.ConvTranspose2d(2, 3, 3, 2, output_padding=1), [x(1, 2, 4, 4)]),
    "BatchNorm1d": lambda: (nn.BatchNorm1d(3), [x(5, 3)]),
    "BatchNorm2d": lambda: (nn.BatchNorm2d(3, momentum=None), [x(2, 3, 4, 4)]),
    "BatchNorm eval": lambda: (nn.BatchNorm2d(3).eval(), [x(2, 3, 4, 4)]),
    "InstanceNorm2d": lambda: (nn.InstanceNorm2d(3, affine=True, track_running_stats=True), [x(2, 3, 4, 4)]),
    "GroupNorm": lambda: (nn.GroupNorm(2, 4), [x(2, 4, 3)]),
    "LayerNorm": lambda: (nn.LayerNorm((3, 4)), [x(2, 3, 4)]),
    "RMSNorm": lambda: (nn.RMSNorm(4), [x(2, 4)]),
    "LocalResponseNorm": lambda: (nn.LocalResponseNorm(3), [x(2, 5, 4, 4)]),
    "MaxPool2d": lambda: (nn.MaxPool2d(3, 2, 1, return_indices=True), [x(2, 3, 7, 7)]),
    "AvgPool2d": lambda: (nn.AvgPool2d(2, ceil_mode=True), [x(2, 3, 5, 5)]),
    "LPPool2d": lambda: (nn.LPPool2d(2, 2), [x(2, 3, 4, 4)]),
    "AdaptiveAvgPool2d": lambda: (nn.AdaptiveAvgPool2d((2, 3)), [x(2, 3, 5, 7)]),
    "AdaptiveMaxPool2d": lambda: (nn.AdaptiveMaxPool2d(2), [x(2, 3, 5, 5)]),
    "FractionalMaxPool2d": lambda: (nn.FractionalMaxPool2d(2, output_size=3), [x(1, 2, 7, 7)]),
    "Upsample": lambda: (nn.Upsample(scale_factor=2, mode="bilinear"), [x(1, 2, 3, 3)]),
    "PixelShuffle": lambda: (nn.PixelShuffle(2), [x(1, 4, 3, 3)]),
    "Fold": lambda: (nn.Fold((4, 4), 2), [x(1, 8, 9)]),
    "Unfold": lambda: (nn.Unfold(2), [x(1, 2, 4, 4)]),
    "ReflectionPad2d": lambda: (nn.ReflectionPad2d(1), [x(1, 2, 3, 3)]),
    "Embedding": lambda: (nn.Embedding(5, 3, padding_idx=1, max_norm=1.0), [integers(2, 4, high=5)]),
    "EmbeddingBag": lambda: (nn.EmbeddingBag(5, 3, mode="mean"), [integers(2, 4, high=5)]),
    "PReLU": lambda: (nn.PReLU(3), [x(2, 3)]),
    "RReLU": lambda: (nn.RReLU(), [x(2, 3)]),
    "Softmax2d": lambda: (nn.Softmax2d(), [x(1, 3, 2, 2)]),
    "GLU": lambda: (nn.GLU(), [x(2, 4)]),
    "Dropout": lambda: (nn.Dropout(0.4), [x(4, 4)]),
    "Dropout2d": lambda: (nn.Dropout2d(0.4), [x(2, 4, 3, 3)]),
    "AlphaDropout": lambda: (nn.AlphaDropout(0.4), [x(4, 4)]),
    "FeatureAlphaDropout": lambda: (nn.FeatureAlphaDropout(0.4), [x(2, 4, 3)]),
    "RNN": lambda: (nn.RNN(3, 4, 2, nonlinearity="relu"), [x(5, 2, 3)]),
    "LSTM": lambda: (nn.LSTM(3, 4, 2, bidirectional=True, dropout=0.2), [x(5, 2, 3)]),
    "LSTM projected": lambda: (nn.LSTM(3, 4, proj_size=2, batch_first=True), [x(2, 5, 3)]),
    "GRU": lambda: (nn.GRU(3, 4), [x(5, 2, 3)]),
    "LSTMCell": lambda: (nn.LSTMCell(3, 4), [x(2, 3)]),
    "MultiheadAttention": lambda: (nn.MultiheadAttention(4, 2, add_bias_kv=True), [x(3, 2, 4)] * 3),
    "TransformerEncoder": lambda: (
        nn.TransformerEncoder(nn.TransformerEncoderLayer(4, 2, 8, batch_first=True), 2), [x(2, 3, 4)]),
    "Transformer": lambda: (nn.Transformer(4, 2, 1, 1, 8), [x(3, 2, 4), x(2, 2, 4)]),
    "CosineSimilarity": lambda: (nn.CosineSimilarity(), [x(2, 3), x(2, 3)]),
    "PairwiseDistance": lambda: (nn.PairwiseDistance(), [x(2, 3), x(2, 3)]),
    "AdaptiveLogSoftmaxWithLoss": lambda: (
        nn.AdaptiveLogSoftmaxWithLoss(4, 8, [2, 5]), [x(6, 4), integers(6, high=8)]),
    "CrossEntropyLoss": lambda: (
        nn.CrossEntropyLoss(weight=u(3), label_smoothing=0.1), [x(4, 3), integers(4, high=3)]),
    "CrossEntropyLoss soft": lambda: (nn.CrossEntropyLoss(), [x(4, 3), x(4, 3).softmax(1)]),
    "NLLLoss": lambda: (nn.NLLLoss(ignore_index=1), [x(4, 3).log_softmax(1), integers(4, high=3)]),
    "BCELoss": lambda: (nn.BCELoss(), [u(4), u(4)]),
    "BCEWithLogitsLoss": lambda: (nn.BCEWithLogitsLoss(pos_weight=u(3)), [x(4, 3), u(4, 3)]),
    "CTCLoss": lambda: (nn.CTCLoss(), [
        x(6, 2, 4).log_softmax(2), integers(2, 3, low=1, high=4), taper.tensor([6, 5]), taper.tensor([3, 2])]),
    "KLDivLoss": lambda: (nn.KLDivLoss(reduction="batchmean"), [x(2, 3).log_softmax(1), x(2, 3).softmax(1)]),
    "PoissonNLLLoss": lambda: (nn.PoissonNLLLoss(full=True), [x(4), u(4) * 3]),
    "GaussianNLLLoss": lambda: (nn.GaussianNLLLoss(full=True), [x(4), x(4), u(4) + 0.1]),
    "HuberLoss": lambda: (nn.HuberLoss(), [x(4), x(4)]),
    "MultiMarginLoss": lambda: (nn.MultiMarginLoss(weight=u(3)), [x(4, 3), integers(4, high=3)]),
    "MultiLabelMarginLoss": lambda: (nn.MultiLabelMarginLoss(), [x(1, 4), taper.tensor([[3, 0, -1, 1]])]),
    "MultiLabelSoftMarginLoss": lambda: (nn.MultiLabelSoftMarginLoss(), [x(2, 3), integers(2, 3, high=2).float()]),
    "TripletMarginLoss": lambda: (nn.TripletMarginLoss(swap=True), [x(2, 3), x(2, 3), x(2, 3)]),
    "TripletMarginWithDistanceLoss": lambda: (nn.TripletMarginWithDistanceLoss(), [x(2, 3), x(2, 3), x(2, 3)]),
    "CosineEmbeddingLoss": lambda: (nn.CosineEmbeddingLoss(), [x(2, 3), x(2, 3), taper.tensor([1.0, -1.0])]),
    "HingeEmbeddingLoss": lambda: (nn.HingeEmbeddingLoss(), [x(3), taper.tensor([1.0, -1.0, 1.0])]),
    "MarginRankingLoss": lambda: (nn.MarginRankingLoss(0.1), [x(3), x(3), taper.tensor([1.0, -1.0, 1.0])]),
    "SoftMarginLoss": lambda: (nn.SoftMarginLoss(), [x(3), taper.tensor([1.0, -1.0, 1.0])]),
    "weight_norm": lambda: (nn.utils.parametrizations.weight_norm(nn.Linear(4, 3)), [x(2, 4)]),
    "spectral_norm": lambda: (nn.utils.parametrizations.spectral_norm(nn.Linear(4, 3)), [x(2, 4)]),
    "orthogonal": lambda: (nn.utils.parametrizations.orthogonal(nn.Linear(3, 3)), [x(2, 3)]),
}  # fmt: skip

FUNCTIONS = {
    "one_hot": lambda device: F.one_hot(taper.tensor([0, 2, 1], device=device), 4),
    "gumbel_softmax": lambda device: F.gumbel_softmax(x(4, 3).to(device), hard=True),
    "normalize": lambda device: F.normalize(x(4, 3).to(device)),
    "grid_sample": lambda device: F.grid_sample(
        x(1, 2, 4, 4).to(device), F.affine_grid(x(1, 2, 3).to(device), (1, 2, 3, 3))),
    "pack": lambda device: nn.utils.rnn.pad_packed_sequence(_fixed(nn.LSTM(2, 3)).to(device)(
        nn.utils.rnn.pack_padded_sequence(x(4, 3, 2).to(device), [2, 4, 1], enforce_sorted=False))[0])[0],
    "pad_sequence": lambda device: nn.utils.rnn.pad_sequence([x(2).to(device), x(3).to(device)]),
    "clip": lambda device: _clipped(device),
    "jacobian": lambda device: taper.func.jacrev(lambda v: v.sin() * v.sum())(x(3).to(device)),
    "hessian": lambda device: taper.func.hessian(lambda v: (v**3).sum())(x(3).to(device)),
    "vmap": lambda device: taper.vmap(lambda v: v @ v)(x(3, 4).to(device)),
    "stft": lambda device: taper.stft(
        x(64).to(device), 16, window=taper.hann_window(16, device=device), return_complex=True),
    "index": lambda device: x(4, 5).to(device)[taper.tensor([0, 2], device=device), None, ::2],
    "mask": lambda device: _masked(device),
    "multinomial": lambda device: taper.multinomial(u(3, 5).to(device), 4),
    "rand": lambda device: taper.rand(3, device=device),
    "randn_like": lambda device: taper.randn_like(taper.zeros(5, device=device)),
    "randperm": lambda device: taper.randperm(9, device=device),
    "normal": lambda device: taper.distributions.Normal(taper.zeros(3, device=device), 1.0).sample((2,)),
    "gamma": lambda device: taper.distributions.Gamma(u(3).to(device) + 1, 1.0).rsample(),
    "categorical": lambda device: taper.distributions.Categorical(logits=x(2, 3).to(device)).sample((4,)),
    "dirichlet": lambda device: taper.distributions.Dirichlet(u(3).to(device) + 1).sample(),
    "autocast": lambda device: _autocast(device),
    "tensordot": lambda device: taper.tensordot(x(2, 3).to(device), x(3, 4).to(device), 1),
    "lstsq": lambda device: taper.linalg.lstsq(x(4, 2).to(device), x(4, 3).to(device)).solution,
}  # fmt: skip

OPTIMIZERS = ["SGD", "Adam", "AdamW", "NAdam", "RAdam", "Adamax", "Adadelta", "Adagrad", "RMSprop", "Rprop", "ASGD",
              "Adafactor", "LBFGS"]  # fmt: skip


def _fixed(made):
    for parameter in made.parameters():
        nn.init.constant_(parameter, 0.1)
    return made


def _clipped(device):
    layer = nn.Linear(3, 3).to(device)
    layer(x(2, 3).to(device)).sum().backward()
    nn.utils.clip_grad_norm_(layer.parameters(), 0.5)
    return layer.weight.grad


def _masked(device):
    y = x(4, 5).to(device)
    y[y > 0] = 1.5
    y[1, 2:] = taper.arange(3.0, device=device)
    return y.masked_fill(y < -1, 0)


def _autocast(device):
    layer, scaler = nn.Linear(3, 3).to(device), taper.amp.GradScaler(device)
    steps = taper.optim.SGD(layer.parameters(), lr=0.1)
    with taper.autocast(device, dtype=taper.bfloat16):
        loss = layer(x(2, 3).to(device)).float().sum()
    scaler.scale(loss).backward()
    scaler.step(steps)
    scaler.update()
    return layer.weight


def tensors(value):
    if isinstance(value, taper.Tensor):
        return [value]
    if isinstance(value, (list, tuple)):
        return [t for item in value for t in tensors(item)]
    return []


def module(make, device):
    seed()
    made, inputs = make()
    made, inputs = made.to(device), [i.to(device) for i in inputs]
    taper.manual_seed(1)
    results = tensors(made(*inputs))
    wanted = [y for y in results if y.requires_grad]
    if wanted:
        sum((y * y).sum() for y in wanted).backward()
    return results + [p.grad for p in made.parameters() if p.grad is not None] + list(made.buffers())


def function(make, device):
    seed()
    return tensors(make(device))


def optimizer(name, device):
    seed()
    layer, inputs = nn.Linear(4, 3).to(device), x(5, 4).to(device)
    steps = getattr(taper.optim, name)(layer.parameters())
    scheduler = taper.optim.lr_scheduler.CosineAnnealingLR(steps, 4)

    def closure():
        steps.zero_grad()
        loss = layer(inputs).pow(2).sum()
        loss.backward()
        return loss

    for _ in range(3):
        steps.step(closure)
        scheduler.step()
    again = getattr(taper.optim, name)(layer.parameters())
    again.load_state_dict(steps.state_dict())
    again.step(closure)
    return list(layer.parameters())


def compare(run, what):
    here = run(what, "cpu")
    try:
        there = run(what, "cuda")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    places = {str(t.device.type) for t in there if t.numel()}
    if places > {"cuda"} or places == {"cpu"}:
        return f"on {places}"
    same = [
        np.array_equal(a.detach().float().numpy(), b.detach().float().cpu().numpy(), equal_nan=True)
        if not a.is_complex() else np.array_equal(a.numpy(), b.cpu().numpy())
        for a, b in zip(here, there)
    ]  # fmt: skip
    return "" if all(same) and len(here) == len(there) else f"differs: {same}"


def main():
    report = {}
    for run, table in ((module, MODULES), (function, FUNCTIONS), (optimizer, {n: n for n in OPTIMIZERS})):
        for name, what in table.items():
            if problem := compare(run, what):
                report[name] = problem
    print(json.dumps(report))


if __name__ == "__main__":
    main()
