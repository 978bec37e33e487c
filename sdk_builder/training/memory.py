"""What a training needs of memory, worked out before anything is loaded.

Per parameter: its weight, its gradient and AdamW's two averages in float32, 16 bytes; with bf16
also the copy that autocast keeps within a step. FSDP divides them by the processes, and makes some
layers at a time whole. Per token of a micro batch: what the backward pass needs of each layer, see
`layer_bytes`. The head's logits are often the largest part: pre-training makes them for some rows
at a time (`models/loss.py`), the other stages all at once.

Notation as in `models/config.py`. Sizes are bytes of one process.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil
import torch

from sdk_builder.errors import MemoryShortError
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import layer_shapes
from sdk_builder.models.loss import rows_at_once
from sdk_builder.models.presets import parameter_count
from sdk_builder.training.processes import local_world_size, world_size
from sdk_builder.training.settings import LoraSettings, StageSettings

GIB = 1 << 30
FP32, BF16 = 4, 2
ADAMW_STATES = 2
ROUNDED_COPIES = 3  # what the backward pass of a learned grid needs, and its values
SPARE = 1.1  # what allocators cannot use between blocks, and small things that are not counted
LOGITS, BACKWARD = "logits", "a layer's backward pass"
_CGROUP = Path("/sys/fs/cgroup/memory.max")


@dataclass(frozen=True)
class MemoryPlan:
    """What one process needs, by its parts, and what there is for it."""

    parts: Mapping[str, int]
    available: int

    @property
    def needed(self) -> int:
        """With what is to spare."""
        return round(SPARE * sum(self.parts.values()))

    @property
    def largest(self) -> str:
        """The part that needs most."""
        return max(self.parts, key=lambda name: self.parts[name])

    def require(self, settings: StageSettings) -> None:
        """Raises MemoryShortError, with the setting to change."""
        if self.needed > self.available:
            raise MemoryShortError(
                f"Training needs about {_gib(self.needed)}, there are {_gib(self.available)}; "
                f"{_gib(self.parts[self.largest])} of it for {self.largest}.",
                self._advice(settings),
            )

    def _advice(self, settings: StageSettings) -> str:
        batch = sum(self.parts.get(name, 0) for name in ("activations", LOGITS, BACKWARD))
        if self.needed - round(SPARE * batch) > self.available:
            several = ", or several with fsdp" if settings.can_shard and not settings.fsdp else ""
            return (
                f"Use a smaller model, or a device with more memory{several}: its weights alone do "
                "not fit."
            )
        share = (self.available / SPARE - (sum(self.parts.values()) - batch)) / batch
        fitting = int(settings.micro_batch_size * share)
        if fitting >= 1:
            return f"Set micro_batch_size to {fitting} or less (it is {settings.micro_batch_size})."
        if not settings.gradient_checkpointing:
            return "Set gradient_checkpointing to true, and micro_batch_size to 1."
        return f"Reduce sequence_length (it is {settings.sequence_length})."

    def as_document(self) -> dict[str, int]:
        """For JSON."""
        parts = {f"{_key(name)}_bytes": size for name, size in self.parts.items()}
        return {**parts, "needed_bytes": self.needed, "available_bytes": self.available}


def plan_memory(config: ShaktiConfig, settings: StageSettings, *, bf16: bool) -> MemoryPlan:
    """What the run needs on this device, and what there is; nothing is allocated."""
    every = parameter_count(config.to_dict())
    lora: LoraSettings | None = getattr(settings, "lora", None)
    trained = every if lora is None else lora_parameters(config, lora)
    shards = world_size() if settings.fsdp else 1
    sequences = settings.micro_batch_size * (2 if settings.stage == "dpo" else 1)
    tokens = sequences * settings.sequence_length
    width = BF16 if bf16 else FP32
    parts = {
        "weights": FP32 * (every if lora is None else every + trained) // shards,
        "gradients": FP32 * trained // shards,
        "optimizer states": FP32 * ADAMW_STATES * trained // shards,
        "activations": activation_bytes(config, tokens, width, settings.gradient_checkpointing),
    }
    # The head's moment and that of a layer's backward pass are not the same.
    logits = logits_bytes(config, tokens, width, settings.stage)
    backward = backward_bytes(config, tokens, width, settings.gradient_checkpointing)
    parts[LOGITS if logits >= backward else BACKWARD] = max(logits, backward)
    if settings.fsdp:
        parts["gathered weights"] = gathered_bytes(config, width)
    elif bf16:
        parts["bf16 weights"] = BF16 * every
    if _has_reference(settings) and lora is None:
        parts["reference model"] = FP32 * every
    if settings.stage == "qat":
        parts["teacher"] = (BF16 if torch.cuda.is_available() else FP32) * every
        parts["rounded weights"] = FP32 * ROUNDED_COPIES * every
    return MemoryPlan(parts, available_bytes(settings.memory_limit_gib))


def gathered_bytes(config: ShaktiConfig, width: int) -> int:
    """What is whole at once of a sharded model, with its gradients: embedding and head, the layer
    that computes and the one that is fetched for after it."""
    layers = range(config.num_hidden_layers)
    sizes = [sum(map(math.prod, layer_shapes(config, one).values())) for one in layers]
    ends = parameter_count(config.to_dict()) - sum(sizes)
    return (width + FP32) * (ends + sum(sorted(sizes)[-2:]))


def layer_bytes(config: ShaktiConfig, layer: int, width: int) -> int:
    """What one layer's backward pass needs of its forward pass, per token.

    width: bytes of a number in matrix products, 4 or 2 (bf16). The residual stream stays float32.
    """
    hidden, ffn = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    keys = config.kv_heads(layer) * config.head_dim
    residual = 2 * FP32 * hidden  # as the inputs of both norms
    norms = 2 * width * hidden  # as the inputs of both products
    attention = width * (queries + 2 * keys)  # before the rotation, and v
    attention += width * (queries + keys) + width * queries  # rotated q and k; what comes out
    if config.pattern is not None:  # keys and values for each query head; sinks double q and k
        attention += width * 4 * queries
    mlp = width * 4 * ffn  # gate and up, silu(gate), their product
    dropped = 2 * hidden if config.hidden_dropout else 0  # masks, a byte each
    return residual + norms + attention + mlp + dropped


def activation_bytes(config: ShaktiConfig, tokens: int, width: int, checkpointing: bool) -> int:
    """What the forward pass leaves: all layers' needs; with checkpointing each layer's input."""
    each = [layer_bytes(config, layer, width) for layer in range(config.num_hidden_layers)]
    ends = (FP32 + width) * config.hidden_size + 4 * 8  # the last norm's input; ids and labels
    kept = FP32 * config.hidden_size * len(each) if checkpointing else sum(each)
    return tokens * (kept + ends)


def backward_bytes(config: ShaktiConfig, tokens: int, width: int, checkpointing: bool) -> int:
    """Of the widest layer's backward pass; with checkpointing its forward pass is made again."""
    again = max(layer_bytes(config, layer, width) for layer in range(config.num_hidden_layers))
    working = width * 4 * config.intermediate_size + FP32 * 2 * config.hidden_size
    return tokens * (working + (again if checkpointing else 0))


