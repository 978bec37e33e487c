"""The manifest of a bundle: what it is, how it was made, and what it should do.

`manifest.json` is canonical JSON (sorted keys, two spaces, UTF-8, newline at the end) with
one more top-level field, `checksum`: the SHA-256 of the file's own bytes with that field's
64 digits set to zeros. Sizes are bytes; weights are counted with their scales.

Versions: a file of our major version and a newer minor one may hold fields that we do not
know, and they are ignored; in our own minor version they are refused; a newer major
version is refused as a whole. A new optional field raises the minor version.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field, model_validator

from sdk_builder.attention import (
    FIRST_SINKS,
    BlockSparse,
    Pattern,
    RingCache,
    SlidingWindow,
    check_pattern,
    kv_bytes,
    kv_cache_bytes,
)
from sdk_builder.bundle.record import (
    LARGEST,
    Count,
    FileName,
    NotNegative,
    Positive,
    Record,
    Sha256,
    TokenId,
)
from sdk_builder.bundle.turns import ChatTurns
from sdk_builder.errors import UsageError

SCHEMA_VERSION = "1.0"
MANIFEST_NAME = "manifest.json"

Mark = Literal["published", "chosen"]
Parameter = (
    bool | Annotated[int, Field(ge=-LARGEST - 1, le=LARGEST)] | float | str | None
)  # what a user may give to export


class SourceFile(Record):
    """A file that the weights came from."""

    name: str
    size_bytes: Count
    sha256: Sha256


class ModelSource(Record):
    """Where the weights came from; a preset has a seed instead of files."""

    kind: Literal["gguf", "safetensors", "preset"]
    name: str
    files: tuple[SourceFile, ...] = ()
    weight_format: str  # as stored there: "Q4_1", "bf16", ...
    seed: int | None = None


class RopeScaling(Record):
    """Llama 3's stretching of rotary frequencies."""

    factor: Annotated[float, Field(gt=0.0)]
    low_freq_factor: Annotated[float, Field(gt=0.0)]
    high_freq_factor: Annotated[float, Field(gt=0.0)]
    original_max_position_embeddings: Positive


class Rope(Record):
    """Rotary positions."""

    theta: Annotated[float, Field(gt=0.0)]
    scaling: RopeScaling | None = None


class ModelInfo(Record):
    """The model before quantization."""

    family: str
    architecture: str
    parameters: Positive
    untrained: bool
    layers: Positive
    hidden_size: Positive
    heads: Positive
    kv_heads: tuple[Positive, ...]  # one number a layer
    head_dim: Positive
    intermediate_size: Positive
    vocab_size: Positive
    max_position_embeddings: Positive
    tied_embedding: bool
    attention_bias: bool
    rms_norm_eps: NotNegative
    rope: Rope
    # For presets: whether a value is published or chosen by us, by field.
    fields: dict[str, Mark] = Field(default_factory=dict)
    licence: str | None = None
    source: ModelSource

    @model_validator(mode="after")
    def _heads_fit(self) -> ModelInfo:
        if len(self.kv_heads) != self.layers:
            raise ValueError(f"kv_heads has {len(self.kv_heads)} entries for {self.layers} layers")
        for layer, kv_heads in enumerate(self.kv_heads):
            if self.heads % kv_heads:
                raise ValueError(
                    f"layer {layer}: {self.heads} heads are no multiple of {kv_heads} KV heads"
                )
        return self


class LinearFormat(Record):
    """How the weights of linear layers are stored."""

    description: str
    group_size: Positive | None = None  # weights that share a scale; None: a whole channel


class Quantization(Record):
    """How the weights and the KV cache are stored."""

    scheme: str  # "none", "q8", "q5", "q4"
    bits_per_weight: NotNegative  # effective: scales and other side data included
    weights_bytes: Count
    linear: LinearFormat
    embedding: str
    kv_cache: str  # "fp32" or "int8"
    method: str  # how the quantized values were found: "rounding", "gptq", "qat"
    tensor_formats: dict[str, Count] = Field(default_factory=dict)  # format -> number of tensors

    @property
    def exact(self) -> bool:
        """Whether every build of the runtime gives the same tokens: nothing is rounded to int8."""
        return self.scheme == "none" and self.kv_cache == "fp32"


class TensorSpec(Record):
    """An input or output of a method; a dimension given by name varies from call to call."""

    name: str
    dtype: str
    shape: tuple[Count | str, ...]


class Method(Record):
    """One entry point of the program."""

    name: str
    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]


class ProgramPart(Record):
    """A share of the program file: embedding, head, layers, code, ..."""

    name: str
    size_bytes: Count


class SparseBlocks(Record):
    """Block-sparse attention: see `attention.BlockSparse`."""

    block: Positive  # positions
    local: Positive  # blocks
    stride: Positive  # blocks
    reach: Positive  # blocks


