"""A library that answers from memory: what commands talk to in these tests."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from sdk_builder.app.build import BuildRequest
from sdk_builder.app.inspection import ApkReport
from sdk_builder.bundle.manifest import (
    Generation,
    GoldenPrompt,
    LinearFormat,
    Manifest,
    Method,
    ModelInfo,
    ModelSource,
    Program,
    ProgramPart,
    Quantization,
    Rope,
    TensorSpec,
    TokenizerInfo,
)
from sdk_builder.cli.installed import InstalledLibrary
from sdk_builder.cli.requests import (
    Answering,
    DemoBuildOptions,
    DomainOptions,
    ExportOptions,
    HarnessOptions,
    PerplexityOptions,
    ProfileOptions,
    SuiteOptions,
    TrainOptions,
    TuneOptions,
)
from sdk_builder.errors import ShaktiError
from sdk_builder.findings import Finding
from sdk_builder.log import Steps
from sdk_builder.profiling.attribution import FEED_FORWARD, HEAD, Moment
from sdk_builder.profiling.result import Loading, Phase, Profile
from sdk_builder.tuning.choice import Row
from tests.unit.app.apks import apk_line, apk_report, read_apk

DIGEST = "ab" * 32


def manifest(*, untrained: bool = False) -> Manifest:
    """The manifest of a small bundle."""
    return Manifest(
        name="tiny-q4",
        model=ModelInfo(
            family="Tiny",
            architecture="llama",
            parameters=1_234_567,
            untrained=untrained,
            layers=2,
            hidden_size=64,
            heads=4,
            kv_heads=(4, 2),
            head_dim=16,
            intermediate_size=128,
            vocab_size=300,
            max_position_embeddings=4096,
            tied_embedding=True,
            attention_bias=False,
            rms_norm_eps=1e-5,
            rope=Rope(theta=10000.0),
            fields={"hidden_size": "published"},
            licence="Apache-2.0",
            source=ModelSource(kind="gguf", name="tiny", weight_format="Q4_1"),
        ),
        quantization=Quantization(
            scheme="q4",
            bits_per_weight=4.5,
            weights_bytes=694_000,
            linear=LinearFormat(description="int4 per group", group_size=32),
            embedding="int4 per group",
            kv_cache="fp32",
            method="rounding",
            tensor_formats={"int4": 9},
        ),
        program=Program(
            file="model.pte",
            size_bytes=700_000,
            sha256=DIGEST,
            methods=(
                Method(
                    name="forward",
                    inputs=(TensorSpec(name="tokens", dtype="int64", shape=(1, "length")),),
                    outputs=(TensorSpec(name="logits", dtype="float32", shape=(1, 300)),),
                ),
            ),
            context_length=4096,
            max_chunk=128,
            backend="xnnpack",
            operators=("llama::custom_sdpa.out",),
            delegates=3,
            parts=(
                ProgramPart(name="layers", size_bytes=600_000),
                ProgramPart(name="embedding", size_bytes=100_000),
            ),
        ),
        tokenizer=TokenizerInfo(
            file="tokenizer.json",
            kind="hf",
            sha256=DIGEST,
            vocab_size=300,
            eos_ids=(2,),
            add_bos=False,
        ),
        generation=Generation(temperature=0.7, top_p=0.9, max_tokens=256),
        golden=(GoldenPrompt(prompt_ids=(1,), expected_ids=(3,), text="a"),),
        tools={"torch": "2.13.0"},
    )


@dataclass(frozen=True)
class FakeBundle:
    path: Path
    manifest: Manifest


@dataclass(frozen=True)
class FakeExported:
    bundle: FakeBundle
    zip_path: Path | None = None


@dataclass(frozen=True)
class FakeCheck:
    name: str
    status: Literal["pass", "fail", "skipped"]
    detail: str = ""


@dataclass(frozen=True)
class FakeVerified:
    results: tuple[FakeCheck, ...]

    @property
    def ok(self) -> bool:
        return all(check.status != "fail" for check in self.results)


@dataclass(frozen=True)
class FakeStats:
    prompt_tokens: int = 12
    reused_tokens: int = 0
    generated_tokens: int = 3
    ttft_ms: float | None = 40.0
    prefill_tokens_per_s: float | None = 300.0
    decode_tokens_per_s: float | None = 99.5
    peak_memory_mib: float | None = None
    context_used: int = 15
    finish_reason: str = "eos"
    dropped_exchanges: int = 0


@dataclass(frozen=True)
class FakeAgainst:
    name: str
    perplexity: float = 15.0
    ratio: float = 1.15
    ratio_stderr: float = 0.01
    kl: float = 0.125
    top1: float = 0.875


@dataclass(frozen=True)
class FakeFigures:
    perplexity: float = 17.25
    tokens: int = 99
    window: int = 32
    stride: int = 16
    nll: float = 2.8478
    nll_stderr: float = 0.05
    against: FakeAgainst | None = None


@dataclass(frozen=True)
class FakePerplexity:
    bundle: Path
    result: FakeFigures

    @property
    def document(self) -> dict[str, Any]:
        return {
            "suite": "perplexity",
            "bundle": str(self.bundle),
            "perplexity": self.result.perplexity,
        }


@dataclass(frozen=True)
class FakeScore:
    task: str
    metric: str
    value: float
    stderr: float | None
    filter: str = "none"
    documents: int = 5


@dataclass(frozen=True)
class FakeHarnessScores:
    bundle: Path
    scores: tuple[FakeScore, ...]

    @property
    def document(self) -> dict[str, Any]:
        return {"bundle": str(self.bundle)}


@dataclass(frozen=True)
class FakeTuned:
    rows: tuple[Row, ...] = ()
    recommended: Row | None = None
    reference_perplexity: float | None = 10.0
    baseline: str = ""
    stopped: str = ""
    plots: tuple[Path, ...] = ()
    command: str = ""
    bundle: Path | None = None
    trials: Path = Path("trials.jsonl")


def profile(options: ProfileOptions) -> Profile:
    """A profile of a decode: two operators, 3 ms and 1 ms."""
    moments = (
        (Moment(FEED_FORWARD, 0, "Fully Connected (NC, F32)", 3.0), 2.0),
        (Moment(HEAD, None, "slice_copy.Tensor_out", 1.0), 1.0),
    )
    return Profile(
        bundle=str(options.bundle),
        name="tiny-q4",
        layers=1,
        threads=options.threads,
        bandwidth_gb_per_s=options.bandwidth_gb_per_s,
        loading=Loading(0.01, 0.02, 0.2, 100.0, 130.0, 10.0, 20.0),
        phases=(
            Phase("decode", 1, options.depth, options.repetitions, 1, 2.0, 6_000_000, moments),
        ),
    )


@dataclass
class FakeConversation:
    """Answers each turn with the next script: pieces of text, or an exception to raise."""

    scripts: list[Sequence[str | BaseException]]
    said: list[tuple[str, str, Answering]] = field(default_factory=list)
    closed: int = 0  # answers whose iterator ended or was closed
    resets: int = 0
    stats: FakeStats = FakeStats()

    def send(self, text: str, answering: Answering) -> Iterator[str]:
        return self._answer("send", text, answering)

    def complete(self, text: str, answering: Answering) -> Iterator[str]:
        return self._answer("complete", text, answering)

    def reset(self) -> None:
        self.resets += 1

    def _answer(self, how: str, text: str, answering: Answering) -> Iterator[str]:
        self.said.append((how, text, answering))
        script = self.scripts.pop(0)
        try:
            for piece in script:
                if isinstance(piece, BaseException):
                    raise piece
                yield piece
        finally:
            self.closed += 1


@dataclass(frozen=True)
class FakeBuilt:
    path: Path
    report: ApkReport
    warnings: tuple[str, ...]


@dataclass(frozen=True)
class FakeHarnessed:
    scores: list[FakeHarnessScores]

    @property
    def document(self) -> dict[str, Any]:
        compared = {
            **{"metric": "acc", "group": "t", "of": "b", "against": "a", "difference": 0.25},
            **{"low": -0.5, "high": 0.5, "p_value": 0.5, "items": 4, "changed": 1},
            **{"unit": "share"},
        }
        return {
            "suite": "lm-eval",
            "results": [one.document for one in self.scores],
            "comparisons": [compared] * (len(self.scores) - 1),
        }


@dataclass(frozen=True)
class FakeSuiteAnswer:
    """Half of 8 items, or 40 nats; each further bundle a little less, and two items otherwise."""

    options: SuiteOptions

    @property
    def outcomes(self) -> list[dict[str, Any]]:
        return [{"where": "a.csv:2", "right": 1.0}]

    @property
    def document(self) -> dict[str, Any]:
        names = [path.name for path in self.options.bundles]
        return {
            "suite": self.options.suite,
            "results": [self._result(at, name) for at, name in enumerate(names)],
            "comparisons": [
                {
                    **{
                        "metric": "accuracy",
                        "group": "all",
                        "of": f"tiny {name}",
                        "against": f"tiny {names[0]}",
                    },
                    **{"difference": -0.125, "low": -0.5, "high": 0.25, "p_value": 0.625},
                    **{"items": 8, "changed": 2, "unit": "share"},
                }
                for name in names[1:]
            ],
        }

    def _result(self, at: int, name: str) -> dict[str, Any]:
        def metric(name: str, group: str, value: float | None, unit: str) -> dict[str, Any]:
            near = None if value is None else value / 2
            return {
                **{"metric": name, "group": group, "value": value, "low": near, "high": value},
                **{"items": 8, "unit": unit},
            }

        value = 0.5 - at / 8
        return {
            **{"name": "tiny", "scheme": name, "confidence": 0.95},
            "metrics": [
                metric("accuracy", "all", value, "share"),
                metric("bias", "all", None, "score"),
                metric("difference", "all", 40.0, "nats"),
                metric("accuracy", "age", value, "share"),
                metric("accuracy", "gender", value, "share"),
            ],
            "data": [{"source": "a.csv", "items": 8, "of": 9}],
        }


@dataclass(frozen=True)
class FakeTrained:
    folder: Path = Path("build/trained")
    steps: int = 100
    tokens: int | None = 12_800
    final_loss: float | None = 2.5
    eval_loss: float | None = None
    resumed_from: int | None = None
    export_options: tuple[str, ...] = ("--quant", "q4")
    duration_s: float = 61.0

    def as_document(self) -> dict[str, Any]:
        return {**asdict(self), "folder": str(self.folder)}


PLAN = {
    **{"stage": "pretrain", "model": "tiny", "output": "build/trained", "parameters": 1_500_000},
    **{"steps": 100, "epochs": None, "processes": 2, "accumulation": 4, "precision": "bf16"},
    **{"tokens_per_step": 128, "tokens": 12_800},
    "memory": {"weights_bytes": 6_000_000, "needed_bytes": 9_000_000, "available_bytes": 10**10},
    "data": [{"source": "a.jsonl", "kept": 9, "read": 10}],
}


@dataclass(frozen=True)
class FakePlan:
    document: dict[str, Any] = field(default_factory=lambda: dict(PLAN))
    problem: ShaktiError | None = None


@dataclass
class FakeLibrary(InstalledLibrary):
    """What torch would be needed for, answered from memory; the rest is the real thing."""

    failure: BaseException | None = None  # raised by every method below
    exported: list[ExportOptions] = field(default_factory=list)
    verified: list[tuple[Path, str | None]] = field(default_factory=list)
    checks: tuple[FakeCheck, ...] = (FakeCheck("schema", "pass", "1.0"),)
    untrained: bool = False
    conversation: FakeConversation = field(default_factory=lambda: FakeConversation([]))
    conversed: list[dict[str, object]] = field(default_factory=list)
    tuned: FakeTuned = FakeTuned()
    tunings: list[TuneOptions] = field(default_factory=list)
    measured: list[PerplexityOptions] = field(default_factory=list)
    harnessed: list[HarnessOptions] = field(default_factory=list)
    suites: list[SuiteOptions] = field(default_factory=list)
    domains: list[DomainOptions] = field(default_factory=list)
    trainings: list[TrainOptions] = field(default_factory=list)
    trained: FakeTrained = FakeTrained()
    plan: FakePlan = field(default_factory=FakePlan)
    profiled: list[ProfileOptions] = field(default_factory=list)
    findings: tuple[Finding, ...] = (Finding("Python", "ok", "3.11"),)
    app_findings: tuple[Finding, ...] = (Finding("JDK", "ok", "17"),)
    built: list[DemoBuildOptions] = field(default_factory=list)
    apk: ApkReport = field(default_factory=apk_report)

    def _fail(self) -> None:
        if self.failure is not None:
            raise self.failure

    def export(self, options: ExportOptions, steps: Steps) -> FakeExported:
        self._fail()
        self.exported.append(options)
        with steps.step("Exporting"):
            pass
        zip_path = options.output.with_suffix(".zip") if options.zip else None
        made = FakeBundle(options.output, manifest(untrained=self.untrained))
        return FakeExported(made, zip_path)

    def open_bundle(self, path: Path) -> FakeBundle:
        self._fail()
        return FakeBundle(path, manifest())

    def verify(self, path: Path, against: str | None, steps: Steps) -> FakeVerified:
        self._fail()
        self.verified.append((path, against))
        return FakeVerified(self.checks)

    @contextmanager
    def converse(
        self, path: Path, *, threads: int | None, system: str | None, raw: bool, steps: Steps
    ) -> Iterator[FakeConversation]:
        self._fail()
        self.conversed.append({"path": path, "threads": threads, "system": system, "raw": raw})
        yield self.conversation

    def perplexity(self, options: PerplexityOptions, steps: Steps) -> list[FakePerplexity]:
        self._fail()
        self.measured.append(options)
        against = None if options.against is None else FakeAgainst(options.against)
        return [FakePerplexity(path, FakeFigures(against=against)) for path in options.bundles]

    def harness(self, options: HarnessOptions, steps: Steps) -> FakeHarnessed:
        self._fail()
        self.harnessed.append(options)
        scores = (
            FakeScore(options.tasks[0], "acc", 0.4, 0.245),
            FakeScore(options.tasks[0], "exact_match", 0.25, None, filter="strict"),
        )
        return FakeHarnessed([FakeHarnessScores(path, scores) for path in options.bundles])

    def suite(self, options: SuiteOptions, steps: Steps) -> FakeSuiteAnswer:
        self._fail()
        self.suites.append(options)
        return FakeSuiteAnswer(options)

    def domain(self, options: DomainOptions, steps: Steps) -> FakeSuiteAnswer:
        self._fail()
        self.domains.append(options)
        return FakeSuiteAnswer(SuiteOptions(options.bundles, "domain"))

    def tune(self, options: TuneOptions, steps: Steps) -> FakeTuned:
        self._fail()
        self.tunings.append(options)
        return self.tuned

    def plan_training(self, options: TrainOptions, steps: Steps) -> FakePlan:
        self._fail()
        self.trainings.append(options)
        return self.plan

    def train(self, options: TrainOptions, steps: Steps) -> FakeTrained:
        self._fail()
        self.trainings.append(options)
        with steps.step("Training"):
            pass
        return self.trained

    def profile(self, options: ProfileOptions, steps: Steps) -> Profile:
        self._fail()
        self.profiled.append(options)
        return profile(options)

    def doctor(self, *, network: bool) -> tuple[Finding, ...]:
        self._fail()
        return self.findings

    def doctor_app(self) -> tuple[Finding, ...]:
        self._fail()
        return self.app_findings

    def build_demo(self, options: DemoBuildOptions, steps: Steps) -> FakeBuilt:
        self._fail()
        self.built.append(options)
        with steps.step("Compiling"):
            pass
        path = BuildRequest(options.output, options.runtime).apk
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(apk_line(self.apk))
        return FakeBuilt(path, self.apk, ("a warning",))

    def inspect_demo(self, apk: Path) -> ApkReport:
        self._fail()
        return read_apk(apk, self.apk)


def failing(error: ShaktiError | BaseException) -> FakeLibrary:
    """A library whose every method raises `error`."""
    return FakeLibrary(failure=error)
