"""Steps of trainings in a process of its own: prints their estimates and peaks, in bytes.

python measure_memory.py LAYERS SEQUENCES {checkpointing|all},STAGE ...

Linux only: the peak is that of /proc, which can be set back.
"""

from __future__ import annotations

import gc
import json
import sys
from pathlib import Path

import torch

from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.modeling import ShaktiForCausalLM
from sdk_builder.training.memory import plan_memory
from sdk_builder.training.settings_file import make_settings

LENGTH = 256
KIB = 1024


def resident(what: str) -> int:
    """VmRSS, memory now, or VmHWM, its peak; in bytes."""
    lines = Path("/proc/self/status").read_text().splitlines()
    (found,) = [line for line in lines if line.startswith(what)]
    return int(found.split()[1]) * KIB


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
    gc.collect()
    before = resident("VmRSS")
    Path("/proc/self/clear_refs").write_text("5")  # the peak is what there is now
    model = ShaktiForCausalLM(config).train()
    model.config.use_cache = False
    if checkpointing:
        model.gradient_checkpointing_enable({"use_reentrant": False})
    optimizer = torch.optim.AdamW(model.parameters())
    for _ in range(2):
        model(input_ids=ids, labels=ids, loss_only=stage == "pretrain").loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    peak = resident("VmHWM") - before
    plan = plan_memory(config, settings, bf16=False)
    return {"measured": peak, "estimated": plan.needed, **dict(plan.parts)}


if __name__ == "__main__":
    layers, sequences, *cases = sys.argv[1:]
    found = {}
    for case in cases:
        how, stage = case.split(",")
        found[case] = step(int(layers), int(sequences), how == "checkpointing", stage)
    sys.stdout.write(json.dumps(found))
