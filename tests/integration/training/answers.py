"""Whether the program of a trained folder answers as its model does."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import AutoTokenizer

import sdk_builder
from sdk_builder import Session
from sdk_builder.models import load_model, open_checkpoint
from sdk_builder.runtime import GenerationOptions
from tests.integration.pipeline.tiny import CONTEXT

LENGTH = 12


@torch.no_grad()
def require_same_answers(folder: Path, questions: Sequence[str], bundle: Path) -> None:
    """Every token that the exported program writes without sampling is the model's likeliest one,
    or as likely to float32's rounding; and it ends where the model ends."""
    sdk_builder.export(str(folder), bundle, quant="none", context_length=CONTEXT)
    model = load_model(open_checkpoint(str(folder)))
    tokenizer = AutoTokenizer.from_pretrained(folder)
    with Session(bundle) as session:
        for question in questions:
            prompt = tokenizer.apply_chat_template(
                [{"role": "user", "content": question}], tokenize=False, add_generation_prompt=True
            )
            ids = session.encode(prompt)
            answer = list(
                session.tokens(ids, GenerationOptions(temperature=0.0, max_tokens=LENGTH))
            )
            if len(answer) < LENGTH:
                answer.append(tokenizer.eos_token_id)
            logits = model(torch.tensor([ids + answer])).logits[0, len(ids) - 1 : -1]
            written = logits.gather(1, torch.tensor(answer)[:, None])[:, 0]
            assert float((logits.amax(1) - written).max()) < 1e-3, question
            assert len(answer) > 1
