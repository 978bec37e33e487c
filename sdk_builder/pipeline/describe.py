"""What the manifest says about an export. Pure functions from results to records."""

from __future__ import annotations

import platform
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone
from importlib.metadata import version
from math import prod
from typing import TYPE_CHECKING, Any

from sdk_builder.attention import Pattern, SlidingWindow
from sdk_builder.bundle.chat import ChatTurns
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
    Provenance,
    Quality,
    Quantization,
    Rope,
    RopeScaling,
    SourceFile,
    SparseBlocks,
    TensorSpec,
    TokenizerInfo,
)
from sdk_builder.models import layout
from sdk_builder.models.presets import PRESETS
from sdk_builder.pipeline.request import ExportRequest
from sdk_builder.quantization.schemes import Plan, Scheme, bits_per_weight, size_bits
from sdk_builder.quantization.source import count_formats

if TYPE_CHECKING:
    from sdk_builder.lowering.lower import LoweredProgram
    from sdk_builder.models.checkpoint import Checkpoint
    from sdk_builder.models.config import ShaktiConfig
    from sdk_builder.models.source_info import SourceFile as CheckpointFile
    from sdk_builder.models.tokenizer_assets import TokenizerAssets
    from sdk_builder.pipeline.weights import Weights

PROGRAM_FILE = "model.pte"
TOKENIZER_FILE = "tokenizer.json"
_TOOLS = ("executorch", "torch", "torchao", "transformers", "tokenizers")
_GENERATION = Generation(temperature=0.7, top_p=0.9, max_tokens=512)


@dataclass(frozen=True)
class Made:
    """Everything an export produced, for the manifest."""

    request: ExportRequest
    checkpoint: Checkpoint
    scheme: Scheme
    plan: Plan
    weights: Weights
    program: LoweredProgram
    program_sha256: str
    tokenizer: TokenizerAssets
    tokenizer_sha256: str
    chat: ChatTurns | None
    golden: tuple[GoldenPrompt, ...]
    quality: Quality
    duration_s: float


def describe(made: Made) -> Manifest:
    """The whole manifest."""
    request = made.request
    return Manifest(
        name=made.checkpoint.source.name,
        model=describe_model(made.checkpoint, made.weights.files),
        quantization=_quantization(made),
        program=_program(made),
        tokenizer=_tokenizer(made),
        chat=made.chat,
        generation=_GENERATION,
        golden=made.golden,
        quality=made.quality,
        tools={name: version(name) for name in _TOOLS} | {"shakti-sdk": _own_version()},
        creation={
            "device": request.device,
            "quant": request.quant,
            "context_length": request.context_length,
            "chunk": request.max_chunk,
            "seed": request.seed,
            "method": request.method,
            "group_size": request.group_size,
            "embedding": request.embedding,
            "bits": request.bits,
            "kv": request.kv,
            "attention": request.attention,
            "calibration": made.weights.calibration,
            "calibration_tokens": made.weights.calibration_tokens,
        },
        provenance=Provenance(
            created_at=datetime.now(timezone.utc).isoformat(timespec="seconds"),
            host=f"{platform.system()} {platform.machine()}",
            duration_s=round(made.duration_s, 1),
        ),
    )


def describe_model(checkpoint: Checkpoint, more: Sequence[CheckpointFile] = ()) -> ModelInfo:
    """The model before quantization; more: files that were read besides its own."""
    config, source = checkpoint.config, checkpoint.source
    preset = PRESETS.get(source.name)
    marks = preset.fields.items() if preset is not None else ()
    return ModelInfo(
        family=source.family,
        architecture=source.architecture,
        parameters=sum(prod(shape) for shape in layout.parameter_shapes(config).values()),
        untrained=source.untrained,
        layers=config.num_hidden_layers,
        hidden_size=config.hidden_size,
        heads=config.num_attention_heads,
        kv_heads=tuple(config.kv_heads(layer) for layer in range(config.num_hidden_layers)),
        head_dim=config.head_dim,
        intermediate_size=config.intermediate_size,
        vocab_size=config.vocab_size,
        max_position_embeddings=config.max_position_embeddings,
        tied_embedding=config.tie_word_embeddings,
        attention_bias=config.attention_bias,
        rms_norm_eps=config.rms_norm_eps,
        rope=_rope(config),
        fields={name: "published" if field.published else "chosen" for name, field in marks},
        licence=source.licence,
        source=ModelSource(
            kind=source.kind,
            name=source.name,
            files=tuple(
                SourceFile(name=file.name, size_bytes=file.size_bytes, sha256=file.sha256)
                for file in (*source.files, *more)
            ),
            weight_format=source.weight_format,
            seed=source.seed,
        ),
    )


