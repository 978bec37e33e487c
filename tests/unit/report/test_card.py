"""The model card: what it says of a bundle, what it refuses, and what it escapes."""

from __future__ import annotations

import re
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.bundle import manifest as m
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.errors import BundleError, InputError, OutputError, TargetExistsError, UsageError
from sdk_builder.evaluation.results import Data
from sdk_builder.report.card import card_of, make_card, write_card, yaml_text
from sdk_builder.report.paper_inputs import Inputs
from tests.unit.benchmark.bench_fakes import make_bundle
from tests.unit.bundle.samples import sample_manifest
from tests.unit.report.evaluations import (
    comparison,
    lm_eval,
    metric,
    near,
    perplexity,
    result,
    write_file,
)
from tests.unit.report.results import DECODE, bundle, complete, run, write

FAST = [1000.0, 1013.7, 991.25, 1102.5, 1000.1]


def model(**changes: Any) -> m.ModelInfo:
    return sample_manifest().model.model_copy(update=changes)


def front_matter(card: str) -> dict[str, Any]:
    _, front, _ = card.split("---\n", 2)
    return yaml.safe_load(front)


def row(card: str, head: str) -> str:
    """The row of a table that begins with these words."""
    (found,) = [line for line in card.splitlines() if line.startswith(f"| {head} |")]
    return found


@pytest.fixture
def own(tmp_path):
    """A bundle, and a result of it."""
    made = make_bundle(tmp_path / "bundle")

    def of(suite: str, *metrics, **values: Any):
        return result(suite, metrics, identity=identity(made.manifest), **values)

    return made.path, of


def test_card_without_results_says_that_nothing_was_measured(own):
    card = card_of(own[0])
    assert front_matter(card) == {
        "license": "apache-2.0",
        "library_name": "executorch",
        "pipeline_tag": "text-generation",
        "tags": ["shakti", "executorch", "xnnpack", "q4"],
    }
    assert card.split("---\n", 2)[2].startswith("\n# tiny-q4 q4\n")
    assert row(card, "Model") == "| Model | tiny (llama), 1,000 parameters |"
    assert row(card, "Bits per weight") == "| Bits per weight | 4.50, scales included |"
    assert row(card, "Licence") == "| Licence | Apache-2.0 |"
    for measure in ("CrowS-Pairs: stereotypes, %", "BBQ: accuracy, %", "ToxiGen: accuracy, %"):
        assert row(card, measure).split(" | ")[1] == "not measured"
    (missing,) = [line for line in card.splitlines() if line.startswith("- Not measured: ")]
    for words in (
        *("perplexity", "domain", "lm-eval", "CrowS-Pairs", "BBQ", "ToxiGen", "Implicit Hate"),
        *("another format", "speed on a phone", "speed on a computer", "energy and carbon"),
    ):
        assert words in missing
    assert "Blodgett et al. 2021" in card
    assert "Untrained" not in card
    assert "shakti-sdk run BUNDLE" in card


def test_card_has_each_number_with_its_interval(own, tmp_path):
    path, of = own
    data = (Data(source="a|b", sha256="c" * 64, items=500, of=1000, licence="CC-BY"),)
    files = [
        write_file(
            tmp_path / "1.json",
            [of("bbq", near("accuracy", 0.36, 0.04, items=500), data=data)],
        ),
        write_file(
            tmp_path / "2.json",
            [
                of("crows-pairs", near("likelihood_difference", 3.4, 0.2, unit="nats")),
                result("crows-pairs", [], scheme="none"),
            ],
            [comparison("likelihood_difference", 0.1, low=-0.1, high=0.3, p_value=0.4)],
        ),
        write_file(
            tmp_path / "3.json",
            [of("domain", near("factual", 0.4, 0.1, group="finance", unit="score"))],
        ),
        perplexity(tmp_path / "4.json", 1.153, 0.01, identity=of("bbq").identity),
        lm_eval(
            tmp_path / "5.json",
            {"piqa": ("acc", 0.25, 0.025)},
            "q4",
            identity=of("bbq").identity,
        ),
    ]
    card = card_of(path, files)
    assert row(card, "BBQ: accuracy, %").endswith("| 36.0 (32.0 to 40.0, n=500) | 100 % |")
    assert "| 3.40 (3.20 to 3.60, n=100) | 0 |" in row(
        card, "CrowS-Pairs: likelihood difference, nats"
    )
    assert "0.40 (0.30 to 0.50, n=100)" in row(card, "Factual, finance")
    # 1.96 standard errors on either side.
    assert "| 1.15 (1.13 to 1.17, n=99) |" in card
    assert "| 0.0123 (no interval, n=99) | 0 |" in card
    assert "| piqa | acc, % | 25.0 (20.1 to 29.9, n=200) |" in card
    assert "nothing was shown: the interval includes 0" in card
    assert r"| a\|b | 500 of 1000 | CC-BY |" in card
    assert "measured here" not in card
    (missing,) = [line for line in card.splitlines() if line.startswith("- Not measured: ")]
    assert "BBQ" not in missing
    assert "ToxiGen" in missing


