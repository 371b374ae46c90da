"""Datasets, samplers, collation and the loader."""

from collections import namedtuple

import numpy as np
import pytest

import opsmith
from opsmith.utils.data import (
    BatchSampler,
    ChainDataset,
    ConcatDataset,
    DataLoader,
    Dataset,
    IterableDataset,
    RandomSampler,
    SequentialSampler,
    StackDataset,
    Subset,
    SubsetRandomSampler,
    TensorDataset,
    WeightedRandomSampler,
    default_collate,
    get_worker_info,
    random_split,
)

Point = namedtuple("Point", "x y")


class Squares(Dataset):
    """Numbers and their squares."""

    def __init__(self, size):
        self.size = size

    def __getitem__(self, index):
        if index == 99:
            raise ValueError("no such sample")
        return index, float(index * index)

    def __len__(self):
        return self.size


class Counting(IterableDataset):
    """0, 1, ...; shared among workers."""

    def __init__(self, size):
        self.size = size

    def __iter__(self):
        info = get_worker_info()
        if info is None:
            return iter(range(self.size))
        return iter(range(info.id, self.size, info.num_workers))


def tensors(size=10):
    return TensorDataset(opsmith.arange(2.0 * size).reshape(size, 2), opsmith.arange(size))


def labels(loader):
    return [batch[1].tolist() for batch in loader]


def test_datasets():
    data = tensors()
    assert len(data) == 10 and data[3][1].item() == 3
    both = data + Squares(3)
    assert isinstance(both, ConcatDataset) and len(both) == 13
    assert both[12] == (2, 4.0) and both[-1] == (2, 4.0) and both[9][1].item() == 9
    subset = Subset(data, [5, 1])
    assert len(subset) == 2 and subset[0][1].item() == 5
    assert [x[1].item() for x in subset.__getitems__([1, 0])] == [1, 5]
    stacked = StackDataset(image=Squares(2), text=Squares(2))
    assert stacked[1] == {"image": (1, 1.0), "text": (1, 1.0)} and len(stacked) == 2
    assert list(ChainDataset([Counting(2), Counting(1)])) == [0, 1, 0]
    with pytest.raises(AssertionError, match="Size mismatch between tensors"):
        TensorDataset(opsmith.zeros(2), opsmith.zeros(3))
    with pytest.raises(NotImplementedError):
        Dataset()[0]


def test_random_split():
    parts = random_split(range(10), [0.5, 0.25, 0.25], opsmith.Generator().manual_seed(1))
    assert [len(part) for part in parts] == [6, 2, 2]
    assert sorted(i for part in parts for i in part) == list(range(10))
    again = random_split(range(10), [6, 2, 2], opsmith.Generator().manual_seed(1))
    assert [list(part) for part in parts] == [list(part) for part in again]
    with pytest.raises(ValueError, match="Sum of input lengths does not equal"):
        random_split(range(3), [1, 1])


def test_samplers():
    opsmith.manual_seed(0)
    assert list(SequentialSampler(range(3))) == [0, 1, 2]
    order = list(RandomSampler(range(100)))
    assert sorted(order) == list(range(100)) and order != sorted(order)
    assert list(RandomSampler(range(100))) != order
    drawn = list(RandomSampler(range(3), replacement=True, num_samples=50))
    assert len(drawn) == 50 and set(drawn) == {0, 1, 2}
    assert len(list(RandomSampler(range(3), num_samples=7))) == 7
    assert sorted(SubsetRandomSampler([4, 7])) == [4, 7]
    batches = BatchSampler(SequentialSampler(range(5)), 2, False)
    assert list(batches) == [[0, 1], [2, 3], [4]] and len(batches) == 3
    batches = BatchSampler(SequentialSampler(range(5)), 2, True)
    assert list(batches) == [[0, 1], [2, 3]] and len(batches) == 2
    with pytest.raises(ValueError, match="num_samples should be a positive integer value"):
        RandomSampler([])
    with pytest.raises(ValueError, match="batch_size should be a positive integer value"):
        BatchSampler(range(3), 0, False)


def test_weighted_sampler():
    opsmith.manual_seed(0)
    try:
        drawn = list(WeightedRandomSampler([0.0, 1.0, 3.0], 400))
    except (AttributeError, NotImplementedError):
        pytest.skip("multinomial is not there yet")
    assert drawn.count(0) == 0 and 60 < drawn.count(1) < 140


def test_collate():
    batch = default_collate(
        [(1, 2.0, "a", {"k": opsmith.ones(2)}), (3, 4.0, "b", {"k": opsmith.zeros(2)})]
    )
    assert isinstance(batch, list)
    assert batch[0].tolist() == [1, 3] and batch[0].dtype == opsmith.int64
    assert batch[1].dtype == opsmith.float64 and batch[2] == ("a", "b")
    assert batch[3]["k"].tolist() == [[1.0, 1.0], [0.0, 0.0]]
    point = default_collate([Point(1, np.zeros(2)), Point(2, np.ones(2))])
    assert isinstance(point, Point) and point.x.tolist() == [1, 2]
    assert point.y.dtype == opsmith.float64 and tuple(point.y.shape) == (2, 2)
    assert default_collate([np.float32(1.5), np.float32(2.5)]).tolist() == [1.5, 2.5]
    with pytest.raises(RuntimeError, match="should be of equal size"):
        default_collate([[1], [1, 2]])
    with pytest.raises(TypeError, match="default_collate: batch must contain tensors"):
        default_collate([object()])


