"""Products of matrices and attention."""

from ..workload import Normal, operation


def product(_, a, b):
    return a @ b


def matmul(name, first, second):
    (*batch, m, k), n = first, second[-1]
    count = batch[0] if batch else 1
    return operation(
        "matmul",
        name,
        [Normal(first), Normal(second)],
        product,
        product,
        flops=2 * count * m * k * n,
        bytes=4 * count * (m * k + k * n + m * n),
    )


def attention(batch, heads, length, width, causal, gradients):
    flops = 4 * batch * heads * length**2 * width * (0.5 if causal else 1)

    def attend(torch, q, k, v):
        return torch.nn.functional.scaled_dot_product_attention(q, k, v, is_causal=causal)

    def attend_in_tensorflow(tf, q, k, v):
        scores = tf.einsum("bhqd,bhkd->bhqk", q, k) * width**-0.5
        if causal:
            seen = tf.linalg.band_part(tf.ones((length, length), tf.bool), -1, 0)
            scores = tf.where(seen, scores, float("-inf"))
        return tf.einsum("bhqk,bhkd->bhqd", tf.nn.softmax(scores), v)

    shape = batch, heads, length, width
    return operation(
        "attention",
        f"[{batch}, {heads}, {length}, {width}]" + ", causal" * causal,
        [Normal(shape)] * 3,
        attend,
        attend_in_tensorflow,
        gradients,
        flops=(3.5 if gradients else 1) * flops,
        bytes=(10 if gradients else 4) * 4 * batch * heads * length * width,
    )


def workloads():
    for n in (16, 64, 256, 512, 1024):
        yield matmul(f"{n} x {n} x {n}", (n, n), (n, n))
    for m, k, n in ((1, 1024, 1024), (32, 1024, 1024), (1024, 1024, 8), (128, 784, 512)):
        yield matmul(f"{m} x {k} x {n}", (m, k), (k, n))
    for batch, n in ((8, 8), (256, 32), (64, 128)):
        yield matmul(f"{batch} of {n} x {n} x {n}", (batch, n, n), (batch, n, n))
    yield operation(
        "matmul",
        "Linear(1024, 1024), 256 rows",
        [Normal((256, 1024)), Normal((1024, 1024)), Normal((1024,))],
        lambda t, x, w, b: t.nn.functional.linear(x, w, b),
        lambda tf, x, w, b: tf.matmul(x, w) + b,
        gradients=3,
        flops=6 * 256 * 2**20,
        bytes=3 * 4 * (2 * 256 * 1024 + 2**20),
    )
    for batch, heads, length, width in ((1, 2, 16, 16), (8, 6, 128, 32), (1, 8, 1024, 64)):
        yield attention(batch, heads, length, width, causal=False, gradients=0)
        yield attention(batch, heads, length, width, causal=True, gradients=3)
