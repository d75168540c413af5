"""Whole training steps, and inference on one sample."""

from .. import nets
from ..workload import Workload


def images(torch, batch, channels, size):
    return [torch.randn(batch, channels, size, size)], torch.randint(0, 10, (batch,))


def tokens(torch, batch, length, vocabulary):
    index = torch.randint(0, vocabulary, (batch, length + 1))
    return [index[:, :-1]], index[:, 1:].reshape(-1)


def rows(torch, batch, width, classes):
    return [torch.randn(batch, width)], torch.randint(0, classes, (batch,))


def clicks(torch, batch):
    return [torch.randint(0, 10_000, (batch, 8)), torch.randn(batch, 13)], torch.randint(0, 2, (batch,))


def step(net, data, optimizer="Adam"):
    """Forward, cross entropy, backward, optimizer: as a user writes it."""

    def make(torch):
        model = net(torch)
        inputs, target = data(torch)
        update = getattr(torch.optim, optimizer)(model.parameters(), lr=1e-3)

        def train():
            update.zero_grad()
            loss = torch.nn.functional.cross_entropy(model(*inputs), target)
            loss.backward()
            update.step()

        return train

    return make


def inference(net, data):
    def make(torch):
        model = net(torch).eval()
        inputs, _ = data(torch)

        def predict():
            with torch.no_grad():
                return model(*inputs)

        return predict

    return make


def keras_mlp(*sizes, batch):
    """The same step in TensorFlow, in a graph."""

    def make(tf):
        layers = [tf.keras.layers.Dense(size, activation="relu") for size in sizes[1:-1]]
        model = tf.keras.Sequential(
            [tf.keras.layers.Input((sizes[0],)), *layers, tf.keras.layers.Dense(sizes[-1])]
        )
        optimizer = tf.keras.optimizers.Adam(1e-3)
        x = tf.random.normal((batch, sizes[0]))
        y = tf.random.uniform((batch,), 0, sizes[-1], dtype=tf.int64)
        loss_of = tf.keras.losses.SparseCategoricalCrossentropy(from_logits=True)

        @tf.function
        def train():
            with tf.GradientTape() as tape:
                loss = loss_of(y, model(x, training=True))
            optimizer.apply_gradients(
                zip(tape.gradient(loss, model.trainable_variables), model.trainable_variables)
            )

        return train

    return make


def workloads():
    cases = {
        "MLP 16-32-2, batch 32": (lambda t: nets.mlp(t, 16, 32, 2), lambda t: rows(t, 32, 16, 2)),
        "MLP 784-512-512-10, batch 128": (
            lambda t: nets.mlp(t, 784, 512, 512, 10),
            lambda t: rows(t, 128, 784, 10),
        ),
        "LeNet, batch 128": (nets.lenet, lambda t: images(t, 128, 1, 28)),
        "ResNet-18, 16 x 32 x 32": (nets.resnet18, lambda t: images(t, 16, 3, 32)),
        "GPT 4 x 192, 8 x 128": (nets.gpt, lambda t: tokens(t, 8, 128, 256)),
        "LSTM language model, 16 x 35": (nets.lstm_model, lambda t: tokens(t, 16, 35, 1000)),
        "recommender, 8 tables, batch 256": (nets.recommender, lambda t: clicks(t, 256)),
    }
    in_tensorflow = {
        "MLP 16-32-2, batch 32": keras_mlp(16, 32, 2, batch=32),
        "MLP 784-512-512-10, batch 128": keras_mlp(784, 512, 512, 10, batch=128),
    }
    flops = {
        "MLP 784-512-512-10, batch 128": 6 * 128 * (784 * 512 + 512 * 512 + 5120),
        "LeNet, batch 128": 6 * 128 * 416e3,
        "ResNet-18, 16 x 32 x 32": 6 * 16 * 0.555e9,
        "GPT 4 x 192, 8 x 128": 6 * 8 * 128 * (12 * 4 * 192**2 + 256 * 192),
    }
    for name, (net, data) in cases.items():
        yield Workload(
            "training", name, step(net, data), flops=flops.get(name, 0), tensorflow=in_tensorflow.get(name)
        )
    yield Workload(
        "inference",
        "ResNet-18, one 32 x 32 image",
        inference(nets.resnet18, lambda t: images(t, 1, 3, 32)),
        flops=2 * 0.555e9,
    )
    yield Workload(
        "inference", "GPT 4 x 192, 128 tokens", inference(nets.gpt, lambda t: tokens(t, 1, 128, 256))
    )
