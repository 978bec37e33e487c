from __future__ import annotations

import threading

import pytest
import torch

from sdk_builder.runtime import blas


@pytest.fixture
def two_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(2)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def told(monkeypatch):
    numbers: list[int] = []
    monkeypatch.setattr(blas, "_mkl_setter", lambda: numbers.append)
    return numbers


def test_torch_has_its_threads_again_afterwards(two_threads, told):
    with blas.one_blas_thread():
        assert torch.get_num_threads() == 1
    assert torch.get_num_threads() == 2
    assert told == [1, 2]


def test_torch_has_its_threads_again_after_an_error(two_threads, told):
    with pytest.raises(RuntimeError), blas.one_blas_thread():
        raise RuntimeError
    assert torch.get_num_threads() == 2
    assert told == [1, 2]


@pytest.mark.skipif(not torch.backends.mkl.is_available(), reason="torch has no MKL")
def test_other_threads_are_reached(two_threads):
    import ctypes
    from pathlib import Path

    (library,) = (Path(torch.__file__).parent / "lib").glob("libtorch_cpu.*")
    mkl = ctypes.CDLL(str(library))

    def seen() -> int:
        found: list[int] = []
        thread = threading.Thread(target=lambda: found.append(mkl.mkl_get_max_threads()))
        thread.start()
        thread.join()
        return found[0]

    blas._mkl_setter()(2)
    with blas.one_blas_thread():
        assert seen() == 1
    assert seen() == 2
