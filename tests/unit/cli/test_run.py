"""`run`: one answer, and the chat."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sdk_builder.cli.chat import Answer, converse
from sdk_builder.cli.requests import Answering
from sdk_builder.errors import PromptTooLongError
from tests.unit.cli.conftest import Shakti
from tests.unit.cli.fakes import FakeConversation, FakeLibrary, FakeStats


def talking(*scripts: list[str | BaseException]) -> FakeLibrary:
    return FakeLibrary(conversation=FakeConversation(list(scripts)))


# --- one answer ---------------------------------------------------------------------------


def test_run_prints_the_answer_only_on_stdout(shakti: Shakti):
    library = talking(["Pa", "ris", "."])
    outcome = shakti("run", "b", "Capital of France?", library=library)
    assert outcome.code == 0
    assert outcome.stdout == "Paris.\n"
    assert outcome.stderr == ""
    assert library.conversation.said == [("send", "Capital of France?", Answering())]


def test_run_passes_options_on(shakti: Shakti):
    library = talking(["x"])
    sampling = ["--temperature", "0", "--top-p", "0.5", "--seed", "3", "--max-tokens", "9"]
    others = ["--stop", "a", "--stop", "b", "--threads", "2", "--system", "Be brief."]
    shakti("run", "b", "hi", *sampling, *others, library=library)
    wanted = Answering(temperature=0.0, top_p=0.5, seed=3, max_tokens=9, stop=("a", "b"))
    assert library.conversation.said == [("send", "hi", wanted)]
    assert library.conversed == [
        {"path": Path("b"), "threads": 2, "system": "Be brief.", "raw": False}
    ]


def test_raw_run_completes_without_chat_turns(shakti: Shakti):
    library = talking([" upon a time"])
    shakti("run", "b", "Once", "--raw", library=library)
    assert library.conversation.said[0][0] == "complete"
    assert library.conversed[0]["raw"] is True


@pytest.mark.parametrize("arguments", [("run", "b"), ("run", "b", "-")], ids=["piped", "dash"])
def test_run_reads_a_prompt_from_stdin(shakti: Shakti, arguments: tuple[str, ...]):
    library = talking(["ok"])
    outcome = shakti(*arguments, library=library, stdin="first\nsecond\n")
    assert outcome.code == 0
    assert library.conversation.said[0][1] == "first\nsecond"


def test_empty_prompt_is_a_usage_error(shakti: Shakti):
    outcome = shakti("run", "b", library=talking(), stdin=" \n")
    assert outcome.code == 2
    assert "empty" in outcome.stderr


def test_stats_go_to_stderr(shakti: Shakti):
    outcome = shakti("run", "b", "hi", "--stats", library=talking(["ok"]))
    assert outcome.stdout == "ok\n"
    assert outcome.stderr == (
        "prompt 12 tokens at 300/s; first token after 40 ms; answer 3 tokens at 99.5/s; "
        "context 15; ended by eos\n"
    )


def test_json_run_is_one_document_with_stats(shakti: Shakti):
    document = shakti("run", "b", "hi", "--json", library=talking(["a", "b"])).document
    assert document["text"] == "ab"
    assert document["stats"]["decode_tokens_per_s"] == 99.5


def test_ctrl_c_keeps_the_text_so_far_and_ends_with_130(shakti: Shakti):
    library = talking(["Once ", KeyboardInterrupt(), "never"])
    outcome = shakti("run", "b", "hi", library=library)
    assert outcome.code == 130
    assert outcome.stdout == "Once \n"
    assert library.conversation.closed == 1


def test_ctrl_c_of_a_json_run_is_one_error_document(shakti: Shakti):
    outcome = shakti("run", "b", "hi", "--json", library=talking(["x", KeyboardInterrupt()]))
    assert outcome.code == 130
    assert outcome.document["error"]["family"] == "Interrupted"


def test_too_long_prompt_ends_with_10(shakti: Shakti):
    error = PromptTooLongError("The prompt has 5000 tokens.", "Shorten it.")
    outcome = shakti("run", "b", "hi", library=talking([error]))
    assert outcome.code == 10
    assert outcome.stderr == "error: The prompt has 5000 tokens.\nhint: Shorten it.\n"


def test_answer_that_ends_its_line_gets_no_second_newline(shakti: Shakti):
    assert shakti("run", "b", "hi", library=talking(["a\n"])).stdout == "a\n"


def test_interrupted_answer_closes_its_iterator():
    closed = []

    def pieces() -> Iterator[str]:
        try:
            yield "a"
            raise KeyboardInterrupt
        finally:
            closed.append(True)

    answer = Answer(pieces())
    answer.stream(None)
    assert (answer.text, answer.stopped, closed) == ("a", True, [True])


# --- the chat -----------------------------------------------------------------------------

Typed = Callable[[str], str]


def typing(*lines: str | type[BaseException]) -> Typed:
    """What a person types, line by line; then end of input."""
    left = list(lines)

    def read_line(_: str) -> str:
        line = left.pop(0) if left else EOFError
        if isinstance(line, str):
            return line
        raise line()

    return read_line


def test_chat_answers_each_line_until_the_end_of_input(capsys: pytest.CaptureFixture[str]):
    conversation = FakeConversation([["one"], ["two"]])
    converse(conversation, Answering(), quiet=True, read_line=typing("a", "", "b"))
    assert [said[1] for said in conversation.said] == ["a", "b"]
    assert capsys.readouterr().out == "one\ntwo\n\n"


def test_chat_says_when_old_exchanges_left_the_context(capsys: pytest.CaptureFixture[str]):
    full = FakeConversation([["yes"]], stats=FakeStats(dropped_exchanges=3))
    converse(full, Answering(), quiet=True, read_line=typing("a"))
    told = capsys.readouterr()
    assert told.out == "yes\n\n"
    assert "the 3 oldest exchanges left it" in told.err


def test_chat_commands(capsys: pytest.CaptureFixture[str]):
    conversation = FakeConversation([])
    lines = typing("/reset", "/stats", "/help", "/frobnicate", "/exit", "never asked")
    converse(conversation, Answering(), quiet=True, read_line=lines)
    shown = capsys.readouterr()
    assert conversation.resets == 1
    assert conversation.said == []
    assert "New conversation." in shown.err
    assert "ended by eos" in shown.err
    assert "No such command: /frobnicate" in shown.err
    assert shown.out == ""


def test_ctrl_c_in_an_answer_stops_it_and_the_next_one_leaves(
    capsys: pytest.CaptureFixture[str],
):
    conversation = FakeConversation([["On", KeyboardInterrupt()]])
    lines = typing("a", KeyboardInterrupt, "never asked")
    converse(conversation, Answering(), quiet=True, read_line=lines)
    assert capsys.readouterr().out == "On\n"
    assert conversation.closed == 1


def test_ctrl_c_at_an_idle_prompt_asks_once_more(capsys: pytest.CaptureFixture[str]):
    conversation = FakeConversation([["one"]])
    lines = typing(KeyboardInterrupt, "a", KeyboardInterrupt, KeyboardInterrupt, "never asked")
    converse(conversation, Answering(), quiet=True, read_line=lines)
    assert [said[1] for said in conversation.said] == ["a"]
    assert capsys.readouterr().err.count("Ctrl-C again") == 2


def test_chat_goes_on_after_a_prompt_that_is_too_long(capsys: pytest.CaptureFixture[str]):
    conversation = FakeConversation([[PromptTooLongError("Too long.")], ["fine"]])
    converse(conversation, Answering(), quiet=True, read_line=typing("long", "short"))
    shown = capsys.readouterr()
    assert "error: Too long.\nhint: /reset begins a new conversation." in shown.err
    assert "fine" in shown.out


PROGRAM = """
import sys, time
from sdk_builder.cli.root import cli
from tests.unit.cli.fakes import FakeConversation, FakeLibrary, FakeStats

