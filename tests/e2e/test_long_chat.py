"""SmolLM2 in chats of 200 turns: full attention that forgets its oldest, and a window that goes on.

So small a model does not always say what its system message told it a thousand tokens ago. What it
finds likelier does: told one of two names, it prefers that one. A system message out of sight would
make no difference.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from itertools import chain
from pathlib import Path

import pytest

from sdk_builder import Bundle, Session
from sdk_builder.bundle.chat import render
from sdk_builder.evaluation.continuations import Continuation, ContinuationScorer
from tests.e2e.conftest import chat_on_terminal, shakti

pytestmark = [pytest.mark.slow, pytest.mark.e2e, pytest.mark.timeout(900)]

TURNS, MAX_TOKENS, CONTEXT = 200, 8, 512
NAMES = ("Luna", "Max")
LIKELIER = 3.0  # nats
PLACES = ("France", "Spain", "Italy", "Japan", "India", "Egypt", "Brazil", "Canada", "Peru")
THINGS = ("apple", "river", "train", "piano", "tiger", "cloud", "bridge", "candle")


def question(turn: int) -> str:
    kinds = (
        f"What is the capital of {PLACES[turn // 3 % len(PLACES)]}?",
        f"What is {3 + turn % 17} plus {2 + turn % 11}?",
        f"What color is a {THINGS[turn // 3 % len(THINGS)]}?",
    )
    return kinds[turn % 3]


def system(name: str) -> str:
    return f"Your name is {name}."


QUESTIONS = [*map(question, range(TURNS)), "What is your name?"]


@pytest.fixture(scope="module", params=["full", "window:320"])
def bundle(
    request: pytest.FixtureRequest, smollm2: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    folder = tmp_path_factory.mktemp("chat")
    how = ("--attention", request.param, "--context", str(CONTEXT))
    quick = ("--method", "rounding", "--bits", "4.6", "--no-verify")
    done = shakti("export", "smollm2-135m", *how, *quick, "-o", folder / "bundle", folder=folder)
    assert done.returncode == 0, done.stderr
    return folder / "bundle"


def preference(session: Session, turns: Sequence[tuple[str, str]], told: str) -> float:
    """How much likelier, in nats, the first name is than the second behind these exchanges."""
    chat = session.manifest.chat
    assert chat is not None
    said = chain.from_iterable(
        ({"role": "user", "content": asked}, {"role": "assistant", "content": answer})
        for asked, answer in turns
    )
    last = {"role": "user", "content": QUESTIONS[-1]}
    messages = [{"role": "system", "content": system(told)}, *said, last]
    prompt = session.encode(render(chat, messages) + "My name is", bos=False)
    names = [session.encode(f" {name}", bos=False)[:1] for name in NAMES]
    requests = [Continuation((*prompt, *name), 1) for name in names]
    scorer = ContinuationScorer(session.engine, session.manifest.program.ring)
    found = {one.index: one.log_likelihood for one in scorer.score(requests)}
    return found[0] - found[1]


@pytest.mark.skipif(sys.platform == "win32", reason="no pseudo-terminals")
def test_run_keeps_to_its_system_message_over_200_turns(bundle: Path) -> None:
    options = ("--system", system(NAMES[0]), "--max-tokens", str(MAX_TOKENS))
    said = chat_on_terminal(bundle, QUESTIONS, *options)
    left = re.findall(r"the (?:(\d+) )?oldest exchange", said.stderr)
    dropped = sum(int(count or 1) for count in left)
    assert len(said.answers) == len(QUESTIONS)
    with Session(bundle) as session:
        if session.manifest.program.pattern is None:
            assert TURNS // 2 < dropped < TURNS
        else:
            assert dropped == 0
        turns = list(zip(QUESTIONS, said.answers, strict=True))[dropped:-1]
        first, second = (preference(session, turns, told) for told in NAMES)
    assert first > 0 > second
    assert first - second > LIKELIER


def test_a_window_without_sinks_forgets_it(smollm2: Path, tmp_path: Path) -> None:
    """The measure tells a system message in sight from one that is not."""
    how = ("--attention", "window:64+sinks:0", "--method", "rounding", "--no-verify")
    done = shakti("export", "smollm2-135m", *how, "-o", tmp_path / "bundle", folder=tmp_path)
    assert done.returncode == 0, done.stderr
    with Session(Bundle.open(tmp_path / "bundle")) as session:
        turns = [(asked, "I do not know.") for asked in QUESTIONS[:120]]
        first, second = (preference(session, turns, told) for told in NAMES)
    assert abs(first - second) < LIKELIER / 3
