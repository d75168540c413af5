"""Convolutions and pooling. TensorFlow gets its images channels-last, as it lays them out."""

from ..workload import Normal, operation


def convolution(name, channels, out, size, kernel, stride=1, groups=1, batch=8, gradients=0):
    place = size // stride
    weights = kernel**2 * channels * out // groups
    flops = 2 * batch * place**2 * weights
    moved = 4 * (batch * size**2 * channels + batch * place**2 * out + weights)

    def convolve(torch, x, w, b):
        return torch.nn.functional.conv2d(x, w, b, stride, kernel // 2, 1, groups)

    def convolve_in_tensorflow(tf, x, w, b):
        if groups == channels:
            return tf.nn.depthwise_conv2d(x, w, (1, stride, stride, 1), "SAME") + b
        return tf.nn.conv2d(x, w, stride, "SAME") + b

    shape = (1, channels, 1) if groups == channels else (1, channels // groups, out)
    return operation(
        "convolution",
        name,
        [
            Normal((batch, channels, size, size)),
            Normal((out, channels // groups, kernel, kernel)),
            Normal((out,)),
        ],
        convolve,
        convolve_in_tensorflow,
        gradients,
        images=[
            Normal((batch, size, size, channels)),
            Normal((kernel, kernel, *((channels, 1) if groups == channels else shape[1:]))),
            Normal((out,)),
        ],
        flops=(3 if gradients else 1) * flops,
        bytes=(3 if gradients else 1) * moved,
    )


def transposed_convolution(name, channels, out, size, kernel, stride, gradients=0):
    batch, weights = 8, kernel**2 * channels * out
    moved = 4 * (batch * size**2 * channels + batch * (stride * size) ** 2 * out + weights)

    def convolve(torch, x, w, b):
        return torch.nn.functional.conv_transpose2d(x, w, b, stride, 1)

    def convolve_in_tensorflow(tf, x, w, b):
        shape = batch, stride * size, stride * size, out
        return tf.nn.conv2d_transpose(x, w, shape, stride, "SAME") + b

    return operation(
        "convolution",
        name,
        [Normal((batch, channels, size, size)), Normal((channels, out, kernel, kernel)), Normal((out,))],
        convolve,
        convolve_in_tensorflow,
        gradients,
        images=[
            Normal((batch, size, size, channels)),
            Normal((kernel, kernel, out, channels)),
            Normal((out,)),
        ],
        flops=(3 if gradients else 1) * 2 * batch * size**2 * weights,
        bytes=(3 if gradients else 1) * moved,
    )


POOLS = {
    "max_pool 2 x 2": (
        lambda t, x: t.nn.functional.max_pool2d(x, 2),
        lambda tf, x: tf.nn.max_pool2d(x, 2, 2, "VALID"),
    ),
    "avg_pool 2 x 2": (
        lambda t, x: t.nn.functional.avg_pool2d(x, 2),
        lambda tf, x: tf.nn.avg_pool2d(x, 2, 2, "VALID"),
    ),
    "adaptive_avg_pool 1": (
        lambda t, x: t.nn.functional.adaptive_avg_pool2d(x, 1),
        lambda tf, x: tf.reduce_mean(x, (1, 2)),
    ),
}


def pooling():
    for batch, channels, size in ((1, 4, 8), (8, 16, 28), (32, 64, 56)):
        shape = batch, channels, size, size
        for name, functions in POOLS.items():
            for gradients in (0, 1):
                yield operation(
                    "pooling",
                    f"{name}, {list(shape)}",
                    [Normal(shape)],
                    *functions,
                    gradients=gradients,
                    images=[Normal((batch, size, size, channels))],
                    # What is read and the quarter that is written; backward reads the quarter and writes the
                    # rest.
                    bytes=(10 if gradients else 5) * batch * channels * size**2,
                )


def workloads():
    cases = {
        "3 x 3, 4 -> 4, 8 x 8, one image": {
            "channels": 4, "out": 4, "size": 8, "kernel": 3, "batch": 1,
        },
        "3 x 3, 64 -> 64, 32 x 32": {"channels": 64, "out": 64, "size": 32, "kernel": 3},
        "3 x 3, 256 -> 256, 8 x 8": {"channels": 256, "out": 256, "size": 8, "kernel": 3},
        "1 x 1, 256 -> 64, 28 x 28": {"channels": 256, "out": 64, "size": 28, "kernel": 1},
        "7 x 7 / 2, 3 -> 64, 112 x 112": {
            "channels": 3, "out": 64, "size": 112, "kernel": 7, "stride": 2,
        },
        "depthwise 3 x 3, 128, 28 x 28": {
            "channels": 128, "out": 128, "size": 28, "kernel": 3, "groups": 128,
        },
        "grouped 3 x 3, 128 / 8, 28 x 28": {
            "channels": 128, "out": 128, "size": 28, "kernel": 3, "groups": 8,
        },
    }  # fmt: skip
    for gradients in (0, 3):
        for name, sizes in cases.items():
            yield convolution(name, **sizes, gradients=gradients)
        yield transposed_convolution("transposed 4 x 4 / 2, 64 -> 32, 16 x 16", 64, 32, 16, 4, 2, gradients)
    yield from pooling()
