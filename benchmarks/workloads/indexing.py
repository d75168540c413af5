"""Indexing, scatter, order, random numbers and embeddings."""

from ..workload import Integers, Normal, Truth, operation


def rows_at(rows, count, width):
    """(name, inputs, torch, tensorflow, bytes) of what reads or writes count of some rows."""
    table, index, source = Normal((rows, width)), Integers(rows, (count,)), Normal((count, width))
    zeros, chosen = 4 * rows * width, 4 * count * width
    label = f"{count} of {rows} rows of {width}"
    yield (
        f"x[index], {label}",
        [table, index],
        lambda t, x, i: x[i],
        lambda tf, x, i: tf.gather(x, i),
        2 * chosen + 8 * count,
    )
    yield (
        f"index_add, {label}",
        [table, index, source],
        lambda t, x, i, y: x.index_add(0, i, y),
        lambda tf, x, i, y: tf.tensor_scatter_nd_add(x, i[:, None], y),
        2 * zeros + chosen + 8 * count,
    )
    yield (
        f"scatter_add, {label}",
        [table, Integers(rows, (count, width)), source],
        lambda t, x, i, y: x.scatter_add(0, i, y),
        None,
        2 * zeros + 3 * chosen,
    )


def indexing():
    for sizes in ((16, 8, 4), (500, 1000, 16), (100_000, 50_000, 64)):
        yield from rows_at(*sizes)
    for rows, columns, count in ((4, 8, 4), (64, 128, 32), (4096, 1024, 256)):
        yield (
            f"gather, {count} of {columns} in {rows} rows",
            [Normal((rows, columns)), Integers(columns, (rows, count))],
            lambda t, x, i: x.gather(1, i),
            lambda tf, x, i: tf.gather(x, i, batch_dims=1),
            16 * rows * count,
        )
    for label, n in {"256": 256, "16 k": 1 << 14, "1 M": 1_000_000}.items():
        yield (
            f"x[mask], {label}",
            [Normal((n,)), Truth((n,))],
            lambda t, x, mask: x[mask],
            lambda tf, x, mask: tf.boolean_mask(x, mask),
            7 * n,
        )
        yield (
            f"masked_fill, {label}",
            [Normal((n,)), Truth((n,))],
            lambda t, x, mask: x.masked_fill(mask, 0.0),
            lambda tf, x, mask: tf.where(mask, 0.0, x),
            9 * n,
        )


def order():
    for label, shape in {"256": (256,), "16 k": (1 << 14,), "1 M": (1_000_000,)}.items():
        yield (
            f"sort, {label}",
            [Normal(shape)],
            lambda t, x: x.sort(),
            lambda tf, x: (tf.sort(x), tf.argsort(x)),
        )
    for label, n in {"256": 256, "16 k": 1 << 14, "1 M": 1_000_000}.items():
        yield (
            f"topk(100), {label}",
            [Normal((n,))],
            lambda t, x: x.topk(100),
            lambda tf, x: tf.math.top_k(x, 100),
        )
        yield (
            f"unique, {label}",
            [Integers(1000, (n,))],
            lambda t, x: x.unique(),
            lambda tf, x: tf.unique(x)[0],
        )
    yield (
        "sort, [1000, 1000]",
        [Normal((1000, 1000))],
        lambda t, x: x.sort(dim=1),
        lambda tf, x: (tf.sort(x), tf.argsort(x)),
    )
    yield (
        "topk(10), [256, 10000]",
        [Normal((256, 10_000))],
        lambda t, x: x.topk(10, dim=1),
        lambda tf, x: tf.math.top_k(x, 10),
    )


def random(n):
    return {
        "rand": (lambda t: t.rand(n), lambda tf: tf.random.uniform((n,))),
        "randn": (lambda t: t.randn(n), lambda tf: tf.random.normal((n,))),
        "randint": (
            lambda t: t.randint(0, 100, (n,)),
            lambda tf: tf.random.uniform((n,), 0, 100, dtype=tf.int64),
        ),
        "bernoulli": (
            lambda t: t.empty(n).bernoulli_(0.5),
            lambda tf: tf.cast(tf.random.uniform((n,)) < 0.5, tf.float32),
        ),
        "randperm": (lambda t: t.randperm(n), lambda tf: tf.random.shuffle(tf.range(n, dtype=tf.int64))),
    }


def embeddings():
    for rows, width, shape in ((100, 8, (4,)), (1000, 64, (16, 16)), (50_000, 128, (64, 128))):
        count = shape[0] * shape[-1] if len(shape) > 1 else shape[0]
        label = f"{' x '.join(map(str, shape))} of {rows} rows of {width}"
        for gradients in (0, 1):
            yield operation(
                "embeddings",
                label,
                [Normal((rows, width)), Integers(rows, shape)],
                lambda t, w, i: t.nn.functional.embedding(i, w),
                lambda tf, w, i: tf.nn.embedding_lookup(w, i),
                gradients,
                # The gradient of PyTorch's and Taper's is dense; TensorFlow's is rows and their numbers.
                bytes=8 * count * width + (8 * rows * width + 4 * count * width if gradients else 0),
            )
    yield operation(
        "embeddings",
        "bags of 20, 256 of 50000 rows of 64, mean",
        [Normal((50_000, 64)), Integers(50_000, (256, 20))],
        lambda t, w, i: t.nn.functional.embedding_bag(i, w, mode="mean"),
        lambda tf, w, i: tf.reduce_mean(tf.nn.embedding_lookup(w, i), 1),
        bytes=4 * 256 * 21 * 64,
    )


def workloads():
    for name, inputs, torch, tensorflow, moved in indexing():
        yield operation("indexing", name, inputs, torch, tensorflow, bytes=moved)
    for name, inputs, torch, tensorflow in order():
        yield operation("order", name, inputs, torch, tensorflow)
    for label, n in {"256": 256, "16 k": 1 << 14, "4 M": 1 << 22}.items():
        for name, functions in random(n).items():
            yield operation("random", f"{name}, {label}", [], *functions)
    yield from embeddings()
