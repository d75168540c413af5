"""Writes modules.safetensors: what PyTorch's modules compute, for tests/cpp/nn_parity_test.cc.

    python tests/cpp/data/make_modules.py    (needs torch and safetensors; run again only when a case is added)

For each case: NAME.state.*, NAME.input.N, NAME.output.N, and NAME.dy.N / NAME.dx.N: a gradient of each output and
the gradients of the floating inputs that follow from them.
"""

import os

import torch
from safetensors.torch import save_file
from torch import nn

CASES = {
    "linear": (nn.Linear(4, 3), (3, 4)),
    "bilinear": (nn.Bilinear(3, 4, 2), (5, 3), (5, 4)),
    "conv1d": (nn.Conv1d(4, 6, 3, stride=2, padding=1, groups=2), (2, 4, 7)),
    "conv2d": (nn.Conv2d(3, 4, (3, 2), padding=(1, 0), dilation=(1, 2)), (2, 3, 5, 6)),
    "conv2d_reflect": (nn.Conv2d(2, 2, 3, padding=1, padding_mode="reflect"), (1, 2, 4, 4)),
    "conv3d": (nn.Conv3d(2, 2, 2), (1, 2, 3, 4, 3)),
    "conv_transpose1d": (nn.ConvTranspose1d(3, 2, 3, stride=2), (2, 3, 4)),
    "conv_transpose2d": (
        nn.ConvTranspose2d(4, 4, 3, stride=2, padding=1, output_padding=1, groups=2),
        (1, 4, 3, 3),
    ),
    "conv_transpose3d": (nn.ConvTranspose3d(2, 1, 2), (1, 2, 2, 3, 2)),
    "max_pool2d": (nn.MaxPool2d(3, stride=2, padding=1), (1, 2, 5, 5)),
    "avg_pool1d": (nn.AvgPool1d(2), (1, 2, 6)),
    "avg_pool3d": (nn.AvgPool3d(2, stride=1), (1, 1, 3, 3, 3)),
    "adaptive_avg_pool2d": (nn.AdaptiveAvgPool2d((2, 3)), (1, 2, 5, 5)),
    "adaptive_max_pool1d": (nn.AdaptiveMaxPool1d(2), (1, 2, 5)),
    "lp_pool2d": (nn.LPPool2d(2, 2), (1, 1, 4, 4)),
    "batch_norm1d": (nn.BatchNorm1d(3), (4, 3)),
    "batch_norm2d_eval": (nn.BatchNorm2d(3).eval(), (2, 3, 2, 2)),
    "layer_norm": (nn.LayerNorm((3, 4)), (2, 3, 4)),
    "rms_norm": (nn.RMSNorm(4), (2, 4)),
    "group_norm": (nn.GroupNorm(2, 4), (2, 4, 3)),
    "instance_norm2d": (nn.InstanceNorm2d(3, affine=True), (2, 3, 3, 3)),
    "local_response_norm": (nn.LocalResponseNorm(3), (1, 4, 2, 2)),
    "prelu": (nn.PReLU(3), (2, 3, 2)),
    "pixel_shuffle": (nn.PixelShuffle(2), (1, 8, 2, 3)),
    "pixel_unshuffle": (nn.PixelUnshuffle(2), (1, 2, 4, 6)),
    "channel_shuffle": (nn.ChannelShuffle(2), (1, 4, 2, 2)),
    "upsample": (nn.Upsample(scale_factor=2, mode="bilinear"), (1, 2, 3, 3)),
    "reflection_pad2d": (nn.ReflectionPad2d((1, 2, 0, 1)), (1, 1, 3, 4)),
    "circular_pad1d": (nn.CircularPad1d(1), (1, 2, 3)),
    "rnn": (nn.RNN(3, 4, nonlinearity="relu", batch_first=True), (2, 5, 3)),
    "lstm": (nn.LSTM(3, 4, num_layers=2, bidirectional=True), (5, 2, 3)),
    "lstm_proj": (nn.LSTM(3, 4, proj_size=2), (4, 2, 3)),
    "gru": (nn.GRU(3, 4), (4, 2, 3), (1, 2, 4)),
    "rnn_cell": (nn.RNNCell(3, 4), (2, 3), (2, 4)),
    "lstm_cell": (nn.LSTMCell(3, 4), (2, 3)),
    "gru_cell": (nn.GRUCell(3, 4), (2, 3), (2, 4)),
    "attention": (nn.MultiheadAttention(4, 2), (3, 2, 4), (5, 2, 4), (5, 2, 4)),
    "attention_kdim": (
        nn.MultiheadAttention(4, 2, kdim=3, vdim=5, batch_first=True),
        (2, 3, 4),
        (2, 5, 3),
        (2, 5, 5),
    ),
    "encoder_layer": (nn.TransformerEncoderLayer(4, 2, 8, dropout=0, batch_first=True), (2, 3, 4)),
    "encoder_layer_first": (
        nn.TransformerEncoderLayer(4, 2, 8, dropout=0, activation="gelu", norm_first=True),
        (3, 2, 4),
    ),
    "decoder_layer": (nn.TransformerDecoderLayer(4, 2, 8, dropout=0), (3, 2, 4), (5, 2, 4)),
    "transformer": (nn.Transformer(4, 2, 1, 2, 8, dropout=0), (3, 2, 4), (5, 2, 4)),
}


def flat(value):
    return [part for item in value for part in flat(item)] if isinstance(value, (tuple, list)) else [value]


def main():
    torch.manual_seed(0)
    tensors = {}
    for name, (module, *shapes) in CASES.items():
        for parameter in module.parameters():
            parameter.data.uniform_(-0.7, 0.7)
        for key, value in module.state_dict().items():
            tensors[f"{name}.state.{key}"] = value.clone()
        inputs = [torch.randn(shape, requires_grad=True) for shape in shapes]
        outputs = flat(module(*inputs))
        gradients = [torch.randn_like(output) for output in outputs]
        torch.autograd.backward(outputs, gradients)
        for kind, list_ in (
            ("input", inputs),
            ("output", outputs),
            ("dy", gradients),
            ("dx", [x.grad for x in inputs]),
        ):
            for i, value in enumerate(list_):
                tensors[f"{name}.{kind}.{i}"] = value.detach().contiguous()
    save_file(
        tensors,
        os.path.join(os.path.dirname(__file__), "modules.safetensors"),
        {"writer": f"PyTorch {torch.__version__}"},
    )


if __name__ == "__main__":
    main()
