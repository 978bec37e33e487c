"""The benchmark protocol from both sides: what Python writes the app reads, and vice versa."""

from __future__ import annotations

import copy
import json
import random
import subprocess
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from sdk_builder.benchmark.plans import make_plan, quick_plan
from sdk_builder.benchmark.protocol import Case, Gate, ProgramCheck, RoundPlan, WarmUp, bench_token
from sdk_builder.benchmark.records import Failure, RoundEnd, RoundStart, Run, Sample, decode_line
from sdk_builder.benchmark.results import read_results
from sdk_builder.benchmark.schema import SCHEMA_FILE
from sdk_builder.benchmark.subject import bundle_facts
from sdk_builder.bundle.reader import Bundle
from sdk_builder.bundle.record import LARGEST
from sdk_builder.cli import main
from sdk_builder.log import Steps
from tests.app import host
from tests.app.compiled import CompiledTests, compile_tests
from tests.app.inputs import properties_for
from tests.phones.shims.state import State

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

FIXTURES = Path(__file__).parents[1] / "fixtures" / "protocol"
PLANS = 300
MUTATIONS = 1500
TIMEOUT_S = 300
VOCABULARIES = (2, 50, 49152, 2**31 - 1)
POSITIONS = 5000


# --- plans ----------------------------------------------------------------------------------

counts = st.integers(0, LARGEST)
positives = st.integers(1, LARGEST)
finite = st.floats(allow_nan=False, allow_infinity=False)
hexadecimal = "0123456789abcdef"
cases = st.one_of(
    st.builds(Case, kind=st.just("load"), threads=st.none() | positives),
    st.builds(
        Case,
        kind=st.sampled_from(("prefill", "decode", "ttft")),
        tokens=positives,
        depth=counts,
        threads=st.none() | positives,
    ),
)
checks = st.builds(
    ProgramCheck,
    file=st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}\Z"),
    size_bytes=positives,
    sha256=st.text(hexadecimal, min_size=64, max_size=64),
    thorough=st.booleans(),
    exact=st.booleans(),
    least_share=st.floats(0, 1),
)
gates = st.builds(
    Gate,
    max_thermal_status=st.none() | counts,
    max_battery_temperature_c=st.none() | finite,
    start_battery_temperature_c=st.none() | finite,
    min_battery_percent=st.none() | st.floats(0, allow_infinity=False),
)
plans = st.builds(
    RoundPlan,
    run_id=st.text(hexadecimal, min_size=16, max_size=16),
    round=counts,
    attempt=counts,
    bundle_dir=st.text(),
    program=checks,
    warm_up=st.builds(WarmUp, prefill_tokens=counts, decode_tokens=counts),
    gate=gates,
    cases=st.lists(cases, min_size=1, max_size=6).map(tuple),
    heartbeat_s=positives,
)


