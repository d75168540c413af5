"""Einstein's summation, as batched matrix products of two operands at a time."""

from . import _C

_ops = _C._homes["taper"]

# In the order of the numbers that stand for them, which is that of implicit outputs.
_LABELS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"


def _letters(text, ndim, ellipsis_dims, op):
    """The labels of an operand, an ellipsis replaced by labels of its own."""
    if "..." not in text:
        labels = list(text)
    else:
        before, after = text.split("...")
        count = ndim - len(before) - len(after)
        labels = [*before, *ellipsis_dims[len(ellipsis_dims) - count :], *after]
    if len(labels) != ndim:
        raise _C.ShapeError(f"{op}: '{text}' names {len(labels)} dimensions but the operand has {ndim}")
    return labels


def _diagonals(x, labels):
    """Repeated labels of one operand become its diagonal."""
    while len(set(labels)) != len(labels):
        label = next(c for c in labels if labels.count(c) > 1)
        first, second = [i for i, c in enumerate(labels) if c == label][:2]
        x = x.diagonal(0, first, second)
        labels = [c for i, c in enumerate(labels) if i not in (first, second)] + [label]
    return x, labels


def _summed(x, labels, kept):
    drop = [i for i, c in enumerate(labels) if c not in kept]
    return (x.sum(drop), [c for c in labels if c in kept]) if drop else (x, labels)


def _pair(a, a_labels, b, b_labels, kept):
    """The product of two operands, summed over labels that nothing else needs."""
    a, a_labels = _summed(a, a_labels, set(b_labels) | kept)
    b, b_labels = _summed(b, b_labels, set(a_labels) | kept)
    batch = [c for c in a_labels if c in b_labels and c in kept]
    inner = [c for c in a_labels if c in b_labels and c not in kept]
    left = [c for c in a_labels if c not in b_labels]
    right = [c for c in b_labels if c not in a_labels]
    sizes = {}
    for x, labels in ((a, a_labels), (b, b_labels)):
        for size, label in zip(x.shape, labels):
            if sizes.get(label, 1) == 1:
                sizes[label] = size
            elif size not in (1, sizes[label]):
                raise _C.ShapeError(
                    f"einsum: operands do not broadcast: label '{label}' is {sizes[label]} and {size}"
                )

    def arranged(x, labels, order):
        x = x.permute([labels.index(c) for c in order])
        return x.expand([sizes[c] for c in order])

    def product(names):
        result = 1
        for name in names:
            result *= sizes[name]
        return result

    x = arranged(a, a_labels, batch + left + inner).reshape(product(batch), product(left), product(inner))
    y = arranged(b, b_labels, batch + inner + right).reshape(product(batch), product(inner), product(right))
    result = _ops["bmm"](x, y)
    return result.reshape([sizes[c] for c in batch + left + right]), batch + left + right


def _from_sublists(arguments):
    """The equation and operands of einsum(x, [0, 1], y, [1, 2], [0, 2]), where a label is a number below
    52."""

    def text(sublist):
        for label in sublist if isinstance(sublist, (list, tuple)) else [None]:
            if label is not ... and not (isinstance(label, int) and 0 <= label < len(_LABELS)):
                raise _C.ValueError(
                    f"einsum: a list of labels holds numbers from 0 to 51 or ..., got {sublist}"
                )
        return "".join("..." if label is ... else _LABELS[label] for label in sublist)

    output = "->" + text(arguments[-1]) if len(arguments) % 2 else ""
    operands = arguments[: len(arguments) // 2 * 2 : 2]
    if not all(isinstance(x, _C.Tensor) for x in operands):
        raise TypeError("einsum(): the first argument must be the equation, a str, or the first operand")
    return ",".join(map(text, arguments[1 : 2 * len(operands) : 2])) + output, operands


def einsum(equation, *operands):
    """Sums of products of operands by labels of their dimensions: "ij,jk->ik", x, y; or x, [0, 1], y, [1,
    2]."""
    if not isinstance(equation, str):
        equation, operands = _from_sublists((equation, *operands))
    equation = equation.replace(" ", "")
    left, arrow, right = equation.partition("->")
    texts = left.split(",")
    if len(texts) != len(operands):
        raise _C.ValueError(f"einsum: the equation has {len(texts)} operands, but {len(operands)} were given")
    dims = max((x.ndim - len(t.replace("...", "")) for t, x in zip(texts, operands) if "..." in t), default=0)
    ellipsis = [f"...{i}" for i in range(dims)]
    parts = [_diagonals(x, _letters(t, x.ndim, ellipsis, "einsum")) for t, x in zip(texts, operands)]
    if arrow:
        output = _letters(
            right, len(right.replace("...", "")) + (dims if "..." in right else 0), ellipsis, "einsum"
        )
    else:
        everything = "".join(texts)
        output = ellipsis + sorted(c for c in set(everything) if everything.count(c) == 1 and c != ".")
    known = {c for _, labels in parts for c in labels}
    if not set(output) <= known or len(set(output)) != len(output):
        raise _C.ValueError(
            f"einsum: the output of '{equation}' repeats a label or names one that no operand has"
        )
    result, labels = parts[0]
    for index, (x, x_labels) in enumerate(parts[1:], 1):
        later = {c for _, rest in parts[index + 1 :] for c in rest}
        result, labels = _pair(result, labels, x, x_labels, later | set(output))
    result, labels = _summed(result, labels, set(output))
    return result.permute([labels.index(c) for c in output])
