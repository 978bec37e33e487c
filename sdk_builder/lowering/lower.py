"""Model to program: trace, pack, delegate, link.

This writes ExecuTorch's program format with ExecuTorch's own schema and serializers, but takes the
road from graph to program itself: torch.export gives the graph, and each segment between two
attentions becomes one XNNPACK delegate. The general road (edge dialect, partitioner, passes, memory
planner) spends minutes to arrive at more and smaller delegates; see docs/lowering.md.
"""

from __future__ import annotations

import tempfile
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from executorch.exir import schema

from sdk_builder.attention import Pattern, RingCache, is_global
from sdk_builder.lowering.attention import KvCache
from sdk_builder.lowering.constants import ConstantStore
from sdk_builder.lowering.delegate import DelegateBuilder
from sdk_builder.lowering.embedding import (
    ConstantTable,
    Embedding,
    prepare_embedding,
)
from sdk_builder.lowering.index import INDEX_KEY, encode
from sdk_builder.lowering.methods import Ring, Trunk, build_method
from sdk_builder.lowering.operators import require_android_operators
from sdk_builder.lowering.plan import constant_method
from sdk_builder.lowering.pte import first_delegate_segment, make_program, write_pte
from sdk_builder.lowering.ring import RingConstants, mask_delegate, ring_constants
from sdk_builder.lowering.segments import (
    ParameterSource,
    Sinks,
    WeightPacker,
    emit_linear,
    lower_segment,
)
from sdk_builder.lowering.trace import Attention, DecoderGraph, trace
from sdk_builder.lowering.weights import pack_vector
from sdk_builder.models.config import ShaktiConfig
from sdk_builder.models.layout import EMBEDDING, HEAD
from sdk_builder.models.rope import inverse_frequencies

Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class LoweringOptions:
    """What the program is made for.

    context_length: positions that a text may have; kv: the KV cache's format, "fp32" or "int8";
    max_chunk: most tokens a call may take; pattern: attention to some positions only, with a
    cache of that size; bos_id and eos_ids are for the Android runtime's own runner.
    """

    context_length: int = 4096
    max_chunk: int = 512
    kv: str = "fp32"
    pattern: Pattern | None = None
    bos_id: int | None = None
    eos_ids: tuple[int, ...] = ()

    @property
    def ring(self) -> RingCache | None:
        """How a pattern's cache is laid out."""
        return None if self.pattern is None else RingCache(self.pattern, self.max_chunk)

    def cache(self, layer: int) -> KvCache:
        """The KV cache of a layer."""
        ring = None if is_global(self.pattern, layer) else self.ring
        return KvCache(self.kv, self.context_length if ring is None else ring.slots)


@dataclass(frozen=True)
class LoweredProgram:
    """What was written: size, size by part, and what a runtime must offer."""

    size_bytes: int
    parts: tuple[tuple[str, int], ...]
    operators: tuple[str, ...]
    methods: tuple[str, ...]
    delegates: int