def some_plans(count: int) -> list[RoundPlan]:
    """Plans of every kind; the same ones each time."""
    found: list[RoundPlan] = []

    @settings(
        max_examples=count,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(plans)
    def collect(plan: RoundPlan) -> None:
        found.append(plan)

    collect()
    return found


ODD_VALUES: tuple[Any, ...] = (
    None, True, False, 0, 1, -1, 2, 1.0, 0.5, -0.0, 1e308, LARGEST, LARGEST + 1, 10**40, "", "1",
    "load", "a" * 16, "a" * 64, "../x", [], {}, [1], {"kind": "load"},
)  # fmt: skip

# 1.0 is 1 to Python alone.
OTHER_PROTOCOLS: tuple[Any, ...] = (None, "1", "", 0, -1, 2, 1.5, 10**40, [], {})


def mutated(document: Any, chance: random.Random) -> Any:
    """A plan's document with something changed, added or taken away; often it still is a plan."""
    document = copy.deepcopy(document)
    for _ in range(chance.randint(1, 2)):
        node, key = chance.choice(list(places(document)))
        change = chance.choice(("set", "set", "remove", "add"))
        if change == "set":
            odd = OTHER_PROTOCOLS if key == "protocol" else ODD_VALUES
            node[key] = chance.choice(odd)
        elif change == "remove":
            del node[key]
        elif isinstance(node, dict):
            node[chance.choice(("more", "", "Kind", "tokens", "threads"))] = 1
        else:
            node.append(chance.choice(ODD_VALUES))
    return document


def places(node: Any) -> Iterator[tuple[Any, Any]]:
    """Every container of a document, with each of its keys."""
    keys = list(node) if isinstance(node, dict) else range(len(node))
    for key in keys:
        yield node, key
        if isinstance(node[key], (dict, list)):
            yield from places(node[key])


def accepted_by_python(text: str) -> bool:
    try:
        RoundPlan.model_validate_json(text)
    except ValidationError:
        return False
    return True


# --- the app's answers ----------------------------------------------------------------------


@dataclass(frozen=True)
class Answers:
    """What the app made of the plans, by name, and what it wrote itself."""

    given: dict[str, str]
    understood: dict[str, str]
    refused: dict[str, str]
    lines: list[str]
    tokens: list[int]
    run: str


@pytest.fixture(scope="module")
def compiled() -> CompiledTests:
    return compile_tests(Steps.silent())


@pytest.fixture(scope="module")
def bundle() -> Path:
    """SmolLM2, quantized to 4 bits."""
    return Path(properties_for(['"shakti.bundle.q4"'], Steps.silent())["shakti.bundle.q4"])


@pytest.fixture(scope="module")
def answers(
    compiled: CompiledTests, bundle: Path, tmp_path_factory: pytest.TempPathFactory
) -> Answers:
    folder = tmp_path_factory.mktemp("contract")
    given_plans = all_plans()
    (folder / "plans").mkdir()
    for name, text in given_plans.items():
        (folder / "plans" / name).write_text(text, encoding="utf-8")
    run_host(host.command(compiled, "ContractHost", str(folder), str(bundle)))
    return Answers(
        given_plans,
        texts(folder / "understood"),
        texts(folder / "refused"),
        (folder / "lines.jsonl").read_text(encoding="utf-8").split("\n")[:-1],
        [int(word) for word in (folder / "tokens.txt").read_text().split()],
        (folder / "run-0.jsonl").read_text(encoding="utf-8"),
    )


def all_plans() -> dict[str, str]:
    """Name -> plan file: the fixtures, generated ones, and mutations, which may be none."""
    found = {path.name: path.read_text(encoding="utf-8") for path in FIXTURES.glob("plan*.json")}
    documents = [plan.model_dump(mode="json") for plan in some_plans(PLANS)]
    for number, document in enumerate(documents):
        found[f"made-{number}.json"] = json.dumps(document)
    chance = random.Random(20261126)
    bases = [json.loads((FIXTURES / "plan.json").read_bytes()), *documents]
    for number in range(MUTATIONS):
        found[f"mutated-{number}.json"] = json.dumps(mutated(chance.choice(bases), chance))
    return found


def run_host(command: list[str]) -> str:
    """What a program of the app's tests says; it must succeed."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=TIMEOUT_S, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


def texts(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text(encoding="utf-8") for path in folder.iterdir()}


# --- tests ----------------------------------------------------------------------------------


def test_every_plan_that_the_sdk_writes_is_understood_as_it_was_meant(answers: Answers):
    written = {name: text for name, text in answers.given.items() if "mutated" not in name}
    assert len(written) >= PLANS
    for name, text in written.items():
        assert name in answers.understood, f"{answers.refused.get(name)}: {text}"
        meant = RoundPlan.model_validate_json(text)
        assert RoundPlan.model_validate_json(answers.understood[name]) == meant


def test_the_app_refuses_exactly_what_the_sdk_refuses(answers: Answers):
    assert answers.understood.keys() | answers.refused.keys() == answers.given.keys()
    other = {
        name: answers.refused.get(name, "accepted")
        for name, text in answers.given.items()
        if accepted_by_python(text) != (name in answers.understood)
    }
    assert other == {}, [answers.given[name] for name in other]
    kept = [name for name in answers.understood if "mutated" in name]
    assert 50 < len(kept) < MUTATIONS - 500  # both kinds were tried
    for name in kept:
        meant = RoundPlan.model_validate_json(answers.given[name])
        assert RoundPlan.model_validate_json(answers.understood[name]) == meant


def test_refusals_are_one_line_for_people(answers: Answers):
    for message in answers.refused.values():
        assert message.strip()
        assert "\n" not in message
        assert "Exception" not in message


def test_lines_of_the_app_fit_the_schema_and_are_read(answers: Answers):
    schema = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))
    validator = jsonschema.Draft202012Validator({**schema, "$ref": "#/$defs/line"})
    records = []
    for line in answers.lines:
        validator.validate(json.loads(line))
        records.append(decode_line(line))
    kinds = {type(record) for record in records}
    assert kinds == {RoundStart, Sample, Failure, RoundEnd}
    assert "null" not in "".join(answers.lines)


def test_app_writes_every_field_of_the_schema(answers: Answers):
    definitions = json.loads(SCHEMA_FILE.read_text(encoding="utf-8"))["$defs"]
    records = [json.loads(line) for line in answers.lines]
    written = {
        name: {field for record in records if record["type"] == kind for field in record}
        for name, kind in (
            ("RoundStart", "round"), ("Sample", "sample"), ("Failure", "failure"),
            ("RoundEnd", "round_end"),
        )
    }  # fmt: skip
    written["Conditions"] = {field for one in records for field in one.get("before", {})}
    written["Conditions"] |= {field for one in records for field in one.get("after", {})}
    written["Case"] = {field for record in records for field in record.get("case", {})}
    written["Golden"] = {field for record in records for field in record.get("golden", {})}
    for name, fields in written.items():
        assert fields == set(definitions[name]["properties"]), name


def test_extremes_and_strange_texts_come_through(answers: Answers):
    strange = '\0\x1f"\\/\b\f\n\r\t\x7f\x85\u2028\ufeff\uffffनमस्ते 你好 🙂 </script>'
    records = [decode_line(line) for line in answers.lines]
    (full,) = [one for one in records if isinstance(one, RoundStart) and one.golden]
    assert full.attempt == LARGEST
    assert full.golden is not None
    assert full.golden.ranked_first == 2 / 3
    assert full.conditions.temperatures_c == {strange: -39.75, "": 1e-7, "skin": 1 / 3}
    assert full.conditions.battery_current_ua == -LARGEST - 1
    assert full.conditions.energy_counter_nwh == LARGEST
    assert full.conditions.clocks_mhz == (0.0, 1803.125, 1e300)
    assert full.conditions.load_average == 0.1 + 0.2
    assert strange in [one.message for one in records if isinstance(one, Failure)]
    ends = [one for one in records if isinstance(one, RoundEnd)]
    assert [end.status for end in ends] == ["complete", "left_gate", "failed"]
    samples = [one for one in records if isinstance(one, Sample)]
    assert {one.case.kind for one in samples} == {"load", "prefill", "ttft", "decode"}
    assert samples[0].duration_ms == 1.5e-6


def test_prompt_tokens_are_the_same(answers: Answers):
    expected = [bench_token(i, size) for size in VOCABULARIES for i in range(POSITIONS)]
    assert answers.tokens == expected


def test_run_line_of_the_app_is_the_sdks(answers: Answers, bundle: Path):
    run = decode_line(answers.run)
    assert isinstance(run, Run)
    opened = Bundle.open(bundle)
    assert run.bundle == bundle_facts(opened)
    assert run.plan == make_plan(opened.manifest.program.context_length)[0]
    assert run.plan_hash == run.plan.hash
    assert run.device.kind == "phone"


def test_result_that_the_app_shares_is_one_that_the_report_takes(
    compiled: CompiledTests, bundle: Path, tmp_path: Path
):
    state, shared = tmp_path / "state.json", tmp_path / "shared.jsonl"
    state.write_text(json.dumps(asdict(State())), encoding="utf-8")
    options = host.runtime_options(compiled)
    arguments = (str(state), str(bundle), str(shared))
    said = run_host(host.command(compiled, "LocalBenchHost", *arguments, options=options))
    assert "golden true" in said

    results = read_results(shared)
    context = Bundle.open(bundle).manifest.program.context_length
    assert results.run.plan == quick_plan(context)[0]
    assert results.next_round is None
    assert [end.status for end in results.ends] == ["complete", "complete"]
    assert len(results.valid) == 2 * len(results.run.plan.cases)
    report = tmp_path / "report"
    with pytest.raises(SystemExit) as left:
        main(["report", str(shared), "-o", str(report)])
    assert not left.value.code
    assert list(report.rglob("*.html"))
