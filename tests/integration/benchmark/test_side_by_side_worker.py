"""Our side of the side-by-side measurements, as a real process over a real program."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.peers.running import Ours, first_token, read_bandwidth
from sdk_builder.bundle.reader import Bundle
from sdk_builder.errors import SessionError
from sdk_builder.runtime.sampling import GenerationOptions
from sdk_builder.runtime.session import Session


def test_worker_answers_every_request(tiny_bundle: Bundle):
    with Ours(tiny_bundle.path, 1) as ours:
        assert 0 < ours.times["import_s"] < ours.times["ready_s"]
        assert ours.speed("prefill", 20) > 0
        assert ours.speed("decode", 5) > 0
        assert ours.ask("fill") == {}
        memory = ours.ask("memory")
        assert 0 < memory["stack_bytes"] < memory["peak_bytes"]


def test_first_token_is_the_session_s_own(tiny_bundle: Bundle):
    with Session(tiny_bundle) as session:
        greedy = GenerationOptions(max_tokens=1, temperature=0.0)
        expected = next(session.tokens(session.encode("Hello"), greedy), None)
    with Ours(tiny_bundle.path, 1) as ours:
        assert ours.ask("first_token", prompt="Hello") == {"token": expected}
    without_python_s, whole_s = first_token(tiny_bundle.path, "Hello", 1)
    assert 0 < without_python_s < whole_s


def test_bundle_that_is_not_there_is_told_with_the_worker_s_words(tmp_path: Path):
    with pytest.raises(SessionError, match="none"):
        Ours(tmp_path / "none", 1)


def test_bandwidth_is_measured_and_says_how(tmp_path: Path):
    bandwidth = read_bandwidth(tmp_path)
    assert bandwidth.how.startswith("sum over")
    assert bandwidth.measure(1) > 0


def test_bandwidth_without_a_compiler_comes_from_pytorch(tmp_path: Path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    bandwidth = read_bandwidth(tmp_path)
    assert "PyTorch" in bandwidth.how
    assert bandwidth.measure(1) > 0
