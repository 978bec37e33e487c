"""What 4, 5 and 8 bits cost: perplexity of our bundles and of llama.cpp's files of the same source.

    python benchmarks/quality_vs_peers.py --text TEXT --out quality.json
        [--model smollm2-135m-instruct|FOLDER|FILE] [--bundle q4=FOLDER ...] [--tokens 20480]

All of them on the same tokens by llama-perplexity's rule (peers/windows.py): ours through the
bundle's `score` method, llama.cpp's files (Q4_0, Q4_0 --pure, Q4_1, Q8_0) through llama-perplexity,
the float32 model through PyTorch. The loss of a format is its mean negative log-likelihood above
the float model's. Before anything counts, llama.cpp must cut the text into the same tokens, and its
float32 file must give the float model's perplexity. About ten minutes for 135 M parameters.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: see peers/running.py

import torch
from artifact_vs_peers import show
from measuring import run_script
from peers import llama_cpp, llama_perplexity, subjects
from peers.llama_cpp import LlamaCpp
from peers.subjects import Subject
from peers.windows import WindowLoss, cut, measure

from sdk_builder.benchmark.side_by_side import Comparison, SideBySide, paired, write
from sdk_builder.errors import InputError, VerificationError
from sdk_builder.log import Steps
from sdk_builder.models import load_model
from sdk_builder.runtime.session import Session

PEERS = (("Q4_0", False), ("Q4_0", True), ("Q4_1", False), ("Q8_0", False))
TARGETS = {"q4": (1.20, 1.10), "q5": (1.06, 1.02), "q8": (1.016, 1.005)}
# Ours and the peer's format that stands nearest to it.
RIVALS = (("q4", "Q4_0"), ("q4", "Q4_0 --pure"), ("q5", "Q4_1"), ("q8", "Q8_0"))
LOSS_FLOOR = 0.95
AGREEMENT = 2e-3  # of the two float perplexities, relative
_RESAMPLES = 1000
_CHARACTERS_A_TOKEN = 12  # more than any text has on average


@dataclass(frozen=True)
class Job:
    """The tokens to score, and what scores them."""

    subject: Subject
    peer: LlamaCpp
    text: Path  # no longer than needed
    windows: list[list[int]]
    window: int
    steps: Steps


# --- the three sides --------------------------------------------------------------------


def of_float(job: Job) -> WindowLoss:
    """The checkpoint in float32, in PyTorch."""
    model = load_model(job.subject.checkpoint())
    threads = torch.get_num_threads()
    torch.set_num_threads(os.cpu_count() or 1)  # matrices are large here
    try:
        with job.steps.step("Scoring the float model") as step, torch.inference_mode():
            return measure(
                lambda ids: model(torch.tensor([list(ids)])).logits[0],
                job.windows,
                lambda done: step.progress(done, len(job.windows)),
            )
    finally:
        torch.set_num_threads(threads)


def of_bundle(job: Job, bundle: Path, quant: str) -> WindowLoss:
    """One of our bundles, as it runs."""
    with job.steps.step(f"Scoring {quant}") as step, Session(bundle) as session:
        return measure(
            session.score, job.windows, lambda done: step.progress(done, len(job.windows))
        )


def of_llama(job: Job, model: Path, label: str) -> WindowLoss:
    """One of llama.cpp's files."""
    with job.steps.step(f"Scoring llama.cpp's {label}"):
        return llama_perplexity.measure(job.peer, model, job.text, job.window, len(job.windows))


def require_same_tokens(job: Job, model: Path, ids: Sequence[int]) -> None:
    """Raise VerificationError unless llama.cpp cuts what is measured into the same `ids`."""
    used = sum(map(len, job.windows))
    ids, found = list(ids)[:used], llama_perplexity.tokens(job.peer, model, job.text)[:used]
    if found != ids:
        pairs = enumerate(zip(ids, found, strict=False))
        at = next((index for index, (ours, theirs) in pairs if ours != theirs), len(found))
        raise VerificationError(
            f"llama.cpp cuts the text into other tokens than ours, first at token {at}.",
            "Perplexities of different tokens do not compare.",
        )


# --- what is compared -------------------------------------------------------------------


def compare(
    job: Job,
    base: WindowLoss,
    ours: dict[str, WindowLoss],
    theirs: dict[str, WindowLoss],
) -> Iterable[Comparison]:
    """Perplexity over the float model's; beside the peers'; and the ratio of losses."""
    peers = {name: loss.perplexity / base.perplexity for name, loss in theirs.items()}
    told = {
        "rule": f"llama-perplexity's, windows of {job.window}, {base.counted:,} tokens counted",
        "float32 model": f"perplexity {base.perplexity:.4f}",
        "llama.cpp's, over float32's": ", ".join(f"{n} {r:.4f}" for n, r in peers.items()),
        "source weights": job.subject.checkpoint().source.weight_format,
    }
    facts = {"model": job.subject.name, "better": "lower", "conditions": told}
    for quant, loss in ours.items():
        floor, aim = TARGETS.get(quant, (None, None))
        yield paired(
            f"perplexity_{quant}_fp32",
            [(loss.perplexity, base.perplexity)],
            title=f"perplexity {quant} / fp32",
            unit="perplexity",
            peer_name="float32 model",
            floor=floor,
            aim=aim,
            **facts,  # type: ignore[arg-type]
        )
    for quant, rival in RIVALS:
        if quant in ours and rival in theirs:
            yield from _beside(base, (quant, ours[quant]), (rival, theirs[rival]), facts)


