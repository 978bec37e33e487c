"""Golden prompts: what a program answers greedily, to be repeated elsewhere to the token."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from sdk_builder.bundle.chat import ChatTurns, render
from sdk_builder.bundle.checks import CheckResult
from sdk_builder.bundle.manifest import GoldenPrompt
from sdk_builder.runtime.engine import Engine
from sdk_builder.verify.agreement import program_logits

GOLDEN_TOKENS = 16
# An Android build with other kernels ranked 85 % first (docs/lowering.md); broken programs, none.
LEAST_SHARE = 0.6
QUESTIONS = (
    "What is the capital of France?",
    "Write a short sentence about the sea.",
    "List three colours.",
    "What is 7 plus 5?",
    "नमस्ते! 你好! 🙂",
)


def golden_texts(turns: ChatTurns | None) -> tuple[str, ...]:
    """The prompts as the model sees them: chat turns where it has any."""
    if turns is None:
        return QUESTIONS
    return tuple(render(turns, [{"role": "user", "content": question}]) for question in QUESTIONS)


def make_golden(
    engine: Engine, texts: Sequence[str], encode: Callable[[str], Sequence[int]]
) -> tuple[GoldenPrompt, ...]:
    """Run the prompts and record what comes."""
    golden = []
    for text in texts:
        ids = tuple(encode(text))
        golden.append(
            GoldenPrompt(prompt_ids=ids, expected_ids=greedy(engine, ids, GOLDEN_TOKENS), text=text)
        )
    return tuple(golden)


def check_golden(
    engine: Engine, golden: Sequence[GoldenPrompt], *, exact: bool
) -> list[CheckResult]:
    """Whether the program still answers so.

    exact: with fp32 activations every token must come again. int8 activations are rounded a little
    differently by each processor's kernels, and one token that differs changes all behind it; there
    the recorded answers are fed to the program, and most of their tokens must be its best ones.
    """
    if not golden:
        return [CheckResult("golden tokens", "skipped", "the bundle holds none")]
    found = [greedy(engine, prompt.prompt_ids, len(prompt.expected_ids)) for prompt in golden]
    same = sum(a == tuple(b.expected_ids) for a, b in zip(found, golden, strict=True))
    if same == len(golden):
        return [CheckResult("golden tokens", "pass", f"{same} answers repeated to the token")]
    if exact:
        return [CheckResult("golden tokens", "fail", f"{same} of {len(golden)} answers repeated")]
    share = sum(map(partial(_best_share, engine), golden)) / len(golden)
    detail = (
        f"{same} of {len(golden)} answers repeated; {share:.0%} of the recorded tokens are best"
    )
    return [CheckResult("golden tokens", "pass" if share >= LEAST_SHARE else "fail", detail)]


def _best_share(engine: Engine, prompt: GoldenPrompt) -> float:
    """Share of the recorded answer's tokens that the program ranks first, given those before."""
    ids = [*prompt.prompt_ids, *prompt.expected_ids[:-1]]
    best = program_logits(engine, ids).argmax(-1).tolist()
    expected = list(prompt.expected_ids)
    ranked_first = best[len(prompt.prompt_ids) - 1 :]
    return sum(a == b for a, b in zip(ranked_first, expected, strict=True)) / len(expected)


def greedy(engine: Engine, prompt: Sequence[int], count: int) -> tuple[int, ...]:
    """The `count` most likely tokens after `prompt`, end tokens included."""
    for start in range(0, len(prompt), engine.max_chunk):
        logits = engine.forward(prompt[start : start + engine.max_chunk], start)
    ids = [int(logits.argmax())]
    while len(ids) < count:
        logits = engine.forward(ids[-1:], len(prompt) + len(ids) - 1)
        ids.append(int(logits.argmax()))
    return tuple(ids)
