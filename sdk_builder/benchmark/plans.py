"""Plans: which cases, how often, and in which order each round takes them."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby

from sdk_builder.benchmark.protocol import Case, Gate, Plan, ProgramCheck, RoundPlan, RunId, WarmUp
from sdk_builder.device.facts import DeviceFacts
from sdk_builder.errors import UsageError

PREFILL = (128, 512)
DECODE = (128,)
TTFT = 128
ROUNDS = 5  # fewer cannot tell a difference from noise
DEPTHS = (0, 512, 2048, 3584)  # of the depth sweep

_LITTLE = 0.8  # cores below this share of the fastest one's clock are left out of a sweep

DEFAULT_GATE = Gate()
DEFAULT_WARM_UP = WarmUp()
OPEN_GATE = Gate(
    max_thermal_status=None,
    max_battery_temperature_c=None,
    start_battery_temperature_c=None,
    min_battery_percent=None,
)


def make_plan(
    context_length: int,
    *,
    prefill: Sequence[int] = PREFILL,
    decode: Sequence[int] = DECODE,
    depths: Sequence[int] = (0,),
    ttft: int = TTFT,
    threads: Sequence[int | None] = (None,),
    rounds: int = ROUNDS,
    load: bool = True,
    gate: Gate = DEFAULT_GATE,
    warm_up: WarmUp = DEFAULT_WARM_UP,
) -> tuple[Plan, tuple[str, ...]]:
    """Every combination that fits the context, and notes on what does not, or is too little.

    prefill, decode: numbers of tokens, each at every depth; ttft: tokens of a prompt, at depth 0;
    0 for none. threads: of the runtime; None leaves them to it.
    Raises UsageError for numbers that make no sense, and when nothing is left to measure.
    """
    _check("prefill", prefill, least=1)
    _check("decode", decode, least=1)
    _check("depth", depths, least=0)
    _check("ttft", (ttft,), least=0)
    _check("rounds", (rounds,), least=1)
    _check("threads", [one for one in threads if one is not None], least=1)
    if not depths or not threads:
        raise UsageError("Nothing to measure: no depths, or no threads.", "Leave out the option.")
    cases: list[Case] = [Case(kind="load")] if load else []
    cases += [Case(kind="prefill", tokens=n, depth=d) for d in depths for n in prefill]
    cases += [Case(kind="ttft", tokens=ttft)] if ttft else []
    cases += [Case(kind="decode", tokens=n, depth=d) for d in depths for n in decode]
    cases = list(dict.fromkeys(cases))
    fitting = [case for case in cases if case.tokens + case.depth <= context_length]
    left_out = [case.id for case in cases if case not in fitting]
    if not any(case.kind != "load" for case in fitting) and (left_out or not fitting):
        raise UsageError(
            f"Nothing to measure fits the context of {context_length} tokens: "
            f"{', '.join(left_out) or 'no cases were asked for'}.",
            "Ask for fewer tokens, or export with a longer context.",
        )
    notes = []
    if left_out:
        notes.append(
            f"left out, for the context has {context_length} tokens: {', '.join(left_out)}"
        )
    if rounds < ROUNDS:
        notes.append(
            f"{rounds} rounds are a first look; comparisons want {ROUNDS} or more"
            if rounds > 1
            else f"1 round is a first look; comparisons want {ROUNDS} or more"
        )
    # The runtime's own choice comes first: nothing brings it back once threads were set.
    settings = sorted(dict.fromkeys(threads), key=lambda one: (one is not None, one or 0))
    ordered = tuple(
        case.model_copy(update={"threads": one}) for one in settings for case in fitting
    )
    return Plan(cases=ordered, rounds=rounds, warm_up=warm_up, gate=gate), tuple(notes)


def quick_plan(
    context_length: int,
    *,
    threads: Sequence[int | None] = (None,),
    gate: Gate = DEFAULT_GATE,
) -> tuple[Plan, tuple[str, ...]]:
    """A first look in well under a minute; see make_plan."""
    return make_plan(
        context_length,
        prefill=(64,),
        decode=(32,),
        ttft=64,
        threads=threads,
        rounds=2,
        gate=gate,
        warm_up=WarmUp(prefill_tokens=16, decode_tokens=4),
    )


def round_plan(
    plan: Plan,
    run_id: RunId,
    round_number: int,
    attempt: int,
    bundle_dir: str,
    program: ProgramCheck,
    missing_cases: Sequence[Case],
    thorough: bool,
) -> RoundPlan:
    """The plan file of one round: `missing_cases` in this round's order.

    Each round begins with another case, so that what changes within a round (heat, above all)
    does not always meet the same one. Loads stay first, and settings of threads together.
    """
    missing = set(missing_cases)
    order = [case for case in rotated(plan.cases, round_number) if case in missing]
    return RoundPlan(
        run_id=run_id,
        round=round_number,
        attempt=attempt,
        bundle_dir=bundle_dir,
        program=program.model_copy(update={"thorough": thorough}),
        warm_up=plan.warm_up,
        gate=plan.gate,
        cases=tuple(order),
    )


def rotated(cases: Sequence[Case], by: int) -> tuple[Case, ...]:
    """The cases with those of each setting of threads rotated, but for the loads."""
    order: list[Case] = []
    for _, group in groupby(cases, key=lambda case: case.threads):
        same = list(group)
        rest = [case for case in same if case.kind != "load"]
        order += [case for case in same if case.kind == "load"]
        at = by % len(rest) if rest else 0
        order += rest[at:] + rest[:at]
    return tuple(order)


def auto_threads(facts: DeviceFacts) -> tuple[int, ...]:
    """1, 2, 4, ... up to the number of big cores, and that number itself.

    The slowest kind of core is left out where it is much slower: with it, each step would wait
    for its slowest thread. Where no clocks are known: 1, 2 and 4.
    """
    clocks_mhz = facts.core_max_mhz
    if not clocks_mhz:
        return (1, 2, 4)
    slow, fast = min(clocks_mhz), max(clocks_mhz)
    big = [mhz for mhz in clocks_mhz if mhz != slow] if slow < _LITTLE * fast else clocks_mhz
    powers = [1 << i for i in range(len(big).bit_length())]
    return tuple(sorted({*(n for n in powers if n <= len(big)), len(big)}))


def _check(name: str, numbers: Sequence[int], *, least: int) -> None:
    for number in numbers:
        if number < least:
            raise UsageError(f"{name}: {number} is less than {least}.", f"Give {least} or more.")