def test_card_has_what_the_export_measured(tmp_path):
    quality = m.Quality(perplexity=17.25, perplexity_ratio=1.15, kl=0.0123)
    card = make_card(sample_manifest(quality=quality), Inputs(), 473.0)
    assert "| Perplexity | 17.2 (at export, no interval) | low |" in card
    assert "| 0.0123 (at export, no interval) | 0 |" in card


def test_card_has_speed_and_says_why_there_is_no_energy(own, tmp_path):
    path, _ = own
    from sdk_builder.bundle.reader import Bundle

    this = run([DECODE], bundle=bundle(identity=identity(Bundle.open(path).manifest)))
    file = write(tmp_path / "speed.jsonl", complete(this, {DECODE: FAST}))
    card = card_of(path, [file])
    assert "| Pixel 8 (SmolLM2-135M-Instruct q4) | 128 (" in card
    assert "n=5, decode-128" in card
    assert "no energy counter" in card
    assert "speed on a phone" not in card
    assert "speed on a computer" in card


def test_untrained_presets_say_so(tmp_path):
    source = m.ModelSource(kind="preset", name="shakti-250m", weight_format="fp32", seed=7)
    fields = {"heads": "chosen", "hidden_size": "published"}
    untrained = model(untrained=True, source=source, fields=fields, licence=None)
    card = make_card(sample_manifest(model=untrained), Inputs(), 473.0)
    assert "**Untrained.**" in card
    assert "must not be used for anything but" in card
    assert "published by the model's makers: heads." in card
    assert "shakti-250m (preset, fp32, seed 7)" in card
    assert "license" not in front_matter(card)
    assert "base_model" not in front_matter(card)


@pytest.mark.parametrize(
    ("licence", "front"),
    [
        ("MIT", {"license": "mit"}),
        ("Llama 3.2: Community", {"license": "other", "license_name": "Llama 3.2: Community"}),
    ],
)
def test_licence_in_the_front_matter(licence, front):
    found = front_matter(make_card(sample_manifest(model=model(licence=licence)), Inputs(), 473.0))
    assert {key: found[key] for key in found if key.startswith("license")} == front


def test_base_model_is_a_name_of_the_hub():
    source = m.ModelSource(kind="safetensors", name="org/model-1", weight_format="bf16")
    found = front_matter(make_card(sample_manifest(model=model(source=source)), Inputs(), 473.0))
    assert found["base_model"] == "org/model-1"
    assert found["base_model_relation"] == "quantized"


# --- what it refuses ----------------------------------------------------------------------------


def test_results_of_another_bundle_are_refused_by_name(own, tmp_path):
    other = write_file(tmp_path / "other.json", [result("bbq", [metric("accuracy", 0.4)])])
    with pytest.raises(InputError, match=r"other\.json is of another bundle\.") as caught:
        card_of(own[0], [other])
    assert "\n" not in caught.value.message
    speed = write(tmp_path / "speed.jsonl", complete(run([DECODE]), {DECODE: FAST}))
    with pytest.raises(InputError, match=r"speed\.jsonl is of another bundle\."):
        card_of(own[0], [speed])
    with pytest.raises(InputError, match=r"other\.json is of another bundle \(and 1 more\)"):
        card_of(own[0], [other, speed])


def test_what_cannot_be_read_is_refused(own, tmp_path):
    with pytest.raises(BundleError):
        card_of(tmp_path / "none")
    with pytest.raises(InputError, match="is not there"):
        card_of(own[0], [tmp_path / "none.json"])
    with pytest.raises(InputError, match="is a bundle, not a result"):
        card_of(own[0], [own[0]])
    with pytest.raises(UsageError):
        card_of(own[0], grid_g_per_kwh=float("nan"))


def test_card_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "README.md"
    write_card("a\n", path)
    with pytest.raises(TargetExistsError):
        write_card("b\n", path)
    assert path.read_text() == "a\n"
    write_card("b\n", path, force=True)
    assert [one.read_text() for one in path.parent.iterdir()] == ["b\n"]
    (tmp_path / "file").touch()
    with pytest.raises(OutputError):
        write_card("c\n", tmp_path / "file" / "README.md")


# --- odd names ----------------------------------------------------------------------------------


@given(st.text())
def test_yaml_reads_back_any_text(text):
    assert yaml.safe_load(f"a: {yaml_text(text)}") == {"a": text}


@given(st.text(min_size=1, max_size=40))
def test_any_name_stays_in_its_cell(name):
    source = m.ModelSource.model_construct(
        kind="gguf", name=name, files=(), weight_format="Q4_1", seed=None
    )
    odd = model(family=name, licence=name, source=source)
    card = make_card(sample_manifest(model=odd), Inputs(), 473.0)
    front = front_matter(card)
    assert front.get("license") in (None, "other", name.strip().lower())
    body = card.split("---\n", 2)[2]
    plain = re.sub(r"\\.", "", row(card, "Model"))
    assert plain.count("|") == 3
    assert "<script" not in body
