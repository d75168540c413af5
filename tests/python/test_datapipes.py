"""Data sets made of pipes, and the loader's handling of them."""

from taper.utils.data import DataLoader
from taper.utils.data.datapipes.iter import IterableWrapper, Shuffler


def test_a_shuffler_draws_from_a_buffer_and_the_loader_turns_it_off():
    pipe = IterableWrapper(range(12)).shuffle(buffer_size=4)
    assert isinstance(pipe, Shuffler) and len(pipe) == 12
    # The order that PyTorch 2.15 gives for this seed.
    order = [2, 1, 3, 0, 7, 8, 4, 9, 5, 11, 10, 6]
    assert list(pipe.set_seed(7)) == order
    batches = [batch.tolist() for batch in DataLoader(pipe.set_seed(7), batch_size=8, shuffle=True)]
    assert batches == [order[:8], order[8:]]
    assert [batch.tolist() for batch in DataLoader(pipe, batch_size=12, shuffle=False)] == [list(range(12))]


def test_a_wrapped_iterable_is_copied_for_each_epoch():
    pipe = IterableWrapper([[1], [2]])
    next(iter(pipe)).append(3)
    assert list(pipe) == [[1], [2]]
