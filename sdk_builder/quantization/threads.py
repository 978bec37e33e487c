"""Small steps on one thread, and rows of a large matrix on threads of their own.

Calibrated rounding is thousands of small steps, one input after another. Shared among OpenMP's
threads, each step ends with all of them waiting for the last, which on a busy machine costs many
times what the step does. Rows have nothing to do with each other: each thread takes some of them
through all steps, and waits for nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import TypeVar

import torch
from torch import Tensor

Part = TypeVar("Part")
Found = TypeVar("Found")

_MOST_ROWS = 2048  # bounds the memory of what is worked on: an embedding has many rows
_FEWEST_ROWS = 1024  # fewer are not worth a thread: steps are then about as short as Python's own


@contextmanager
def single_threaded() -> Iterator[None]:
    """One thread for what torch does inside, as many as before afterwards."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def map_parts(work: Callable[[Part], Found], parts: Sequence[Part]) -> list[Found]:
    """`work` on each of `parts`, in order, each on one thread; as many at once as torch has."""
    threads = torch.get_num_threads()
    with single_threaded():
        if len(parts) == 1:
            return [work(parts[0])]
        with ThreadPoolExecutor(threads, initializer=_use_one_thread) as pool:
            return list(pool.map(work, parts))


def shares(count: int) -> list[range]:
    """0 to `count` in as many stretches as torch has threads, none of them empty."""
    size = -(-count // torch.get_num_threads())
    return [range(start, min(start + size, count)) for start in range(0, count, size)]


def map_rows(work: Callable[[Tensor], Found], matrix: Tensor) -> list[Found]:
    """`work` on blocks of rows of `matrix` ``[rows, n]``; see `map_parts`."""
    size = max(_FEWEST_ROWS, -(-len(matrix) // torch.get_num_threads()))
    return map_parts(work, matrix.split(min(size, _MOST_ROWS)))


def _use_one_thread() -> None:
    """OpenMP has a setting for each thread."""
    torch.set_num_threads(1)
