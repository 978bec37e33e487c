"""Programs and models that a bundle is compared with, behind one method: logits of a chunk."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from sdk_builder.bundle.manifest import MANIFEST_NAME, Manifest
from sdk_builder.bundle.manifest_file import identity
from sdk_builder.errors import InputError
from sdk_builder.evaluation.journal import digest
from sdk_builder.log import Steps
from sdk_builder.runtime.session import Session

if TYPE_CHECKING:
    from sdk_builder.models.modeling import ShaktiForCausalLM


class Scores(Protocol):
    """What perplexity needs of a program; every `runtime.Engine` has it."""

    context_length: int
    max_chunk: int

    def score(self, ids: Sequence[int], start: int) -> Tensor:
        """Logits ``[len(ids), V]`` of `ids` at positions `start`, ... after those before them."""


class ModelScores:
    """A float model in PyTorch, fed chunk by chunk with transformers' cache."""

    def __init__(self, model: ShaktiForCausalLM, *, max_chunk: int = 128) -> None:
        self.context_length = int(model.config.max_position_embeddings)
        self.max_chunk = max_chunk
        self._model = model
        self._cache = _new_cache()

    def score(self, ids: Sequence[int], start: int) -> Tensor:
        """See `Scores`. A window begins at 0 and goes on without gaps."""
        if start == 0:
            self._cache = _new_cache()
        with torch.no_grad():
            found = self._model(torch.tensor([list(ids)]), past_key_values=self._cache)
        logits: Tensor = found.logits[0]
        return logits


def _new_cache() -> object:
    from transformers import DynamicCache

    return DynamicCache()


@dataclass(frozen=True)
class Reference:
    """What to compare with. name: as the user gave it; key: a SHA-256 of its contents.

    tokenizer: SHA-256 of a bundle's; None for a model, whose tokens are taken as given.
    """

    name: str
    key: str
    scores: Scores
    vocab_size: int
    tokenizer: str | None = None

    def require_fit(self, measured: Manifest) -> None:
        """Raises InputError where its logits and those of `measured` cannot be compared."""
        wanted = measured.model.vocab_size
        if self.vocab_size != wanted:
            raise InputError(
                f"{self.name} has {self.vocab_size} tokens, the model of {measured.name} {wanted}.",
                "Compare with the model that was exported, or a bundle of it.",
            )
        if self.tokenizer not in (None, measured.tokenizer.sha256):
            raise InputError(
                f"{self.name} has another tokenizer than {measured.name}.",
                "Compare bundles of one model.",
            )


def open_reference(
    against: str, measured: Manifest, *, threads: int | None, steps: Steps
) -> Reference:
    """The bundle, or else the model (a name, folder or GGUF file), that `against` names.

    measured: what is compared with it. Raises InputError where their logits cannot be compared,
    BundleError, UnknownModelError, CheckpointError.
    """
    with steps.step(f"Loading {against}"):
        if _is_bundle(Path(against)):
            reference = _bundle(against, measured, threads)
        else:
            reference = _model(against, measured)
    return reference


def _bundle(against: str, measured: Manifest, threads: int | None) -> Reference:
    session = Session(against, threads=threads)
    found = session.manifest
    tokenizer = found.tokenizer.sha256
    reference = Reference(
        against, identity(found), session.engine, found.model.vocab_size, tokenizer
    )
    reference.require_fit(measured)
    return reference


def _model(against: str, measured: Manifest) -> Reference:
    from sdk_builder.models.checkpoint import load_model, open_checkpoint

    checkpoint = open_checkpoint(against, seed=measured.model.source.seed)
    vocab_size = checkpoint.config.vocab_size
    key = digest([against, [[one.name, one.sha256] for one in checkpoint.source.files]])
    reference = Reference(against, key, ModelScores(load_model(checkpoint)), vocab_size)
    reference.require_fit(measured)
    return reference


def _is_bundle(path: Path) -> bool:
    return path.suffix == ".zip" or (path / MANIFEST_NAME).is_file()
