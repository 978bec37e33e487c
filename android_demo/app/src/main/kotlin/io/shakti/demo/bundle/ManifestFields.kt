package io.shakti.demo.bundle

import io.shakti.demo.files.JsonNode
import io.shakti.demo.files.JsonRecord

/** The records of a manifest, as sdk_builder/bundle/manifest.py describes them. */
internal fun JsonNode.manifest(): Manifest = record {
    val result = Manifest(
        schemaVersion = this["schema_version"].text(),
        name = this["name"].text(),
        model = this["model"].model(),
        quantization = this["quantization"].quantization(),
        program = this["program"].program(),
        tokenizer = this["tokenizer"].tokenizer(),
        chat = nullable("chat")?.chat(),
        generation = this["generation"].generation(),
        golden = optional("golden")?.list().orEmpty().map { it.golden() },
        quality = optional("quality")?.quality() ?: QualityInfo(),
    )
    optional("tools")?.map()?.values?.forEach { it.text() }
    optional("creation")?.map()?.values?.forEach { it.checkParameter() }
    nullable("provenance")?.checkProvenance()
    checkParts(result)
    result
}

private fun JsonRecord.checkParts(manifest: Manifest) {
    val names = setOf(MANIFEST_NAME, manifest.program.file, manifest.tokenizer.file)
    if (names.size < 3) fail("program.file, tokenizer.file and $MANIFEST_NAME must differ")
    val vocabSize = manifest.model.vocabSize
    val tokenizer = manifest.tokenizer
    if (tokenizer.vocabSize > vocabSize) {
        fail("tokenizer.vocab_size ${tokenizer.vocabSize} is more than model.vocab_size $vocabSize")
    }
    val largest = sequence {
        yieldAll(tokenizer.eosIds)
        tokenizer.bosId?.let { yield(it) }
        manifest.golden.forEach {
            yieldAll(it.promptIds.iterator())
            yieldAll(it.expectedIds.iterator())
        }
    }.maxOrNull() ?: 0
    if (largest >= vocabSize) fail("token id $largest is outside the vocabulary of $vocabSize")
}

private fun JsonNode.model(): ModelInfo = record {
    val layers = this["layers"].count32(least = 1)
    val heads = this["heads"].count32(least = 1)
    val kvHeads = this["kv_heads"].list().map { it.count32(least = 1) }
    listOf("hidden_size", "intermediate_size", "max_position_embeddings")
        .forEach { this[it].whole(POSITIVE) }
    listOf("tied_embedding", "attention_bias").forEach { this[it].bool() }
    this["rms_norm_eps"].notNegative()
    this["rope"].checkRope()
    optional("fields")?.map()?.values?.forEach { it.oneOf(MARKS) }
    if (kvHeads.size != layers) fail("kv_heads has ${kvHeads.size} entries for $layers layers")
    kvHeads.forEachIndexed { layer, count ->
        if (heads % count != 0) {
            fail("layer $layer: $heads heads are no multiple of $count KV heads")
        }
    }
    ModelInfo(
        family = this["family"].text(),
        architecture = this["architecture"].text(),
        parameters = this["parameters"].whole(POSITIVE),
        untrained = this["untrained"].bool(),
        layers = layers,
        vocabSize = this["vocab_size"].count32(least = 1),
        licence = nullable("licence")?.text(),
        kvHeads = kvHeads,
        headDim = this["head_dim"].count32(least = 1),
        source = this["source"].source(),
    )
}

private fun JsonNode.source(): ModelSource = record {
    optional("files")?.list()?.forEach { file ->
        file.record {
            this["name"].text()
            this["size_bytes"].whole(COUNT)
            this["sha256"].sha256()
        }
    }
    nullable("seed")?.integer()
    ModelSource(
        kind = this["kind"].oneOf(SOURCE_KINDS),
        name = this["name"].text(),
        weightFormat = this["weight_format"].text(),
    )
}

private fun JsonNode.checkRope(): Unit = record {
    this["theta"].aboveZero()
    nullable("scaling")?.record {
        listOf("factor", "low_freq_factor", "high_freq_factor").forEach { this[it].aboveZero() }
        this["original_max_position_embeddings"].whole(POSITIVE)
    }
}

