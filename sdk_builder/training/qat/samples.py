"""Text that the float model writes itself, to be taught from: no data set is needed (data-free
distillation, as in LLM-QAT, arXiv 2305.17888)."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.models.writer import Writer
from sdk_builder.quantization.store import key_of

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Writing:
    """count texts of `length` tokens, `batch` at a time, at `temperature`.

    first: the tokens that texts may begin with, one drawn for each; seed: of all draws.
    """

    count: int
    length: int
    batch: int
    temperature: float
    first: tuple[int, ...]
    seed: int


def write_samples(
    model: ShaktiForCausalLM,
    writing: Writing,
    folder: Path,
    *,
    fingerprint: str,
    part: tuple[int, int] = (0, 1),
    progress: Progress = lambda done, total: None,
) -> Tensor:
    """ids int64 ``[count, length]`` on the CPU.

    part: (r, n) of n processes: only batch r and every n-th after it, ids of these alone.

    Each batch is kept in `folder` as it is finished, so that what was interrupted goes on; batches
    of another model (`fingerprint`) or another `writing` are not taken. Raises OSError when the
    disk is full.
    """
    folder.mkdir(parents=True, exist_ok=True)
    key = key_of(model=fingerprint, writing=[*writing.__dict__.values()])[:16]
    batches = -(-writing.count // writing.batch)
    found = []
    for index in range(part[0], batches, part[1]):
        path = folder / f"samples-{key}-{index}.safetensors"
        ids = _kept(path)
        if ids is None:
            size = min(writing.batch, writing.count - index * writing.batch)

            def told(done: int, total: int, index: int = index) -> None:
                progress(index * total + done, batches * total)

            ids = _write(model, writing, size, index, told).int()
            _keep(path, ids)
        found.append(ids)
        progress((index + 1) * writing.length, batches * writing.length)
    return torch.cat(found).long() if found else torch.empty(0, writing.length).long()


@torch.no_grad()
def _write(
    model: ShaktiForCausalLM, writing: Writing, size: int, index: int, progress: Progress
) -> Tensor:
    device = model.device
    generator = torch.Generator(device).manual_seed(writing.seed * 1_000_003 + index)
    choices = torch.tensor(writing.first, device=device)
    drawn = torch.randint(len(choices), (size, 1), generator=generator, device=device)
    ids = torch.empty(size, writing.length, dtype=torch.long, device=device)
    ids[:, :1] = choices[drawn]
    writer = Writer(model.model, model.lm_head, model.config, size, writing.length)
    for position in range(writing.length - 1):
        logits = writer.next_logits(ids[:, position : position + 1], position)
        # The largest of logit + Gumbel noise is a draw from the softmax.
        noise = torch.empty_like(logits).exponential_(generator=generator).log_()
        ids[:, position + 1] = (logits / writing.temperature - noise).argmax(-1)
        progress(position + 1, writing.length)
    return ids.cpu()


def _kept(path: Path) -> Tensor | None:
    try:
        return load_file(path)["ids"]
    except (OSError, SafetensorError, KeyError):
        return None


def _keep(path: Path, ids: Tensor) -> None:
    part = path.with_suffix(".part")
    try:
        save_file({"ids": ids}, part)
    except SafetensorError as error:
        raise OSError(f"cannot write {path}: {error}") from error
    part.replace(path)
