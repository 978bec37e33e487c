"""A whole tuning: from what the user asked to rows, a plot and the command to give next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import ShaktiError
from sdk_builder.log import Steps
from sdk_builder.pipeline.request import DEFAULT_CONTEXT
from sdk_builder.tuning.choice import Row
from sdk_builder.tuning.files import put
from sdk_builder.tuning.identity import conditions_of, encode, read_text
from sdk_builder.tuning.records import TrialStore
from sdk_builder.tuning.request import Tuned, TuneRequest
from sdk_builder.tuning.search import Found, Search
from sdk_builder.tuning.space import Planned, default_axes, full_axes, plan_space

_WINDOW = 1024


def run_tune(request: TuneRequest, steps: Steps | None = None) -> Tuned:
    """Search, and write `front.png`, `front.svg` and `trials.jsonl` into the output folder.

    Raises ShaktiError where nothing can be tried: an unreadable model or text, a contradiction. A
    search without a candidate within the limits is a result like others.
    """
    from sdk_builder.models.checkpoint import open_checkpoint
    from sdk_builder.models.layout import parameter_shapes
    from sdk_builder.tuning.measure import QUICK_SPEED, SpeedPlan
    from sdk_builder.tuning.trials import ExportRunner, Setup

    steps = steps or Steps.silent()
    text = read_text(request)
    with steps.step(f"Opening {request.model}") as step:
        checkpoint = open_checkpoint(request.model, seed=request.seed, tokenizer=request.tokenizer)
        assets = checkpoint.tokenizer()
        ids = encode(assets, text, request)
        window = min(_WINDOW, request.context_length, len(ids))
        conditions = conditions_of(request, checkpoint, assets, ids, window)
        space = _space(request, parameter_shapes(checkpoint.config))
        step.result(f"Opened {checkpoint.source.name}: {len(space)} candidates")
    setup = Setup(
        request=request.export,
        checkpoint=checkpoint,
        ids=ids,
        window=window,
        stride=max(1, window // 2),
        speed=QUICK_SPEED if request.quick else SpeedPlan(),
        reference_key=conditions.reference_key(),
        folder=request.output,
    )
    runner = ExportRunner(setup, steps)
    store = TrialStore(request.output / "trials.jsonl", fresh=request.again)
    search = Search(
        runner,
        store,
        conditions,
        request.limits,
        steps,
        keep=request.keep,
        exhaustive=request.exhaustive,
        with_speed=request.with_speed,
    )
    found = search.run(space)
    best = found.recommended
    return Tuned(
        found=found,
        plots=_plots(request, checkpoint.source.name, found, steps),
        command=_command(request, best) if best else "",
        bundle=_kept(runner.bundle_path(best.planned.candidate), best) if best else None,
        trials=store.path,
    )


def _space(request: TuneRequest, shapes: Mapping[str, tuple[int, ...]]) -> Sequence[Planned]:
    axes = full_axes() if request.full else default_axes()
    if request.quick:
        axes = replace(axes, quants=axes.quants[:1])
    axes = axes.choose(
        quants=request.quants,
        methods=request.methods,
        group_sizes=request.group_sizes,
        embeddings=request.embeddings,
        budgets=request.bits,
        kvs=request.kvs,
    )
    return plan_space(axes, shapes, full=request.full)


def _kept(path: Path, best: Row) -> Path | None:
    """`path` if the bundle there is the one that was measured, not an earlier search's."""
    try:
        with Bundle.open(path) as bundle:
            found = bundle.manifest.program.sha256
    except ShaktiError:
        return None
    return path if best.measured and found == best.measured.program_sha256 else None


def _plots(request: TuneRequest, name: str, found: Found, steps: Steps) -> tuple[Path, ...]:
    """`front.png` and `front.svg`, where there is something to show."""
    if not any(row.measured for row in found.rows):
        return ()
    from sdk_builder.report.style import to_png, to_svg
    from sdk_builder.tuning.plot import draw_front

    with steps.step("Drawing the front"):
        figure = draw_front(name, found.rows, found.recommended, request.limits)
        files = {"front.png": to_png(figure), "front.svg": to_svg(figure, "front")}
        for file_name, data in files.items():
            put(request.output / file_name, partial(_write, data))
    return tuple(request.output / file_name for file_name in files)


def _command(request: TuneRequest, best: Row) -> str:
    """The export of the recommended candidate as a command."""
    others: list[str] = []
    if request.context_length != DEFAULT_CONTEXT:
        others += ["--context", str(request.context_length)]
    for name in ("seed", "tokenizer", "calibration"):
        value: Any = getattr(request, name)
        others += [] if value is None else [f"--{name}", str(value)]
    return best.planned.candidate.command(request.model, *others)


def _write(data: bytes, path: Path) -> None:
    path.write_bytes(data)
