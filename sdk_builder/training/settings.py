"""What a training run is told: one class of settings a stage, from YAML and ``key=value``.

No torch. Every name that a user may write is a field here, with its unit and its default; what is
not among them is refused with the nearest name that is. Checks that need the machine (memory,
number of processes) are made in `run.py`.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import chain
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

from sdk_builder.errors import UsageError
from sdk_builder.quantization.options import QuantOptions
from sdk_builder.training.data import MAX_DROPPED, Ending, OnBadShard, Stage, parse_fields

Schedule: TypeAlias = Literal["cosine", "linear", "constant"]
Precision: TypeAlias = Literal["auto", "bf16", "fp32"]
StageName: TypeAlias = Literal["pretrain", "sft", "dpo", "rlhf", "qat"]

_Count = Annotated[int, Field(ge=1)]
_Share = Annotated[float, Field(ge=0, le=1)]
_Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
_HELD_OUT = 64


class Settings(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DeduplicateSettings(Settings):
    """How to drop texts that came before; see `training.data.Duplicates`."""

    capacity: _Count = 1_000_000
    """Texts remembered, the newest."""
    near: float | None = None
    """Likeness from which two texts count as the same, 0.3 to 0.95; none: equal ones only."""


class DataSettings(Settings):
    """One source of data."""

    source: str
    """A .jsonl, .jsonl.gz, .parquet or .txt file, a folder or glob of them, or hub:OWNER/NAME."""
    weight: _Positive = 1.0
    """How often an example is drawn from it, relative to the other sources."""
    fields: dict[str, Any] | None = None
    """Names of the row's fields; none: recognised by the first row."""
    deduplicate: bool | DeduplicateSettings = False
    """Drop texts that came before in this source."""
    max_dropped: _Share = MAX_DROPPED
    """Largest share of rows that may be unusable."""
    on_bad_shard: OnBadShard = "error"
    """What to do with a file that cannot be read: error, or skip the rest of it."""
    shuffle_rows: Annotated[int, Field(ge=0)] = 10_000
    """Rows that are shuffled at a time, besides the files; 0: the order of the files."""
    licence: str | None = None
    """For the model card; none: that of the paper's Table 1 where the source is one of its sets."""


class LoraSettings(Settings):
    """Low-rank adapters, merged into the weights at the end."""

    rank: _Count = 16
    """Inner size of an adapter."""
    alpha: _Positive = 32.0
    """An adapter's product counts alpha / rank times."""
    dropout: Annotated[float, Field(ge=0, lt=1)] = 0.05
    """Of the adapters' inputs."""
    targets: tuple[str, ...] = ("qkv_proj", "o_proj", "gate_up_proj", "down_proj")
    """Linear layers that get an adapter, by the last part of their names."""


