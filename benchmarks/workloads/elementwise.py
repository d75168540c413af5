"""Elementwise functions, broadcasting, reductions, normalizations and moves: tiny, in a cache, in memory."""

from ..workload import Normal, Uniform, operation

SIZES = {"256": 1 << 8, "16 k": 1 << 14, "4 M": 1 << 22}
MATRICES = ((16, 16), (64, 128), (4096, 1024))

ARITHMETIC = {
    "add": (lambda t, x, y: x + y, lambda tf, x, y: x + y),
    "mul": (lambda t, x, y: x * y, lambda tf, x, y: x * y),
    "where": (lambda t, x, y: t.where(x > y, x, y), lambda tf, x, y: tf.where(x > y, x, y)),
    "exp": (lambda t, x: x.exp(), lambda tf, x: tf.exp(x)),
    "tanh": (lambda t, x: x.tanh(), lambda tf, x: tf.tanh(x)),
    "sigmoid": (lambda t, x: x.sigmoid(), lambda tf, x: tf.sigmoid(x)),
    "relu": (lambda t, x: x.relu(), lambda tf, x: tf.nn.relu(x)),
    "gelu": (lambda t, x: t.nn.functional.gelu(x), lambda tf, x: tf.nn.gelu(x)),
    "sqrt": (lambda t, x: x.sqrt(), lambda tf, x: tf.sqrt(x)),
    "silu": (lambda t, x: t.nn.functional.silu(x), lambda tf, x: tf.nn.silu(x)),
    "log": (lambda t, x: x.log(), lambda tf, x: tf.math.log(x)),
}

BROADCASTING = {
    "+ row": (lambda t, x, y: x + y, lambda tf, x, y: x + y),
    "* column": (lambda t, x, y: x * y, lambda tf, x, y: x * y),
}

REDUCTIONS = {
    "sum": (lambda t, x: x.sum(), lambda tf, x: tf.reduce_sum(x)),
    "mean": (lambda t, x: x.mean(), lambda tf, x: tf.reduce_mean(x)),
    "var": (lambda t, x: x.var(), lambda tf, x: tf.math.reduce_variance(x)),
    "max": (lambda t, x: x.max(), lambda tf, x: tf.reduce_max(x)),
    "argmax": (lambda t, x: x.argmax(), lambda tf, x: tf.argmax(x)),
    "norm": (lambda t, x: x.norm(), lambda tf, x: tf.norm(x)),
}

REDUCTIONS_ALONG = {
    "sum(0)": (lambda t, x: x.sum(0), lambda tf, x: tf.reduce_sum(x, 0)),
    "sum(1)": (lambda t, x: x.sum(1), lambda tf, x: tf.reduce_sum(x, 1)),
    "var(1)": (lambda t, x: x.var(1), lambda tf, x: tf.math.reduce_variance(x, 1)),
    "argmax(1)": (lambda t, x: x.argmax(1), lambda tf, x: tf.argmax(x, 1)),
    "cumsum(1)": (lambda t, x: x.cumsum(1), lambda tf, x: tf.cumsum(x, 1)),
    "logsumexp(1)": (lambda t, x: x.logsumexp(1), lambda tf, x: tf.reduce_logsumexp(x, 1)),
}


def moments_norm(tf, x):
    """Layer normalization, for which TensorFlow has no single operation."""
    mean, variance = tf.nn.moments(x, [1], keepdims=True)
    return (x - mean) * tf.math.rsqrt(variance + 1e-5)


NORMS = {
    "softmax": (lambda t, x: x.softmax(1), lambda tf, x: tf.nn.softmax(x)),
    "log_softmax": (lambda t, x: x.log_softmax(1), lambda tf, x: tf.nn.log_softmax(x)),
    "layer_norm": (lambda t, x: t.nn.functional.layer_norm(x, (x.shape[1],)), moments_norm),
    "rms_norm": (
        lambda t, x: t.nn.functional.rms_norm(x, (x.shape[1],)),
        lambda tf, x: x * tf.math.rsqrt(tf.reduce_mean(x * x, 1, keepdims=True) + 1e-7),
    ),
}

