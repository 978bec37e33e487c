"""Each preset from nothing to a bundle that generates, within its share of memory."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from sdk_builder import Bundle, Session
from sdk_builder.models.presets import PRESETS
from sdk_builder.runtime import GenerationOptions
from tests.e2e.conftest import shakti

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(1800)]
GIB = 1 << 30


@pytest.mark.parametrize("name", list(PRESETS))
def test_preset_is_exported_within_its_memory_and_generates(name: str, tmp_path: Path):
    target = tmp_path / name
    done = shakti(
        *("export", name, "--quant", "q4", "--context", "512", "-o", target), folder=tmp_path
    )
    try:
        assert done.returncode == 0, done.stderr
        assert "untrained" in done.stdout
        fp32_bytes = 4 * PRESETS[name].parameters
        if done.peak_bytes is not None:  # where there is /proc
            assert done.peak_bytes <= 1.5 * fp32_bytes + 3 * GIB
        check_bundle(Bundle.open(target), PRESETS[name].parameters)
    finally:
        shutil.rmtree(target, ignore_errors=True)


def check_bundle(bundle: Bundle, parameters: int) -> None:
    manifest = bundle.manifest
    assert manifest.model.untrained
    assert manifest.model.parameters == parameters
    assert "chosen" in manifest.model.fields.values()
    assert manifest.quantization.bits_per_weight <= 4.6
    assert manifest.program.size_bytes <= 1.05 * 4.5 * parameters / 8
    options = GenerationOptions(temperature=1.0, top_p=1.0, seed=1, max_tokens=8)
    with Session(bundle) as session:
        ids = list(session.tokens(session.encode("Hello"), options))
    assert len(ids) == 8
    assert all(0 <= one < manifest.model.vocab_size for one in ids)
