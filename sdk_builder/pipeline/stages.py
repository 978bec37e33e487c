"""The stages of an export. Each takes what the one before it made and gives back a new value."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from math import prod
from pathlib import Path
from typing import TYPE_CHECKING

from sdk_builder.attention import RingCache
from sdk_builder.bundle.chat import ChatTurns, derive_turns
from sdk_builder.bundle.manifest import GoldenPrompt, Quality
from sdk_builder.errors import ExportError, InputError, TemplateError, UsageError, VerificationError
from sdk_builder.log import Steps
from sdk_builder.pipeline.request import LEAST_CONTEXT, ExportRequest, loses_by_attention
from sdk_builder.pipeline.weights import calibration_text
from sdk_builder.quantization.options import EMBEDDINGS, GROUP_SIZES, KV_FORMATS, METHODS
from sdk_builder.quantization.schemes import Plan, Scheme, adjust, find_scheme, plan_formats

if TYPE_CHECKING:
    from sdk_builder.lowering.lower import LoweredProgram
    from sdk_builder.models.checkpoint import Checkpoint
    from sdk_builder.models.tokenizer_assets import TokenizerAssets
    from sdk_builder.pipeline.weights import Weights
    from sdk_builder.runtime.engine import Engine

_SIZE_TOLERANCE = 0.05
# Delegates and records of models too small for a share of their weights to cover them.
_STRUCTURE_BYTES = 512 * 1024
_DEVICES = ("android", "host")


def check_request(request: ExportRequest) -> Scheme:
    """The scheme asked for. Raises UsageError for a device or scheme that is not there."""
    if request.device not in _DEVICES:
        raise UsageError(f"No device is called {request.device!r}.", "Use android or host.")
    if request.context_length < LEAST_CONTEXT:
        raise UsageError(
            f"A context of {request.context_length} is too short.", f"Use {LEAST_CONTEXT} or more."
        )
    if request.max_chunk < 1:
        raise UsageError(f"A chunk of {request.chunk} takes no token.", "Use 1 or more.")
    for what, found, known in (
        ("method", request.method, METHODS),
        ("KV cache format", request.kv, KV_FORMATS),
        ("group size", request.group_size, (None, *GROUP_SIZES)),
        ("embedding format", request.embedding, (None, *EMBEDDINGS)),
    ):
        if found not in known:
            choices = ", ".join(str(one) for one in known if one is not None)
            raise UsageError(f"No {what} is called {found!r}.", f"Use one of {choices}.")
    _require_layout(request)
    return adjust(find_scheme(request.quant), request.quant_options)


def open_model(request: ExportRequest, steps: Steps) -> Checkpoint:
    """Open what `request` names; weights are read later, one at a time. Raises InputError."""
    with steps.step(f"Opening {request.model}") as step:
        from sdk_builder.models.checkpoint import open_checkpoint

        checkpoint = open_checkpoint(request.model, seed=request.seed, tokenizer=request.tokenizer)
        config = checkpoint.config
        if request.context_length > config.max_position_embeddings:
            steps.warn(
                f"A context of {request.context_length} is more than the "
                f"{config.max_position_embeddings} positions that the model was made for."
            )
        millions = _parameters(checkpoint) / 1e6
        note = ", untrained" if checkpoint.source.untrained else ""
        step.result(f"Opened {checkpoint.source.name} ({millions:.1f} M parameters{note})")
    return checkpoint


def settle_attention(request: ExportRequest, checkpoint: Checkpoint, steps: Steps) -> ExportRequest:
    """The request with the model's own attention, unless it asks for another.

    Raises UsageError where the chunk asked for does not go with it.
    """
    own = checkpoint.config.pattern
    own_name = "full" if own is None else str(own)
    settled = replace(request, attention=request.attention or own_name)
    if loses_by_attention(settled, checkpoint):
        steps.warn(
            f"The model was trained with attention {own_name}: with {settled.attention} it loses "
            "quality. "
            + ("" if request.calibration else "See how much with --calibration TEXT or eval.")
        )
    _require_layout(settled)
    return settled


def _require_layout(request: ExportRequest) -> None:
    """Raise UsageError where the attention's blocks do not go with the chunk."""
    if request.pattern is not None:
        RingCache(request.pattern, request.max_chunk)


def _parameters(checkpoint: Checkpoint) -> int:
    from sdk_builder.models.layout import parameter_shapes

    return sum(prod(shape) for shape in parameter_shapes(checkpoint.config).values())


def make_plan(request: ExportRequest, scheme: Scheme, checkpoint: Checkpoint) -> Plan:
    """The format of each tensor."""
    from sdk_builder.models.layout import parameter_shapes

    return plan_formats(scheme, parameter_shapes(checkpoint.config), embedding=request.embedding)


def prepare_text(checkpoint: Checkpoint, steps: Steps) -> tuple[TokenizerAssets, ChatTurns | None]:
    """The tokenizer, and the chat turns unless there are none. Raises TokenizerError."""
    tokenizer = checkpoint.tokenizer()
    if tokenizer.chat_template is None:
        return tokenizer, None
    eos = tokenizer.eos_tokens[0] if tokenizer.eos_tokens else ""
    try:
        chat = derive_turns(
            tokenizer.chat_template, bos_token=tokenizer.bos_token or "", eos_token=eos
        )
    except TemplateError as error:
        steps.warn(f"No chat turns: {error.message} The bundle completes plain text only.")
        return tokenizer, None
    return tokenizer, chat


