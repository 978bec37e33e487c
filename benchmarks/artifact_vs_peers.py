"""A bundle beside its peers: llama.cpp on the same model, export_llm's program, memory's speed.

    python benchmarks/artifact_vs_peers.py --model smollm2-135m-instruct --out smollm2.json

Models: smollm2-135m-instruct, 640x10 (a Llama shape of 10 layers), shakti-250m, shakti-500m (the
latter three untrained: their speed and size are real), or any checkpoint's path. Ours is exported
as `q4`; llama.cpp is built once (peers/llama_cpp.py) and its files are made from the same weights.
Ours and the peer's run in turn, in processes that stay, and every figure is the ratio of such
pairs. `shakti-sdk report FILE.json` shows the result. Five to ten minutes for most models.

export_llm takes minutes to hours for an export: --export-llm has it do one (kept for the next
time), --cached FILE.json takes its figures from an earlier result instead.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable, Iterable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before torch: see peers/running.py

from export_vs_export_llm import make_checkpoint
from measuring import run_process, run_script
from peers import exporting, llama_cpp, running, subjects
from peers.gguf_model import FloatType
from peers.subjects import Job, Subject, rounds

from sdk_builder.benchmark.side_by_side import Comparison, SideBySide, read, write
from sdk_builder.bundle.manifest import Manifest
from sdk_builder.log import Steps

PROMPT = "The capital of France is Paris, and the capital of Italy is"
DECODED = 64
MB = 1e6  # bytes


# --- size -------------------------------------------------------------------------------


def size(job: Job) -> Iterable[Comparison]:
    """model.pte against llama.cpp's file, as it makes it by default and all of it in Q4_0."""
    ours = job.program.stat().st_size / MB
    facts = {"unit": "MB", "better": "lower", "floor": 1.02, "aim": 0.97}
    told = {"tokenizer": "inside llama.cpp's file, beside model.pte"}
    pure = job.subject.gguf(job.peer, "Q4_0", pure=True, base=_base(job.subject))
    for mark, path in (("", job.q4_0), (" --pure", pure)):
        yield job.compared(
            f"size{'_pure' if mark else ''}",
            f"model.pte, against Q4_0{mark}",
            [(ours, path.stat().st_size / MB)],
            **{**facts, "peer_name": f"llama.cpp Q4_0{mark}"},
            conditions=told,
        )
    whole = sum(file.stat().st_size for file in job.bundle.iterdir()) / MB
    yield job.compared(
        "size_bundle",
        "whole bundle, against Q4_0",
        [(whole, job.q4_0.stat().st_size / MB)],
        unit="MB",
        better="lower",
    )


# --- speed ------------------------------------------------------------------------------


def speed(job: Job) -> Iterable[Comparison]:
    """Decode with two threads and one, prefill of 128 and 512 tokens with two."""
    found: dict[str, list[tuple[float, float]]] = {}
    with running.Ours(job.bundle, 2) as two, running.Ours(job.bundle, 1) as one:
        for _ in rounds(job, "Timing beside llama-bench"):
            ours = {
                "prefill_128": two.speed("prefill", 128),
                "prefill_512": two.speed("prefill", 512),
                "decode_2_threads": two.speed("decode", DECODED),
            }
            theirs = _llama(job, prompts=(128, 512), threads=2)
            ours["decode_1_thread"] = one.speed("decode", DECODED)
            theirs["decode_1_thread"] = _llama(job, prompts=(), threads=1)["decode"]
            theirs["decode_2_threads"] = theirs.pop("decode")
            for name, value in ours.items():
                found.setdefault(name, []).append((value, theirs[name]))
    told = {
        "KV cache": f"ours {job.manifest.quantization.kv_cache}, llama.cpp f16",
        "depth": f"from an empty cache, {DECODED} tokens decoded",
        "processes": "ours stay, llama-bench is started for each round (-r 1); both warm up",
    }
    for name, pairs in found.items():
        kind, number, *unit = name.split("_")
        title = f"{kind}, {number} {unit[0]}" if unit else f"{kind} of {number} tokens, 2 threads"
        floor, aim = (1.0, 1.15) if kind == "decode" else (1.1, 1.5)
        yield job.compared(
            name,
            title,
            pairs,
            unit="tokens/s",
            better="higher",
            floor=floor,
            aim=aim,
            conditions=told,
        )


