"""The loop: order, early stop, failures, and going on after an interruption."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk_builder.errors import DiskFullError, ExportError, Interrupted, OutputError
from sdk_builder.log import Steps
from sdk_builder.tuning.choice import Limits
from sdk_builder.tuning.runner import ScriptedRunner
from sdk_builder.tuning.space import Candidate
from tests.unit.tuning.samples import conditions, make_search, measurement, planned

SPACE = (planned("q4", 100), planned("q5", 200), planned("q8", 400), planned("q4 g64", 50))
FIGURES = {"q4": (101, 12.0), "q5": (199, 11.0), "q8": (401, 10.1), "q4 g64": (51, 14.0)}


def runner(**changes: BaseException) -> ScriptedRunner:
    """Answers with FIGURES, or raises what `changes` says for a candidate."""
    script = {
        one.candidate: changes.get(name.replace(" ", "_"), measurement(*FIGURES[name]))
        for one in SPACE
        if (name := one.candidate.name)
    }
    return ScriptedRunner(script)


def ran(one: ScriptedRunner) -> list[str]:
    return [candidate.name for candidate in one.ran]


def test_first_what_export_does_then_from_the_largest_down(tmp_path: Path):
    one = runner()
    found = make_search(one, tmp_path).run(SPACE)
    assert ran(one) == ["q4", "q8", "q5", "q4 g64"]
    assert [row.planned for row in found.rows] == list(SPACE)
    assert found.baseline == "q4"
    assert one.baselines == [None, *[Candidate("q4")] * 3]
    assert [row.ratio for row in found.rows] == pytest.approx([1.2, 1.1, 1.01, 1.4])


def test_what_is_predicted_to_be_too_large_is_never_run(tmp_path: Path):
    one = runner()
    found = make_search(one, tmp_path, Limits(size_bytes=150)).run(SPACE)
    assert ran(one) == ["q4", "q4 g64"]
    assert [row.status for row in found.rows] == ["measured", "too large", "too large", "measured"]
    assert found.recommended is not None
    assert found.recommended.planned.candidate.name == "q4"


def test_nothing_is_run_or_measured_when_nothing_can_fit(tmp_path: Path):
    one = runner()
    found = make_search(one, tmp_path, Limits(size_bytes=49)).run(SPACE)
    assert one.ran == []
    assert found.reference_perplexity is None
    assert found.recommended is None
    assert "size limit" in found.stopped
    assert not (tmp_path / "trials.jsonl").exists()


def test_search_stops_when_the_largest_are_far_from_the_ratio(tmp_path: Path):
    one = runner()
    found = make_search(one, tmp_path, Limits(ratio=1.001)).run(SPACE)
    assert ran(one) == ["q4", "q8", "q5"]
    assert [row.status for row in found.rows][-1] == "not tried"
    assert "1.010" in found.stopped


def test_a_search_that_stops_early_still_shows_what_is_known(tmp_path: Path):
    make_search(runner(), tmp_path).run((SPACE[0], SPACE[3]))
    one = runner()
    space = (*SPACE, planned("q4 g32", 90))
    found = make_search(one, tmp_path, Limits(ratio=1.001)).run(space)
    assert ran(one) == ["q8", "q5"]
    status = ["measured"] * 4 + ["not tried"]
    assert [row.status for row in found.rows] == status
    assert found.stopped != ""


def test_exhaustive_search_goes_on(tmp_path: Path):
    one = runner()
    found = make_search(one, tmp_path, Limits(ratio=1.001), exhaustive=True).run(SPACE)
    assert len(one.ran) == len(SPACE)
    assert found.stopped == ""


def test_a_candidate_that_fails_is_a_row_and_is_not_tried_again(tmp_path: Path):
    one = runner(q8=ExportError("the guardrail"))
    found = make_search(one, tmp_path).run(SPACE)
    assert (found.rows[2].status, found.rows[2].reason) == ("failed", "the guardrail")
    assert [row.status for row in found.rows].count("measured") == 3
    again = runner()
    assert make_search(again, tmp_path).run(SPACE).rows[2].reason == "the guardrail"
    assert again.ran == []


@pytest.mark.parametrize("defect", [RuntimeError, AssertionError, ImportError, ZeroDivisionError])
def test_a_defect_is_a_row_but_is_tried_again(tmp_path: Path, defect: type[Exception]):
    found = make_search(runner(q5=defect("odd\nand long")), tmp_path).run(SPACE)
    assert found.rows[1].reason == f"internal error: {defect.__name__}: odd"
    again = runner()
    found = make_search(again, tmp_path).run(SPACE)
    assert ran(again) == ["q5"]
    assert found.rows[1].status == "measured"


def test_a_candidate_that_cannot_be_exported_is_a_row_with_its_reason(tmp_path: Path):
    one = runner()
    found = make_search(one, tmp_path).run((*SPACE[:2], planned("q8", 400, "too odd")))
    assert (found.rows[2].status, found.rows[2].reason) == ("failed", "too odd")
    assert ran(one) == ["q4", "q5"]


def test_a_full_disk_ends_the_search_and_what_was_measured_is_kept(tmp_path: Path):
    with pytest.raises(OutputError):
        make_search(runner(q5=DiskFullError("full")), tmp_path).run(SPACE)
    again = runner()
    make_search(again, tmp_path).run(SPACE)
    assert ran(again) == ["q5", "q4 g64"]


@pytest.mark.parametrize("stopped_by", [KeyboardInterrupt(), RuntimeError("stopped inside")])
def test_after_ctrl_c_the_search_goes_on_where_it_was(tmp_path: Path, stopped_by: BaseException):
    if isinstance(stopped_by, RuntimeError):
        stopped_by.__cause__ = KeyboardInterrupt()
    with pytest.raises(Interrupted) as caught:
        make_search(runner(q5=stopped_by), tmp_path).run(SPACE)
    assert str(tmp_path / "trials.jsonl") in caught.value.message
    assert "same command again" in caught.value.hint
    again = runner()
    found = make_search(again, tmp_path).run(SPACE)
    assert ran(again) == ["q5", "q4 g64"]
    assert [row.reused for row in found.rows] == [True, False, True, False]
    assert found.baseline == "q4"


def test_a_finished_search_runs_nothing_again_and_finds_the_same(tmp_path: Path):
    first = make_search(runner(), tmp_path).run(SPACE)
    again = runner()
    second = make_search(again, tmp_path).run(SPACE)
    assert again.ran == []
    assert [row.measured for row in second.rows] == [row.measured for row in first.rows]
    assert all(row.reused for row in second.rows)
    assert second.recommended is not None
    assert first.recommended is not None
    assert second.recommended.planned == first.recommended.planned


@pytest.mark.parametrize("what", ["checkpoint", "text", "tokens", "torch"])
def test_another_model_text_option_or_tool_reuses_nothing(tmp_path: Path, what: str):
    make_search(runner(), tmp_path).run(SPACE)
    other = runner()
    make_search(other, tmp_path, under=conditions(**{what: "other"})).run(SPACE)
    assert len(other.ran) == len(SPACE)


def test_other_limits_reuse_everything(tmp_path: Path):
    make_search(runner(), tmp_path).run(SPACE)
    again = runner()
    found = make_search(again, tmp_path, Limits(ratio=1.15)).run(SPACE)
    assert again.ran == []
    assert found.recommended is not None
    assert found.recommended.planned.candidate.name == "q5"


@pytest.mark.parametrize("first", [1, 2])
def test_speeds_stay_ratios_to_the_baseline_of_before(tmp_path: Path, first: int):
    make_search(runner(), tmp_path).run(SPACE[:2])
    again = runner()
    found = make_search(again, tmp_path).run(SPACE[first:])
    assert found.baseline == "q4"
    assert again.baselines == [Candidate("q4")] * 2


def test_a_baseline_of_other_conditions_is_none_of_ours(tmp_path: Path):
    make_search(runner(), tmp_path, under=conditions(text="other")).run(SPACE[:1])
    assert make_search(runner(), tmp_path).run(SPACE[1:]).baseline == "q5"


def test_where_the_first_fails_the_next_is_what_others_are_compared_with(tmp_path: Path):
    one = runner(q4=ExportError("no"))
    found = make_search(one, tmp_path).run(SPACE)
    assert found.baseline == "q8"
    assert one.baselines == [None, None, Candidate("q8"), Candidate("q8")]


@pytest.mark.parametrize(
    ("keep", "kept"),
    [("best", {"q5"}), ("none", set()), ("all", {"q4", "q5", "q8", "q4 g64"})],
)
def test_bundles_that_nobody_asked_to_keep_are_deleted(tmp_path: Path, keep: str, kept: set[str]):
    one = runner()
    make_search(one, tmp_path, Limits(ratio=1.15), keep=keep).run(SPACE)
    assert {candidate.name for candidate in one.kept} == kept


def test_the_baseline_is_kept_until_the_end(tmp_path: Path):
    one = runner()
    seen: list[bool] = []
    one.before = lambda candidate: seen.append(Candidate("q4") in one.kept)
    make_search(one, tmp_path, keep="none").run(SPACE)
    assert seen == [False, True, True, True]
    assert one.kept == set()


def test_each_trial_is_a_step_that_says_where_it_is_and_what_came_of_it(tmp_path: Path):
    now = iter(range(1000))
    steps = Steps(clock=lambda: float(next(now)))
    steps.display = Steps.silent().display
    make_search(runner(), tmp_path, steps=steps).run(SPACE)
    titles = [step.title for step in steps.finished]
    assert titles[0].startswith("1 of 4: q4: 0.0 MB, perplexity × 1.2000, at most ")
    assert titles[-1] == "4 of 4: q4 g64: 0.0 MB, perplexity × 1.4000"
