"""Settings: from a file and key=value, checked, and every mistake one line that says what to do."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sdk_builder.errors import UsageError
from sdk_builder.training.reference import TARGET, description, page
from sdk_builder.training.settings import (
    SETTINGS,
    DeduplicateSettings,
    LoraSettings,
    PretrainSettings,
    SftSettings,
    StageSettings,
)
from sdk_builder.training.settings_file import load_settings

ROOT = Path(__file__).parents[3]
CONFIGS = sorted((ROOT / "recipes" / "configs" / "train").glob("*.yaml"))
NEEDED = ("model=shakti-100m", "output=build/x", "data.0.source=a.jsonl", "steps=10")


def test_overrides_alone_are_enough():
    settings = load_settings("pretrain", None, NEEDED)
    assert isinstance(settings, PretrainSettings)
    assert settings.data[0].source == "a.jsonl"
    assert settings.folder == Path("build/x.run")


def test_overrides_go_before_the_file(tmp_path: Path):
    path = tmp_path / "run.yaml"
    path.write_text("model: shakti-100m\noutput: out\nsteps: 5\ndata: [{source: a}, {source: b}]\n")
    settings = load_settings("pretrain", path, ["data.1.source=c", "data.1.weight=2", "steps=7"])
    assert [(one.source, one.weight) for one in settings.data] == [("a", 1.0), ("c", 2.0)]
    assert settings.steps == 7


def test_an_override_may_add_to_a_list_and_go_within_what_is_not_there_yet():
    settings = load_settings(
        "sft", None, [*NEEDED, "data.1.source=b", "lora.rank=4", "data.1.deduplicate.near=0.8"]
    )
    assert isinstance(settings, SftSettings)
    assert settings.lora == LoraSettings(rank=4)
    assert settings.data[1].deduplicate == DeduplicateSettings(near=0.8)


@pytest.mark.parametrize(
    ("text", "value"), [("1e-3", 1e-3), ("0.001", 1e-3), ("1", 1.0), ("2.5E2", 250.0)]
)
def test_numbers_are_written_as_anyone_writes_them(text: str, value: float):
    assert (
        load_settings("pretrain", None, [*NEEDED, f"learning_rate={text}"]).learning_rate == value
    )


def test_epochs_are_given_instead_of_steps():
    settings = load_settings("pretrain", None, [*NEEDED, "steps=null", "epochs=1.5"])
    assert (settings.steps, settings.epochs) == (None, 1.5)


MISTAKES: dict[str, tuple[tuple[str, ...], str, str]] = {
    "unknown": (("modell=x",), "no setting modell", "Did you mean model?"),
    "unknown within data": (("data.0.sorce=x",), "no setting data.0.sorce", "mean source?"),
    "unknown within lora": (("lora.rnk=2",), "no setting lora.rnk", "mean rank?"),
    "far from all": (("qqqq=2",), "no setting qqqq", "There are model, "),
    "out of range": (("batch_size=0",), "batch_size is 0: input should be greater", "Correct"),
    "no number": (("seed=abc",), "seed is 'abc'", "Correct"),
    "no choice": (("schedule=cosin",), "'cosine', 'linear' or 'constant'", "Correct"),
    "both": (("epochs=1",), "give steps or epochs, not both", ""),
    "neither": (("steps=null",), "give steps or epochs", ""),
    "no multiple": (("batch_size=10",), "batch_size 10 is not a multiple of micro", ""),
    "no data": (("data=[]",), "data is []", "Correct"),
    "wrong fields": (("data.0.fields.tex=a",), "no data field called tex", ""),
    "no key": (("steps",), "'steps' is no key=value", "steps=100"),
    "no place": (("data.7.source=x",), "7 is no place in a list of 1", "0 to 1"),
    "not YAML": (("output=[",), "the value is not YAML", "quotes"),
}


@pytest.mark.parametrize("case", MISTAKES)
def test_mistake_is_one_line_that_names_the_key(case: str):
    given, message, hint = MISTAKES[case]
    with pytest.raises(UsageError) as caught:
        load_settings("sft", None, [*NEEDED, *given])
    assert message in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in str(caught.value).replace(f"\n{caught.value.hint}", "")


def test_what_is_missing_is_named():
    with pytest.raises(UsageError, match="output is missing"):
        load_settings("pretrain", None, ["model=x"])


FILES: dict[str, tuple[bytes, str]] = {
    "not there": (b"", "Cannot read"),
    "not UTF-8": (b"\xff\xfe", "not UTF-8"),
    "not YAML": (b"a: [1,\nb: 2", "line 2"),
    "a list": (b"- a\n- b\n", "does not hold keys and values"),
    "keys that are numbers": (b"1: a\n", "does not hold keys and values"),
}


@pytest.mark.parametrize("case", FILES)
def test_file_that_cannot_be_read_is_one_line(case: str, tmp_path: Path):
    content, message = FILES[case]
    path = tmp_path / "run.yaml"
    if content:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=message) as caught:
        load_settings("pretrain", path, [])
    assert "run.yaml" in caught.value.message


def test_unknown_stage_is_refused():
    with pytest.raises(UsageError, match="No stage is called 'pretraining'"):
        load_settings("pretraining", None, [])


@pytest.mark.parametrize("kind", SETTINGS.values(), ids=SETTINGS)
def test_every_setting_says_what_it_is(kind: type[StageSettings]):
    assert [name for name in kind.model_fields if not description(kind, name)] == []


def test_tables_of_the_docs_are_made_of_the_settings():
    assert page(TARGET.read_text("utf-8")) == TARGET.read_text("utf-8"), "run training.reference"


def test_there_are_configs():
    assert len(CONFIGS) >= 2


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: path.stem)
def test_config_is_read_and_starts_with_its_command(path: Path):
    stage = path.stem.partition("-")[0]
    load_settings(stage, path, [])
    command = f"shakti-sdk train {stage} --config {path.relative_to(ROOT).as_posix()}"
    assert command in path.read_text("utf-8")


def test_settings_load_no_torch():
    code = "import sys, sdk_builder.training.settings_file; print('torch' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT, check=True
    )
    assert done.stdout.strip() == "False"
