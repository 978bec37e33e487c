"""`shakti-sdk inspect`: what is inside a bundle."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import click

from sdk_builder.attention import describe
from sdk_builder.cli.arguments import bundle_argument
from sdk_builder.cli.invocation import Invocation, command_options
from sdk_builder.cli.output import human_bytes, human_count, table

if TYPE_CHECKING:
    from sdk_builder.bundle.manifest import Manifest, Program, TensorSpec


@click.command("inspect")
@bundle_argument
@command_options
def inspect(invocation: Invocation, bundle: Path) -> None:
    """Show what is inside BUNDLE: model, formats, size by part, methods, operators.

    Reads the manifest only; `shakti-sdk verify` checks that the files are what it says. With
    --json the document is the manifest.
    """
    manifest = invocation.library.open_bundle(bundle).manifest
    sections = [_overview(manifest), _sizes(manifest), _methods(manifest)]
    if invocation.verbose:
        sections.append(_details(manifest))
    invocation.result(manifest.model_dump(mode="json"), "\n\n".join(sections))


def _overview(manifest: Manifest) -> str:
    model, quantization, program = manifest.model, manifest.quantization, manifest.program
    kv_heads = sorted(set(model.kv_heads))
    shape = (
        f"{model.layers} layers, hidden {model.hidden_size}, {model.heads} heads, "
        f"{'/'.join(map(str, kv_heads))} KV heads, FFN {model.intermediate_size}, "
        f"vocabulary {model.vocab_size}"
    )
    source = model.source
    rows = [
        ["model", f"{model.family} ({model.architecture}), {human_count(model.parameters)}"],
        ["shape", shape],
        ["weights", "untrained, from a seed" if model.untrained else "trained"],
        ["source", f"{source.name} ({source.kind}, {source.weight_format})"],
        ["licence", model.licence or "not known"],
        ["format", f"{quantization.scheme}: {quantization.linear.description}"],
        ["", f"{quantization.bits_per_weight:.2f} bits per weight, scales included"],
        ["embedding", quantization.embedding],
        ["KV cache", f"{quantization.kv_cache}, {_kv_cache(manifest)}"],
        ["context", f"{program.context_length} tokens, {program.max_chunk} at once"],
        ["attention", _attention(program)],
        ["tokenizer", f"{manifest.tokenizer.file}, {manifest.tokenizer.vocab_size} tokens"],
        ["chat", "turns" if manifest.chat else "none: plain completion only"],
        ["golden", f"{len(manifest.golden)} prompts"],
        ["quality", _quality(manifest)],
    ]
    return f"{manifest.name}\n" + table(rows)


def _attention(program: Program) -> str:
    return describe(program.pattern)


def _kv_cache(manifest: Manifest) -> str:
    each, program = manifest.kv_bytes_per_token, manifest.program
    whole = human_bytes(manifest.kv_cache_bytes)
    if program.pattern is None or program.global_every:
        return f"{human_bytes(each)} a token, {whole} for the whole context"
    return f"{human_bytes(each)} a token, {whole} however long the text"


def _quality(manifest: Manifest) -> str:
    measured = manifest.quality.model_dump(exclude_none=True, exclude={"note"})
    figures = [f"{name.replace('_', ' ')} {value:.4g}" for name, value in measured.items()]
    return ", ".join(figures) or "not measured"


def _sizes(manifest: Manifest) -> str:
    program = manifest.program
    rows = [
        [part.name, human_bytes(part.size_bytes), f"{part.size_bytes / program.size_bytes:.1%}"]
        for part in program.parts
    ]
    rows.append([program.file, human_bytes(program.size_bytes), ""])
    return "Size by part\n" + table(rows, right="lrr")


def _methods(manifest: Manifest) -> str:
    program = manifest.program
    rows = [
        [method.name, f"{_tensors(method.inputs)} -> {_tensors(method.outputs)}"]
        for method in program.methods
        if method.outputs
    ]
    constants = [method.name for method in program.methods if not method.outputs]
    text = f"Methods\n{table(rows)}"
    if constants:
        text += f"\n  and {len(constants)} constants: {', '.join(constants)}"
    operators = f"{program.backend}: {program.delegates} delegates"
    return f"{text}\n\n{operators}, {len(program.operators)} operators outside them"


def _tensors(specs: tuple[TensorSpec, ...]) -> str:
    return ", ".join(
        f"{spec.name} {spec.dtype}[{', '.join(map(str, spec.shape))}]" for spec in specs
    )


def _details(manifest: Manifest) -> str:
    sections = ["Operators\n" + table([[name] for name in manifest.program.operators] or [["-"]])]
    named: dict[str, Mapping[str, object]] = {
        "Tensors by format": manifest.quantization.tensor_formats,
        "Fields of the preset": manifest.model.fields,
        "Made with": manifest.tools,
        "Asked for": manifest.creation,
    }
    for title, values in named.items():
        if values:
            sections.append(f"{title}\n" + table([[k, str(v)] for k, v in values.items()]))
    return "\n\n".join(sections)