def lower(
    config: ShaktiConfig,
    source: ParameterSource,
    path: Path,
    options: LoweringOptions,
    *,
    progress: Progress = lambda done, total: None,
) -> LoweredProgram:
    """Write the program for `config` with the weights of `source` to `path`.

    Weights are asked for once each, in decoder order, and written at once. The same input gives
    the same bytes. Raises ExportError where the graph or the Android runtime lacks something, and
    OSError when the disk is full.
    """
    graph = trace(config, max_chunk=options.max_chunk)
    with tempfile.TemporaryFile(dir=path.parent) as data:
        store = ConstantStore(data)
        packer = WeightPacker(source, store)
        frequencies = pack_vector(inverse_frequencies(config), store, "constants")
        embedding = prepare_embedding(packer.linear(EMBEDDING), store)
        vectors = {
            graph.parameters[node.name]: packer.vector(graph.parameters[node.name])
            for segment in graph.segments
            for node in segment.vectors
        }
        ring = options.ring
        window = None if ring is None else ring_constants(ring, config, store)
        extra = () if window is None else window.entries
        table = ConstantTable(
            tuple(dict.fromkeys((frequencies, *embedding.constants, *vectors.values(), *extra)))
        )
        blobs = _delegates(graph, embedding, packer, window, progress)
        head = EMBEDDING if config.tie_word_embeddings else HEAD
        blobs.append(_head_delegate(graph, packer, head))
        if ring is not None:
            blobs.append(mask_delegate(ring, options.max_chunk))
        named = list(store)
        index = store.add(encode(packer.index(named)), "weight index")
        named.append(replace(index, key=INDEX_KEY))
        segments = [store.add(blob, "delegates") for blob in blobs]
        first = first_delegate_segment()
        layers = len(list(graph.segments))
        trunk = Trunk(
            graph=graph,
            delegates=tuple(range(first, first + layers)),
            head=first + layers,
            ring=None if window is None else Ring(window, first + layers + 1),
            embedding=embedding,
            table=table,
            frequencies=frequencies,
            vectors=vectors,
            caches=tuple(options.cache(layer) for layer in range(config.num_hidden_layers)),
            vocab_size=config.vocab_size,
        )
        forward = build_method(trunk, "forward", all_positions=False)
        score = build_method(trunk, "score", all_positions=True)
        operators = sorted({*forward.plan.operators, *score.plan.operators})
        require_android_operators(operators)
        plans = [
            forward.plan.finish([forward.output]),
            score.plan.finish([score.output]),
            *_metadata(config, options),
        ]
        program = make_program(plans, table.entries, segments, named)
        record_size = write_pte(path, program, data, store.size_bytes)
    return LoweredProgram(
        size_bytes=path.stat().st_size,
        parts=_parts(store, record_size, path.stat().st_size),
        operators=tuple(operators),
        methods=tuple(plan.name for plan in plans),
        delegates=len(blobs),
    )


def _delegates(
    graph: DecoderGraph,
    embedding: Embedding,
    packer: WeightPacker,
    window: RingConstants | None,
    progress: Progress,
) -> list[bytes]:
    turns = list(graph.turns)
    blobs = []
    for done, (segment, attention) in enumerate(turns):
        progress(done, len(turns))
        sinks = None
        if window is not None and attention is not None:
            sinks = _sinks(graph, attention, window)
        blobs.append(lower_segment(graph, segment, packer, embedding, sinks))
    progress(len(turns), len(turns))
    return blobs


def _sinks(graph: DecoderGraph, attention: Attention, window: RingConstants) -> Sinks | None:
    if is_global(window.cache.pattern, attention.layer):
        return None
    _, _, heads, size = graph.shape(attention.k)
    return Sinks(window.cache.first, heads, size, window.exchange)


def _head_delegate(graph: DecoderGraph, packer: WeightPacker, name: str) -> bytes:
    weight = packer.linear(name)
    builder = DelegateBuilder(1, 1)
    hidden = builder.input(graph.shape(graph.result))
    logits = builder.output((*hidden.shape[:-1], weight.filter.shape[0]))
    emit_linear(builder, hidden, weight, into=logits)
    return builder.finish()


def _metadata(config: ShaktiConfig, options: LoweringOptions) -> list[schema.ExecutionPlan]:
    """Constants under the names that ExecuTorch's Android runner asks for."""
    values: dict[str, int | bool | list[int]] = {
        "get_max_seq_len": options.max_chunk,
        "get_max_context_len": options.context_length,
        "get_vocab_size": config.vocab_size,
        "get_n_layers": config.num_hidden_layers,
        "enable_dynamic_shape": True,
        "use_kv_cache": True,
        "use_sdpa_with_kv_cache": True,
    }
    if options.bos_id is not None:
        values["get_bos_id"] = options.bos_id
    if options.eos_ids:
        values["get_eos_ids"] = list(options.eos_ids)
    return [constant_method(name, value) for name, value in values.items()]


def _parts(store: ConstantStore, record_size: int, total: int) -> tuple[tuple[str, int], ...]:
    sizes: dict[str, int] = defaultdict(int)
    for constant in store:
        sizes[constant.part] += constant.size_bytes
    sizes["program record"] = record_size
    sizes["alignment"] = total - sum(sizes.values())
    return tuple(sizes.items())
