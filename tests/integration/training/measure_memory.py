"""One step of a training in a process of its own: prints its estimate and its peak, in bytes.

python measure_memory.py MODEL LAYERS SEQUENCES checkpointing|all
"""

from __future__ import annotations

import json
import resource
import sys

import torch

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.memory import plan_memory
from sdk_builder.training.settings_file import make_settings

LENGTH = 256
KIB = 1024


def step(layers: int, sequences: int, checkpointing: bool, stage: str) -> dict[str, int]:
    config = ShaktiConfig(
        vocab_size=8192,
        hidden_size=256,
        intermediate_size=1024,
        num_hidden_layers=layers,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=LENGTH,
        hidden_dropout=0.1,
    )
    settings = make_settings(
        stage,
        {
            **{"model": "any", "output": "any", "data": [{"source": "any"}], "steps": 1},
            **{"sequence_length": LENGTH, "micro_batch_size": sequences, "batch_size": sequences},
            "gradient_checkpointing": checkpointing,
        },
        "settings",
    )
    ids = torch.randint(config.vocab_size, (sequences, LENGTH))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB
    model = ShaktiForCausalLM(config).train()
    model.config.use_cache = False
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        model(input_ids=ids, labels=ids, loss_only=stage == "pretrain").loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * KIB - before
    plan = plan_memory(config, settings, bf16=False)
    return {"measured": peak, "estimated": plan.needed, **dict(plan.parts)}


if __name__ == "__main__":
    layers, sequences, how, stage = sys.argv[1:]
    found = step(int(layers), int(sequences), how == "checkpointing", stage)
    sys.stdout.write(json.dumps(found))
