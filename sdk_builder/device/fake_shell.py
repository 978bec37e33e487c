"""The shell of a fake phone: as much of it as shakti-sdk's scripts need."""

from __future__ import annotations

import fnmatch
import re
import shlex
from collections.abc import Iterator, Sequence

from sdk_builder.device.fake import Call, NoSpace, Reply, as_bytes

NO_SPACE = "No space left on device"
MISSING = "No such file or directory"

_OPERATORS = {"|", "&&", "||", ";", "<", ">", ">>"}


class _Operator(str):
    """A word of the script that is no argument, whatever arguments look like."""


def fail(call: Call, why: str, returncode: int = 1) -> Reply:
    """The reply of a command that failed, in toybox's words."""
    return Reply(b"", returncode, f"{call.argv[0]}: {why}\n")


def sh(call: Call) -> Reply:
    """``sh -c SCRIPT NAME ARGUMENTS``: words, "$1", "$@", globs, ``| && || ; < > >>``."""
    if call.argv[1:2] != ("-c",):
        return fail(call, "only sh -c SCRIPT is here")
    script, arguments = call.argv[2], call.argv[4:]
    lexer = shlex.shlex(script, posix=True, punctuation_chars="|&;<>")
    lexer.whitespace_split = True
    words = _expanded(call, list(lexer), arguments)
    out, err, code = b"", b"", 0
    connector = ";"
    for commands, following in _split(words, {"&&", "||", ";"}):
        if commands and (connector == ";" or (connector == "&&") == (code == 0)):
            reply = _pipeline(call, commands)
            out, err = out + as_bytes(reply.stdout), err + as_bytes(reply.stderr)
            code = reply.returncode
            if reply.ends != "exit":
                return Reply(out, code, err, reply.ends)
        connector = following
    return Reply(out, code, err)


def _expanded(call: Call, words: Sequence[str], arguments: Sequence[str]) -> list[str]:
    out: list[str] = []
    for word in words:
        if word in _OPERATORS:
            out.append(_Operator(word))
        elif word == "$@":
            out += arguments
        elif re.fullmatch(r"\$[1-9]", word):
            index = int(word[1]) - 1
            out.append(arguments[index] if index < len(arguments) else "")
        elif "*" in word:
            found = [name for name in call.phone.files if fnmatch.fnmatchcase(name, word)]
            out += sorted(found) or [word]
        else:
            out.append(word)
    return out


def _split(words: Sequence[str], at: set[str]) -> Iterator[tuple[list[str], str]]:
    part: list[str] = []
    for word in words:
        if isinstance(word, _Operator) and word in at:
            yield part, word
            part = []
        else:
            part.append(word)
    yield part, ""


def _pipeline(call: Call, words: Sequence[str]) -> Reply:
    stdin, err, reply = call.stdin, b"", Reply()
    for stage, _ in _split(words, {"|"}):
        reply = _redirected(call, stage, stdin)
        err += as_bytes(reply.stderr)
        if reply.ends != "exit":
            break
        stdin = iter([as_bytes(reply.stdout)])
    return Reply(reply.stdout, reply.returncode, err, reply.ends)


def _redirected(call: Call, words: Sequence[str], stdin: Iterator[bytes]) -> Reply:
    argv: list[str] = []
    source, target, append = None, None, False
    rest = iter(words)
    for word in rest:
        if not isinstance(word, _Operator):
            argv.append(word)
        elif word == "<":
            source = next(rest)
        else:
            target, append = next(rest), word == ">>"
    if source is not None:
        if source not in call.phone.files:
            return Reply(b"", 1, f"sh: can't open {source}: {MISSING}\n")
        stdin = iter([call.phone.files[source]])
    if target is None or target == "/dev/null":
        reply = call.phone.run(argv, stdin)
        return reply if target is None else Reply(b"", reply.returncode, reply.stderr, reply.ends)
    return _written(call, argv, stdin, target, append)


def _written(
    call: Call, argv: Sequence[str], stdin: Iterator[bytes], target: str, append: bool
) -> Reply:
    """Run a command into a file; what cat copies is there as soon as it came."""
    try:
        call.phone.write(target, b"", append=append)
        if list(argv) == ["cat"]:
            for chunk in stdin:
                call.phone.write(target, chunk, append=True)
            return Reply()
        reply = call.phone.run(argv, stdin)
        call.phone.write(target, as_bytes(reply.stdout), append=True)
    except NoSpace:
        return Reply(b"", 1, f"{argv[0]}: xwrite: {NO_SPACE}\n")
    except FileNotFoundError:
        return Reply(b"", 1, f"sh: can't create {target}: {MISSING}\n")
    return Reply(b"", reply.returncode, reply.stderr, reply.ends)
