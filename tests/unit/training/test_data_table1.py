"""The manifest holds all of the paper's Table 1, and says what we do not know."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sdk_builder.errors import UnknownModelError, UsageError
from sdk_builder.models.presets import PRESETS
from sdk_builder.training.data import MODELS, STAGES, TABLE1, DataSet, Hub, data_sets, open_source
from sdk_builder.training.data.fields import checked

# How many data sets the paper's table has in each of its cells.
COUNTS = {
    "shakti-100m": {"pretrain": 2, "sft": 6, "dpo": 1, "rlhf": 0},
    "shakti-250m": {"pretrain": 3, "sft": 7, "dpo": 2, "rlhf": 0},
    "shakti-500m": {"pretrain": 2, "sft": 2, "dpo": 0, "rlhf": 1},
}
HEAVY = ("torch", "transformers", "datasets", "pyarrow", "datasketch", "numpy")


def test_each_cell_of_the_table_is_there() -> None:
    assert {
        model: {stage: len(data_sets(stage, model)) for stage in STAGES} for model in MODELS
    } == COUNTS
    assert {*MODELS} == {*PRESETS}


def test_a_cell_has_the_papers_names_in_its_order() -> None:
    assert [one.name for one in data_sets("pretrain", "shakti-500m")] == ["Common Crawl", "TxT360"]
    assert [one.name for one in data_sets("dpo", "shakti-100m")] == ["UltraFeedback Binarized"]


@pytest.mark.parametrize("one", TABLE1, ids=lambda one: f"{one.stage}: {one.name}")
def test_an_entry_can_be_opened_or_says_why_not(one: DataSet) -> None:
    assert one.licence
    if one.spec is None:
        assert one.note
    else:
        source = open_source(one.spec)
        assert isinstance(source, Hub)
        assert source.hub == one.hub
    if one.fields:
        assert checked(one.stage, one.fields) == one.fields


def test_other_stages_and_models_are_refused() -> None:
    with pytest.raises(UsageError):
        data_sets("qat", "shakti-100m")  # type: ignore[arg-type]
    with pytest.raises(UnknownModelError) as caught:
        data_sets("sft", "shakti-1b")
    assert "shakti-500m" in caught.value.hint


def test_the_whole_package_loads_nothing_heavy() -> None:
    code = (
        "import sys, sdk_builder.training.data as data; data.open_source('hub:a/b:train');"
        f"print(*sorted(set({HEAVY!r}) & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])},
        capture_output=True,
        text=True,
    )
    assert (done.returncode, done.stdout.strip()) == (0, ""), done.stderr