class Program(Record):
    """The ExecuTorch program."""

    file: FileName
    size_bytes: Positive
    sha256: Sha256
    methods: tuple[Method, ...]
    context_length: Positive  # positions of a text, prompt and answer together
    max_chunk: Positive  # most tokens that one call may take (prefill)
    window: Positive | None = None  # positions looked at, and the first few
    sparse: SparseBlocks | None = None  # or blocks, and the first few; neither: all positions
    sinks: Count | None = None  # how many first ones, where not four
    global_every: Positive | None = None  # each such layer looks at all positions nevertheless
    backend: str  # "xnnpack"
    operators: tuple[str, ...]  # that the runtime must have, outside delegates; sorted
    delegates: Count
    parts: tuple[ProgramPart, ...] = ()  # together the whole file, or empty

    @property
    def ring(self) -> RingCache | None:
        """How a pattern's cache is laid out; None for attention to all positions."""
        return None if self.pattern is None else RingCache(self.pattern, self.max_chunk)

    @property
    def pattern(self) -> Pattern | None:
        """Which positions are looked at; None: all."""
        every = self.global_every or 0
        sinks = FIRST_SINKS if self.sinks is None else self.sinks
        if self.window is not None:
            return SlidingWindow(self.window, sinks, every)
        if self.sparse is not None:
            return BlockSparse(**self.sparse.model_dump(), sinks=sinks, global_every=every)
        return None

    @model_validator(mode="after")
    def _sizes_fit(self) -> Program:
        total = sum(part.size_bytes for part in self.parts)
        if self.parts and total != self.size_bytes:
            raise ValueError(f"parts are {total} bytes together, size_bytes is {self.size_bytes}")
        if self.window is not None and self.sparse is not None:
            raise ValueError("window and sparse exclude each other")
        if self.global_every is not None and (self.pattern is None or self.global_every < 2):
            raise ValueError("global_every needs window or sparse, and to be 2 or more")
        if self.sinks is not None and self.pattern is None:
            raise ValueError("sinks needs window or sparse")
        self._require_layout()
        if self.max_chunk > self.context_length:
            raise ValueError(
                f"max_chunk {self.max_chunk} is more than context_length {self.context_length}"
            )
        return self

    def _require_layout(self) -> None:
        """Raise ValueError where an attention pattern's cache cannot be laid out."""
        try:
            if self.pattern is not None:
                RingCache(check_pattern(self.pattern), self.max_chunk)
        except UsageError as error:
            raise ValueError(error.message.rstrip(".")) from error


class TokenizerInfo(Record):
    """The tokenizer file and the ids that generation needs."""

    file: FileName
    kind: str  # "hf" for tokenizer.json, "sentencepiece", "tiktoken"
    sha256: Sha256
    vocab_size: Positive
    bos_id: TokenId | None = None
    eos_ids: tuple[TokenId, ...]  # any of them ends an answer
    add_bos: bool  # whether bos_id goes before plain text; chat turns bring their own


class Generation(Record):
    """Defaults for answering; temperature 0 is greedy."""

    temperature: NotNegative
    top_p: Annotated[float, Field(gt=0.0, le=1.0)]
    max_tokens: Positive
    stop: tuple[str, ...] = ()


class GoldenPrompt(Record):
    """Greedy tokens that this program gave when it was made, for checks elsewhere."""

    prompt_ids: tuple[TokenId, ...]
    expected_ids: tuple[TokenId, ...]
    text: str  # the prompt, for people


class Quality(Record):
    """What was measured against the float model; None: not measured."""

    perplexity: NotNegative | None = None
    perplexity_ratio: NotNegative | None = None  # to the float model's
    kl: float | None = None  # mean KL divergence from the float model, nats a token
    logit_cosine: float | None = None
    max_abs_error: NotNegative | None = None  # of logits
    # Perplexity with this attention over that with the one trained with, of the float model.
    attention_ratio: NotNegative | None = None
    note: str = ""


class Provenance(Record):
    """The only place for what differs between two runs with the same inputs."""

    created_at: str  # ISO 8601, UTC
    host: str
    duration_s: NotNegative


class Manifest(Record):
    """Everything that is known about a bundle."""

    schema_version: str = SCHEMA_VERSION
    name: str
    model: ModelInfo
    quantization: Quantization
    program: Program
    tokenizer: TokenizerInfo
    chat: ChatTurns | None = None
    generation: Generation
    golden: tuple[GoldenPrompt, ...] = ()
    quality: Quality = Quality()
    tools: dict[str, str] = Field(default_factory=dict)
    creation: dict[str, Parameter] = Field(default_factory=dict)
    provenance: Provenance | None = None

    @property
    def kv_bytes_per_token(self) -> int:
        """Bytes of all layers' keys and values of one token."""
        model = self.model
        return kv_bytes(sum(model.kv_heads), model.head_dim, self.quantization.kv_cache)

    @property
    def kv_cache_bytes(self) -> int:
        """Bytes of a full KV cache."""
        model, program = self.model, self.program
        return kv_cache_bytes(
            model.kv_heads,
            model.head_dim,
            self.quantization.kv_cache,
            program.ring,
            program.context_length,
        )

    @property
    def file_names(self) -> tuple[str, ...]:
        """Every file of the bundle, the manifest first."""
        return (MANIFEST_NAME, self.program.file, self.tokenizer.file)

    @model_validator(mode="after")
    def _parts_fit(self) -> Manifest:
        if len(set(self.file_names)) != len(self.file_names):
            raise ValueError("program.file, tokenizer.file and manifest.json must differ")
        vocab_size = self.model.vocab_size
        if self.tokenizer.vocab_size > vocab_size:
            raise ValueError(
                f"tokenizer.vocab_size {self.tokenizer.vocab_size} is more than "
                f"model.vocab_size {vocab_size}"
            )
        ids = [*self.tokenizer.eos_ids, self.tokenizer.bos_id or 0]
        for prompt in self.golden:
            ids += [*prompt.prompt_ids, *prompt.expected_ids]
        if max(ids) >= vocab_size:
            raise ValueError(f"token id {max(ids)} is outside the vocabulary of {vocab_size}")
        return self
