"""Whole training steps, and inference on one sample."""

from .. import nets
from ..workload import Integers, Normal, Workload


def step(net, inputs, target, optimizer="Adam"):
    """Forward, cross entropy, backward, optimizer: as a user writes it."""

    def make(torch):
        model = net(torch)
        arrays, labels = [array.torch(torch) for array in inputs], target.torch(torch)
        update = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)

        def train():
            update.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(*arrays), labels)
            loss.backward()
            update.step()

        return train

    return make


def step_in_tensorflow(net, inputs, target, optimizer="Adam"):
    def make(tf):
        model = net(tf)
        arrays, labels = [array.tensorflow(tf) for array in inputs], target.tensorflow(tf)
        model(*arrays)  # Keras makes a layer's variables when it first meets an input
        variables = model.trainable_variables
        update = getattr(tf.keras.optimizers, optimizer)(1e-3)
        update.build(variables)
        loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        def train():
            with tf.GradientTape() as tape:
                loss = loss_of(labels, model(*arrays, training=True))
            update.apply(tape.gradient(loss, variables), variables)

        return train

    return make


def inference(net, inputs):
    def make(torch):
        model = net(torch).eval()
        arrays = [array.torch(torch) for array in inputs]

        def predict():
            with torch.no_grad():
                return model(*arrays)

        return predict

    return make


def inference_in_tensorflow(net, inputs):
    def make(tf):
        model = net(tf)
        arrays = [array.tensorflow(tf) for array in inputs]
        model(*arrays)
        return lambda: model(*arrays, training=False)

    return make


def images(batch, channels, size):
    return Normal((batch, channels, size, size))


def last(image):
    """The same image with its channels last, as TensorFlow takes it."""
    batch, channels, *size = image.shape
    return Normal((batch, *size, channels))


def cases():
    """name: (net, net in TensorFlow, inputs, target, FLOP of one step)."""
    sizes = 784, 512, 512, 10
    small = {"vocabulary": 64, "width": 32, "depth": 2, "heads": 2, "length": 16}
    return {
        "MLP 16-32-2, batch 32": (
            lambda t: nets.mlp(t, 16, 32, 2),
            lambda tf: nets.mlp_in_tensorflow(tf, 16, 32, 2),
            [Normal((32, 16))],
            Integers(2, (32,)),
            6 * 32 * (16 * 32 + 32 * 2),
        ),
        "GPT 2 x 32, 2 x 16": (
            lambda t: nets.gpt(t, **small),
            lambda tf: nets.gpt_in_tensorflow(tf, **small),
            [Integers(64, (2, 16))],
            Integers(64, (32,)),
            6 * 32 * (12 * 2 * 32**2 + 64 * 32),
        ),
        "MLP 784-512-512-10, batch 128": (
            lambda t: nets.mlp(t, *sizes),
            lambda tf: nets.mlp_in_tensorflow(tf, *sizes),
            [Normal((128, 784))],
            Integers(10, (128,)),
            6 * 128 * (784 * 512 + 512 * 512 + 5120),
        ),
        "LeNet, batch 128": (
            nets.lenet,
            nets.lenet_in_tensorflow,
            [images(128, 1, 28)],
            Integers(10, (128,)),
            6 * 128 * 416e3,
        ),
        "ResNet-18, 16 x 32 x 32": (
            nets.resnet18,
            nets.resnet18_in_tensorflow,
            [images(16, 3, 32)],
            Integers(10, (16,)),
            6 * 16 * 0.555e9,
        ),
        "GPT 4 x 192, 8 x 128": (
            nets.gpt,
            nets.gpt_in_tensorflow,
            [Integers(256, (8, 128))],
            Integers(256, (8 * 128,)),
            6 * 8 * 128 * (12 * 4 * 192**2 + 256 * 192),
        ),
        "LSTM language model, 16 x 35": (
            nets.lstm_model,
            nets.lstm_model_in_tensorflow,
            [Integers(1000, (16, 35))],
            Integers(1000, (16 * 35,)),
            6 * 16 * 35 * (8 * 128**2 + 128 * 1000),
        ),
        "recommender, 8 tables, batch 256": (
            nets.recommender,
            nets.recommender_in_tensorflow,
            [Integers(10_000, (256, 8)), Normal((256, 13))],
            Integers(2, (256,)),
            0,
        ),
    }


def workloads():
    for name, (net, in_tensorflow, inputs, target, flops) in cases().items():
        theirs = [last(array) if len(array.shape) == 4 else array for array in inputs]
        yield Workload(
            "training",
            name,
            step(net, inputs, target),
            step_in_tensorflow(in_tensorflow, theirs, target),
            flops=flops,
            compiled=True,
        )
    for name, net, in_tensorflow, x, flops in (
        (
            "ResNet-18, one 32 x 32 image",
            nets.resnet18,
            nets.resnet18_in_tensorflow,
            images(1, 3, 32),
            2 * 0.555e9,
        ),
        (
            "GPT 4 x 192, 128 tokens",
            nets.gpt,
            nets.gpt_in_tensorflow,
            Integers(256, (1, 128)),
            2 * 128 * (12 * 4 * 192**2 + 256 * 192),
        ),
    ):
        theirs = last(x) if len(x.shape) == 4 else x
        yield Workload(
            "inference",
            name,
            inference(net, [x]),
            inference_in_tensorflow(in_tensorflow, [theirs]),
            flops=flops,
            compiled=True,
        )