class StageSettings(Settings):
    """What all stages have."""

    stage: ClassVar[StageName]
    records: ClassVar[Stage]
    """What a row of the data becomes."""
    ending: ClassVar[Ending] = "go-on"
    """What happens when a source of the data has no more rows."""
    written_as_float32: ClassVar[bool] = False
    """Whatever the type of the weights that training began with."""
    can_shard: ClassVar[bool] = True
    """Whether `fsdp` is possible."""

    model: str
    """A preset, a source of `shakti-sdk models`, a Hugging Face folder, or a .gguf file."""
    tokenizer: Path | None = None
    """A folder or tokenizer.json to use instead of the model's own."""
    seed: Annotated[int, Field(ge=0, lt=2**31)] = 0
    """Of a preset's weights, of the data's order, and of dropout."""
    output: Path
    """The folder of the trained model; checkpoints and logs go to OUTPUT.run beside it."""
    data: tuple[DataSettings, ...] = Field(min_length=1)
    """What to train on; with several sources, mixed by their weights."""
    eval_data: tuple[DataSettings, ...] = ()
    """What to measure the loss on; none: no evaluation."""
    sequence_length: Annotated[int, Field(ge=2)] = 2048
    """Tokens of a sequence; longer texts are cut, or in pre-training go on in the next one."""
    batch_size: _Count = 64
    """Sequences an optimizer step, over all processes."""
    micro_batch_size: _Count = 8
    """Sequences that a process takes at once; batch_size is a multiple of it and the processes."""
    steps: _Count | None = None
    """Optimizer steps; or give epochs."""
    epochs: _Positive | None = None
    """Passes over the data; or give steps."""
    learning_rate: _Positive = 2e-5
    """Its peak, after the warm-up."""
    warmup_steps: Annotated[int, Field(ge=0)] = 20
    """Steps in which the learning rate rises from 0."""
    schedule: Schedule = "cosine"
    """How the learning rate falls after the warm-up: cosine or linear to 0, or constant."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """AdamW's, of all weights but norms and biases."""
    adam_betas: tuple[_Share, _Share] = (0.9, 0.999)
    """AdamW's averages of the gradient and of its square."""
    max_grad_norm: Annotated[float, Field(ge=0)] = 1.0
    """Gradients are scaled down to this norm; 0: never."""
    precision: Precision = "auto"
    """bf16: weights stay fp32, the arithmetic is bf16 (autocast); auto: where the GPU has it."""
    gradient_checkpointing: bool = False
    """Recompute activations in the backward pass: a third more time, far less memory."""
    compile: bool = False
    """torch.compile the model: minutes at the start, faster steps."""
    fsdp: bool = False
    """Shard weights, gradients and optimizer over the processes (FSDP): pretrain, sft and dpo."""
    save_every: _Count = 500
    """Steps between checkpoints; the last step always has one."""
    keep_checkpoints: _Count = 2
    """The newest checkpoints that are kept."""
    log_every: _Count = 10
    """Steps between the lines of logs.jsonl."""
    eval_every: _Count | None = None
    """Steps between evaluations; none: as save_every."""
    tensorboard: bool = False
    """Write TensorBoard's files, too."""
    memory_limit_gib: _Positive | None = None
    """Memory that training may use at most; none: what the device has free."""

    @model_validator(mode="after")
    def _check(self) -> StageSettings:
        if self.steps is None and self.epochs is None:
            raise ValueError("give steps or epochs")
        if self.steps is not None and self.epochs is not None:
            raise ValueError("give steps or epochs, not both")
        if self.batch_size % self.micro_batch_size:
            raise ValueError(
                f"batch_size {self.batch_size} is not a multiple of micro_batch_size "
                f"{self.micro_batch_size}"
            )
        for one in (*self.data, *self.eval_data):
            if one.fields is not None:
                try:
                    parse_fields(self.records, one.fields)
                except UsageError as error:
                    raise ValueError(f"{error.message} {error.hint}".rstrip(" .")) from error
        return self

    @field_validator("tokenizer", "output", mode="before")
    @classmethod
    def _is_path(cls, value: Any) -> Any:
        if isinstance(value, str) and not value.strip():
            raise ValueError("give a path")
        return value

    @property
    def evaluates(self) -> bool:
        """Whether there is an evaluation loss."""
        return bool(self.eval_data)

    @property
    def folder(self) -> Path:
        """Where checkpoints and logs of the run go."""
        return self.output.with_name(self.output.name + ".run")

    @property
    def export_options(self) -> tuple[str, ...]:
        """Of `shakti-sdk export`, for what was trained."""
        return ("--quant", "q4")


class PackedSettings(StageSettings):
    """Stages that read plain texts, packed into sequences, for as long as it takes."""

    records = "pretrain"
    ending = "repeat"

    end_of_text: str | None = None
    """Token after each text; none: <|endoftext|> or the like, else the tokenizer's own end."""
    eval_sequences: _Count = 128
    """Sequences of eval_data that are evaluated, at most."""


class PretrainSettings(PackedSettings):
    """Pre-training: next-token prediction on packed texts."""

    stage = "pretrain"

    batch_size: _Count = 256
    micro_batch_size: _Count = 16
    learning_rate: _Positive = 1e-3
    warmup_steps: Annotated[int, Field(ge=0)] = 500
    weight_decay: Annotated[float, Field(ge=0)] = 0.1
    adam_betas: tuple[_Share, _Share] = (0.9, 0.95)


class SftSettings(StageSettings):
    """Supervised fine-tuning on conversations."""

    stage = "sft"
    records = "sft"

    lora: LoraSettings | None = None
    """Train adapters instead of all weights."""
    packing: bool = False
    """Put several conversations into one sequence, each attending to itself alone."""


class DpoSettings(StageSettings):
    """Direct preference optimization on pairs of answers."""

    stage = "dpo"
    records = "dpo"

    batch_size: _Count = 32
    micro_batch_size: _Count = 4
    learning_rate: _Positive = 1e-6
    beta: _Positive = 0.1
    """How strongly the model is held near the one it started from."""
    loss: str = "sigmoid"
    """The preference loss, by trl's name."""
    lora: LoraSettings | None = None
    """Train adapters instead of all weights."""


