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
from collections.abc import Iterable
from dataclasses import asdict
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
        cold, warm = _our_costs(job.subject)
    told = {
        "our export": "as users run it, golden prompts and numeric check included",
        "its export": "one, kept from when it was made",
    }
    facts = {"better": "lower", "peer_name": PEER, "conditions": told}
    for mark, title, ours, times in (
        ("cold", "export time, cold", cold, (5.0, 10.0)),
        ("warm", "export time, second format (q8), warm", warm, (15.0, 30.0)),
    ):
        floor, aim = (1 / one for one in times)
        yield job.compared(
            f"export_{mark}", title, [(ours.wall_s, peer.wall_s)],
            unit="s", floor=floor, aim=aim, **facts,
        )  # fmt: skip
    stack_mb = _stack_bytes() / MB
    above_mb = max(1e-3, cold.peak_mib * 2**20 / MB - stack_mb)
    yield job.compared(
        "export_memory",
        "export memory above Python, against fp32",
        [(above_mb, 4 * job.manifest.model.parameters / MB)],
        unit="MB",
        floor=1.5,
        aim=1.0,
        **{**facts, "peer_name": "size of the fp32 model"},
    )
    yield job.compared(
        "export_peak", "export, peak memory of the process",
        [(cold.peak_mib * 2**20 / MB, peer.peak_mib * 2**20 / MB)], unit="MB", **facts,
    )  # fmt: skip


def _our_costs(subject: Subject) -> tuple[ProcessCost, ProcessCost]:
    """A q4 export with an empty cache, then a q8 export with what that left in it."""
    with tempfile.TemporaryDirectory() as temporary:
        folder, cache = Path(temporary), Path(temporary) / "cache"
        cache.mkdir()
        sources = cache_dir() / "sources"
        if sources.is_dir():
            (cache / "sources").symlink_to(sources)
        argv = [sys.executable, "-m", "sdk_builder", "export", subject.source, "--quiet"]
        env = {**export_environment(), "SHAKTI_CACHE": str(cache)}
        cold = run_process([*argv, "--quant", "q4", "-o", str(folder / "q4")], env=env)
        warm = run_process([*argv, "--quant", "q8", "-o", str(folder / "q8")], env=env)
    return cold, warm


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