class Slow(FakeConversation):
    def send(self, text, answering):
        for number in range(1000):
            yield f"[{number}]"
            time.sleep(0.05)

cli.main(["run", "b"], prog_name="shakti-sdk", obj=FakeLibrary(conversation=Slow([])))
"""


@pytest.mark.skipif(os.name == "nt", reason="needs a pseudo-terminal")
def test_chat_on_a_terminal_stops_at_ctrl_c_and_leaves_at_the_second():
    import pty

    pid, terminal = pty.fork()
    if pid == 0:
        os.execv(sys.executable, [sys.executable, "-c", PROGRAM])
    try:
        read_until(terminal, b"> ")
        os.write(terminal, b"hello\n")
        read_until(terminal, b"[3]")
        os.write(terminal, b"\x03")
        read_until(terminal, b"> ")
        assert press_ctrl_c_until_exit(pid, terminal) == 0
    finally:
        os.close(terminal)


def read_until(terminal: int, wanted: bytes) -> None:
    """Read what the program shows until `wanted` comes up, for at most 30 s."""
    shown = b""
    end = time.monotonic() + 30
    while wanted not in shown:
        assert time.monotonic() < end, shown
        shown += os.read(terminal, 1024)


def press_ctrl_c_until_exit(pid: int, terminal: int) -> int:
    """The exit code of our child, after at most 30 s.

    Python may not see a Ctrl-C that comes just as input() begins to wait; a person presses again.
    """
    for _ in range(30):
        os.write(terminal, b"\x03")
        for _ in range(20):
            done, status = os.waitpid(pid, os.WNOHANG)
            if done:
                return os.waitstatus_to_exitcode(status)
            time.sleep(0.05)
    raise AssertionError("still running")
