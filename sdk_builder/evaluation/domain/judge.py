"""Who scores answers: the metrics of this package, or a function of the user's. No torch."""

from __future__ import annotations

import hashlib
import inspect
import math
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from sdk_builder.errors import InputError, ShaktiError
from sdk_builder.evaluation.domain import metrics
from sdk_builder.evaluation.domain.embedding import Embedder, default_embedder
from sdk_builder.user_code import NoSuchModule, import_named, place_of

_PARAMETERS = ("kind", "prompt", "reference", "answer")
_CALLED = "It is called with kind=, prompt=, reference= and answer=, all texts."


class Judge(Protocol):
    """Scores answers from 0 (worst) to 1.

    name: for the record; key: equal only where all scores are.
    """

    @property
    def name(self) -> str: ...

    @property
    def key(self) -> str: ...

    def score(self, kind: str, prompt: str, reference: str, answer: str) -> float:
        """kind: relevancy, summarization or factual; reference: for factual, a claim a line."""
        ...


@dataclass(frozen=True)
class MetricsJudge:
    """metrics.py, with an embedding."""

    embedder: Embedder
    name: str = "metrics"

    @property
    def key(self) -> str:
        return f"metrics {metrics.VERSION} {self.embedder.key}"

    def score(self, kind: str, prompt: str, reference: str, answer: str) -> float:
        """See `Judge`."""
        if kind == "relevancy":
            return metrics.answer_relevancy(prompt, reference, answer, self.embedder)
        if kind == "summarization":
            return metrics.summarization(prompt, reference, answer, self.embedder)
        return metrics.factual(reference.split("\n"), answer, self.embedder)


@dataclass(frozen=True)
class FunctionJudge:
    """A user's function; its errors and wrong results become InputError."""

    name: str
    key: str
    function: Callable[..., Any]

    def score(self, kind: str, prompt: str, reference: str, answer: str) -> float:
        """See `Judge`."""
        with _user_errors(self.name):
            found = self.function(kind=kind, prompt=prompt, reference=reference, answer=answer)
        try:
            value = float(found)
        except (TypeError, ValueError, OverflowError):
            value = math.nan
        if not 0 <= value <= 1:
            shown = repr(found)
            raise InputError(
                f"The judge {self.name} returned {shown[:60]} for an answer of kind {kind}.",
                "Return a number from 0 to 1.",
            )
        return value


def load_judge(name: str | None) -> Judge:
    """The judge of this name, ``package.module:function``; None: the metrics.

    Modules of the working folder are found, too. Raises InputError, and for the metrics what
    `default_embedder` raises.
    """
    if name is None:
        return MetricsJudge(default_embedder())
    function = _find(name)
    try:
        inspect.signature(function).bind(**dict.fromkeys(_PARAMETERS, ""))
    except TypeError as error:
        raise InputError(f"The judge {name} takes other arguments: {error}.", _CALLED) from error
    except ValueError:  # a built-in without a signature; calling it will tell
        pass
    return FunctionJudge(name, f"{name} {_source_hash(function)}", function)


def _find(name: str) -> Callable[..., Any]:
    module_name, _, function_name = name.partition(":")
    if not (module_name and function_name):
        raise InputError(f"{name!r} names no judge.", "Write package.module:function.")
    with _user_errors(name):
        try:
            module = import_named(module_name)
        except NoSuchModule as error:
            raise InputError(
                f"There is no module {error.name} for the judge {name}.",
                "Run from the folder that has it, or install it.",
            ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        there = [key for key, one in vars(module).items() if inspect.isfunction(one)]
        raise InputError(
            f"{module_name} has no function {function_name}.",
            f"It has {', '.join(there)}." if there else _CALLED,
        )
    if inspect.iscoroutinefunction(function):
        raise InputError(f"The judge {name} is async; an ordinary function is needed.")
    checked: Callable[..., Any] = function
    return checked


def _source_hash(function: Callable[..., Any]) -> str:
    """SHA-256 of the file that has the function: a changed judge's scores are others."""
    try:
        return hashlib.sha256(Path(inspect.getfile(function)).read_bytes()).hexdigest()
    except (OSError, TypeError):
        return "unknown"


@contextmanager
def _user_errors(name: str) -> Iterator[None]:
    """Say in one line where the user's own code failed."""
    try:
        yield
    except ShaktiError:
        raise
    except Exception as error:
        reason = (str(error).strip().splitlines() or [""])[0][:200]
        raise InputError(
            f"The judge {name} failed with {type(error).__name__}: {reason} ({place_of(error)}).",
            "--debug shows the traceback.",
        ) from error