private fun JsonNode.quantization(): QuantizationInfo = record {
    this["linear"].record {
        this["description"].text()
        nullable("group_size")?.whole(POSITIVE)
    }
    this["embedding"].text()
    optional("tensor_formats")?.map()?.values?.forEach { it.whole(COUNT) }
    QuantizationInfo(
        scheme = this["scheme"].text(),
        bitsPerWeight = this["bits_per_weight"].notNegative(),
        kvCache = this["kv_cache"].text(),
        method = this["method"].text(),
        weightsBytes = this["weights_bytes"].whole(COUNT),
    )
}

private fun JsonNode.program(): ProgramInfo = record {
    val result = ProgramInfo(
        file = this["file"].fileName(),
        sizeBytes = this["size_bytes"].whole(POSITIVE),
        sha256 = this["sha256"].sha256(),
        contextLength = this["context_length"].count32(least = 1),
        maxChunk = this["max_chunk"].count32(least = 1),
        window = nullable("window")?.whole(1L..LAST_POSITION - MOST_SINKS)?.toInt(),
        sparse = nullable("sparse")?.sparseBlocks(),
        sinks = nullable("sinks")?.whole(0L..MOST_SINKS)?.toInt() ?: FIRST_SINKS,
        globalEvery = nullable("global_every")?.count32(least = 2),
        backend = this["backend"].text(),
        operators = this["operators"].list().map { it.text() },
    )
    this["delegates"].whole(COUNT)
    this["methods"].list().forEach { it.checkMethod() }
    optional("parts")?.list()?.map { it.partSize() }?.let { checkPartSizes(it, result.sizeBytes) }
    checkPattern(result, saysMore = nullable("sinks") != null || result.globalEvery != null)
    if (result.maxChunk > result.contextLength) {
        fail("max_chunk ${result.maxChunk} is more than context_length ${result.contextLength}")
    }
    result
}

private fun JsonNode.sparseBlocks(): SparseBlocks = record {
    val (block, local, stride, reach) = listOf("block", "local", "stride", "reach")
        .map { this[it].whole(1L..LAST_POSITION).toInt() }
    val most = LAST_POSITION / block
    if (local > reach || reach > most || stride > most) {
        fail("blocks of $block, $local local, each ${stride}th of $reach make no sense")
    }
    SparseBlocks(block, local, stride, reach)
}

private fun JsonRecord.checkPattern(program: ProgramInfo, saysMore: Boolean) {
    val sparse = program.sparse
    if (program.window != null && sparse != null) fail("window and sparse exclude each other")
    if (saysMore && program.window == null && sparse == null) {
        fail("sinks and global_every need window or sparse")
    }
    val chunk = program.maxChunk
    if (sparse != null && chunk % sparse.block != 0 && sparse.block % chunk != 0) {
        fail("blocks of ${sparse.block} positions and chunks of $chunk tokens do not fit")
    }
}

private fun JsonNode.checkMethod(): Unit = record {
    this["name"].text()
    (this["inputs"].list() + this["outputs"].list()).forEach { tensor ->
        tensor.record {
            this["name"].text()
            this["dtype"].text()
            this["shape"].list().forEach { if (it.isText()) it.text() else it.whole(COUNT) }
        }
    }
}

private fun JsonNode.partSize(): Long = record {
    this["name"].text()
    this["size_bytes"].whole(COUNT)
}

private fun JsonRecord.checkPartSizes(parts: List<Long>, sizeBytes: Long) {
    if (parts.isEmpty()) return
    // Subtracted, for a sum might not fit into 64 bits; below zero, it stays there.
    val rest = parts.fold(sizeBytes) { left, part -> if (left < part) -1 else left - part }
    if (rest != 0L) fail("parts are not size_bytes $sizeBytes together")
}

private fun JsonNode.tokenizer(): TokenizerInfo = record {
    TokenizerInfo(
        file = this["file"].fileName(),
        kind = this["kind"].text(),
        sha256 = this["sha256"].sha256(),
        vocabSize = this["vocab_size"].count32(least = 1),
        bosId = nullable("bos_id")?.tokenId(),
        eosIds = this["eos_ids"].list().map { it.tokenId() },
        addBos = this["add_bos"].bool(),
    )
}

