"""What each command asks of the library, and what it prints."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sdk_builder.bundle.manifest import Manifest
from sdk_builder.cli.export_cmd import default_output
from sdk_builder.cli.requests import ExportOptions
from sdk_builder.findings import Finding
from sdk_builder.models.presets import PRESETS
from tests.unit.cli.conftest import Shakti
from tests.unit.cli.fakes import FakeCheck, FakeLibrary, manifest

# --- models -------------------------------------------------------------------------------


def test_models_lists_every_preset_and_source_with_its_sizes(shakti: Shakti):
    outcome = shakti("models")
    assert outcome.code == 0
    for name in ("smollm2-135m", *PRESETS):
        assert name in outcome.stdout
    assert "MB" in outcome.stdout
    assert "Next: shakti-sdk export" in outcome.stderr


def test_models_json_has_marks_and_sizes_that_shrink_with_the_format(shakti: Shakti):
    models = {model["name"]: model for model in shakti("models", "--json").document["models"]}
    preset = models["shakti-100m"]
    assert preset["kind"] == "preset"
    assert preset["weights"] == "untrained"
    assert preset["fields"]["hidden_size"]["mark"] == "published"
    assert preset["fields"]["vocab_size"]["mark"] == "chosen"
    assert models["smollm2-135m"]["weights"] == "trained"
    sizes = preset["estimated_size_bytes"]
    assert sizes["none"] > sizes["q8"] > sizes["q5"] > sizes["q4"] > 0


def test_models_with_a_name_shows_its_fields(shakti: Shakti):
    outcome = shakti("models", "shakti-250m")
    assert "published" in outcome.stdout
    assert "chosen" in outcome.stdout
    assert "shakti-500m" not in outcome.stdout


def test_models_tells_what_a_kv_cache_takes(shakti: Shakti):
    outcome = shakti("models", "smollm2-135m", "--json")
    (model,) = outcome.document["models"]
    kv = model["kv_cache_bytes"]
    assert kv["full"]["fp32"] == 4096 * 30 * 3 * 64 * 2 * 4
    assert kv["full"]["int8"] == 4096 * 30 * 3 * (64 + 4 + 1) * 2
    assert kv["full"]["fp32"] > 12 * kv["block-sparse"]["int8"]
    assert kv["window:960"]["fp32"] == (64 + 1 + 960 - 1 + 128) * 30 * 3 * 64 * 2 * 4
    assert "block-sparse" in shakti("models", "smollm2-135m").stdout


def test_models_takes_an_alias(shakti: Shakti):
    models = shakti("models", "SmolLM2-135M-Instruct", "--json").document["models"]
    assert [model["name"] for model in models] == ["smollm2-135m"]


def test_models_with_an_unknown_name_names_the_nearest(shakti: Shakti):
    outcome = shakti("models", "shakti-10m")
    assert outcome.code == 3
    assert "shakti-100m" in outcome.stderr


# --- export -------------------------------------------------------------------------------


def test_export_without_options_asks_for_android_q4(shakti: Shakti):
    library = FakeLibrary()
    assert shakti("export", "smollm2-135m", library=library).code == 0
    assert library.exported == [
        ExportOptions(
            model="smollm2-135m",
            output=Path("build/smollm2-135m-q4"),
            device="android",
            quant="q4",
            context_length=4096,
            chunk=None,
            seed=None,
            tokenizer=None,
            force=False,
            verify=True,
            zip=False,
        )
    ]


def test_export_passes_every_option_on(shakti: Shakti):
    library = FakeLibrary()
    options = "--device host --quant q8 -o out --context 512 --chunk 64 --seed 7 --tokenizer t"
    switches = "--force --no-verify --zip"
    outcome = shakti("export", "shakti-100m", *options.split(), *switches.split(), library=library)
    assert library.exported == [
        ExportOptions(
            model="shakti-100m",
            output=Path("out"),
            device="host",
            quant="q8",
            context_length=512,
            chunk=64,
            seed=7,
            tokenizer=Path("t"),
            force=True,
            verify=False,
            zip=True,
        )
    ]
    assert "Also as one file: out.zip" in outcome.stdout


def test_export_prints_sizes_on_stdout_and_steps_and_next_step_on_stderr(shakti: Shakti):
    outcome = shakti("export", "tiny", "-o", "out")
    assert outcome.stdout.splitlines() == [
        "out: tiny-q4, q4, 4.50 bits per weight, 4096 tokens of context",
        "  layers     600.0 kB",
        "  embedding  100.0 kB",
        "  model.pte  700.0 kB",
    ]
    assert "Exporting" in outcome.stderr
    assert "Next: shakti-sdk run out" in outcome.stderr


def test_quiet_export_says_nothing_on_stderr(shakti: Shakti):
    assert shakti("export", "tiny", "-q").stderr == ""


def test_export_marks_untrained_weights(shakti: Shakti):
    library = FakeLibrary(untrained=True)
    assert "untrained" in shakti("export", "shakti-100m", library=library).stdout


def test_export_json_holds_the_bundle_and_its_manifest(shakti: Shakti):
    outcome = shakti("export", "tiny", "-o", "out", "--json")
    assert outcome.document["bundle"] == "out"
    assert outcome.document["zip"] is None
    assert outcome.document["manifest"]["program"]["size_bytes"] == 700_000
    assert "Next" not in outcome.stderr


@pytest.mark.parametrize(
    ("model", "folder"),
    [
        ("smollm2-135m", "smollm2-135m-q4"),
        ("models/Llama-3.2-1B/", "llama-3.2-1b-q4"),
        ("/tmp/My Model.Q4_1.gguf", "my-model.q4_1-q4"),
    ],
)
def test_default_output_is_named_after_model_and_format(model: str, folder: str):
    assert default_output(model, "q4") == Path("build") / folder


@given(st.text(min_size=1, max_size=40).filter(lambda text: "\0" not in text))
def test_default_output_is_one_plain_folder_whatever_the_model(model: str):
    output = default_output(model, "q4")
    assert output.parent == Path("build")
    assert output.name.isascii()
    assert output.name.endswith("-q4")


# --- inspect ------------------------------------------------------------------------------


def test_inspect_shows_sizes_methods_and_shape(shakti: Shakti):
    text = shakti("inspect", "b").stdout
    assert "2 layers, hidden 64, 4 heads, 2/4 KV heads" in text
    assert "embedding  100.0 kB  14.3%" in text
    assert "forward  tokens int64[1, length] -> logits float32[1, 300]" in text
    assert "xnnpack: 3 delegates, 1 operators outside them" in text
    assert "custom_sdpa" not in text


def test_verbose_inspect_lists_operators_and_tools(shakti: Shakti):
    text = shakti("inspect", "b", "-v").stdout
    assert "llama::custom_sdpa.out" in text
    assert "torch  2.13.0" in text


def test_inspect_json_is_the_manifest(shakti: Shakti):
    outcome = shakti("inspect", "b", "--json")
    assert Manifest.model_validate_json(outcome.stdout) == manifest()


def test_inspect_of_no_bundle_is_an_input_error(tmp_path: Path, shakti: Shakti):
    from sdk_builder.cli.installed import InstalledLibrary

    class RealBundles(FakeLibrary):
        open_bundle = InstalledLibrary.open_bundle  # type: ignore[assignment]

    outcome = shakti("inspect", str(tmp_path), library=RealBundles())
    assert outcome.code == 3
    assert "is not a bundle" in outcome.stderr


# --- verify -------------------------------------------------------------------------------

MIXED = (
    FakeCheck("schema", "pass", "1.0"),
    FakeCheck("hashes", "fail", "model.pte differs"),
    FakeCheck("numeric", "skipped", "no --against"),
)


def test_verify_of_a_good_bundle_ends_with_0(shakti: Shakti):
    library = FakeLibrary()
    outcome = shakti("verify", "b", "--against", "smollm2-135m", library=library)
    assert outcome.code == 0
    assert library.verified == [(Path("b"), "smollm2-135m")]
    assert outcome.stdout == "  ✓  schema  1.0\n"


def test_verify_of_a_bad_bundle_ends_with_5_and_names_what_failed(shakti: Shakti):
    outcome = shakti("verify", "b", library=FakeLibrary(checks=MIXED))
    assert outcome.code == 5
    assert "✗  hashes   model.pte differs" in outcome.stdout
    assert "1 of 3 checks failed: hashes." in outcome.stderr


def test_verify_json_of_a_bad_bundle_holds_checks_and_error(shakti: Shakti):
    outcome = shakti("verify", "b", "--json", library=FakeLibrary(checks=MIXED))
    assert outcome.code == 5
    assert outcome.document["ok"] is False
    assert [check["status"] for check in outcome.document["checks"]] == ["pass", "fail", "skipped"]
    assert outcome.document["error"]["family"] == "VerificationError"


# --- doctor -------------------------------------------------------------------------------


def test_doctor_with_everything_there_ends_with_0(shakti: Shakti):
    outcome = shakti("doctor")
    assert outcome.code == 0
    assert outcome.stdout == "  ✓  Python  3.11\n\nTo build the demo app\n  ✓  JDK  17\n"


def test_doctor_with_a_warning_ends_with_0_and_shows_the_fix(shakti: Shakti):
    findings = (Finding("disk", "warning", "1 GB free", "Free some."),)
    outcome = shakti("doctor", library=FakeLibrary(findings=findings))
    assert outcome.code == 0
    assert "fix: Free some." in outcome.stdout


def test_doctor_with_a_miss_ends_with_7(shakti: Shakti):
    findings = (Finding("Python", "ok", "3.11"), Finding("torch", "missing", "-", "Install it."))
    library = FakeLibrary(findings=findings)
    outcome = shakti("doctor", library=library)
    assert outcome.code == 7
    assert "fix: Install it." in outcome.stdout
    assert "error: Not ready: torch." in outcome.stderr
    document = shakti("doctor", "--json", library=library).document
    assert document["ok"] is False
    assert document["findings"][1]["fix"] == "Install it."
    assert document["error"]["code"] == 7


NO_JDK = FakeLibrary(app_findings=(Finding("JDK", "missing", "java is not there", "Install one."),))


def test_doctor_only_warns_of_what_building_the_app_lacks(shakti: Shakti):
    outcome = shakti("doctor", library=NO_JDK)
    assert outcome.code == 0
    assert "  !  JDK  java is not there\n       fix: Install one." in outcome.stdout
    document = shakti("doctor", "--json", library=NO_JDK).document
    assert document["ok"] is True
    assert document["android"] == [
        {
            "name": "JDK",
            "status": "warning",
            "detail": "java is not there",
            "fix": "Install one.",
        }
    ]


def test_doctor_android_looks_at_the_app_only_and_strictly(shakti: Shakti):
    outcome = shakti("doctor", "--android", library=NO_JDK)
    assert outcome.code == 7
    assert outcome.stdout == "  ✗  JDK  java is not there\n       fix: Install one.\n"
    assert shakti("doctor", "--android").code == 0


@pytest.mark.parametrize(
    "options",
    [("--android", "--network"), ("--device", "A", "--network"), ("--android", "--device", "A")],
)
def test_doctor_refuses_options_that_say_nothing_together(shakti: Shakti, options):
    assert shakti("doctor", *options).code == 2


# --- completion and reference -------------------------------------------------------------


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_prints_a_script_for_the_program(shakti: Shakti, shell: str):
    outcome = shakti("completion", shell)
    assert outcome.code == 0
    assert "_SHAKTI_SDK_COMPLETE" in outcome.stdout
    assert "shakti-sdk" in outcome.stdout


def test_reference_page_is_current():
    from sdk_builder.cli.reference import TARGET, reference

    page = TARGET.read_text(encoding="utf-8")
    assert page == reference(), "run: python -m sdk_builder.cli.reference"


def test_reference_page_has_every_exit_code():
    from sdk_builder.cli.reference import reference
    from sdk_builder.errors import EXIT_CODES

    page = reference()
    for row in EXIT_CODES:
        assert f"| {row.code} | {row.family or '-'} |" in page