def logits_bytes(config: ShaktiConfig, tokens: int, width: int, stage: str) -> int:
    """The head's product and its gradient; in pre-training of some rows at a time, with the
    gradients of the head and of its inputs, which are made in the forward pass."""
    vocabulary, hidden = config.vocab_size, config.hidden_size
    if stage == "qat":  # of student and teacher, whose divergence is made for some rows at a time
        return tokens * vocabulary * 3 * width + min(tokens, 2048) * vocabulary * 4 * FP32
    if stage != "pretrain":
        return tokens * vocabulary * (width + 2 * FP32)
    rows = min(tokens, rows_at_once(vocabulary))
    return (
        rows * vocabulary * (width + 2 * FP32)
        + FP32 * vocabulary * hidden
        + width * tokens * hidden
    )


def lora_parameters(config: ShaktiConfig, lora: LoraSettings) -> int:
    """Of all adapters."""
    hidden, ffn = config.hidden_size, config.intermediate_size
    queries = config.num_attention_heads * config.head_dim
    total = 0
    for layer in range(config.num_hidden_layers):
        sizes = {
            "qkv_proj": hidden + config.qkv_rows(layer),
            "o_proj": queries + hidden,
            "gate_up_proj": hidden + 2 * ffn,
            "down_proj": ffn + hidden,
        }
        total += lora.rank * sum(size for name, size in sizes.items() if name in lora.targets)
    return total


def available_bytes(limit_gib: float | None) -> int:
    """What this process may use of its device: free memory, shared by the machine's processes
    where they have no GPU each, and never more than the user's limit."""
    if torch.cuda.is_available():
        free = torch.cuda.mem_get_info()[0]
    else:
        free = min(psutil.virtual_memory().available, _container_bytes()) // local_world_size()
    return free if limit_gib is None else min(free, round(limit_gib * GIB))


def _container_bytes() -> int:
    """What the container's limit leaves, where there is one."""
    try:
        limit = int(_CGROUP.read_text())
        used = int(_CGROUP.with_name("memory.current").read_text())
    except (OSError, ValueError):
        return 1 << 62
    return max(0, limit - used)


def _has_reference(settings: StageSettings) -> bool:
    return settings.stage == "dpo" or (
        settings.stage == "rlhf" and getattr(settings, "beta", 0) > 0
    )


def _key(name: str) -> str:
    return name.replace("'", "").replace(" ", "_")


def _gib(size: int) -> str:
    return f"{size / GIB:.1f} GiB" if size >= GIB / 10 else f"{size / (1 << 20):.0f} MiB"
