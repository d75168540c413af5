"""Sequences of different lengths."""

from collections import namedtuple

from ... import _C

_ops = _C._homes["taper"]

_Packed = namedtuple("PackedSequence", ["data", "batch_sizes", "sorted_indices", "unsorted_indices"])


class PackedSequence(_Packed):
    """Time steps of sequences of falling length, one after another."""

    def __new__(cls, data, batch_sizes=None, sorted_indices=None, unsorted_indices=None):
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args, **kwargs):
        """The data converted; itself where nothing changes."""
        data = self.data.to(*args, **kwargs)
        return self if data is self.data else type(self)(data, *self[1:])

    def cpu(self, *args, **kwargs):
        """The data in main memory."""
        return self.to("cpu", *args, **kwargs)

    def cuda(self, *args, **kwargs):
        """The data on a GPU."""
        return self.to("cuda", *args, **kwargs)

    def pin_memory(self):
        """The data in page-locked memory, where there is any."""
        return type(self)(self.data.pin_memory(), *self[1:])

    def is_pinned(self):
        """Whether the data lies in page-locked memory."""
        return self.data.is_pinned()

    @property
    def is_cuda(self):
        """Whether the data lies on a GPU."""
        return self.data.is_cuda


def _conversion(name, dtype):
    def convert(self):
        return self.to(dtype)

    convert.__name__ = name
    convert.__doc__ = f"The data as {dtype}."
    setattr(PackedSequence, name, convert)


for _name, _dtype in {
    "double": _C.float64,
    "float": _C.float32,
    "half": _C.float16,
    "long": _C.int64,
    "int": _C.int32,
    "short": _C.int16,
    "char": _C.int8,
    "byte": _C.uint8,
}.items():
    _conversion(_name, _dtype)


def pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True):
    """Packs padded sequences [T, N, ...] ([N, T, ...] if batch_first) of the given lengths."""
    lengths = lengths if isinstance(lengths, _C.Tensor) else _C._from_data(list(lengths), _C.int64, True)
    sorted_indices = unsorted_indices = None
    values = lengths.tolist()
    if not enforce_sorted:
        order = sorted(range(len(values)), key=lambda i: -values[i])
        sorted_indices = input.new_tensor(order, dtype=_C.int64)
        inverse = [0] * len(order)
        for place, index in enumerate(order):
            inverse[index] = place
        unsorted_indices = input.new_tensor(inverse, dtype=_C.int64)
        input = input.index_select(0 if batch_first else 1, sorted_indices)
        values = [values[i] for i in order]
    if batch_first:
        input = input.transpose(0, 1)
    if any(v <= 0 for v in values):
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if values != sorted(values, reverse=True):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can "
            "pass `enforce_sorted=False` to pack_padded_sequence"
        )
    if len(values) != input.shape[1] or values[0] > input.shape[0]:
        raise _C.ShapeError(
            f"pack_padded_sequence: lengths {values} do not fit an input of {input.shape[0]} steps and "
            f"{input.shape[1]} sequences"
        )
    sizes = [sum(v > t for v in values) for t in range(values[0])]
    data = _ops["cat"]([input[t, :n] for t, n in enumerate(sizes)])
    return PackedSequence(data, _C._from_data(sizes, _C.int64, True), sorted_indices, unsorted_indices)


def pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None):
    """The inverse of pack_padded_sequence: (padded, lengths)."""
    sizes = sequence.batch_sizes.tolist()
    batch = sizes[0]
    steps, start = [], 0
    for count in sizes:
        step = sequence.data[start : start + count]
        if count < batch:
            rest = step.new_full((batch - count, *step.shape[1:]), padding_value)
            step = _ops["cat"]([step, rest])
        steps.append(step)
        start += count
    if total_length is not None:
        if total_length < len(steps):
            raise ValueError(
                f"Expected total_length to be at least the length of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {len(steps)}"
            )
        blank = steps[0].new_full(tuple(steps[0].shape), padding_value)
        steps += [blank] * (total_length - len(steps))
    padded = _ops["stack"](steps)
    lengths = _C._from_data([sum(count > i for count in sizes) for i in range(batch)], _C.int64, True)
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths.index_select(0, sequence.unsorted_indices.cpu())
    return padded.transpose(0, 1) if batch_first else padded, lengths


def pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side="right"):
    """Sequences [L, ...] as one tensor, padded to the longest."""
    sequences = list(sequences)
    if not sequences:
        raise RuntimeError("pad_sequence: received an empty list of sequences")
    longest = max(s.size(0) for s in sequences)
    padded = []
    for sequence in sequences:
        rest = sequence.new_full((longest - sequence.shape[0], *sequence.shape[1:]), padding_value)
        padded.append(_ops["cat"]([sequence, rest] if padding_side == "right" else [rest, sequence]))
    return _ops["stack"](padded, 0 if batch_first else 1)


def unpad_sequence(padded_sequences, lengths, batch_first=False):
    """The inverse of pad_sequence."""
    rows = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[:n] for row, n in zip(rows.unbind(0), lengths.tolist())]


def pack_sequence(sequences, enforce_sorted=True):
    """Packs sequences of different lengths."""
    lengths = [s.shape[0] for s in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences):
    """The sequences that pack_sequence packed."""
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
