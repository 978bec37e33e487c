"""What ended a training, as one line for people."""

from __future__ import annotations

import errno
import os
import re
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch
from safetensors import SafetensorError

from sdk_builder import interrupts
from sdk_builder.errors import (
    DiskFullError,
    Interrupted,
    MemoryShortError,
    OutputError,
    ShaktiError,
    output_error,
)
from sdk_builder.models.source_info import first_line
from sdk_builder.training.checkpoints import remove_unmarked, step_of
from sdk_builder.training.processes import is_first
from sdk_builder.training.watch import Watch

REDUCE = "micro_batch_size or sequence_length, or set gradient_checkpointing to true"
_OS_ERROR = re.compile(r"os error (\d+)")
_NO_ROOM_BYTES = 4 << 20
_NO_MEMORY = ("can't allocate memory", "out of memory", "not enough memory")


@contextmanager
def explained(folder: Path, watch: Watch) -> Iterator[None]:
    """Turn what a trainer raises inside into our errors; what nobody foresaw stays as it is.

    Whatever happens, no checkpoint that was cut short stays behind.
    """
    try:
        yield
    except ShaktiError:
        raise
    except KeyboardInterrupt as error:
        raise _interrupted(watch) from error
    except Exception as error:
        if interrupts.is_ctrl_c(error):
            raise _interrupted(watch) from error
        found = explanation(error, folder, watch)
        if found is None:
            raise
        raise found from error
    finally:
        if is_first():
            remove_unmarked(folder)


def explanation(error: Exception, folder: Path, watch: Watch) -> ShaktiError | None:
    """The ShaktiError behind an exception, or None where it is a bug."""
    if _is_out_of_memory(error):
        return MemoryShortError(
            f"Out of memory at step {watch.step + 1}.", f"Reduce {REDUCE}. {_go_on(watch)}"
        )
    if not watch.saving or not isinstance(error, (OSError, RuntimeError, SafetensorError)):
        return None
    cause = _os_error(error) or _full(folder)
    shown = folder / f"checkpoint-{watch.step}"
    if cause is not None:
        wrong = output_error(cause, shown)
    else:
        torchs = "inline_container" in str(error)  # whose message is of positions in its own file
        reason = "the system took no more of it" if torchs else first_line(error)
        wrong = OutputError(f"Cannot write {shown}: {reason}.")
    hint = "Free some space there" if isinstance(wrong, DiskFullError) else "Mend that"
    return type(wrong)(wrong.message, f"{hint}, then run the same command again. {_go_on(watch)}")


def _is_out_of_memory(error: Exception) -> bool:
    if isinstance(error, (MemoryError, torch.OutOfMemoryError)):
        return True
    text = str(error).casefold()
    return isinstance(error, RuntimeError) and any(one in text for one in _NO_MEMORY)


def _os_error(error: BaseException | None) -> OSError | None:
    """The system's error at the bottom of it, also where a library kept only its text."""
    while error is not None:
        if isinstance(error, OSError) and error.errno is not None:
            return error
        if found := _OS_ERROR.search(str(error)):
            number = int(found[1])
            return OSError(number, os.strerror(number))
        error = error.__cause__ or error.__context__
    return None


def _full(folder: Path) -> OSError | None:
    """torch does not say why it could not write; a disk without room is why."""
    try:
        free = shutil.disk_usage(folder).free
    except OSError:
        return None
    return OSError(errno.ENOSPC, "") if free < _NO_ROOM_BYTES else None


def _interrupted(watch: Watch) -> Interrupted:
    return Interrupted(f"Stopped at step {watch.step}.", _go_on(watch))


def _go_on(watch: Watch) -> str:
    if watch.last_good is None:
        return "There is no checkpoint yet: the same command starts from the beginning."
    return f"The same command goes on from step {step_of(watch.last_good)}."
