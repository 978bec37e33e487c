"""A small complete bundle, and hypothesis strategies for any manifest."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from sdk_builder.attention import LAST_POSITION, MOST_SINKS, MOST_WINDOW
from sdk_builder.bundle import BundleWriter, derive_turns
from sdk_builder.bundle import manifest as m
from sdk_builder.bundle.turns import ChatTurns

CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n"
    "{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
PROGRAM = bytes(range(256)) * 3
TOKENIZER = '{"version": "1.0"}\n'


def sample_manifest(
    program: bytes = PROGRAM, tokenizer: str = TOKENIZER, **changes: Any
) -> m.Manifest:
    """A manifest that fits these two files."""
    fields: dict[str, Any] = {
        "name": "tiny-q4",
        "model": m.ModelInfo(
            family="tiny", architecture="llama", parameters=1000, untrained=False, layers=2,
            hidden_size=16, heads=4, kv_heads=(2, 1), head_dim=4, intermediate_size=32,
            vocab_size=300, max_position_embeddings=128, tied_embedding=True,
            attention_bias=False, rms_norm_eps=1e-5, rope=m.Rope(theta=10000.0),
            licence="Apache-2.0",
            source=m.ModelSource(
                kind="gguf", name="tiny", weight_format="Q4_1",
                files=(m.SourceFile(name="tiny.gguf", size_bytes=1, sha256="0" * 64),),
            ),
        ),
        "quantization": m.Quantization(
            scheme="q4", bits_per_weight=4.5, weights_bytes=500,
            linear=m.LinearFormat(description="int4, symmetric", group_size=32),
            embedding="int4", kv_cache="fp32", method="rounding", tensor_formats={"int4": 9},
        ),
        "program": m.Program(
            file="model.pte", size_bytes=len(program), sha256=hashlib.sha256(program).hexdigest(),
            methods=(
                m.Method(
                    name="forward",
                    inputs=(m.TensorSpec(name="tokens", dtype="int64", shape=(1, "length")),),
                    outputs=(m.TensorSpec(name="logits", dtype="float32", shape=(1, 300)),),
                ),
            ),
            context_length=128, max_chunk=32, backend="xnnpack",
            operators=("aten::add.out",), delegates=1,
            parts=(m.ProgramPart(name="all", size_bytes=len(program)),),
        ),
        "tokenizer": m.TokenizerInfo(
            file="tokenizer.json", kind="hf", vocab_size=259, bos_id=256, eos_ids=(257,),
            sha256=hashlib.sha256(tokenizer.encode()).hexdigest(), add_bos=False,
        ),
        "chat": derive_turns(CHATML),
        "generation": m.Generation(temperature=0.7, top_p=0.9, max_tokens=64),
        "golden": (m.GoldenPrompt(prompt_ids=(1, 2), expected_ids=(3,), text="hi"),),
        "tools": {"executorch": "1.5.1"},
        "creation": {"quant": "q4", "seed": None},
        "provenance": m.Provenance(created_at="2026-11-24T00:00:00Z", host="h", duration_s=1.5),
    }  # fmt: skip
    return m.Manifest(**{**fields, **changes})


def write_bundle(target: Path, *, program: bytes = PROGRAM, force: bool = False) -> Path:
    """A complete bundle at `target`."""
    with BundleWriter(target, force) as writer:
        writer.write_bytes("model.pte", program)
        writer.write_text("tokenizer.json", TOKENIZER)
        writer.commit(sample_manifest(program))
    return target


# --- strategies -------------------------------------------------------------------------

texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
counts = st.integers(0, 2**63 - 1)
positives = st.integers(1, 2**31)
not_negative = st.floats(0, allow_nan=False, allow_infinity=False)
above_zero = st.floats(1e-9, 1e9)
hashes = st.text("0123456789abcdef", min_size=64, max_size=64)
file_names = st.from_regex(r"\A[A-Za-z0-9_][A-Za-z0-9_.-]{0,20}\Z")
scalars = st.none() | st.booleans() | counts | texts | st.floats(allow_nan=False, width=64)


def tuples(elements: st.SearchStrategy[Any], max_size: int = 3) -> st.SearchStrategy[Any]:
    return st.lists(elements, max_size=max_size).map(tuple)


sources = st.builds(
    m.ModelSource,
    name=texts,
    weight_format=texts,
    files=tuples(st.builds(m.SourceFile, name=texts, size_bytes=counts, sha256=hashes)),
    seed=st.none() | counts,
)
scalings = st.builds(
    m.RopeScaling,
    factor=above_zero,
    low_freq_factor=above_zero,
    high_freq_factor=above_zero,
    original_max_position_embeddings=positives,
)


@st.composite
def models(draw: st.DrawFn) -> m.ModelInfo:
    heads = draw(st.sampled_from([1, 2, 4, 8]))
    divisors = [h for h in (1, 2, 4, 8) if heads % h == 0]
    kv_heads = draw(st.lists(st.sampled_from(divisors), min_size=1, max_size=4))
    others = st.builds(
        m.ModelInfo,
        family=texts,
        architecture=texts,
        parameters=positives,
        layers=st.just(len(kv_heads)),
        hidden_size=positives,
        heads=st.just(heads),
        kv_heads=st.just(tuple(kv_heads)),
        head_dim=positives,
        intermediate_size=positives,
        vocab_size=st.integers(1000, 2**20),
        max_position_embeddings=positives,
        rms_norm_eps=not_negative,
        rope=st.builds(m.Rope, theta=above_zero, scaling=st.none() | scalings),
        fields=st.dictionaries(texts, st.sampled_from(["published", "chosen"]), max_size=3),
        licence=st.none() | texts,
        source=sources,
    )
    return draw(others)


@st.composite
def patterns(draw: st.DrawFn, max_chunk: int) -> dict[str, Any]:
    """Fields of a program that say who looks at whom, for calls of `max_chunk` tokens."""
    kind = draw(st.sampled_from(["full", "window", "sparse"]))
    if kind == "full":
        return {}
    layers = {
        "global_every": draw(st.none() | st.integers(2, 2**33)),
        "sinks": draw(st.none() | st.integers(0, MOST_SINKS)),
    }
    if kind == "window":
        return layers | {"window": draw(st.integers(1, MOST_WINDOW))}
    fitting = [one for one in range(1, 65) if one % max_chunk == 0 or max_chunk % one == 0]
    block = draw(st.sampled_from(fitting))
    most = st.integers(1, LAST_POSITION // block)
    reach = draw(most)
    local = draw(st.integers(1, reach))
    sparse = m.SparseBlocks(block=block, local=local, stride=draw(most), reach=reach)
    return layers | {"sparse": sparse}


@st.composite
def programs(draw: st.DrawFn, file: str) -> m.Program:
    sizes = draw(st.lists(st.integers(0, 2**40), max_size=4).filter(lambda s: s == [] or sum(s)))
    context_length = draw(positives)
    specs = tuples(
        st.builds(m.TensorSpec, name=texts, dtype=texts, shape=tuples(st.one_of(counts, texts)))
    )
    max_chunk = draw(st.integers(1, context_length))
    parts = [m.ProgramPart(name=draw(texts), size_bytes=size) for size in sizes]
    return m.Program(
        file=file,
        size_bytes=sum(sizes) or draw(positives),
        sha256=draw(hashes),
        methods=draw(tuples(st.builds(m.Method, name=texts, inputs=specs, outputs=specs))),
        context_length=context_length,
        max_chunk=max_chunk,
        **draw(patterns(max_chunk)),
        backend=draw(texts),
        operators=draw(tuples(texts)),
        delegates=draw(counts),
        parts=tuple(parts),
    )


ids = st.integers(0, 999)
quantizations = st.builds(
    m.Quantization,
    scheme=texts,
    bits_per_weight=not_negative,
    weights_bytes=counts,
    linear=st.builds(m.LinearFormat, description=texts, group_size=st.none() | positives),
    embedding=texts,
    kv_cache=texts,
    method=texts,
    tensor_formats=st.dictionaries(texts, counts, max_size=3),
)
chat_turns = st.builds(
    ChatTurns,
    begin=texts,
    system_prefix=texts,
    system_suffix=texts,
    default_system=st.none() | texts,
    user_prefix=texts,
    user_suffix=texts,
    assistant_prefix=texts,
    assistant_suffix=texts,
    generation_prompt=texts,
    strip_roles=tuples(st.sampled_from(["system", "user", "assistant"])),
    template=texts,
)
measures = st.none() | not_negative


@st.composite
def manifests(draw: st.DrawFn) -> m.Manifest:
    """Any manifest that our own writer may have to write."""
    program_file, tokenizer_file = draw(
        st.lists(file_names, min_size=2, max_size=2, unique=True).filter(
            lambda names: m.MANIFEST_NAME not in names
        )
    )
    tokenizer = st.builds(
        m.TokenizerInfo,
        file=st.just(tokenizer_file),
        kind=texts,
        sha256=hashes,
        vocab_size=st.integers(1, 1000),
        bos_id=st.none() | ids,
        eos_ids=tuples(ids),
    )
    generation = st.builds(
        m.Generation,
        temperature=not_negative,
        top_p=st.floats(1e-9, 1.0),
        max_tokens=positives,
        stop=tuples(texts),
    )
    golden = st.builds(m.GoldenPrompt, prompt_ids=tuples(ids), expected_ids=tuples(ids), text=texts)
    quality = st.builds(
        m.Quality,
        perplexity=measures,
        perplexity_ratio=measures,
        kl=measures,
        logit_cosine=measures,
        max_abs_error=measures,
        attention_ratio=measures,
        note=texts,
    )
    provenance = st.builds(m.Provenance, created_at=texts, host=texts, duration_s=not_negative)
    finite_scalars = scalars.filter(lambda v: not isinstance(v, float) or abs(v) < float("inf"))
    return m.Manifest(
        name=draw(texts),
        model=draw(models()),
        quantization=draw(quantizations),
        program=draw(programs(program_file)),
        tokenizer=draw(tokenizer),
        chat=draw(st.none() | chat_turns),
        generation=draw(generation),
        golden=draw(tuples(golden)),
        quality=draw(quality),
        tools=draw(st.dictionaries(texts, texts, max_size=3)),
        creation=draw(st.dictionaries(texts, finite_scalars, max_size=4)),
        provenance=draw(st.none() | provenance),
    )
