"""What a call costs when there is nearly nothing to compute."""

from ..workload import Normal, Workload, operation

SMALL = Normal((4, 6))


def recorded_addition(torch):
    a, b = torch.randn(4, requires_grad=True), torch.randn(4)
    return lambda: a + b


def recorded_addition_in_tensorflow(tf):
    a, b = tf.Variable(tf.random.normal((4,))), tf.random.normal((4,))

    def add():
        with tf.GradientTape():
            return a + b

    return add


def linear(torch):
    layer, x = torch.nn.Linear(8, 8), torch.randn(4, 8)
    return lambda: layer(x)


def dense(tf):
    layer, x = tf.keras.layers.Dense(8), tf.random.normal((4, 8))
    return lambda: layer(x)


def chain(torch):
    """50 multiplications and their gradient."""
    x, factor = torch.randn(4, requires_grad=True), torch.randn(4)

    def step():
        y = x
        for _ in range(50):
            y = y * factor
        y.sum().backward()

    return step


def chain_in_tensorflow(tf):
    x, factor = tf.Variable(tf.random.normal((4,))), tf.random.normal((4,))

    def step():
        with tf.GradientTape() as tape:
            y = x
            for _ in range(50):
                y = y * factor
            total = tf.reduce_sum(y)
        return tape.gradient(total, x)

    return step


def workloads():
    pair = [Normal((4,)), Normal((4,))]
    for name, inputs, torch, tensorflow in (
        ("a + b, 4 elements", pair, lambda t, a, b: a + b, lambda tf, a, b: a + b),
        ("a + 1.5", pair[:1], lambda t, a: a + 1.5, lambda tf, a: a + 1.5),
        ("a += b", pair, lambda t, a, b: a.add_(b), None),
        ("x.view(6, 4)", [SMALL], lambda t, x: x.view(6, 4), lambda tf, x: tf.reshape(x, (6, 4))),
        ("x[1]", [SMALL], lambda t, x: x[1], lambda tf, x: x[1]),
        ("x.transpose(0, 1)", [SMALL], lambda t, x: x.transpose(0, 1), lambda tf, x: tf.transpose(x)),
        ("x.sum(dim=1)", [SMALL], lambda t, x: x.sum(dim=1), lambda tf, x: tf.reduce_sum(x, 1)),
        ("x @ x.T, 4 x 6", [SMALL], lambda t, x: x @ x.T, lambda tf, x: tf.matmul(x, x, transpose_b=True)),
        ("x.item()", [Normal((1,))], lambda t, x: x.item(), lambda tf, x: x.numpy().item()),
        ("empty(4)", [], lambda t: t.empty(4), None),
    ):
        yield operation("calls", name, inputs, torch, tensorflow)
    yield Workload("calls", "a + b, recorded", recorded_addition, recorded_addition_in_tensorflow)
    yield Workload("calls", "Linear(8, 8)", linear, dense)
    yield Workload("calls", "50 x mul, forward + backward", chain, chain_in_tensorflow, compiled=True)
