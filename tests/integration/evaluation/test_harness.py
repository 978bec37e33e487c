"""`eval --suite lm-eval` from the command line to lm-eval and back."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner, Result

from sdk_builder.cli.requests import HarnessOptions, PerplexityOptions
from sdk_builder.cli.root import cli
from sdk_builder.evaluation import harness
from sdk_builder.evaluation.lm_eval_model import BundleLM
from sdk_builder.evaluation.measure import PerplexityRequest
from sdk_builder.runtime.engine import ExecutorchEngine
from tests.integration.evaluation.conftest import QUESTIONS, Tasks, write_task

ROOT = Path(__file__).parents[3]


def shakti(*arguments: str | Path) -> Result:
    words = [str(one) for one in ("eval", *arguments, "--suite", "lm-eval")]
    return CliRunner().invoke(cli, words, prog_name="shakti-sdk")


def scores(result: Result) -> list[dict[tuple[str, str], float]]:
    """Of each bundle, its scores by task and metric."""
    assert result.exit_code == 0, result.stderr
    return [
        {(one["task"], one["metric"]): one["value"] for one in document["scores"]}
        for document in json.loads(result.stdout)["results"]
    ]


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A word for each call of a program from now on."""
    made: list[str] = []
    run = ExecutorchEngine._run

    def counted(self: ExecutorchEngine, method: str, ids: Any, start: int) -> Any:
        made.append(method)
        return run(self, method, ids, start)

    monkeypatch.setattr(ExecutorchEngine, "_run", counted)
    return made


def test_options_of_the_command_line_are_the_fields_of_the_library():
    for asked, wanted in (
        (HarnessOptions, harness.HarnessRequest),
        (PerplexityOptions, PerplexityRequest),
    ):
        assert [one.name for one in fields(asked)] == [one.name for one in fields(wanted)]


def test_bundles_are_side_by_side_and_each_as_alone(bundle: Path, q4: Path, tasks: Tasks):
    names = ",".join(tasks.files)
    both = scores(shakti(bundle, q4, "--tasks", names, "--json"))
    alone = [scores(shakti(one, "--tasks", names, "--json"))[0] for one in (bundle, q4)]
    assert both == alone
    assert both[0] != both[1]
    shown = shakti(bundle, q4, "--tasks", names).stdout
    table, differences = (part.splitlines() for part in shown.split("\n\n"))
    assert table[0].split() == ["task", "n", "metric", "tiny-none", "tiny-q4"]
    assert len(table) == 1 + len(both[0])
    assert all(line.startswith("tiny q4 against tiny none: tiny_") for line in differences)


def test_document_says_what_was_measured(q4: Path, tasks: Tasks, tmp_path: Path):
    target = tmp_path / "result.json"
    arguments = (q4, "--tasks", tasks.choices, "--limit", "3", "--fewshot", "1", "-o", target)
    result = shakti(*arguments)
    assert result.exit_code == 0, result.stderr
    (document,) = json.loads(target.read_text(encoding="utf-8"))["results"]
    manifest = json.loads((q4 / "manifest.json").read_text(encoding="utf-8"))
    assert document["program_sha256"] == manifest["program"]["sha256"]
    assert (document["limit"], document["fewshot"]) == (3, {"tiny_choices": 1})
    accuracy = next(one for one in document["scores"] if one["metric"] == "acc")
    assert accuracy["documents"] == 3
    assert accuracy["stderr"] >= 0.0
    assert document["computed_tokens"] < document["asked_tokens"]
    assert set(document["tools"]) == {"shakti_sdk", "executorch", "torch", "lm_eval"}


def test_fewshot_and_chat_change_what_is_asked(q4: Path, tasks: Tasks):
    plain = scores(shakti(q4, "--tasks", tasks.texts, "--json"))
    assert plain == scores(shakti(q4, "--tasks", tasks.texts, "--json"))
    asked = [
        json.loads(shakti(q4, "--tasks", tasks.choices, "--json", *more).stdout)["results"][0]
        for more in ((), ("--fewshot", "1"), ("--chat",))
    ]
    assert len({one["asked_tokens"] for one in asked}) == 3
    assert asked[2]["chat"]


# --- resuming -----------------------------------------------------------------------------


