"""A bundle with a sliding window: exported, verified, and talked to for longer than its cache."""

from __future__ import annotations

from pathlib import Path

import pytest

from sdk_builder import Bundle, Session
from sdk_builder.errors import UsageError
from sdk_builder.pipeline import ExportRequest, run_export
from sdk_builder.runtime import GenerationOptions
from sdk_builder.verify import verify_bundle


def exported(folder: Path, output: Path, *, device: str, kv: str = "fp32") -> Bundle:
    request = ExportRequest(
        str(folder), output, device=device, quant="none", chunk=8, attention="window:20", kv=kv
    )
    return run_export(request).bundle


@pytest.mark.parametrize("kv", ["fp32", "int8"])
def test_a_window_goes_on_where_its_ring_went_round(folder: Path, tmp_path: Path, kv: str) -> None:
    bundle = exported(folder, tmp_path / "bundle", device="host", kv=kv)
    assert verify_bundle(bundle, against=str(folder)).ok
    ring = bundle.manifest.program.ring
    assert ring is not None
    assert ring.slots == 4 + 1 + 20 - 1 + 8
    options = GenerationOptions(temperature=0.0, max_tokens=60)
    with Session(bundle) as session:
        prompt = session.encode("abc " * 20)
        first = list(session.tokens(prompt, options))
        assert len(prompt) + len(first) > 2 * ring.slots or session.stats.finish_reason
        again = list(session.tokens(prompt, options))  # too far back for the ring: computed anew
        assert session.stats.reused_tokens == 0
        assert again == first
        grown = [*prompt, *again, *prompt[:3]]
        list(session.tokens(grown, options))
        assert session.stats.reused_tokens > 0


def test_a_window_is_refused_for_android_as_yet(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Android runtime") as caught:
        exported(folder, tmp_path / "bundle", device="android")
    assert "--device host" in caught.value.hint
    assert not (tmp_path / "bundle").exists()
