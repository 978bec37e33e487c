"""Beside export_llm: what an export costs, and how fast the two programs are.

Its export is made once and kept, with what it cost, since it takes minutes to hours. Ours is
measured anew: cold, with nothing in the cache but the downloaded source, then warm, in another
format from the cache that the first one left.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from export_vs_export_llm import measure
from measuring import ProcessCost, run_process

from sdk_builder.benchmark.side_by_side import Comparison
from sdk_builder.cache import cache_dir

from . import export_llm
from .running import export_environment
from .subjects import Job, Subject

PEER = "export_llm 8da4w"
MB = 1e6  # bytes
_CHUNK = 128
_REPETITIONS = 3
# What every export of ours imports, whatever the model: its memory is Python's, not the export's.
_STACK = """
import psutil
import sdk_builder.cli.installed, sdk_builder.pipeline.export, sdk_builder.lowering.lower
import sdk_builder.quantization.schemes, sdk_builder.models.modeling, sdk_builder.verify
print(psutil.Process().memory_info().rss)
"""


def program(subject: Subject) -> Path:
    """Where export_llm's program of the subject is kept."""
    return subject.folder / "export_llm.pte"


def _cost_file(subject: Subject) -> Path:
    return subject.folder / "export_llm.cost.json"


def _peer_cost(job: Job) -> ProcessCost:
    """What export_llm's export took; exports where that is not known. May take hours."""
    subject, cost_file = job.subject, _cost_file(job.subject)
    if not (program(subject).is_file() and cost_file.is_file()):
        context = job.manifest.program.context_length
        with job.steps.step("Exporting with export_llm (minutes to hours)"):
            export_llm.write_checkpoint(subject.checkpoint(), subject.folder)
            cost = export_llm.export(
                subject.folder, program(subject).name, context=context, chunk=_CHUNK
            )
        cost_file.write_text(json.dumps(asdict(cost)), encoding="utf-8")
    return ProcessCost(**json.loads(cost_file.read_text(encoding="utf-8")))


def cost(job: Job) -> Iterable[Comparison]:
    """Time and memory of an export, cold and warm, against export_llm's."""
    peer = _peer_cost(job)
    with job.steps.step("Exporting with shakti-sdk, cold and warm"):
        found = _our_costs(job.subject)
    stack_mb = _stack_bytes() / MB
    fp32_mb = 4 * job.manifest.model.parameters / MB
    told = {
        "our export": "as users run it, golden prompts and numeric check included",
        "by rounding": "what export_llm does, too; calibration looks at 16,384 tokens besides",
        "its export": "one, kept from when it was made",
    }
    for mark, title, ours, times in (
        ("cold", "export time, by rounding, cold", found.cold, (5.0, 10.0)),
        ("warm", "export time, second format (q8), by rounding", found.warm, (15.0, 30.0)),
        (
            "calibrated",
            "export time, calibrated (the default), cold",
            found.calibrated,
            (5.0, 10.0),
        ),
    ):
        yield job.compared(
            f"export_{mark}",
            title,
            [(one.wall_s, peer.wall_s) for one in ours],
            unit="s",
            better="lower",
            floor=1 / times[0],
            aim=1 / times[1],
            peer_name=PEER,
            conditions=told,
        )
    for mark, title, ours in (
        ("", "by rounding", found.cold),
        ("_calibrated", "calibrated", found.calibrated),
    ):
        yield job.compared(
            f"export_memory{mark}",
            f"export memory above Python, {title}, against fp32",
            [(max(1e-3, one.peak_mib * 2**20 / MB - stack_mb), fp32_mb) for one in ours],
            unit="MB",
            better="lower",
            floor=1.5,
            aim=1.0,
            peer_name="size of the fp32 model",
        )
        yield job.compared(
            f"export_peak{mark}",
            f"export, peak memory of the process, {title}",
            [(one.peak_mib, peer.peak_mib) for one in ours],
            unit="MiB",
            better="lower",
            peer_name=PEER,
        )


@dataclass(frozen=True)
class _OurCosts:
    """cold: q4 by rounding with an empty cache; warm: q8 with what that left in it."""

    cold: list[ProcessCost]
    warm: list[ProcessCost]
    calibrated: list[ProcessCost]


def _our_costs(subject: Subject) -> _OurCosts:
    cold, warm = [], []
    for _ in range(_REPETITIONS):
        with _empty_cache() as folder:
            cold.append(_our_export(subject, folder, "q4", "rounding"))
            warm.append(_our_export(subject, folder, "q8", "rounding"))
    with _empty_cache() as folder:
        return _OurCosts(cold, warm, [_our_export(subject, folder, "q4", "gptq")])


def _our_export(subject: Subject, folder: Path, quant: str, method: str) -> ProcessCost:
    argv = [sys.executable, "-m", "sdk_builder", "export", subject.source, "--quiet"]
    env = {**export_environment(), "SHAKTI_CACHE": str(folder / "cache")}
    asked = ["--quant", quant, "--method", method, "-o", str(folder / f"{quant}-{method}")]
    return run_process([*argv, *asked, "--attention", "full"], env=env)


@contextmanager
def _empty_cache() -> Iterator[Path]:
    """A folder with a cache that holds downloaded sources and nothing else."""
    with tempfile.TemporaryDirectory() as temporary:
        cache = Path(temporary) / "cache"
        cache.mkdir()
        sources = cache_dir() / "sources"
        if sources.is_dir():
            (cache / "sources").symlink_to(sources)
        yield Path(temporary)


def _stack_bytes() -> int:
    done = subprocess.run(
        [sys.executable, "-c", _STACK],
        env=export_environment(),
        capture_output=True,
        text=True,
        check=True,
    )
    return int(done.stdout)


def program_speed(job: Job) -> Iterable[Comparison]:
    """Our program against export_llm's of the same weights, both in this process."""
    _peer_cost(job)
    pairs = max(10, job.pairs)
    with job.steps.step("Timing beside export_llm's program"):
        found = measure(job.program, program(job.subject), pairs)
    for kind, ratio in found.items():
        floor, aim = (1.1, 1.3) if kind == "decode" else (None, None)
        yield Comparison(
            measure=f"{kind}_export_llm",
            title=f"{kind}, against export_llm's program",
            model=job.subject.name,
            unit="tokens/s",
            ours=ratio.ours,
            peer=ratio.theirs,
            peer_name=PEER,
            ratio=ratio.median,
            low=ratio.low_quartile,
            high=ratio.high_quartile,
            repetitions=pairs,
            better="higher",
            floor=floor,
            aim=aim,
            conditions={"export_llm speeds": "64 tokens decoded; a prompt of 127"},
        )
