"""Data sets of the Hugging Face hub, streamed through `datasets`, which is imported when needed."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from typing import Any

from sdk_builder.errors import DataError, NetworkError, UsageError
from sdk_builder.rows.needs import package
from sdk_builder.rows.row import Origin, Row

HUB = "hub:"
_NAME = re.compile(
    r"(?P<id>[\w.-]+/[\w.-]+)"
    r"(?:/(?P<config>[^:@]+))?(?::(?P<split>[^:@]+))?(?:@(?P<revision>[^@]+))?"
)
_OFFLINE = {"ConnectError", "ConnectionError", "ConnectTimeout", "OfflineModeIsEnabled"}


@dataclass(frozen=True)
class HubName:
    """What ``hub:OWNER/NAME[/CONFIG][:SPLIT][@REVISION]`` names."""

    id: str
    config: str | None = None
    split: str = "train"
    revision: str | None = None

    def __str__(self) -> str:
        config = f"/{self.config}" if self.config else ""
        revision = f"@{self.revision}" if self.revision else ""
        return f"{HUB}{self.id}{config}:{self.split}{revision}"


def parse_hub(spec: str) -> HubName:
    """``hub:OWNER/NAME[/CONFIG][:SPLIT][@REVISION]``. Raises UsageError."""
    found = _NAME.fullmatch(spec.removeprefix(HUB))
    if not found:
        raise UsageError(
            f"{spec} names no data set of the hub.",
            "Write hub:OWNER/NAME, hub:OWNER/NAME:SPLIT or hub:OWNER/NAME/CONFIG:SPLIT.",
        )
    return HubName(found["id"], found["config"], found["split"] or "train", found["revision"])


def load_stream(name: HubName) -> Any:
    """The `datasets.IterableDataset`. Raises DataError, NetworkError, MissingPackageError."""
    datasets = package("datasets", "Reading data sets of the hub")
    try:
        with _quiet_retries():
            return datasets.load_dataset(
                name.id, name.config, split=name.split, revision=name.revision, streaming=True
            )
    except Exception as error:
        raise _hub_error(name, error) from error


@contextmanager
def _quiet_retries() -> Iterator[None]:
    """Without a line for each of huggingface_hub's attempts; what came of them is an error."""
    logger = logging.getLogger("huggingface_hub")
    before = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(before)


def _hub_error(name: HubName, error: Exception) -> DataError | NetworkError:
    """datasets and what is below it raise many kinds, some only named in the message."""
    said = (str(error) or type(error).__name__).splitlines()[0].rstrip(".")
    if isinstance(error, ConnectionError) or type(error).__name__ in _OFFLINE:
        return NetworkError(
            f"{name} cannot be reached: {said}.", "Check the network, or give a local copy."
        )
    return DataError(
        f"{name} cannot be read: {said}.",
        "Check its name, configuration and split; some need a login: hf auth login",
    )


@dataclass(frozen=True)
class Hub:
    """A data set of the hub. load: what opens it; the result has `skip`, as datasets' streams."""

    hub: HubName
    load: Callable[[HubName], Any] = load_stream

    @property
    def name(self) -> str:
        return str(self.hub)

    def rows(self, skip: int = 0, epoch: int = 0) -> Iterator[Row]:
        stream = self.load(self.hub)
        found = iter(stream.skip(skip) if skip else stream)
        for number in count(skip + 1):
            try:
                fields = next(found)
            except StopIteration:
                return
            except Exception as error:
                raise _hub_error(self.hub, error) from error
            yield Row(Origin(self.name, number), fields)

    def sample(self) -> Iterator[Row]:
        return self.rows()