def lower_program(
    request: ExportRequest,
    checkpoint: Checkpoint,
    weights: Weights,
    tokenizer: TokenizerAssets,
    path: Path,
    steps: Steps,
) -> LoweredProgram:
    """Write the program to `path`. Raises CheckpointError (bad weights) and ExportError."""
    with steps.step(f"Quantizing to {request.quant} and lowering") as step:
        from sdk_builder.lowering.lower import LoweringOptions, lower

        options = LoweringOptions(
            context_length=request.positions,
            max_chunk=request.max_chunk,
            kv=request.kv,
            pattern=request.pattern,
            bos_id=tokenizer.bos_id,
            eos_ids=tokenizer.eos_ids,
        )
        program = lower(checkpoint.config, weights.source, path, options, progress=step.progress)
        step.result(
            f"Quantized to {request.quant} and lowered to {program.delegates} delegates, "
            f"{program.size_bytes / 1e6:.1f} MB"
        )
    return program


def load_engine(request: ExportRequest, path: Path) -> Engine:
    """Load the program as it will be used. Raises SessionError."""
    from sdk_builder.runtime.engine import ExecutorchEngine

    return ExecutorchEngine(
        path,
        context_length=request.positions,
        max_chunk=request.max_chunk,
        ring=request.ring,
    )


def record_golden(
    engine: Engine, tokenizer: TokenizerAssets, chat: ChatTurns | None, steps: Steps
) -> tuple[GoldenPrompt, ...]:
    """Run the golden prompts and record what the program answers."""
    from tokenizers import Tokenizer

    from sdk_builder.verify.golden import GOLDEN_TOKENS, golden_texts, make_golden

    encoder = Tokenizer.from_str(tokenizer.json_text)
    room = engine.context_length - GOLDEN_TOKENS + 1  # the last token is not fed back
    # Chat turns bring their own; the same rule as in a session.
    begin = [tokenizer.bos_id] if chat is None and tokenizer.add_bos else []

    def encode(text: str) -> list[int]:
        ids: list[int] = encoder.encode(text, add_special_tokens=False).ids
        return [*(one for one in begin if one is not None), *ids][:room]

    with steps.step("Running the golden prompts") as step:
        golden = make_golden(engine, golden_texts(chat), encode)
        step.result(f"Recorded {len(golden)} golden prompts")
    return golden


def compare_with_model(
    request: ExportRequest,
    checkpoint: Checkpoint,
    weights: Weights,
    program: Path,
    engine: Engine,
    golden: tuple[GoldenPrompt, ...],
    steps: Steps,
) -> Quality:
    """Compare with the stored weights (must agree) and the float model (is reported).

    The engine is closed once it has answered.

    Raises VerificationError where the program at `program` does not hold its weights, or does not
    compute them.
    """
    if not request.verify:
        return Quality(note="not compared with the model")
    with steps.step("Comparing with the model") as step:
        from sdk_builder.lowering.unpack import StoredProgram
        from sdk_builder.verify.agreement import (
            check_lowering,
            collect,
            compare_both,
            program_logits,
        )
        from sdk_builder.verify.packing import require_packed

        found = collect(golden, partial(program_logits, engine))
        engine.close()  # its packed weights and caches make room for the model's
        stored = StoredProgram(program, checkpoint.config)
        require_packed(stored, weights.source)
        lowering, quality = compare_both(found, golden, checkpoint, stored, request.ring)
        result = check_lowering(lowering, exact=request.quant == "none" and request.kv == "fp32")
        if result.status == "fail":
            raise VerificationError(
                f"the program does not compute its model: {result.detail}",
                "this is a defect of the lowering; please report it with the model's config",
            )
        step.result(
            f"Program computes its weights (cosine {lowering.cosine:.5f}); "
            f"KL to the float model {quality.kl:.4f} nats"
        )
    return Quality(
        kl=round(max(quality.kl, 0.0), 6),
        logit_cosine=round(quality.cosine, 6),
        max_abs_error=round(lowering.max_abs_error, 6),
        note="on the golden prompts; max_abs_error: against the stored weights in PyTorch",
    )


def measure_attention(
    request: ExportRequest, checkpoint: Checkpoint, tokenizer: TokenizerAssets, steps: Steps
) -> float | None:
    """What another attention than the model's own loses, as a ratio of perplexities; None where
    there is no text to measure it on. Raises InputError."""
    if request.calibration is None or not loses_by_attention(request, checkpoint):
        return None
    with steps.step("Measuring what the attention loses") as step:
        from sdk_builder.verify.attention_loss import perplexity_ratio

        limit = min(request.context_length, checkpoint.config.max_position_embeddings)
        ids = calibration_text(request.calibration, tokenizer)[1][:limit]
        if len(ids) < 2:
            raise InputError(f"{request.calibration} has no two tokens.", "Give a longer text.")
        ratio = perplexity_ratio(checkpoint, ids, request.pattern)
        step.result(
            f"Attention {request.attention}: {ratio:.3f} x the perplexity of the model's own on "
            f"{len(ids)} tokens of {request.calibration}"
        )
    return round(ratio, 4)


def check_size(program: LoweredProgram, scheme: Scheme, checkpoint: Checkpoint) -> None:
    """Raise ExportError where the file is larger than its scheme promises."""
    parameters = _parameters(checkpoint)
    promised = scheme.nominal_bits * parameters / 8
    if program.size_bytes > promised + max(_SIZE_TOLERANCE * promised, _STRUCTURE_BYTES):
        raise ExportError(
            f"the program has {program.size_bytes} bytes, {scheme.name} promises "
            f"{promised:.0f} and {_SIZE_TOLERANCE:.0%} more at most",
            "this is a defect of the quantization plan; please report it with the command",
        )
