"""Sliding windows count every token once; perplexity by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from sdk_builder.errors import UsageError
from sdk_builder.evaluation.journal import Journal
from sdk_builder.evaluation.perplexity import Window, perplexity_of_ids, window_sums, windows
from sdk_builder.evaluation.references import Reference
from sdk_builder.runtime.engine import ScriptedEngine
from tests.unit.evaluation.engines import ChunkedEngine


@settings(deadline=None)
@given(st.integers(2, 300), st.integers(2, 64), st.data())
def test_each_prediction_is_counted_once_with_enough_context(length, window, data):
    stride = data.draw(st.integers(1, window - 1))
    counted: list[int] = []
    for index, part in enumerate(windows(length, window, stride)):
        assert 0 <= part.start < part.counted <= part.stop <= length
        assert part.stop - part.start <= window
        if index:
            assert part.counted - part.start >= min(window - stride, part.counted)
        counted += range(part.counted, part.stop)
    assert counted == list(range(1, length))


def scripted_engine() -> ScriptedEngine:
    """Logits 10 for the next number, 0 for the 49 others."""
    return ScriptedEngine(lambda ids: (ids[-1] + 1) % 50, 50, context_length=16, max_chunk=5)


def test_perplexity_by_hand():
    right = math.log(math.exp(10) + 49) - 10  # nats lost on a token that was expected
    wrong = math.log(math.exp(10) + 49)
    ids = [0, 1, 2, 3, 4, 5, 9, 10, 11, 12]
    result = perplexity_of_ids(scripted_engine(), ids, 8, 4)
    mean = (8 * right + wrong) / 9
    variance = (8 * (right - mean) ** 2 + (wrong - mean) ** 2) / 8
    assert (result.tokens, result.window, result.stride) == (9, 8, 4)
    assert result.perplexity == pytest.approx(math.exp(mean), rel=1e-5)
    assert result.nll == pytest.approx(mean, rel=1e-5)
    assert result.nll_stderr == pytest.approx(math.sqrt(variance / 9), rel=1e-5)
    assert result.against is None


def test_defaults_follow_the_context():
    result = perplexity_of_ids(scripted_engine(), list(range(10)))
    assert (result.window, result.stride) == (16, 8)


@pytest.mark.parametrize(("window", "stride"), [(1, 1), (17, 4), (8, 0), (8, 8)])
def test_window_that_does_not_fit_is_refused(window, stride):
    with pytest.raises(UsageError, match="does not fit a context of 16"):
        perplexity_of_ids(scripted_engine(), [1, 2, 3], window, stride)


def logits_of(part: Window, ids: list[int], engine: ChunkedEngine) -> torch.Tensor:
    """Those that predict what `part` counts, one token at a time from an empty cache."""
    rows = [engine.score([one], at)[0] for at, one in enumerate(ids[part.start : part.stop - 1])]
    return torch.stack(rows)[part.counted - part.start - 1 :]


@settings(deadline=None)
@given(st.lists(st.integers(0, 12), min_size=2, max_size=60), st.integers(2, 40), st.integers(1, 9))
def test_chunks_add_up_to_the_definition(ids, window, chunk):
    """Loss, divergence and agreement of a program and a reference with another chunk."""
    for part in windows(len(ids), window, max(window // 2, 1)):
        engine = ChunkedEngine(cuts_matter=False, max_chunk=chunk)
        other = ChunkedEngine(cuts_matter=False, vocab_size=13, max_chunk=5)
        other.score = lambda ids, start, real=other.score: 2 * real(ids, start)  # type: ignore[method-assign,misc]
        found = window_sums(engine, ids, part, other)
        logs = logits_of(part, ids, ChunkedEngine(cuts_matter=False)).log_softmax(-1)
        wanted = 2 * logits_of(part, ids, ChunkedEngine(cuts_matter=False))
        log_wanted = wanted.log_softmax(-1)
        targets = torch.tensor(ids[part.counted : part.stop])[:, None]
        loss, other_loss = -logs.gather(1, targets), -log_wanted.gather(1, targets)
        assert found.tokens == len(targets)
        assert found.loss == pytest.approx(float(loss.sum()), abs=1e-3)
        assert found.difference == pytest.approx(float((loss - other_loss).sum()), abs=1e-3)
        kl = (log_wanted.exp() * (log_wanted - logs)).sum()
        assert found.kl == pytest.approx(float(kl), abs=1e-3)
        assert found.agreed == len(targets)  # twice the logits: the same order


def test_against_itself_is_no_distance():
    ids = [(one * 7) % 13 for one in range(50)]
    reference = Reference("itself", "key", ChunkedEngine(), vocab_size=13)
    result = perplexity_of_ids(ChunkedEngine(), ids, 16, 8, reference=reference)
    assert result.against is not None
    assert (result.against.ratio, result.against.ratio_stderr) == (1.0, 0.0)
    assert result.against.kl == pytest.approx(0.0, abs=1e-6)
    assert result.against.top1 == 1.0
    assert result.against.perplexity == result.perplexity


def test_shorter_context_of_the_reference_bounds_the_window():
    reference = Reference("r", "key", ChunkedEngine(context_length=20), vocab_size=13)
    result = perplexity_of_ids(ChunkedEngine(), [1] * 30, reference=reference)
    assert result.window == 20


def test_interrupted_measurement_goes_on_where_it_stopped(tmp_path: Path):
    ids = [(one * 5) % 13 for one in range(60)]
    expected = perplexity_of_ids(ChunkedEngine(), ids, 16, 8)
    path = tmp_path / "journal.jsonl"

    class Stops(ChunkedEngine):
        def score(self, ids, start):
            if len(self.calls) == 7:
                raise KeyboardInterrupt
            return super().score(ids, start)

    with Journal(path, "key") as journal, pytest.raises(KeyboardInterrupt):
        perplexity_of_ids(Stops(), ids, 16, 8, journal=journal)
    kept = len(path.read_text().splitlines())
    assert kept == 3  # two chunks a window, stopped in the fourth
    engine = ChunkedEngine()
    with Journal(path, "key") as journal:
        assert perplexity_of_ids(engine, ids, 16, 8, journal=journal) == expected
    parts = list(windows(len(ids), 16, 8))
    assert len(engine.calls) == 2 * (len(parts) - kept)
    with Journal(path, "other") as journal:  # another bundle or option: nothing is used
        engine = ChunkedEngine()
        perplexity_of_ids(engine, ids, 16, 8, journal=journal)
    assert len(engine.calls) == 2 * len(parts)
    assert {json.loads(line)["run"] for line in path.read_text().splitlines()} == {"key", "other"}