def group_parts(sizes: Iterable[tuple[str, int]], *, tied: bool) -> tuple[ProgramPart, ...]:
    """Bytes by parameter name -> bytes by part of the model, largest first."""
    grouped: dict[str, int] = defaultdict(int)
    for name, size in sizes:
        grouped[_part(name, tied=tied)] += size
    ordered = sorted(grouped.items(), key=lambda item: (-item[1], item[0]))
    return tuple(ProgramPart(name=name, size_bytes=size) for name, size in ordered)


def _part(name: str, *, tied: bool) -> str:
    if name == layout.EMBEDDING:
        return "embedding and head (one tensor)" if tied else "embedding"
    if name == layout.HEAD:
        return "head"
    kinds = {"self_attn": "attention", "mlp": "feed-forward", "norm": "norms", "layernorm": "norms"}
    return next((part for mark, part in kinds.items() if mark in name), name)


def _rope(config: ShaktiConfig) -> Rope:
    scaling = config.rope_scaling
    return Rope(
        theta=config.rope_theta, scaling=None if scaling is None else RopeScaling(**scaling)
    )


def _quantization(made: Made) -> Quantization:
    shapes = layout.parameter_shapes(made.checkpoint.config)
    linear = made.plan[layout.layer_prefix(0) + layout.GATE_UP]
    return Quantization(
        scheme=made.scheme.name,
        bits_per_weight=round(bits_per_weight(made.plan, shapes), 4),
        weights_bytes=-(-size_bits(made.plan, shapes) // 8),
        linear=LinearFormat(description=made.scheme.summary, group_size=linear.group_size),
        embedding=made.plan[layout.EMBEDDING].name,
        kv_cache=made.request.kv,
        method=made.weights.method,
        tensor_formats=count_formats(made.plan),
    )


def _program(made: Made) -> Program:
    request, vocab_size = made.request, made.checkpoint.config.vocab_size
    inputs = (
        TensorSpec(name="tokens", dtype="int64", shape=(1, "tokens")),
        TensorSpec(name="start", dtype="int64", shape=(1,)),
    )
    outputs: dict[str, tuple[int | str, ...]] = {
        "forward": (1, 1, vocab_size),
        "score": (1, "tokens", vocab_size),
    }
    methods = [
        Method(
            name=name,
            inputs=inputs if name in outputs else (),
            outputs=(TensorSpec(name="logits", dtype="float32", shape=outputs[name]),)
            if name in outputs
            else (),
        )
        for name in made.program.methods
    ]
    return Program(
        file=PROGRAM_FILE,
        size_bytes=made.program.size_bytes,
        sha256=made.program_sha256,
        methods=tuple(methods),
        context_length=request.positions,
        max_chunk=request.max_chunk,
        **_attention(request.pattern),
        backend="xnnpack",
        operators=made.program.operators,
        delegates=made.program.delegates,
        parts=group_parts(made.program.parts, tied=made.checkpoint.config.tie_word_embeddings),
    )


def _tokenizer(made: Made) -> TokenizerInfo:
    assets = made.tokenizer
    return TokenizerInfo(
        file=TOKENIZER_FILE,
        kind=assets.kind,
        sha256=made.tokenizer_sha256,
        vocab_size=assets.vocab_size,
        bos_id=assets.bos_id,
        eos_ids=assets.eos_ids,
        add_bos=assets.add_bos,
    )


def _own_version() -> str:
    from sdk_builder import __version__

    return __version__


def _attention(pattern: Pattern | None) -> dict[str, Any]:
    """The manifest's fields for a pattern."""
    if pattern is None:
        return {}
    fields: dict[str, Any] = {
        "sinks": pattern.sinks,
        "global_every": pattern.global_every or None,
    }
    if isinstance(pattern, SlidingWindow):
        return fields | {"window": pattern.window}
    names = SparseBlocks.model_fields
    return fields | {"sparse": SparseBlocks(**{name: getattr(pattern, name) for name in names})}