def test_interrupted_run_goes_on_and_ends_as_if_it_had_not_been(
    q4: Path, tasks: Tasks, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    names, journal = ",".join(tasks.files), tmp_path / "journal.jsonl"
    expected = scores(shakti(q4, "--tasks", names, "--json"))
    made = [0]
    run = ExecutorchEngine._run

    def stops(self: ExecutorchEngine, method: str, ids: Any, start: int) -> Any:
        made[0] += 1
        if made[0] == 12:
            raise KeyboardInterrupt
        return run(self, method, ids, start)

    with monkeypatch.context() as patch:
        patch.setattr(ExecutorchEngine, "_run", stops)
        stopped = shakti(q4, "--tasks", names, "--resume", journal)
    assert stopped.exit_code == 130
    kept = journal.read_bytes().count(b"\n")
    assert kept > 0
    assert scores(shakti(q4, "--tasks", names, "--resume", journal, "--json")) == expected
    assert journal.read_bytes().count(b"\n") > kept


def test_finished_run_is_not_computed_again(
    q4: Path, tasks: Tasks, tmp_path: Path, calls: list[str]
):
    arguments = (q4, "--tasks", ",".join(tasks.files), "--resume", tmp_path / "j", "--json")
    first = shakti(*arguments)
    assert calls
    calls.clear()
    again = shakti(*arguments)
    assert scores(again) == scores(first)
    assert calls == []
    assert json.loads(again.stdout)["results"][0]["seconds"] is None


def test_other_bundle_or_option_uses_nothing_of_it(
    bundle: Path, q4: Path, tasks: Tasks, tmp_path: Path, calls: list[str]
):
    journal = tmp_path / "j"
    shakti(q4, "--tasks", tasks.choices, "--resume", journal)
    for other in ((bundle,), (q4, "--fewshot", "1"), (q4, "--chat")):
        calls.clear()
        arguments = (*other, "--tasks", tasks.choices, "--json")
        resumed = shakti(*arguments, "--resume", journal)
        assert calls
        assert scores(resumed) == scores(shakti(*arguments))


# --- what cannot be evaluated -------------------------------------------------------------


def test_unknown_task_names_the_nearest(q4: Path):
    result = shakti(q4, "--tasks", "hellaswagg")
    assert result.exit_code == 3
    assert "no task called 'hellaswagg'" in result.stderr
    assert "hint: Did you mean hellaswag?" in result.stderr


def test_data_that_would_have_to_be_downloaded(q4: Path, tmp_path: Path):
    task = {"task": "far", "dataset_path": "nobody/has-this-one", "output_type": "multiple_choice"}
    path = tmp_path / "far.yaml"
    path.write_text(yaml.safe_dump({**task, "test_split": "test"}))
    result = shakti(q4, "--tasks", path)
    assert result.exit_code == 7
    assert "has to be downloaded, and there is no connection" in result.stderr


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("task: [", "is not valid YAML (line "),
        ("- a\n- b\n", "is no task of lm-eval"),
        ("dataset_path: json\n", "is no task of lm-eval"),
        ("task: t\noutput_type: nonsense\ndataset_path: json\n", "cannot be used"),
        ("task: t\ndoc_to_text: !function nowhere.nothing\n", "needs the package nowhere"),
    ],
)
def test_file_that_is_no_task(content: str, said: str, q4: Path, tmp_path: Path):
    path = tmp_path / "task.yaml"
    path.write_text(content)
    result = shakti(q4, "--tasks", path)
    assert result.exit_code in (3, 7), result.stderr
    assert said in result.stderr
    assert "Traceback" not in result.stderr


def test_missing_file_and_folder(q4: Path, tmp_path: Path):
    for arguments in (("--tasks", "no/such.yaml"), ("--tasks", "t", "--include-path", "no/such")):
        result = shakti(q4, *arguments)
        assert result.exit_code == 3
        assert "no/such" in result.stderr


def test_absent_lm_eval_says_how_to_install_it(q4: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(harness, "find_spec", lambda name: None)
    result = shakti(q4, "--tasks", "anything")
    assert result.exit_code == 7
    assert "hint: Install it: pip install 'shakti-sdk[eval]'" in result.stderr


def test_include_path_finds_tasks_and_groups_by_name(q4: Path, tasks: Tasks, tmp_path: Path):
    write_task(
        tmp_path,
        "named",
        [{"text": "a b c"}],
        output_type="loglikelihood_rolling",
        doc_to_text="",
        doc_to_target="{{text}}",
        metric_list=[{"metric": "byte_perplexity"}],
    )
    (tmp_path / "group.yaml").write_text(yaml.safe_dump({"group": "several", "task": ["named"]}))
    for name in ("named", "several"):
        (found,) = scores(shakti(q4, "--tasks", name, "--include-path", tmp_path, "--json"))
        assert ("named", "byte_perplexity") in found


def test_command_line_of_lm_eval_knows_the_bundle(q4: Path, tasks: Tasks, tmp_path: Path):
    arguments = ["--model", "shakti", "--model_args", f"bundle={q4},threads=1"]
    arguments += ["--tasks", str(tasks.choices), "--output_path", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "sdk_builder.evaluation", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    (written,) = (tmp_path / "out").rglob("results*.json")
    document = json.loads(written.read_text(encoding="utf-8"))
    (expected,) = scores(shakti(q4, "--tasks", tasks.choices, "--json"))
    assert document["results"]["tiny_choices"]["acc,none"] == expected["tiny_choices", "acc"]
    assert (
        document["config"]["program_sha256"] == BundleLM(str(q4)).get_model_info()["program_sha256"]
    )


# --- float against quantized ----------------------------------------------------------------


def test_bundles_are_compared_document_by_document(bundle: Path, q4: Path, tasks: Tasks):
    result = shakti(bundle, q4, "--tasks", ",".join(tasks.files), "--json")
    of_float, of_q4 = scores(result)
    found = {(one["group"], one["metric"]): one for one in json.loads(result.stdout)["comparisons"]}
    accuracy = found["tiny_choices", "acc"]
    assert (accuracy["of"], accuracy["against"]) == ("tiny q4", "tiny none")
    expected = of_q4["tiny_choices", "acc"] - of_float["tiny_choices", "acc"]
    assert accuracy["difference"] == pytest.approx(expected)
    assert accuracy["items"] == len(QUESTIONS)
    assert ("tiny_answers", "exact_match") in found
    # A perplexity of all texts is no mean of theirs.
    assert not any(task == "tiny_texts" for task, _ in found)


def test_a_bundle_alone_is_compared_with_nothing(bundle: Path, tasks: Tasks):
    result = shakti(bundle, "--tasks", str(tasks.choices), "--json")
    assert json.loads(result.stdout)["comparisons"] == []