class RlhfSettings(StageSettings):
    """Reinforcement learning from rewards (GRPO)."""

    stage = "rlhf"
    records = "rlhf"
    can_shard = False

    batch_size: _Count = 32
    micro_batch_size: _Count = 8
    learning_rate: _Positive = 1e-6
    reward_functions: tuple[str, ...] = ()
    """Functions that score answers, as package.module:function."""
    reward_model: str | None = None
    """A model that scores answers."""
    generations: Annotated[int, Field(ge=2)] = 8
    """Answers for each prompt, compared with each other."""
    max_new_tokens: _Count = 256
    """Longest answer."""
    temperature: _Positive = 1.0
    """Of the sampled answers."""
    beta: Annotated[float, Field(ge=0)] = 0.04
    """Weight of the distance to the model it started from."""
    lora: LoraSettings | None = None
    """Train adapters instead of all weights."""


class QatSettings(PackedSettings):
    """Quantization-aware training: on texts that the model writes itself, or on packed ones."""

    stage = "qat"
    written_as_float32 = True  # bf16 has no room for what a grid's level is
    can_shard = False  # the student reads whole matrices

    data: tuple[DataSettings, ...] = ()
    """Texts to teach from; none: texts that the model writes itself."""
    sequence_length: Annotated[int, Field(ge=2)] = 512
    batch_size: _Count = 16
    micro_batch_size: _Count = 4
    steps: _Count | None = 2000
    learning_rate: _Positive = 5e-4
    """Of the integers before they are rounded: in steps of their grid."""
    warmup_steps: Annotated[int, Field(ge=0)] = 100
    adam_betas: tuple[_Share, _Share] = (0.9, 0.95)
    quant: Literal["q4", "q5", "q8"] = "q4"
    """The format to train for; `export --quant` must be the same, as must the next three."""
    group_size: Literal[32, 64, 128, 256] | None = None
    """Weights that share an int4 scale; none: the format's."""
    bits: _Positive | None = None
    """Mean bits for each weight, scales included; more than the format's buys offsets (q4)."""
    embedding: Literal["int4", "int4+offset", "int8"] | None = None
    """The format of embedding and head; none: as `quant` has it."""
    scale_learning_rate: _Positive = 5e-4
    """Of all else: logarithms of scales, shifts of integers, norms."""
    start: Literal["gptq", "rounding"] = "gptq"
    """The values to begin with: calibrated on some of the texts, or rounded."""
    self_distill: bool | None = None
    """Teach from texts that the model writes itself; none: where there is no data."""
    samples: Annotated[int, Field(ge=8)] = 20_000
    """Texts that the model writes; the last 64, an eighth at most, are for evaluation only."""
    temperature: _Positive = 1.0
    """Of these texts."""
    begin: tuple[str, ...] = ()
    """Tokens that these texts begin with, one drawn for each; none: the bos, else <|endoftext|>."""
    write_batch: _Count = 64
    """Texts that a process writes at once: some hundreds on a GPU."""

    @model_validator(mode="after")
    def _check_texts(self) -> QatSettings:
        if self.self_distill is False and not self.data:
            raise ValueError("give data, or leave self_distill out")
        if self.self_distill and self.data:
            raise ValueError("give data or self_distill, not both")
        if self.distills_itself and self.eval_data:
            raise ValueError("give no eval_data without data: some of the samples are held out")
        if self.distills_itself and self.samples - self.held_out < self.batch_size:
            raise ValueError(f"samples {self.samples} are less than a batch of {self.batch_size}")
        return self

    @property
    def distills_itself(self) -> bool:
        """Whether the texts are the model's own."""
        return not self.data

    @property
    def quant_options(self) -> QuantOptions:
        """What is changed of `quant`, as `export` has it."""
        return QuantOptions(self.group_size, self.embedding, self.bits)

    @property
    def export_options(self) -> tuple[str, ...]:
        changed = {
            "--group-size": self.group_size,
            "--embedding": self.embedding,
            "--bits": self.bits,
        }
        given = ((flag, str(value)) for flag, value in changed.items() if value is not None)
        return ("--quant", self.quant, *chain.from_iterable(given))

    @property
    def held_out(self) -> int:
        """Samples that are not taught from."""
        return min(_HELD_OUT, self.samples // 8)

    @property
    def evaluates(self) -> bool:
        if self.distills_itself:
            return self.eval_every is not None
        return super().evaluates


SETTINGS: Mapping[str, type[StageSettings]] = MappingProxyType(
    {
        "pretrain": PretrainSettings,
        "sft": SftSettings,
        "dpo": DpoSettings,
        "rlhf": RlhfSettings,
        "qat": QatSettings,
    }
)
