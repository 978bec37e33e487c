"""Does the program compute the model? Logits against PyTorch, on the golden prompts.

Two references are used. The *stored* model has exactly the weights that the program has, and rounds
its activations as the program does: a mistake in lowering shows at once. The *float* model is the
checkpoint itself: the distance to it is the price of quantization, reported and not judged.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torchao.quantization import IntxUnpackedToInt8Tensor

from sdk_builder.attention import RingCache
from sdk_builder.bundle.checks import CheckResult
from sdk_builder.bundle.manifest import GoldenPrompt
from sdk_builder.runtime.engine import Engine

# fp32 sums in another order; logits of real models reach some tens.
FLOAT_TOLERANCE = 2e-3
# int8 activations: two correct implementations round a few values differently, and a deep model
# amplifies that to 0.995 on average (SmolLM2); mistakes in lowering were seen below 0.9.
LEAST_MEDIAN_COSINE = 0.98
# Between a model and itself in 4 bits 0.95 and more were seen, between strangers 0.1 and less.
LEAST_RELATED_COSINE = 0.5

_ROWS = 16  # positions compared at once: some copies of a vocabulary each

if TYPE_CHECKING:
    from sdk_builder.models.checkpoint import Parameters
    from sdk_builder.models.modeling import ShaktiForCausalLM

Reference = Callable[[Sequence[int]], Tensor]
"""Token ids -> logits of every position ``[len(ids), V]``."""


@dataclass(frozen=True)
class Agreement:
    """Distance between two sets of logits ``[N, V]``, over positions.

    cosine: the median; kl: KL divergence of the second from the first, nats a token; top1: share
    of positions with the same most likely token.
    """

    cosine: float
    max_abs_error: float
    kl: float
    top1: float


def torch_reference(model: ShaktiForCausalLM) -> Reference:
    """Logits from the model in PyTorch; its weights may be torchao's tensors."""
    table = model.model.embed_tokens.weight.detach()
    if isinstance(table, IntxUnpackedToInt8Tensor):
        table = table.dequantize()

    def logits(ids: Sequence[int]) -> Tensor:
        with torch.no_grad():
            found: Tensor = model(inputs_embeds=table[list(ids)][None]).logits[0]
        return found

    return logits


def program_logits(engine: Engine, ids: Sequence[int]) -> Tensor:
    """Logits of every position by the program's score method, ``[len(ids), V]``."""
    chunk = engine.max_chunk
    parts = [engine.score(ids[at : at + chunk], at) for at in range(0, len(ids), chunk)]
    return torch.cat(parts)


def collect(golden: Iterable[GoldenPrompt], logits: Reference) -> Tensor:
    """Logits over all golden prompts with their answers, ``[N, V]``.

    An answer's last token is not fed back: it may already lie past the context.
    """
    return torch.cat([logits(ids) for ids in _fed(golden)])


def _fed(golden: Iterable[GoldenPrompt]) -> list[tuple[int, ...]]:
    return [(*prompt.prompt_ids, *prompt.expected_ids[:-1]) for prompt in golden]


def compare(expected: Tensor, found: Tensor) -> Agreement:
    """Distances of `found` from `expected`, both ``[N, V]``."""
    pairs = zip(expected.split(_ROWS), found.split(_ROWS), strict=True)
    cosine, error, kl, top1 = map(
        torch.cat, zip(*(_distances(*pair) for pair in pairs), strict=True)
    )
    return Agreement(
        cosine=float(cosine.median()),
        max_abs_error=float(error.max()),
        kl=float(kl.mean()),
        top1=float(top1.mean()),
    )


def _distances(expected: Tensor, found: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Cosine, largest difference, KL and whether the best token is the same, ``[N]`` each."""
    log_expected, log_found = expected.log_softmax(-1), found.log_softmax(-1)
    return (
        torch.cosine_similarity(expected, found, dim=-1),
        (expected - found).abs().amax(-1),
        (log_expected.exp() * (log_expected - log_found)).sum(-1),
        (expected.argmax(-1) == found.argmax(-1)).float(),
    )


def compare_both(
    found: Tensor,
    golden: Sequence[GoldenPrompt],
    checkpoint: Parameters,
    stored: Parameters,
    ring: RingCache | None = None,
) -> tuple[Agreement, Agreement]:
    """The program against its stored weights, and against the float model.

    found: what `collect` got from the program; ring: of a sliding window.
    """
    from sdk_builder.models.streamed import streamed_logits

    lowering, quality = (
        compare(torch.cat(streamed_logits(source, _fed(golden), ring)), found)
        for source in (stored, checkpoint)
    )
    return lowering, quality


def check_lowering(agreement: Agreement, *, exact: bool) -> CheckResult:
    """Whether the program computes its own weights. exact: fp32 activations."""
    detail = (
        f"cosine {agreement.cosine:.6f}, largest difference {agreement.max_abs_error:.2g}, "
        f"same best token at {agreement.top1:.1%}"
    )
    if exact:
        close = agreement.max_abs_error <= FLOAT_TOLERANCE
    else:
        close = agreement.cosine >= LEAST_MEDIAN_COSINE
    return CheckResult("logits of the stored weights", "pass" if close else "fail", detail)


def check_origin(agreement: Agreement) -> CheckResult:
    """Whether the program is one of the float model, and what quantization cost it."""
    related = agreement.cosine >= LEAST_RELATED_COSINE
    return CheckResult(
        "distance to the float model",
        "pass" if related else "fail",
        f"KL {agreement.kl:.4f} nats, cosine {agreement.cosine:.5f}, "
        f"same best token at {agreement.top1:.1%}"
        + ("" if related else ": these are not the weights that were exported"),
    )
