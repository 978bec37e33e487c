"""The stage that finds quantized values: by rounding, or calibrated on text."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from torch import Tensor

from sdk_builder.errors import InputError, OutputError, UsageError
from sdk_builder.log import Steps
from sdk_builder.models.source_info import SourceFile, describe_file
from sdk_builder.pipeline.memory import trim
from sdk_builder.pipeline.request import ExportRequest, loses_by_attention
from sdk_builder.quantization.calibration import (
    Calibration,
    Progress,
    from_text,
    self_written,
    writing_dtype,
)
from sdk_builder.quantization.methods import calibrated, fingerprint, machine, recipe_of
from sdk_builder.quantization.schemes import Plan
from sdk_builder.quantization.source import QuantizedSource
from sdk_builder.quantization.store import TensorStore, calibrated_store, key_of
from sdk_builder.quantization.trained import TRAINED_FILE, trained_plan, trained_values

if TYPE_CHECKING:
    from sdk_builder.lowering.segments import ParameterSource
    from sdk_builder.models.checkpoint import Checkpoint
    from sdk_builder.models.tokenizer_assets import TokenizerAssets


@dataclass(frozen=True)
class Weights:
    """source: quantized parameters by name; method: "none", "rounding", "gptq" or "qat";
    calibration: None, "self" or a text's SHA-256; calibration_tokens: 0 for none; files: what was
    read besides the checkpoint's own."""

    source: ParameterSource
    method: str
    calibration: str | None = None
    calibration_tokens: int = 0
    files: tuple[SourceFile, ...] = ()


def chosen_method(request: ExportRequest, *, untrained: bool) -> str:
    """What "auto" means: calibration needs a model that has learned something."""
    if request.quant == "none":
        return "none"
    if request.method != "auto":
        return request.method
    return "rounding" if untrained else "gptq"


def find_weights(
    request: ExportRequest,
    checkpoint: Checkpoint,
    plan: Plan,
    tokenizer: TokenizerAssets,
    steps: Steps,
) -> Weights:
    """Quantized values as asked for. Raises InputError for a calibration text without use,
    CheckpointError, UsageError for trained values that are not there, and OutputError when the
    cache's disk is full."""
    trained = _trained(request, checkpoint, plan, steps)
    method = chosen_method(request, untrained=checkpoint.source.untrained)
    if trained is not None or method != "gptq":
        found = trained or Weights(QuantizedSource(checkpoint, plan), method)
        if request.calibration is not None and not loses_by_attention(request, checkpoint):
            steps.warn(
                f"{request.calibration} is not read: {found.method} needs no calibration text."
            )
        return found
    store = calibrated_store()
    try:
        calibration = _calibration(request, checkpoint, tokenizer, store, steps)
        with steps.step("Calibrating") as step:
            recipe = recipe_of(request.quant)
            progress = _trimming(step.progress)
            source = calibrated(checkpoint, plan, calibration, recipe, store, progress)
            step.result(f"Calibrated on {calibration.tokens} tokens")
    except OSError as error:
        raise OutputError(
            f"Cannot keep calibrated weights in {store.folder}: {error.strerror or error}.",
            "Free some space, or set SHAKTI_CACHE to another folder.",
        ) from error
    return Weights(source, method, calibration.origin, calibration.tokens)


def _trained(
    request: ExportRequest, checkpoint: Checkpoint, plan: Plan, steps: Steps
) -> Weights | None:
    """Values that training found for this plan, where they are asked for or there by chance.

    Raises UsageError where they are asked for and not there, CheckpointError.
    """
    if request.method not in ("auto", "qat"):
        return None
    folder: Path | None = getattr(checkpoint, "folder", None)
    if folder is not None and (values := trained_values(folder, plan, checkpoint)) is not None:
        return Weights(values, "qat", files=(describe_file(folder / TRAINED_FILE),))
    is_there = folder is not None and trained_plan(folder) is not None
    if request.method == "qat":
        if not is_there:
            raise UsageError(
                f"{request.model} has no values from training ({TRAINED_FILE}).",
                "Make them with shakti-sdk train qat, or leave --method out.",
            )
        raise UsageError(
            f"The values that {request.model} has from training are for other formats than these.",
            "Export with the --quant that it was trained for, or leave --method out.",
        )
    if is_there and request.quant != "none":
        steps.warn(
            f"The values that {request.model} has from training are for other formats than these: "
            "its float weights are quantized anew, which loses what the training won."
        )
    return None


def _calibration(
    request: ExportRequest,
    checkpoint: Checkpoint,
    tokenizer: TokenizerAssets,
    store: TensorStore,
    steps: Steps,
) -> Calibration:
    if request.calibration is not None:
        return from_text(*calibration_text(request.calibration, tokenizer))
    first = _first_token(tokenizer)
    key = key_of(
        kind="text", version=2, checkpoint=fingerprint(checkpoint), first=first, **machine()
    )
    entry = store.find(key)
    if entry is not None:
        return Calibration(entry.tensor("ids"), "self")
    with steps.step("Writing a text to calibrate with") as step:
        from sdk_builder.models.checkpoint import load_model

        model = load_model(checkpoint, writing_dtype())
        found = self_written(
            model.model, model.lm_head, checkpoint.config, first=first, progress=step.progress
        )
        step.result(f"The model wrote {found.tokens} tokens to calibrate with")
    del model
    trim()
    ids: Tensor = found.ids.contiguous()
    store.save(key, {"ids": ids})
    return found


def _trimming(progress: Progress) -> Progress:
    """`progress`, with freed memory given back between the layers that it tells of."""

    def told(done: int, total: int) -> None:
        trim()
        progress(done, total)

    return told


def calibration_text(path: Path, tokenizer: TokenizerAssets) -> tuple[str, list[int]]:
    """The text at `path`, and its ids. Raises InputError."""
    from tokenizers import Tokenizer

    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise InputError(f"Cannot read {path}: {error.strerror or error}.") from error
    except UnicodeDecodeError as error:
        raise InputError(
            f"{path} is not UTF-8 text (byte {error.start}).", "Convert it to UTF-8 first."
        ) from error
    encoder = Tokenizer.from_str(tokenizer.json_text)
    return text, encoder.encode(text, add_special_tokens=False).ids


def _first_token(tokenizer: TokenizerAssets) -> int:
    if tokenizer.bos_id is not None:
        return tokenizer.bos_id
    return tokenizer.eos_ids[0] if tokenizer.eos_ids else 0