def test_loader_in_order():
    loader = DataLoader(tensors(), batch_size=4)
    assert len(loader) == 3 and labels(loader) == [[0, 1, 2, 3], [4, 5, 6, 7], [8, 9]]
    batch = next(iter(loader))
    assert isinstance(batch, list) and tuple(batch[0].shape) == (4, 2)
    assert labels(DataLoader(tensors(), 4, drop_last=True)) == [[0, 1, 2, 3], [4, 5, 6, 7]]
    assert [x[1].item() for x in DataLoader(tensors(3), batch_size=None)] == [0, 1, 2]
    assert labels(DataLoader(tensors(), sampler=[3, 1], batch_size=2)) == [[3, 1]]
    assert labels(DataLoader(tensors(), batch_sampler=[[3, 1], [2]])) == [[3, 1], [2]]
    squares = DataLoader(Squares(3), 2)
    assert [b[1].tolist() for b in squares] == [[0.0, 1.0], [4.0]]
    assert list(DataLoader(Squares(2), 2, collate_fn=list)) == [[(0, 0.0), (1, 1.0)]]


def test_whole_batches_are_the_same_as_collated_samples():
    class Plain(TensorDataset):
        def __getitem__(self, index):
            return super().__getitem__(index)

    data = tensors()
    for other in (
        Plain(*data.tensors),
        Subset(data, range(10)),
        Subset(Plain(*data.tensors), range(10)),
    ):
        for a, b in zip(DataLoader(data, 3), DataLoader(other, 3), strict=True):
            assert [x.tolist() for x in a] == [x.tolist() for x in b]
    batch = next(iter(DataLoader(data, 3)))
    batch[0].zero_()
    assert data.tensors[0].sum().item() == 190  # a batch is a copy


def test_shuffling_is_reproducible():
    opsmith.manual_seed(7)
    loader = DataLoader(tensors(), 3, shuffle=True)
    first, second = labels(loader), labels(loader)
    assert sorted(sum(first, [])) == list(range(10)) and first != second
    opsmith.manual_seed(7)
    assert labels(loader) == first and labels(loader) == second
    one = DataLoader(tensors(), 3, shuffle=True, generator=opsmith.Generator().manual_seed(5))
    two = DataLoader(tensors(), 3, shuffle=True, generator=opsmith.Generator().manual_seed(5))
    assert labels(one) == labels(two)


def test_streams():
    assert [b.tolist() for b in DataLoader(Counting(5), 2)] == [[0, 1], [2, 3], [4]]
    assert [b.tolist() for b in DataLoader(Counting(5), 2, drop_last=True)] == [[0, 1], [2, 3]]
    assert list(DataLoader(Counting(3), batch_size=None)) == [0, 1, 2]
    with pytest.raises(ValueError, match="expected unspecified shuffle option"):
        DataLoader(Counting(3), shuffle=True)
    with pytest.raises(TypeError):
        len(DataLoader(Counting(3)))


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"shuffle": True, "sampler": [1]}, "sampler option is mutually exclusive with shuffle"),
        ({"batch_sampler": [[1]], "batch_size": 2}, "batch_sampler option is mutually exclusive"),
        ({"batch_size": None, "drop_last": True}, "batch_size=None option disables auto-batching"),
        ({"num_workers": -1}, "num_workers option should be non-negative"),
        ({"prefetch_factor": 2}, "prefetch_factor option could only be specified"),
        ({"persistent_workers": True}, "persistent_workers option needs num_workers > 0"),
        ({"timeout": -1}, "timeout option should be non-negative"),
    ],
)
def test_errors(options, text):
    with pytest.raises(ValueError, match=text):
        DataLoader(Squares(3), **options)


def test_workers():
    opsmith.manual_seed(7)
    alone = DataLoader(tensors(), 3, shuffle=True)
    expected = [labels(alone), labels(alone)]
    opsmith.manual_seed(7)
    loader = DataLoader(tensors(), 3, shuffle=True, num_workers=2)
    assert [labels(loader), labels(loader)] == expected
    kept = DataLoader(tensors(), 4, num_workers=1, persistent_workers=True)
    next(iter(kept))
    assert labels(kept) == labels(kept) == labels(DataLoader(tensors(), 4))
    stream = [b.tolist() for b in DataLoader(Counting(6), 2, num_workers=2)]
    assert sorted(sum(stream, [])) == list(range(6))
    with pytest.raises(ValueError, match="no such sample") as raised:
        list(DataLoader(Squares(3), sampler=[0, 99], num_workers=1))
    assert "Caught ValueError in DataLoader worker process 0." in str(raised.value)
