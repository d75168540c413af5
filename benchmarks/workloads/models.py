"""Recurrent layers, losses and optimizers."""

from ..workload import Integers, Normal, Uniform, Workload, operation


def recurrent(kind, inputs, width, steps, batch):
    def layer_in_torch(torch):
        layer = getattr(torch.nn, kind)(inputs, width)
        x, operands = torch.randn(steps, batch, inputs), list(layer.parameters())
        return lambda: torch.autograd.grad(layer(x)[0].sum(), operands)

    def layer_in_tensorflow(tf):
        name = {"RNN": "SimpleRNN"}.get(kind, kind)
        layer = getattr(tf.keras.layers, name)(width, return_sequences=True)
        x = tf.random.normal((batch, steps, inputs))
        layer.build(x.shape)

        def forward_and_backward():
            with tf.GradientTape() as tape:
                total = tf.reduce_sum(layer(x, training=True))
            return tape.gradient(total, layer.trainable_variables)

        return forward_and_backward

    gates = {"RNN": 1, "LSTM": 4, "GRU": 3}[kind]
    return Workload(
        "recurrent",
        f"{kind}({inputs}, {width}), {steps} steps of {batch}, forward + backward",
        layer_in_torch,
        layer_in_tensorflow,
        flops=6 * steps * batch * gates * width * (inputs + width),
        compiled=True,
    )


def losses():
    for rows, classes in ((128, 10), (1024, 10_000)):
        yield operation(
            "losses",
            f"cross_entropy, [{rows}, {classes}]",
            [Normal((rows, classes)), Integers(classes, (rows,))],
            lambda t, x, y: t.nn.functional.cross_entropy(x, y),
            lambda tf, x, y: tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(y, x)),
            gradients=1,
            bytes=12 * rows * classes,
        )
    cases = {
        "mse_loss": lambda tf, x, y: tf.reduce_mean(tf.math.squared_difference(x, y)),
        "smooth_l1_loss": lambda tf, x, y: tf.reduce_mean(tf.keras.losses.huber(y, x)),
        "binary_cross_entropy_with_logits": lambda tf, x, y: tf.reduce_mean(
            tf.nn.sigmoid_cross_entropy_with_logits(y, x)
        ),
    }
    for label, n in {"256": 256, "16 k": 1 << 14, "1 M": 1_000_000}.items():
        for name, in_tensorflow in cases.items():
            yield operation(
                "losses",
                f"{name}, {label}",
                [Normal((n,)), Uniform((n,))],
                lambda t, x, y, name=name: getattr(t.nn.functional, name)(x, y),
                in_tensorflow,
                gradients=1,
                bytes=20 * n,
            )


def optimizer(name, count, size, passes, **options):
    """passes: how often a step reads or writes an array as large as the parameters."""

    def in_torch(torch):
        parameters = [torch.nn.Parameter(torch.randn(size)) for _ in range(count)]
        for parameter in parameters:
            parameter.grad = torch.randn(size)
        return getattr(torch.optim, name)(parameters, lr=1e-3, **options).step

    def in_tensorflow(tf):
        parameters = [tf.Variable(tf.random.normal((size,))) for _ in range(count)]
        gradients = [tf.random.normal((size,)) for _ in range(count)]
        update = getattr(tf.keras.optimizers, name)(learning_rate=1e-3, **options)
        update.build(parameters)
        return lambda: update.apply(gradients)

    label = "1 M" if size == 1 << 20 else size
    return Workload(
        "optimizers",
        f"{name}, {count} tensors of {label}",
        in_torch,
        in_tensorflow,
        bytes=passes * 4 * count * size,
        compiled=True,
    )


def workloads():
    for kind in ("RNN", "LSTM", "GRU"):
        for sizes in ((8, 8, 4, 2), (64, 128, 50, 32), (256, 512, 35, 20)):
            yield recurrent(kind, *sizes)
    yield from losses()
    for name, options, passes in (("SGD", {"momentum": 0.9}, 5), ("Adam", {}, 7), ("AdamW", {}, 7)):
        for count, size in ((200, 64), (4, 1 << 20)):
            yield optimizer(name, count, size, passes, **options)
