"""The export pipeline, spelled out: checkpoint -> plan -> program -> bundle.

    python recipes/export.py recipes/configs/export/smollm2-135m-q4.yaml [-o FOLDER]

`shakti-sdk export` runs the same stages; this is the place to read, copy and change.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import yaml

from sdk_builder.bundle import BundleWriter
from sdk_builder.log import Steps
from sdk_builder.pipeline import ExportRequest, stages
from sdk_builder.pipeline.describe import PROGRAM_FILE, TOKENIZER_FILE, Made, describe
from sdk_builder.pipeline.weights import find_weights


def export(request: ExportRequest, steps: Steps) -> None:
    scheme = stages.check_request(request)
    with BundleWriter(request.output, request.force) as writer:
        checkpoint = stages.open_model(request, steps)
        request = stages.settle_attention(request, checkpoint, steps)
        plan = stages.make_plan(request, scheme, checkpoint)
        tokenizer, chat = stages.prepare_text(checkpoint, steps)
        path = writer.path(PROGRAM_FILE)
        attention_ratio = stages.measure_attention(request, checkpoint, tokenizer, steps)
        weights = find_weights(request, checkpoint, plan, tokenizer, steps)
        program = stages.lower_program(request, checkpoint, weights, tokenizer, path, steps)
        stages.check_size(program, scheme, checkpoint)
        writer.write_text(TOKENIZER_FILE, tokenizer.json_text)
        engine = stages.load_engine(request, path)
        golden = stages.record_golden(engine, tokenizer, chat, steps)
        quality = stages.compare_with_model(
            request, checkpoint, weights, path, engine, golden, steps
        )
        quality = quality.model_copy(update={"attention_ratio": attention_ratio})
        hashes = [writer.digest(name)[1] for name in (PROGRAM_FILE, TOKENIZER_FILE)]
        made = Made(
            request, checkpoint, scheme, plan, weights, program, hashes[0], tokenizer, hashes[1],
            chat, golden, quality, duration_s=sum(step.seconds for step in steps.finished),
        )  # fmt: skip
        writer.commit(describe(made))


def main() -> None:
    parser = argparse.ArgumentParser(description="Export a model as its config says.")
    parser.add_argument("config", type=Path)
    parser.add_argument("-o", "--output", type=Path, help="default: build/CONFIG")
    options = parser.parse_args()
    settings = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    output = options.output or Path("build") / options.config.stem
    export(ExportRequest(output=output, **settings), Steps())
    print(f'Next: shakti-sdk run {output} "Hello!"')


if __name__ == "__main__":
    main()