def _beside(
    base: WindowLoss,
    ours: tuple[str, WindowLoss],
    theirs: tuple[str, WindowLoss],
    facts: Mapping[str, object],
) -> Iterable[Comparison]:
    (quant, our), (rival, their) = ours, theirs
    yield paired(
        f"perplexity_{quant}_{rival}",
        [(our.perplexity, their.perplexity)],
        title=f"perplexity {quant} against {rival}",
        unit="perplexity",
        peer_name=f"llama.cpp {rival}",
        **facts,  # type: ignore[arg-type]
    )
    lost, peer_lost = our.nll - base.nll, their.nll - base.nll
    if lost <= 0 or peer_lost <= 0:
        return  # one of them loses nothing: a ratio says nothing
    low, high = loss_ratio_quartiles(base, our, their)
    yield Comparison.model_validate(
        {
            "measure": f"loss_{quant}_{rival}",
            "title": f"loss over fp32, {quant} against {rival}",
            "unit": "nats a token",
            "ours": lost,
            "peer": peer_lost,
            "peer_name": f"llama.cpp {rival}",
            "ratio": lost / peer_lost,
            "low": low,
            "high": high,
            "repetitions": len(base.nll_per_token),
            "floor": LOSS_FLOOR if rival == "Q4_0" else None,
            **facts,
        }
    )


def loss_ratio_quartiles(
    base: WindowLoss, ours: WindowLoss, theirs: WindowLoss
) -> tuple[float, float]:
    """Quartiles of the ratio of losses when windows are drawn anew, with replacement."""
    triples = list(zip(base.nll_per_token, ours.nll_per_token, theirs.nll_per_token, strict=True))
    drawing, found = random.Random(0), []
    for _ in range(_RESAMPLES):
        drawn = drawing.choices(triples, k=len(triples))
        lost = sum(our - float_ for float_, our, _ in drawn)
        peer_lost = sum(their - float_ for float_, _, their in drawn)
        if lost > 0 and peer_lost > 0:
            found.append(lost / peer_lost)
    low, _, high = statistics.quantiles(found, n=4) if len(found) > 1 else (1.0, 1.0, 1.0)
    return low, high


# --- the run ----------------------------------------------------------------------------


def prepare(options: argparse.Namespace, peer: LlamaCpp, folder: Path, steps: Steps) -> Job:
    """Cut the text and check that llama.cpp reads the same tokens."""
    path = Path(options.model)
    name = path.name if path.exists() else options.model
    subject = subjects.subject(name, options.model)
    assets = subject.checkpoint().tokenizer()
    try:
        whole = options.text.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"Cannot read {options.text} as UTF-8: {error}.") from error
    from tokenizers import Tokenizer

    text = folder / "text.txt"
    text.write_text(whole[: options.tokens * _CHARACTERS_A_TOKEN].rstrip(), encoding="utf-8")
    tokenizer = Tokenizer.from_str(assets.json_text)
    ids = tokenizer.encode(text.read_text(encoding="utf-8"), add_special_tokens=False).ids
    bos = assets.bos_id if assets.add_bos else None
    windows = cut(ids, options.window, bos=bos, limit=options.tokens // options.window)
    job = Job(subject, peer, text, windows, options.window, steps)
    require_same_tokens(job, subject.float_gguf("f32"), ids)
    return job


def evaluate(job: Job, options: argparse.Namespace) -> list[Comparison]:
    """Score everything; raises VerificationError where the two float models differ."""
    base = of_float(job)
    check = of_llama(job, job.subject.float_gguf("f32"), "F32")
    if abs(check.nll - base.nll) > AGREEMENT:
        raise VerificationError(
            f"llama.cpp's float model has perplexity {check.perplexity:.4f}, ours "
            f"{base.perplexity:.4f}.",
            "The GGUF file does not hold the same model.",
        )
    theirs = {}
    for kind, pure in PEERS:
        label = f"{kind} --pure" if pure else kind
        theirs[label] = of_llama(
            job, job.subject.gguf(job.peer, kind, pure=pure, base="f32"), label
        )
    given = dict(one.split("=", 1) for one in options.bundle)
    ours = {}
    for quant in options.quants.split(","):
        made = Path(given[quant]) if quant in given else None
        ours[quant] = of_bundle(job, job.subject.bundle(quant, made, job.steps), quant)
    return list(compare(job, base, ours, theirs))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--text", type=Path, required=True, help="a UTF-8 text, unseen in training")
    parser.add_argument("--bundle", action="append", default=[], help="QUANT=FOLDER; may repeat")
    parser.add_argument("--quants", default="q4,q5,q8")
    parser.add_argument("--tokens", type=int, default=20480)
    parser.add_argument("--window", type=int, default=512)
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    options = parser.parse_args()
    steps, started, began = Steps(), time.monotonic(), subjects.utc_now()
    peer = llama_cpp.set_up(steps)
    with tempfile.TemporaryDirectory() as folder:
        found = evaluate(prepare(options, peer, Path(folder), steps), options)
    result = SideBySide(
        script=Path(__file__).name,
        started_at=began,
        duration_s=round(time.monotonic() - started, 1),
        machine=subjects.machine(),
        versions=subjects.versions(peer),
        comparisons=tuple(found),
    )
    if options.out:
        write(options.out, result)
    show(result)


if __name__ == "__main__":
    run_script(main)
