"""What commands ask of the library: one frozen record each, as the user gave it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

DEVICES = ("android", "host")


@dataclass(frozen=True)
class ExportOptions:
    """What the user asked of an export; the fields of `pipeline.ExportRequest`."""

    model: str
    output: Path
    device: str
    quant: str
    context_length: int
    chunk: int | None  # tokens; None: the pipeline's choice
    seed: int | None
    tokenizer: Path | None
    force: bool
    verify: bool
    zip: bool
    method: str = "auto"
    group_size: int | None = None
    embedding: str | None = None
    bits: float | None = None
    kv: str = "fp32"
    attention: str | None = None
    calibration: Path | None = None


@dataclass(frozen=True)
class Answering:
    """How to generate; None leaves it to the bundle's own defaults."""

    temperature: float | None = None
    top_p: float | None = None
    seed: int | None = None
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()


@dataclass(frozen=True)
class PerplexityOptions:
    """What the user asked to measure on a text; the fields of `evaluation.PerplexityRequest`.

    None leaves it to the evaluation.
    """

    bundles: tuple[Path, ...]
    text: str
    text_name: str
    tokens: int | None = None
    window: int | None = None
    stride: int | None = None
    against: str | None = None
    threads: int | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class HarnessOptions:
    """What the user asked of lm-eval's tasks; the fields of `evaluation.HarnessRequest`."""

    bundles: tuple[Path, ...]
    tasks: tuple[str, ...]
    include: Path | None = None
    limit: int | None = None
    fewshot: int | None = None
    chat: bool = False
    threads: int | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class SuiteOptions:
    """What the user asked of a suite; the fields of `evaluation.suites.run.SuiteRequest`."""

    bundles: tuple[Path, ...]
    suite: str
    data: tuple[str, ...] = ()
    limit: int | None = None
    seed: int = 0
    threads: int | None = None
    resume: Path | None = None


@dataclass(frozen=True)
class DomainOptions:
    """What the user asked of domain quality; the fields of `evaluation.domain.suite.DomainRequest`,
    of which None leaves max_tokens to the suite."""

    bundles: tuple[Path, ...]
    items: Path | None = None
    limit: int | None = None
    seed: int = 0
    judge: str | None = None
    threads: int | None = None
    resume: Path | None = None
    max_tokens: int | None = None


@dataclass(frozen=True)
class ProfileOptions:
    """What the user asked of a profile; the fields of `profiling.measure.ProfileRequest`."""

    bundle: Path
    tokens: int
    depth: int
    threads: int | None
    repetitions: int
    bandwidth_gb_per_s: float | None


@dataclass(frozen=True)
class PeerOptions:
    """Another tool to measure on this machine, with its own model file."""

    name: str  # "llama.cpp"
    binary: Path
    model: Path


@dataclass(frozen=True)
class BenchOptions:
    """What the user asked of a benchmark; None leaves it to the protocol's defaults.

    devices: "host", "all", serials; empty: the one attached phone.
    """

    bundle: Path
    devices: tuple[str, ...]
    output: Path
    rounds: int | None
    prefill: tuple[int, ...] | None
    decode: tuple[int, ...] | None
    depths: tuple[int, ...] | None
    threads: tuple[int, ...] | str | None
    quick: bool
    max_wait_s: float
    again: bool
    clean: bool
    peer: PeerOptions | None


@dataclass(frozen=True)
class ReportOptions:
    """What the user asked of a report; results are files or folders."""

    results: tuple[Path, ...]
    output: Path
    formats: tuple[str, ...]
    title: str | None
    grid_g_per_kwh: float | None
    base: tuple[Path, ...]  # to compare with
    force: bool
    paper: bool = False  # beside the paper's numbers; results may also be evaluations and bundles


@dataclass(frozen=True)
class CardOptions:
    """What the user asked of a model card; output None: it is only printed."""

    bundle: Path
    results: tuple[Path, ...]
    output: Path | None
    grid_g_per_kwh: float | None
    force: bool


@dataclass(frozen=True)
class CompareOptions:
    """What the user asked of a comparison; shares are text such as "3%"."""

    base: Path
    new: Path
    margin: str
    confidence: float
    run_to_run_sd: str | None
    across: tuple[Literal["devices", "plans", "runtimes"], ...]  # that may differ


@dataclass(frozen=True)
class TuneOptions:
    """What the user asked of a tuning; the fields of `tuning.request.TuneRequest`."""

    model: str
    text: Path
    output: Path
    max_size_bytes: int | None
    max_ratio: float | None
    tokens: int | None
    quants: tuple[str, ...]
    methods: tuple[str, ...]
    group_sizes: tuple[int, ...]
    embeddings: tuple[str, ...]
    bits: tuple[float, ...]
    kvs: tuple[str, ...]
    quick: bool
    full: bool
    keep: str
    again: bool
    exhaustive: bool
    with_speed: bool
    context_length: int
    seed: int | None
    tokenizer: Path | None
    calibration: Path | None


TRAINING_STAGES = ("pretrain", "sft", "dpo", "rlhf", "qat")


@dataclass(frozen=True)
class TrainOptions:
    """What the user asked of a training; overrides are texts such as steps=100."""

    stage: str
    config: Path | None
    overrides: tuple[str, ...]
    fresh: bool


# --- the demo app ---------------------------------------------------------------------------

RUNTIMES = ("official", "community")
ABIS = ("arm64-v8a", "x86_64")


@dataclass(frozen=True)
class KeystoreOptions:
    """A user's own key to sign with; the fields of `app.signing.Keystore`.

    alias "": the only key. key_password None: the keystore's.
    """

    path: Path
    alias: str
    store_password: str = field(repr=False)
    key_password: str | None = field(repr=False)


@dataclass(frozen=True)
class DemoBuildOptions:
    """What the user asked of a build of the demo app; `output` is the APK or its folder."""

    output: Path
    runtime: str
    abis: tuple[str, ...]
    keystore: KeystoreOptions | None
    repositories: tuple[str, ...]
    shrink: bool
    offline: bool
    force: bool


@dataclass(frozen=True)
class DemoInstallOptions:
    """What the user asked of an installation; apk None: the one of `runtime` in `output`.

    devices: serials, or "all"; empty: the one attached phone.
    """

    devices: tuple[str, ...]
    apk: Path | None
    output: Path
    runtime: str
    bundle: Path | None