MOVES = {
    "clone": (lambda t, x: x.clone(), lambda tf, x: tf.raw_ops.DeepCopy(x=x)),
    "transpose": (lambda t, x: x.t().contiguous(), lambda tf, x: tf.transpose(x)),
    "cat": (lambda t, x: t.cat([x, x]), lambda tf, x: tf.concat([x, x], 0)),
    "flip": (lambda t, x: x.flip(1), lambda tf, x: tf.reverse(x, [1])),
    "roll": (lambda t, x: x.roll(1, 1), lambda tf, x: tf.roll(x, 1, 1)),
    "to(float64)": (lambda t, x: x.to(t.float64), lambda tf, x: tf.cast(x, tf.float64)),
    "to(bfloat16)": (lambda t, x: x.to(t.bfloat16), lambda tf, x: tf.cast(x, tf.bfloat16)),
}


def arithmetic():
    for label, n in SIZES.items():
        for name, functions in ARITHMETIC.items():
            count = 2 if name in ("add", "mul", "where") else 1
            yield operation(
                "elementwise",
                f"{name}, {label}",
                [Uniform((n,))] * count,
                *functions,
                bytes=4 * (count + 1) * n,
                flops=n,
            )


def broadcasting():
    for rows, columns in MATRICES:
        for (name, functions), other in zip(BROADCASTING.items(), ((columns,), (rows, 1))):
            yield operation(
                "broadcasting",
                f"[{rows}, {columns}] {name}",
                [Normal((rows, columns)), Normal(other)],
                *functions,
                bytes=8 * rows * columns,
                flops=rows * columns,
            )


def reductions():
    for label, n in SIZES.items():
        for name, functions in REDUCTIONS.items():
            yield operation(
                "reductions", f"{name}, {label}", [Normal((n,))], *functions, bytes=4 * n, flops=n, reads=True
            )
    for rows, columns in MATRICES[1:]:
        for name, functions in REDUCTIONS_ALONG.items():
            scan, n = "cumsum" in name, rows * columns
            yield operation(
                "reductions",
                f"{name}, [{rows}, {columns}]",
                [Normal((rows, columns))],
                *functions,
                bytes=(8 if scan else 4) * n,
                flops=n,
                reads=not scan,
            )


def normalizations():
    for rows, columns in MATRICES[1:]:
        for name, functions in NORMS.items():
            what, moved = f"{name}, [{rows}, {columns}]", 4 * rows * columns
            inputs = [Normal((rows, columns))]
            yield operation("norms", what, inputs, *functions, bytes=2 * moved)
            yield operation("norms", what, inputs, *functions, gradients=1, bytes=5 * moved)
    shape, channels = (32, 64, 28, 28), [Normal((64,))] * 2

    def norm(torch, x, weight, bias):
        return torch.nn.functional.batch_norm(x, None, None, weight, bias, training=True)

    def norm_in_tensorflow(tf, x, weight, bias):
        return tf.compat.v1.nn.fused_batch_norm(x, weight, bias)[0]

    yield operation(
        "norms",
        "batch_norm, [32, 64, 28, 28]",
        [Normal(shape), *channels],
        norm,
        norm_in_tensorflow,
        gradients=3,
        images=[Normal((32, 28, 28, 64)), *channels],
        bytes=20 * 32 * 64 * 28 * 28,
    )


def moves():
    widths = {"to(float64)": 12, "to(bfloat16)": 6, "cat": 12}  # bytes read and written for an element
    for rows, columns in MATRICES:
        for name, functions in MOVES.items():
            yield operation(
                "moves",
                f"{name}, [{rows}, {columns}]",
                [Normal((rows, columns))],
                *functions,
                bytes=widths.get(name, 8) * rows * columns,
            )


def workloads():
    for part in (arithmetic, broadcasting, reductions, normalizations, moves):
        yield from part()