def _llama(job: Job, *, prompts: tuple[int, ...], threads: int) -> dict[str, float]:
    rows = running.llama_bench(
        job.peer, job.q4_0, prompts=prompts, decoded=DECODED, threads=threads
    )
    return running.llama_speeds(rows)


def limit(job: Job) -> Iterable[Comparison]:
    """Bytes of weights that decode reads a second, against how fast memory can be read."""
    weights = weight_bytes(job.manifest)
    bandwidth = running.read_bandwidth(job.subject.folder)
    for threads in (2, 1):
        pairs: list[tuple[float, float]] = []
        with running.Ours(job.bundle, threads) as ours:
            for _ in rounds(job, f"Timing beside memory, {threads} thread(s)"):
                read_s = weights * ours.speed("decode", DECODED)
                pairs.append((read_s / 1e9, bandwidth.measure(threads) / 1e9))
        yield job.compared(
            f"limit_{threads}",
            f"decode against memory reads, {threads} thread{'s' if threads > 1 else ''}",
            pairs,
            unit="GB/s",
            peer_name="memory read limit",
            better="higher",
            floor=0.6,
            aim=0.8,
            conditions={"limit": bandwidth.how, "bytes read a token": f"{weights:,}"},
        )


def weight_bytes(manifest: Manifest) -> int:
    """Bytes of weights that one decoded token reads: all but the rows of a separate embedding."""
    parts = {part.name: part.size_bytes for part in manifest.program.parts}
    return manifest.quantization.weights_bytes - parts.get("embedding", 0)


# --- start and memory -------------------------------------------------------------------


def load(job: Job) -> Iterable[Comparison]:
    """A new process to its first token, the files in the page cache."""
    pairs, whole = [], []
    for _ in rounds(job, "Timing starts"):
        ours_s, with_python_s = running.first_token(job.bundle, PROMPT, 2)
        theirs_s = running.llama_first_token(job.peer, job.q4_0, PROMPT, 2)
        pairs.append((ours_s, theirs_s))
        whole.append((with_python_s, theirs_s))
    told = {
        "prompt": PROMPT,
        "llama.cpp starts": "llama-completion -n 1 --no-warmup, to its first output",
    }
    facts = {"unit": "s", "better": "lower", "conditions": told}
    title = "load to first token"
    yield job.compared("first_token", title, pairs, **facts, floor=1.0, aim=0.5)
    yield job.compared("first_token_python", f"{title}, with Python", whole, **facts)


def memory(job: Job) -> Iterable[Comparison]:
    """Peak resident memory after every position of the context was filled."""
    with running.Ours(job.bundle, 2) as ours:
        ours.ask("fill")
        ours.speed("decode", DECODED)
        told = ours.ask("memory")
    above, kv = float(told["peak_bytes"] - told["stack_bytes"]), _kv_bytes(job.manifest)
    context = str(job.manifest.program.context_length)
    bench = [str(job.peer.program("llama-bench")), "-m", str(job.q4_0), "-r", "1", "-t", "2"]
    theirs = run_process([*bench, "-ngl", "0", "--no-warmup", "-n", "0", "-p", context])
    facts = {"unit": "MB", "better": "lower"}
    said = {
        "llama.cpp memory": f"whole llama-bench process, -p {context}, f16 cache",
        "our memory": "resident, above Python, torch and the runtime's libraries",
        "Python stack": f"{told['stack_bytes']:,} bytes",
        "KV cache": f"{kv:,} bytes of {context} positions, all of them filled",
    }
    yield job.compared(
        "memory",
        "memory above KV cache, against the file",
        [(max(1.0, above - kv) / MB, job.program.stat().st_size / MB)],
        **facts,
        peer_name="size of model.pte",
        floor=1.5,
        aim=1.2,
        conditions=said,
    )
    yield job.compared(
        "memory_llama_cpp",
        "peak memory with a full KV cache",
        [(above / MB, theirs.peak_mib * 2**20 / MB)],
        **facts,
        conditions={
            **said,
            "llama.cpp memory": f"whole llama-bench process, -p {context}, f16 cache",
        },
    )


