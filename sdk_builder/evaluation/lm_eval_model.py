"""A bundle as a model of lm-eval (https://github.com/EleutherAI/lm-evaluation-harness).

Importing this module registers it under the name ``shakti``. lm-eval has no entry points for models
of others, so its own command line runs as ``python -m sdk_builder.evaluation``, which imports it.

Requests become tokens by the same rules as in lm-eval's ``hf`` model, so that a bundle and the
model that it was exported from answer the same questions: where context and continuation meet, what
goes before an empty context, what is cut where the context is too short.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from typing import Any

from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.api.registry import register_model
from lm_eval.models.utils import handle_stop_sequences, normalize_gen_kwargs
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

from sdk_builder.bundle.chat import Message, render
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.errors import UsageError
from sdk_builder.evaluation.completions import Completer, Completion, cut_at
from sdk_builder.evaluation.continuations import Continuation, ContinuationScorer, continuation
from sdk_builder.evaluation.journal import Journal, digest
from sdk_builder.evaluation.progress import Progress
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session

DEFAULT_ANSWER_TOKENS = 256  # lm-eval's own, where a task does not say
_LOG = logging.getLogger(__name__)
_Encoded = tuple[tuple[str, str] | None, list[int], list[int]]  # as lm-eval passes them


@register_model("shakti")
class BundleLM(TemplateLM):
    """A bundle on this machine, for lm-eval.

    bundle: its path; threads: of the runtime; max_length: tokens that count as its context, at most
    what it was exported with; prefix_token_id: what stands before an empty context, if neither bos
    nor eos is to. batch_size, max_batch_size and device are what lm-eval passes to every model: a
    program runs one sequence at a time on the processor, whatever they say.

    session: an opened one instead of `bundle`; journal: answers that it has are not computed again;
    steps: where progress is shown. truncated: requests that were cut from the left.

    Raises what `Session` raises, UsageError for a max_length that the bundle does not have.
    """

    def __init__(
        self,
        bundle: str = "",
        *,
        threads: int | None = None,
        max_length: int | None = None,
        prefix_token_id: int | None = None,
        batch_size: int | str | None = 1,
        max_batch_size: int | None = None,
        device: str | None = None,
        session: Session | None = None,
        journal: Journal | None = None,
        steps: Steps | None = None,
    ) -> None:
        super().__init__()
        self.session = session or Session(bundle, threads=threads)
        context = self.session.engine.context_length
        if max_length is not None and not 2 <= max_length <= context:
            raise UsageError(
                f"max_length={max_length} is not within 2 and the bundle's context of {context}.",
                "Leave it out, or export with a longer --context.",
            )
        self.max_length = max_length or context
        self.truncated = 0
        self.scorer = ContinuationScorer(self.session.engine, self.session.manifest.program.ring)
        self._completer = Completer(self.session)
        self._info = self.session.manifest.tokenizer
        self._prefix = prefix_token_id
        self._prefix_text = self._text([self.prefix_token_id])
        self._journal = journal
        self._steps = steps or Steps.silent()
        self._keep: Callable[[int, list[Any]], None] = lambda index, answer: None

    # -- what lm-eval asks of a model ------------------------------------------------------------

    @property
    def eot_token_id(self) -> int:
        """What ends a text."""
        return self._info.eos_ids[0]

    @property
    def prefix_token_id(self) -> int:
        """What stands before an empty context: as given, else bos, else eos."""
        if self._prefix is not None:
            return self._prefix
        return self.eot_token_id if self._info.bos_id is None else self._info.bos_id

    @property
    def max_gen_toks(self) -> int:
        """Longest answer where the task does not say."""
        return DEFAULT_ANSWER_TOKENS

    @property
    def tokenizer_name(self) -> str:
        """Names tokenizer and chat template, for lm-eval's cache of requests."""
        return f"shakti-{self._info.sha256}-{digest(self.chat_template(True))}"

    def tok_encode(
        self, string: str, add_special_tokens: bool | None = None, **kwargs: Any
    ) -> list[int]:
        """Tokens of a text, with bos before them if the tokenizer puts one there.

        add_special_tokens: False leaves bos out; None leaves it out where the text has it already.
        """
        written = add_special_tokens is None and string.startswith(self._prefix_text)
        ids: list[int] = self.session.tokenizer.encode(string, add_special_tokens=False).ids
        if self._info.add_bos and add_special_tokens is not False and not written:
            assert self._info.bos_id is not None  # the manifest holds no add_bos without it
            return [self._info.bos_id, *ids]
        return ids

    def chat_template(self, chat_template: bool | str = False) -> str | None:
        """The bundle's template as text; empty where chat turns are not asked for."""
        turns = self.session.manifest.chat
        return turns.template if chat_template and turns is not None else ""

    def apply_chat_template(
        self, chat_history: list[dict[str, str]], add_generation_prompt: bool = True
    ) -> str:
        """The chat by the bundle's turns; without generation prompt its last message stays open.

        A system message that the template does not take is left out, with a warning.
        """
        turns = self.session.manifest.chat
        if turns is None:
            raise UsageError(f"{self.session.bundle.path} has no chat turns.", "Leave out --chat.")
        messages: list[Message] = list(chat_history)
        if messages[0]["role"] == "system" and turns.system_place == "none":
            _LOG.warning("the chat template takes no system message; it is left out")
            messages = messages[1:]
        if add_generation_prompt:
            return render(turns, messages)
        opened = messages[-1]["content"]
        return render(turns, messages[:-1]) + turns.answer_lead + turns.content("assistant", opened)

    def get_model_info(self) -> dict[str, Any]:
        """What lm-eval keeps with its results."""
        manifest = self.session.manifest
        return {
            "bundle": manifest.name,
            "bundle_identity": identity(manifest),
            "program_sha256": manifest.program.sha256,
            "max_length": self.max_length,
        }

    # -- likelihoods -------------------------------------------------------------------------------

    def loglikelihood(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[tuple[float, bool]]:
        """(log-likelihood in nats, whether greedy) of each continuation after its context."""

        def run(missing: list[Instance], keep: Callable[[int, list[Any]], None]) -> None:
            self._keep = keep
            super(BundleLM, self).loglikelihood(missing, disable_tqdm=True)

        answers = self._answers("loglikelihood", requests, run)
        return [(value, greedy) for value, greedy in answers]

    def _loglikelihood_tokens(
        self, requests: Sequence[_Encoded], **kwargs: Any
    ) -> list[tuple[float, bool]]:
        """As `loglikelihood`, of tokens; called by it through lm-eval's `TemplateLM`."""
        wanted = [self._continuation(context, tokens) for _, context, tokens in requests]
        results: list[tuple[float, bool]] = [(0.0, False)] * len(wanted)
        with self._steps.step(f"Scoring {len(wanted)} continuations") as step:
            progress = Progress(step, self.scorer.cost(wanted))
            for one in self.scorer.score(wanted):
                result = (one.log_likelihood, one.greedy)
                results[one.index] = result
                self._keep(one.index, list(result))
                progress.add(one.computed)
        return results

    def loglikelihood_rolling(
        self, requests: list[Instance], disable_tqdm: bool = False
    ) -> list[float]:
        """Log-likelihood of each whole text, in windows of `max_length` without overlap."""

        def run(missing: list[Instance], keep: Callable[[int, float], None]) -> None:
            windows = [self._windows(request.args[0]) for request in missing]
            total = sum(self.scorer.cost([one]) for parts in windows for one in parts)
            with self._steps.step(f"Scoring {len(windows)} texts") as step:
                progress = Progress(step, total)
                for index, parts in enumerate(windows):
                    likelihood = 0.0
                    for part in parts:
                        (scored,) = self.scorer.score([part])
                        likelihood += scored.log_likelihood
                        progress.add(scored.computed)
                    keep(index, likelihood)

        return self._answers("loglikelihood_rolling", requests, run)

    def _windows(self, text: str) -> list[Continuation]:
        parts = get_rolling_token_windows(
            token_list=self.tok_encode(text),
            prefix_token=self.prefix_token_id,
            max_seq_len=self.max_length,
            context_len=1,
        )
        return [self._continuation(*make_disjoint_window(part)) for part in parts]

    def _continuation(self, context: Sequence[int], tokens: Sequence[int]) -> Continuation:
        if len(context) + len(tokens) > self.max_length + 1:
            self.truncated += 1
        return continuation(context, tokens, self.max_length)

    # -- answers -----------------------------------------------------------------------------------

    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """What the model says after each context, up to a stop text; greedy unless a task samples.

        Raises UsageError for an answer longer than the context.
        """

        def run(missing: list[Instance], keep: Callable[[int, str], None]) -> None:
            wanted = [self._completion(index, *one.args) for index, one in enumerate(missing)]
            order = sorted(range(len(wanted)), key=lambda index: wanted[index].prompt)
            with self._steps.step(f"Writing {len(wanted)} answers") as step:
                progress = Progress(step, len(wanted))
                for index in order:
                    keep(index, self._answer(wanted[index]))
                    progress.add(1)

        return self._answers("generate_until", requests, run)

    def _completion(self, number: int, context: str, options: dict[str, Any]) -> Completion:
        kwargs = normalize_gen_kwargs(options, self.max_gen_toks)
        stop = handle_stop_sequences(kwargs.get("until"), eos=self._text([self.eot_token_id]))
        most = int(kwargs["max_gen_toks"])
        room = self.max_length - most
        if room < 1:
            raise UsageError(
                f"A task asks for answers of {most} tokens, the context is {self.max_length}.",
                "Lower max_gen_toks in the task, or export with a longer --context.",
            )
        prompt = self.tok_encode(context)
        self.truncated += len(prompt) > room
        return Completion(
            prompt=tuple(prompt[-room:]) or (self.prefix_token_id,),
            stop=tuple(stop),
            max_tokens=most,
            temperature=float(kwargs["temperature"]) if kwargs["do_sample"] else 0.0,
            top_p=float(kwargs.get("top_p", 1.0)),
            seed=number,
        )

    def _answer(self, wanted: Completion) -> str:
        ids = self._completer.complete(wanted)
        return cut_at(self._text(ids, skip_special_tokens=True), wanted.stop)

    # -- shared ------------------------------------------------------------------------------------

    def _answers(
        self,
        kind: str,
        requests: Sequence[Instance],
        run: Callable[[list[Instance], Callable[[int, Any], None]], None],
    ) -> list[Any]:
        """The answers to `requests`: the journal's, and of the rest those that `run` finds.

        run(missing, keep): calls keep(index in missing, answer) as answers come.
        """
        names = [digest([kind, list(one.args), self.max_length, self._prefix]) for one in requests]
        fresh = [index for index, one in enumerate(requests) if _samples(one)]
        known: dict[int, Any] = {}
        if self._journal is not None:
            found = {index: self._journal.get(name) for index, name in enumerate(names)}
            known = {
                index: value
                for index, value in found.items()
                if value is not None and index not in fresh
            }
        missing = [index for index in range(len(requests)) if index not in known]

        def keep(number: int, answer: Any) -> None:
            index = missing[number]
            known[index] = answer
            if self._journal is not None and index not in fresh:
                self._journal.add(names[index], answer)
            if kind != "loglikelihood":
                self.cache_hook.add_partial(kind, requests[index].args, answer)
            else:
                self.cache_hook.add_partial(kind, requests[index].args, tuple(answer))

        cut_before = self.truncated
        if missing:
            run([requests[index] for index in missing], keep)
        if self.truncated > cut_before:
            _LOG.warning(
                "%d of %d requests were longer than the context of %d and were cut from the left",
                self.truncated - cut_before,
                len(missing),
                self.max_length,
            )
        return [known[index] for index in range(len(requests))]

    def _text(self, ids: Sequence[int], *, skip_special_tokens: bool = False) -> str:
        text: str = self.session.tokenizer.decode(
            list(ids), skip_special_tokens=skip_special_tokens
        )
        return text


def _samples(request: Instance) -> bool:
    """Whether a request asks for chance: its answer is another one each time."""
    options = request.args[-1]
    if not isinstance(options, dict):
        return False
    return bool(options.get("do_sample")) or float(options.get("temperature") or 0.0) > 0.0
