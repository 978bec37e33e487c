"""Checkpoint to verified bundle: the main job, stage by stage."""

from __future__ import annotations

import time
from pathlib import Path

from sdk_builder.bundle.reader import Bundle
from sdk_builder.bundle.writer import BundleWriter, write_zip
from sdk_builder.log import Steps
from sdk_builder.pipeline.describe import PROGRAM_FILE, TOKENIZER_FILE, Made, describe
from sdk_builder.pipeline.memory import keep_little, return_large_blocks
from sdk_builder.pipeline.request import DEFAULT_CONTEXT, ExportRequest, ExportResult
from sdk_builder.pipeline.stages import (
    check_request,
    check_size,
    compare_with_model,
    load_engine,
    lower_program,
    make_plan,
    measure_attention,
    open_model,
    prepare_text,
    record_golden,
    settle_attention,
)
from sdk_builder.pipeline.weights import find_weights


def export(
    model: str,
    output: str | Path,
    *,
    device: str = "android",
    quant: str = "q4",
    context_length: int = DEFAULT_CONTEXT,
    seed: int | None = None,
    tokenizer: Path | None = None,
    force: bool = False,
    verify: bool = True,
    steps: Steps | None = None,
) -> Bundle:
    """Turn a checkpoint into a verified bundle at `output`; see `ExportRequest`.

    Raises a ShaktiError of the family that fits (InputError, ExportError, VerificationError,
    OutputError); nothing is left at `output` then.
    """
    request = ExportRequest(
        model=model,
        output=Path(output),
        device=device,
        quant=quant,
        context_length=context_length,
        seed=seed,
        tokenizer=tokenizer,
        force=force,
        verify=verify,
    )
    return run_export(request, steps).bundle


def run_export(request: ExportRequest, steps: Steps | None = None) -> ExportResult:
    """The whole export as asked; a step line for each stage."""
    steps, started = steps or Steps.silent(), time.monotonic()
    scheme = check_request(request)
    keep_little()
    with BundleWriter(request.output, request.force) as writer:
        checkpoint = open_model(request, steps)
        request = settle_attention(request, checkpoint, steps)
        plan = make_plan(request, scheme, checkpoint)
        tokenizer, chat = prepare_text(checkpoint, steps)
        attention_ratio = measure_attention(request, checkpoint, tokenizer, steps)
        weights = find_weights(request, checkpoint, plan, tokenizer, steps)
        return_large_blocks()
        program = lower_program(
            request, checkpoint, weights, tokenizer, writer.path(PROGRAM_FILE), steps
        )
        check_size(program, scheme, checkpoint)
        writer.write_text(TOKENIZER_FILE, tokenizer.json_text)
        engine = load_engine(request, writer.path(PROGRAM_FILE))
        golden = record_golden(engine, tokenizer, chat, steps)
        quality = compare_with_model(
            request, checkpoint, weights, writer.path(PROGRAM_FILE), engine, golden, steps
        )
        engine.close()
        made = Made(
            request=request,
            checkpoint=checkpoint,
            scheme=scheme,
            plan=plan,
            weights=weights,
            program=program,
            program_sha256=writer.digest(PROGRAM_FILE)[1],
            tokenizer=tokenizer,
            tokenizer_sha256=writer.digest(TOKENIZER_FILE)[1],
            chat=chat,
            golden=golden,
            quality=quality.model_copy(update={"attention_ratio": attention_ratio}),
            duration_s=time.monotonic() - started,
        )
        with steps.step(f"Writing {request.output}"):
            bundle = writer.commit(describe(made))
    zip_path = _zip(request, steps) if request.zip else None
    return ExportResult(bundle, zip_path)


def _zip(request: ExportRequest, steps: Steps) -> Path:
    target = request.output.with_name(request.output.name + ".zip")
    with steps.step(f"Writing {target}"):
        return write_zip(request.output, target, request.force)
