from __future__ import annotations

import json
import shutil

import pytest
from click.testing import CliRunner

from sdk_builder.cli.root import cli
from sdk_builder.errors import BundleError, SessionError, UsageError
from sdk_builder.log import Steps
from sdk_builder.pipeline import ExportRequest, run_export
from sdk_builder.profiling.attribution import ATTENTION, EMBEDDING, HEAD, PARTS
from sdk_builder.profiling.measure import ProfileRequest, run_profile
from sdk_builder.runtime.engine import ExecutorchEngine
from tests.integration.pipeline.tiny import CONTEXT, LAYERS, flip_byte


@pytest.fixture(scope="module")
def profiled(bundle_of):
    request = ProfileRequest(bundle_of("q4"), tokens=40, depth=8, repetitions=3)
    return run_profile(request, Steps.silent())


def test_both_phases_are_profiled_with_every_layer(profiled):
    assert [phase.name for phase in profiled.phases] == ["prefill", "decode"]
    for phase in profiled.phases:
        assert [row.name for row in phase.by_layer()] == [*map(str, range(LAYERS)), "-"]
        assert {row.name for row in phase.by_part()} >= {EMBEDDING, ATTENTION, HEAD}
        assert {row.name for row in phase.by_part()} <= set(PARTS)


def test_time_by_part_layer_and_operator_sums_to_the_whole(profiled):
    for phase in profiled.phases:
        for rows in (phase.by_part(), phase.by_layer(), phase.by_operator()):
            assert sum(row.ms for row in rows) == pytest.approx(phase.total_ms)
            assert sum(row.share for row in rows) == pytest.approx(1)


def test_each_layer_attends_once_a_call(profiled):
    for phase in profiled.phases:
        (attention,) = [row for row in phase.by_part() if row.name == ATTENTION]
        assert attention.calls == LAYERS * phase.calls


def test_weights_are_those_of_the_manifest(profiled, bundle_of):
    manifest = json.loads((bundle_of("q4") / "manifest.json").read_text())
    parts = {part["name"]: part["size_bytes"] for part in manifest["program"]["parts"]}
    matrices = sum(
        size
        for name, size in parts.items()
        if name in {"attention", "feed-forward", "head", "embedding and head (one tensor)"}
    )
    assert profiled.phases[-1].weight_bytes == matrices


def test_a_prompt_longer_than_a_chunk_is_one_repetition_of_several_calls(folder, tmp_path):
    bundle = tmp_path / "small-chunks"
    request = ExportRequest(
        model=str(folder), output=bundle, quant="q4", context_length=CONTEXT, chunk=16
    )
    run_export(request, Steps.silent())
    found = run_profile(ProfileRequest(bundle, tokens=40, repetitions=2), Steps.silent())
    assert found.phases[0].calls == 3
    assert found.phases[0].weight_bytes == 3 * found.phases[1].weight_bytes


def test_more_than_the_context_is_refused(bundle_of):
    with pytest.raises(UsageError, match=f"the context has {CONTEXT}"):
        run_profile(ProfileRequest(bundle_of("q4"), tokens=40, depth=40), Steps.silent())


def test_damaged_bundle_is_refused_before_it_is_loaded(bundle_of, tmp_path):
    bundle = tmp_path / "damaged"
    shutil.copytree(bundle_of("q4"), bundle)
    flip_byte(bundle / "model.pte")
    with pytest.raises(BundleError, match="damaged"):
        run_profile(ProfileRequest(bundle, tokens=8), Steps.silent())


def test_untraced_engine_has_no_trace_to_write(bundle_of, tmp_path):
    engine = ExecutorchEngine(bundle_of("q4") / "model.pte", context_length=CONTEXT, max_chunk=16)
    with pytest.raises(SessionError, match="not traced"):
        engine.write_trace(tmp_path / "trace")


def test_command_prints_one_json_document(bundle_of):
    line = ["profile", str(bundle_of("q4")), "--tokens", "8", "--repetitions", "2", "--json", "-q"]
    result = CliRunner().invoke(cli, line)
    assert result.exit_code == 0, result.stderr
    document = json.loads(result.stdout)
    assert document["layers"] == LAYERS
    assert document["loading"]["peak_mib"] >= document["loading"]["base_mib"] > 0


def test_missing_bundle_is_one_line():
    result = CliRunner().invoke(cli, ["profile", "no-such-bundle"])
    assert result.exit_code == 3
    assert "Traceback" not in result.stderr
