"""What is measured: each model as our bundle and as llama.cpp's files."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timezone
from importlib.metadata import version
from pathlib import Path

import psutil

from sdk_builder.benchmark.side_by_side import Comparison, paired
from sdk_builder.bundle.manifest import Manifest
from sdk_builder.bundle.reader import Bundle
from sdk_builder.cache import cache_dir
from sdk_builder.log import Steps
from sdk_builder.models import open_checkpoint
from sdk_builder.models.checkpoint import Checkpoint
from sdk_builder.process import run

from .gguf_model import FloatType, write_gguf
from .llama_cpp import LlamaCpp, processor
from .running import export_environment

_TIMEOUT_S = 3600.0
_LOOK_S = 0.3


@dataclass(frozen=True)
class Subject:
    """A model: `source` is what `open_checkpoint` and `shakti-sdk export` take."""

    name: str
    source: str
    folder: Path  # holds what is made of it

    def checkpoint(self) -> Checkpoint:
        return open_checkpoint(self.source)

    def gguf(self, peer: LlamaCpp, kind: str, *, pure: bool = False, base: FloatType) -> Path:
        """llama.cpp's file of the model in format `kind`, made by llama-quantize if need be.

        base: what it is quantized from. pure: every tensor in that format, embedding included;
        without it llama-quantize stores some tensors better.
        """
        path = self.folder / f"{kind.lower()}{'-pure' if pure else ''}-of-{base}.gguf"
        if not path.is_file():
            part = path.with_suffix(".part")
            argv = [peer.program("llama-quantize"), *(["--pure"] if pure else [])]
            run(
                [*argv, self.float_gguf(base), part, kind],
                timeout_s=_TIMEOUT_S,
                what=f"quantizing {self.name} to {kind}",
            )
            part.replace(path)
        return path

    def float_gguf(self, kind: FloatType) -> Path:
        """The model unquantized, made if need be."""
        path = self.folder / f"{kind}.gguf"
        return path if path.is_file() else write_gguf(self.checkpoint(), path, kind)

    def bundle(self, quant: str, given: Path | None, steps: Steps) -> Path:
        """`given`, or else the model exported now."""
        if given is not None:
            return given
        path = self.folder / f"bundle-{quant}"
        argv = [sys.executable, "-m", "sdk_builder", "export", self.source, "--quant", quant]
        argv += ["--attention", "full"]  # as the peers have it
        with steps.step(f"Exporting {self.name} as {quant}"):
            run(
                [*argv, "-o", path, "--force", "--quiet"],
                timeout_s=_TIMEOUT_S,
                what=f"exporting {self.name}",
                env=export_environment(),
            )
        return path


@dataclass(frozen=True)
class Job:
    """What all measures need."""

    subject: Subject
    bundle: Path
    peer: LlamaCpp
    q4_0: Path
    pairs: int
    steps: Steps
    busy: list[float] = field(default_factory=list)  # share of all cores, before each pair

    @property
    def manifest(self) -> Manifest:
        return Bundle.open(self.bundle).manifest

    @property
    def program(self) -> Path:
        return self.bundle / self.manifest.program.file

    def compared(
        self, measure: str, title: str, pairs: list[tuple[float, float]], **facts: object
    ) -> Comparison:
        named = {"model": self.subject.name, "peer_name": "llama.cpp Q4_0", **facts}
        return paired(measure, pairs, title=title, **named)  # type: ignore[arg-type]


def rounds(job: Job, title: str) -> Iterable[int]:
    """The pairs' numbers, with progress; notes before each how busy others keep the machine."""
    with job.steps.step(f"{title}, {job.pairs} pairs") as step:
        for index in range(job.pairs):
            job.busy.append(psutil.cpu_percent(interval=_LOOK_S) / 100)
            yield index
            step.progress(index + 1, job.pairs)


def subject(name: str, source: str) -> Subject:
    """A subject in the cache folder, so that the peer's files are made once."""
    folder = cache_dir() / "peers" / "models" / name
    folder.mkdir(parents=True, exist_ok=True)
    return Subject(name, source, folder)


def utc_now() -> str:
    return datetime.now(timezone.utc).isoformat(timespec="seconds").replace("+00:00", "Z")


def machine() -> str:
    """The processor and its cores."""
    lines = processor().splitlines()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    name = names[0] if names else platform.machine()
    return f"{name}, {os.cpu_count()} cores, {platform.system()}"


def versions(peer: LlamaCpp | None) -> dict[str, str]:
    """Of everything that takes part."""
    told = {name: version(name) for name in ("executorch", "torch", "torchao", "shakti-sdk")}
    return told if peer is None else {**told, "llama.cpp": peer.version}
