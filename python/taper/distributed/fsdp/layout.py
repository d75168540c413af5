"""Where the parameters of a unit lie: in memory, in what travels, and in the modules."""


class Entry:
    """One parameter: where it lies in the unit's memory. There the dimension that is cut is the first.

    places  (module, name) of all who have it
    shard   the parameter of this rank's part, which the optimizer sees
    full    the whole one, with memory while the unit is whole
    """

    def __init__(self, places, whole, cut):
        self.places, self.cut = places, cut
        self.shape, self.numel = whole.movedim(cut.dim, 0).shape, whole.numel()
        self.row = whole.numel() // max(cut.size, 1)
        self.shard = self.full = self.accumulated = None
        self.offset = 0

    def of(self, flat):
        """The whole parameter in the unit's memory."""
        return flat[self.offset : self.offset + self.numel].view(self.shape).movedim(0, self.cut.dim)

    def flat(self, tensor):
        """A parameter, or a part of one, in the order of the unit's memory."""
        return tensor.movedim(self.cut.dim, 0).flatten()

    def part(self, flat):
        """The reverse for this rank's part."""
        return flat.view(self.cut.length, *self.shape[1:]).movedim(0, self.cut.dim).contiguous()

    def place(self, parameter):
        """Makes it the parameter that the modules see."""
        for module, name in self.places:
            module._parameters[name] = parameter

    def replaced(self):
        """What a module was given instead of the parameter, or None."""
        known = (self.shard, self.full)
        seen = (module._parameters.get(name) for module, name in self.places)
        return next((other for other in seen if not any(other is one for one in known)), None)


class Travel:
    """How entries lie in what travels among the ranks of a group: of each a piece, equally long on all ranks,
    one after the other."""

    def __init__(self, entries, group):
        self.group, self.size, self._places = group, 0, {}
        for entry in entries:
            piece = -(-entry.shape[0] // group.size()) * entry.row
            self._places[entry] = self.size, piece
            self.size += piece

    def _own_range(self, entry):
        position, piece = self._places[entry]
        begin = min(self.group.rank() * piece, entry.numel)
        return position, begin, min(piece, entry.numel - begin)

    def own(self, entry, sent):
        """The view of this rank's piece in what it sends or receives."""
        position, _, length = self._own_range(entry)
        return sent[position : position + length]

    def own_of(self, entry, flat):
        """The view of the flat parameter that is this rank's piece."""
        _, begin, length = self._own_range(entry)
        return flat[begin : begin + length]

    def pieces(self, entry, flat, table):
        """Pairs of views: of the flat parameter, and of the table with a row of pieces for each rank."""
        position, piece = self._places[entry]
        full = entry.numel // max(piece, 1)
        middle = full * piece
        if full:
            yield flat[:middle].view(full, piece), table[:full, position : position + piece]
        rest = entry.numel - middle
        if rest:
            yield flat[middle:], table[full, position : position + rest]
