"""Which of the run's processes this one is, by what torchrun and accelerate put into the
environment; one process alone without them."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

_Made = TypeVar("_Made")


def _number(name: str, default: int) -> int:
    try:
        return int(os.environ[name])
    except (KeyError, ValueError):
        return default


def world_size() -> int:
    """Processes of the run, on all machines."""
    return max(1, _number("WORLD_SIZE", 1))


def rank() -> int:
    """This one's number among them."""
    return _number("RANK", 0)


def local_rank() -> int:
    """This one's number on its machine."""
    return _number("LOCAL_RANK", 0)


def local_world_size() -> int:
    """Processes on this machine."""
    return max(1, _number("LOCAL_WORLD_SIZE", world_size()))


def is_first() -> bool:
    """Whether this is the one process that prints and writes."""
    return rank() == 0


def wait_for_all() -> None:
    """Return when every process has come here; at once where there is only one."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.barrier()


def claim_device() -> None:
    """Make this process's GPU the current one, before anything is asked of a GPU: each process that
    asks takes some memory of the one that it asks."""
    import torch

    if torch.cuda.is_available() and local_rank() < torch.cuda.device_count():
        torch.cuda.set_device(local_rank())


def part() -> None:
    """The processes need no longer know of each other."""
    import torch

    if torch.distributed.is_available() and torch.distributed.is_initialized():
        torch.distributed.destroy_process_group()


def meet(arguments: Mapping[str, Any]) -> None:
    """Let the processes know of each other, in the way that the trainer will use."""
    if world_size() > 1:
        from transformers import TrainingArguments

        assert TrainingArguments(**arguments).device is not None  # asking for it is what does it


def share(make: Callable[[], _Made]) -> _Made:
    """What `make` returns in the first process, in all of them; it runs there alone.

    Raises what `make` raises, in all of them.
    """
    import torch

    if world_size() == 1:
        return make()
    import torch.distributed as dist

    if not dist.is_initialized():
        raise RuntimeError("processes are shared with before they know of each other")
    box: list[Any] = [None, None]
    if is_first():
        try:
            box[0] = make()
        except Exception as error:
            box[1] = error
    device = torch.device("cuda", local_rank()) if dist.get_backend() == "nccl" else None
    dist.broadcast_object_list(box, src=0, device=device)
    if box[1] is not None:
        raise box[1]
    return box[0]