def _kv_bytes(manifest: Manifest) -> int:
    """Of the KV cache of `forward`."""
    return manifest.kv_cache_bytes


# --- the run ----------------------------------------------------------------------------

_MEASURE: dict[str, Callable[[Job], Iterable[Comparison]]] = {
    "size": size,
    "speed": speed,
    "limit": limit,
    "load": load,
    "memory": memory,
    "export": exporting.cost,
    "export_llm": exporting.program_speed,
}


def _base(subject: Subject) -> FloatType:
    """Trained weights stay exact until they are quantized; random ones need not."""
    return "f16" if subject.checkpoint().source.untrained else "f32"


def choose(name: str) -> Subject:
    """The subject of --model."""
    if name != "640x10":
        path = Path(name)
        return subjects.subject(path.name if path.exists() else name, name)
    found = subjects.subject(name, "")
    if not (found.folder / "transformers" / "model.safetensors").is_file():
        make_checkpoint(found.folder)
    return Subject(name, str(found.folder / "transformers"), found.folder)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default="smollm2-135m-instruct")
    parser.add_argument("--bundle", type=Path, help="a q4 bundle of it, instead of an export")
    parser.add_argument("--measures", help=f"some of {','.join(_MEASURE)}, with commas")
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--export-llm", action="store_true", help="let export_llm export, too")
    parser.add_argument("--cached", type=Path, help="take export_llm's figures from this result")
    parser.add_argument("--out", type=Path, help="write the result as JSON")
    options = parser.parse_args()
    unknown = set((options.measures or "size").split(",")) - set(_MEASURE)
    if unknown:
        parser.error(f"no measure is called {', '.join(sorted(unknown))}")
    show(measure_all(options))


def measure_all(options: argparse.Namespace) -> SideBySide:
    """Prepare both sides and measure; what is measured so far is in --out after each measure."""
    steps, started, began = Steps(), time.monotonic(), subjects.utc_now()
    subject = choose(options.model)
    wanted = options.measures.split(",") if options.measures else list(_MEASURE)
    if not options.export_llm and not exporting.program(subject).is_file():
        wanted = [name for name in wanted if name not in ("export", "export_llm")]
        if not wanted:
            raise SystemExit("These measures need export_llm's program: add --export-llm, once.")
    peer = llama_cpp.set_up(steps)
    q4_0 = subject.gguf(peer, "Q4_0", base=_base(subject))
    bundle = subject.bundle("q4", options.bundle, steps)
    job = Job(subject, bundle, peer, q4_0, options.pairs, steps)
    earlier = read(options.cached).comparisons if options.cached else ()
    found = [one for one in earlier if "export" in one.measure]
    for name in wanted:
        found += _MEASURE[name](job)
        result = SideBySide(
            script=Path(__file__).name,
            started_at=began,
            duration_s=round(time.monotonic() - started, 1),
            machine=subjects.machine(),
            busy_share=statistics.median(job.busy) if job.busy else None,
            versions=subjects.versions(peer),
            comparisons=tuple(found),
        )
        if options.out:
            write(options.out, result)
    return result


def show(result: SideBySide) -> None:
    """Print the comparisons, one a line."""
    for one in result.comparisons:
        spread = "" if one.low == one.high else f" [{one.low:.3f}, {one.high:.3f}]"
        print(
            f"{one.title:58} {one.ours:14.4g} {one.peer:14.4g} {one.unit:9} "
            f"{one.ratio:.3f}{spread}  {one.verdict}"
        )
    print(f"took {result.duration_s:.0f} s")
    if result.busy:
        print(f"the machine was busy ({result.busy_share:.0%}): do not trust the speeds")


if __name__ == "__main__":
    run_script(main)
