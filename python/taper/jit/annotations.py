"""Names for annotations of arguments that TorchScript repeats: BroadcastingList2[int] is an int or two."""


class _BroadcastingList:
    """Nothing is compiled here, so the annotation says nothing: it is None for every type, as in PyTorch."""

    def __getitem__(self, item):
        return None


BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = _BroadcastingList()
