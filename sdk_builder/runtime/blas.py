"""Threads of the BLAS that the attention kernel calls on this machine.

The kernel's workers are the runtime's own pool. In the Python package on x86 each of them calls the
MKL inside torch, which starts a team of its own: more threads than processors, most of them
waiting. Android's build of the kernel calls Eigen, which has no threads, and is not concerned.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

import torch


@contextmanager
def one_blas_thread() -> Iterator[None]:
    """Keep BLAS on one thread a caller inside the block; torch's own number returns after it."""
    threads = torch.get_num_threads()
    if threads == 1:
        yield
        return
    set_for_all = _mkl_setter()
    set_for_all(1)
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(threads)
        set_for_all(threads)


@cache
def _mkl_setter() -> Callable[[int], object]:
    """MKL's number of threads for the process; torch's own setting reaches the calling thread only.

    Where torch has another BLAS, or keeps the function to itself, nothing is set.
    """
    libraries = sorted((Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*"))
    for library in libraries:
        try:
            function = ctypes.CDLL(str(library)).mkl_serv_set_num_threads
        except (OSError, AttributeError):
            continue
        function.argtypes, function.restype = [ctypes.c_int], None
        return function
    return lambda threads: None
