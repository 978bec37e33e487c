"""Rewards for RLHF: the user's own functions, and reward models.

A reward function is named ``package.module:function`` and is called with keyword arguments, those
of these that it has parameters for:

- ``completions``: the answers, a list of N texts;
- ``prompts``: for each the conversation up to it, a list of turns ``{"role", "content"}``;
- any field of the data that is not part of the prompt: a list of N values, None where a record
  lacks it.

It returns N numbers, the higher the better; None for an answer that it does not judge.
"""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sdk_builder.errors import RewardError, ShaktiError, UsageError
from sdk_builder.models.source_info import first_line
from sdk_builder.user_code import NoSuchModule, import_named, place_of

Rewards = list["float | None"]
Reward = Callable[..., Rewards]

EXTRA = "extra"  # the column that holds a record's further fields, as JSON
_GIVEN = ("completions", "prompts")


def load_reward(name: str, fields: Collection[str]) -> Reward:
    """The function as trl calls it. fields: further ones of the data's first records.

    Modules of the working folder are found, too. Raises RewardError.
    """
    function = _find(name)
    wanted = _wanted(name, function, fields)

    def reward(**given: Any) -> Rewards:
        completions = [answer[-1]["content"] for answer in given["completions"]]
        extra = [json.loads(text) for text in given[EXTRA]]
        values = {key: [one.get(key) for one in extra] for key in {k for one in extra for k in one}}
        values |= {"completions": completions, "prompts": given["prompts"]}
        with _user_errors(name):
            found = function(**wanted.choose(values, len(completions)))
            found = list(found) if isinstance(found, Iterable) else found  # it may be a generator
        return _checked(name, found, len(completions))

    reward.__name__ = name
    return reward


@dataclass(frozen=True)
class _Wanted:
    """Arguments of a reward function. everything: it has ``**``."""

    needed: frozenset[str]
    optional: frozenset[str]
    everything: bool

    def choose(self, values: Mapping[str, Any], count: int) -> dict[str, Any]:
        """Those that it takes; a needed field that no record of the batch has is all None."""
        lacking = {key: [None] * count for key in self.needed}
        taken = self.needed | self.optional
        return lacking | {k: v for k, v in values.items() if self.everything or k in taken}


def _find(name: str) -> Callable[..., Any]:
    module_name, found, function_name = name.partition(":")
    if not (found and module_name and function_name):
        raise RewardError(
            f"reward_functions: {name!r} names no function.", "Write package.module:function."
        )
    with _user_errors(name):
        try:
            module = import_named(module_name)
        except NoSuchModule as error:
            raise RewardError(
                f"reward_functions: there is no module {error.name} for {name}.",
                "Run from the folder that has it, or install it.",
            ) from error
    function = getattr(module, function_name, None)
    if not callable(function):
        there = [key for key, one in vars(module).items() if inspect.isfunction(one)]
        raise RewardError(
            f"reward_functions: {module_name} has no function {function_name}.",
            f"It has {', '.join(there)}." if there else "",
        )
    if inspect.iscoroutinefunction(function):
        raise RewardError(f"reward_functions: {name} is async; an ordinary function is needed.")
    checked: Callable[..., Any] = function
    return checked


def _wanted(name: str, function: Callable[..., Any], fields: Collection[str]) -> _Wanted:
    kinds = inspect.Parameter
    parameters = [
        one
        for one in inspect.signature(function).parameters.values()
        if one.kind is not kinds.VAR_POSITIONAL
    ]
    everything = any(one.kind is kinds.VAR_KEYWORD for one in parameters)
    named = [one for one in parameters if one.kind is not kinds.VAR_KEYWORD]
    if any(one.kind is kinds.POSITIONAL_ONLY for one in named):
        raise RewardError(f"reward_functions: {name} takes arguments by position only.")
    needed = frozenset(one.name for one in named if one.default is one.empty)
    wanted = _Wanted(needed, frozenset(one.name for one in named) - needed, everything)
    if not everything and "completions" not in needed | wanted.optional:
        raise RewardError(
            f"reward_functions: {name} has no parameter completions.",
            "It is called with completions=[...], and prompts=[...] or fields of the data.",
        )
    if missing := sorted(needed - {*_GIVEN, *fields}):
        raise RewardError(
            f"reward_functions: {name} needs {missing[0]}, which the data do not have.",
            f"They have {', '.join(sorted(fields)) or 'no further fields'}.",
        )
    return wanted


def _checked(name: str, found: Any, count: int) -> Rewards:
    try:
        values = [None if one is None else float(one) for one in found]
    except (TypeError, ValueError) as error:
        raise RewardError(
            f"{name} returned no list of numbers: {first_line(error)}.",
            "Return one number, or None, for each of completions.",
        ) from error
    if len(values) != count:
        raise RewardError(f"{name} returned {len(values)} rewards for {count} answers.")
    if any(one is not None and not math.isfinite(one) for one in values):
        raise RewardError(f"{name} returned a reward that is not finite.")
    return values


@contextmanager
def _user_errors(name: str) -> Iterator[None]:
    """Say in one line where the user's own code failed."""
    try:
        yield
    except ShaktiError:
        raise
    except Exception as error:
        raise RewardError(
            f"{name} failed with {type(error).__name__}: {first_line(error)} ({place_of(error)}).",
            "--debug shows the traceback.",
        ) from error


# --- reward models --------------------------------------------------------------------------


def load_reward_model(folder: str) -> tuple[Any, Any]:
    """(a sequence classification model with one output, its tokenizer) of a folder or hub id.

    Raises RewardError.
    """
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    hint = "It has to be a folder that save_pretrained wrote of a model for sequence classification"
    if not Path(folder).expanduser().is_dir():
        raise RewardError(f"reward_model: there is no folder {folder}.", f"{hint}.")
    path = str(Path(folder).expanduser())
    try:
        tokenizer = AutoTokenizer.from_pretrained(path)
        model, loading = AutoModelForSequenceClassification.from_pretrained(
            path, output_loading_info=True
        )
    except Exception as error:  # whatever transformers and the readers below it raise
        raise RewardError(f"reward_model: {folder}: {first_line(error)}.", f"{hint}.") from error
    if loading["missing_keys"]:
        raise RewardError(
            f"reward_model: {folder} has no weights for {min(loading['missing_keys'])}: it is no "
            "trained reward model.",
            f"{hint}.",
        )
    if model.config.num_labels != 1:
        raise RewardError(
            f"reward_model: {folder} has {model.config.num_labels} outputs, not one.", f"{hint}."
        )
    if tokenizer.chat_template is None:
        raise RewardError(
            f"reward_model: the tokenizer of {folder} has no chat template.",
            "Save one with it: the model judges conversations as that writes them.",
        )
    return model.eval(), tokenizer


def check_given(functions: Sequence[str], model: str | None) -> None:
    """Raises UsageError where nothing gives a reward."""
    if not functions and model is None:
        raise UsageError(
            "Nothing gives a reward.", "Set reward_functions, or reward_model, or both."
        )


def as_extra(fields: Mapping[str, Any]) -> str:
    """A record's further fields for the column `EXTRA`; what JSON lacks becomes text."""
    return json.dumps(dict(fields), default=str)
