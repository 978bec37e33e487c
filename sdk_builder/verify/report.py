"""All checks of a bundle, in the order in which they make sense."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from sdk_builder.bundle.checks import CheckResult, check_files
from sdk_builder.bundle.manifest import ModelInfo
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import InputError
from sdk_builder.log import Steps
from sdk_builder.runtime.engine import Engine, ExecutorchEngine
from sdk_builder.verify.agreement import (
    check_lowering,
    check_origin,
    collect,
    compare_both,
    program_logits,
)
from sdk_builder.verify.golden import check_golden

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Checkpoint, Parameters
    from sdk_builder.models.config import ShaktiConfig


@dataclass(frozen=True)
class VerifyReport:
    """Results in the order of the checks; `ok` when none failed."""

    results: tuple[CheckResult, ...]

    @property
    def ok(self) -> bool:
        return all(result.status != "fail" for result in self.results)


def verify_bundle(
    bundle: Bundle, *, against: str | None = None, steps: Steps | None = None
) -> VerifyReport:
    """Check files, operators, golden tokens and, with `against`, the float model's logits.

    against: what the bundle was exported from (name, folder or file). A damaged bundle is reported,
    not raised; a damaged checkpoint raises InputError.
    """
    steps = steps or Steps.silent()
    with steps.step("Checking files"):
        results = check_files(bundle)
    if any(result.status == "fail" for result in results):
        skipped = CheckResult("program", "skipped", "not run: the files are damaged")
        return VerifyReport((*results, skipped))
    with steps.step("Loading the program"):
        results.append(check_operators(bundle))
        engine = ExecutorchEngine.of(bundle)
    with steps.step("Running the golden prompts"):
        exact = bundle.manifest.quantization.exact
        results += check_golden(engine, bundle.manifest.golden, exact=exact)
    if against is None:
        results.append(
            CheckResult("agreement with the model", "skipped", "give --against MODEL to compare")
        )
    else:
        results += _check_against(bundle, engine, against, steps)
    return VerifyReport(tuple(results))


def check_operators(bundle: Bundle) -> CheckResult:
    """Whether the program calls what the manifest says, and the Android runtime has all of it."""
    from sdk_builder.lowering.operators import missing_operators
    from sdk_builder.lowering.pte import called_operators

    name, called = "operators", called_operators(bundle.program_path)
    if called != list(bundle.manifest.program.operators):
        return CheckResult(name, "fail", "the program's operators are not the manifest's")
    missing = missing_operators(called)
    if missing:
        return CheckResult(name, "fail", f"the Android runtime lacks {', '.join(missing)}")
    return CheckResult(name, "pass", f"{len(called)} kernels, all in the Android runtime")


def _check_against(bundle: Bundle, engine: Engine, against: str, steps: Steps) -> list[CheckResult]:
    from sdk_builder.models.checkpoint import open_checkpoint

    manifest = bundle.manifest
    checkpoint = open_checkpoint(against, seed=manifest.model.source.seed)
    _require_shape(checkpoint.config, manifest.model, against)
    with steps.step("Comparing with the model"):
        stored = _stored_weights(bundle, checkpoint)
        found = collect(manifest.golden, partial(program_logits, engine))
        lowering, quality = compare_both(
            found, manifest.golden, checkpoint, stored, manifest.program.ring
        )
    exact = manifest.quantization.exact
    return [check_lowering(lowering, exact=exact), check_origin(quality)]


def _stored_weights(bundle: Bundle, checkpoint: Checkpoint) -> Parameters:
    """The program's own weights; for a program of an older version, rounded once more."""
    from sdk_builder.lowering.unpack import StoredProgram
    from sdk_builder.models.layout import parameter_shapes
    from sdk_builder.quantization.options import QuantOptions
    from sdk_builder.quantization.reference import StoredWeights
    from sdk_builder.quantization.schemes import adjust, find_scheme, plan_formats

    program = StoredProgram(bundle.program_path, checkpoint.config)
    if program.has_index:
        return program
    info = bundle.manifest.quantization
    # Their q4 spent its bits on offsets; as many bits give the same plan.
    spent = QuantOptions(bits=math.ceil(info.bits_per_weight * 100) / 100)
    scheme = adjust(find_scheme(info.scheme), spent)
    return StoredWeights(checkpoint, plan_formats(scheme, parameter_shapes(checkpoint.config)))


def _require_shape(config: ShaktiConfig, model: ModelInfo, against: str) -> None:
    """Raises InputError where the logits of the two could not even be compared."""
    found = {name: getattr(config, name) for name in ("vocab_size", "hidden_size")}
    expected = {name: getattr(model, name) for name in found}
    if found != expected:
        raise InputError(
            f"{against} is not what the bundle was exported from: it has {found}, the bundle's "
            f"model {expected}",
            "give the model that was exported",
        )