private fun JsonNode.chat(): ChatTurns = record {
    val stripped = this["strip_roles"].list().map { it.oneOf(ROLES) }
    this["template"].text()
    ChatTurns(
        begin = this["begin"].text(),
        systemPlace = this["system_place"].oneOf(SYSTEM_PLACES),
        systemPrefix = this["system_prefix"].text(),
        systemSuffix = this["system_suffix"].text(),
        defaultSystem = this["default_system"].orNull()?.text(),
        userPrefix = this["user_prefix"].text(),
        userSuffix = this["user_suffix"].text(),
        assistantPrefix = this["assistant_prefix"].text(),
        assistantSuffix = this["assistant_suffix"].text(),
        generationPrompt = this["generation_prompt"].text(),
        stripSystem = "system" in stripped,
        stripUser = "user" in stripped,
        stripAssistant = "assistant" in stripped,
    )
}

private fun JsonNode.generation(): GenerationDefaults = record {
    GenerationDefaults(
        temperature = this["temperature"].notNegative(),
        topP = this["top_p"].number("a number above 0 and up to 1") { it > 0.0 && it <= 1.0 },
        maxTokens = this["max_tokens"].count32(least = 1),
        stop = optional("stop")?.list().orEmpty().map { it.text() },
    )
}

private fun JsonNode.golden(): GoldenPrompt = record {
    GoldenPrompt(
        text = this["text"].text(),
        promptIds = this["prompt_ids"].tokenIds(),
        expectedIds = this["expected_ids"].tokenIds(),
    )
}

private fun JsonNode.quality(): QualityInfo = record {
    nullable("logit_cosine")?.number()
    nullable("max_abs_error")?.notNegative()
    nullable("attention_ratio")?.notNegative()
    QualityInfo(
        perplexity = nullable("perplexity")?.notNegative(),
        perplexityRatio = nullable("perplexity_ratio")?.notNegative(),
        kl = nullable("kl")?.number(),
        note = optional("note")?.text().orEmpty(),
    )
}

private fun JsonNode.checkProvenance(): Unit = record {
    this["created_at"].text()
    this["host"].text()
    this["duration_s"].notNegative()
}

/** What a person may give to export: text, a number, true, false or null. */
private fun JsonNode.checkParameter() {
    val value = orNull() ?: return
    if (!value.isText() && !value.isBool()) value.number("text, a number, true, false or null")
}

private fun JsonNode.tokenId(): Int = count32(least = 0)

private fun JsonNode.tokenIds(): IntArray = list().map { it.tokenId() }.toIntArray()

private fun JsonNode.notNegative(): Double = number("a number of at least 0") { it >= 0.0 }

private fun JsonNode.aboveZero(): Double = number("a number above 0") { it > 0.0 }

private fun JsonNode.sha256(): String = textOf(SHA256, "a SHA-256 in hexadecimal digits")

private fun JsonNode.fileName(): String = textOf(BUNDLE_FILE_NAME, "a plain file name")

/** A file directly in the bundle: no folders, nothing hidden, nothing a shell would trip over. */
internal val BUNDLE_FILE_NAME = Regex("[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}")

private val SHA256 = Regex("[0-9a-f]{64}")

/** Of bundles that do not say how many. */
private const val FIRST_SINKS = 4
private const val MOST_SINKS = 4096L
private const val LAST_POSITION = 1L shl 17
private val COUNT = 0..Long.MAX_VALUE
private val POSITIVE = 1..Long.MAX_VALUE
private val MARKS = choices("published", "chosen")
private val SOURCE_KINDS = choices("gguf", "safetensors", "preset")
private val ROLES = choices("system", "user", "assistant")
private val SYSTEM_PLACES = mapOf(
    "turn" to SystemPlace.TURN,
    "first_user" to SystemPlace.FIRST_USER,
    "none" to SystemPlace.NONE,
)

private fun choices(vararg names: String) = names.associateWith { it }
