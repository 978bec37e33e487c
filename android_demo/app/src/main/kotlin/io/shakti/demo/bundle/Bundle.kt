package io.shakti.demo.bundle

import java.io.File

/** A bundle's folder and what its manifest says. */
data class Bundle(val folder: File, val manifest: Manifest) {
    val programFile: File get() = File(folder, manifest.program.file)
    val tokenizerFile: File get() = File(folder, manifest.tokenizer.file)
}

/**
 * The fields of manifest.json that the app uses; see sdk_builder/bundle/manifest.py for their
 * meaning.
 */
data class Manifest(
    val schemaVersion: String,
    val name: String,
    val model: ModelInfo,
    val quantization: QuantizationInfo,
    val program: ProgramInfo,
    val tokenizer: TokenizerInfo,
    val chat: ChatTurns?,
    val generation: GenerationDefaults,
    val golden: List<GoldenPrompt>,
    val quality: QualityInfo = QualityInfo(),
)

data class ModelInfo(
    val family: String,
    val architecture: String,
    val parameters: Long,
    val untrained: Boolean,
    val layers: Int,
    val vocabSize: Int,
    val licence: String?,
    /** KV heads of each layer, with [headDim] numbers each: what the KV cache holds a position. */
    val kvHeads: List<Int> = emptyList(),
    val headDim: Int = 0,
    val source: ModelSource? = null,
)

/** Where the weights came from: [kind] is "gguf", "safetensors" or "preset". */
data class ModelSource(val kind: String, val name: String, val weightFormat: String)

enum class SystemPlace { TURN, FIRST_USER, NONE }

/**
 * The fixed texts around the messages of a chat; sdk_builder/bundle/turns.py says how they are
 * joined.
 */
data class ChatTurns(
    val begin: String,
    val systemPlace: SystemPlace,
    val systemPrefix: String,
    val systemSuffix: String,
    val defaultSystem: String?,
    val userPrefix: String,
    val userSuffix: String,
    val assistantPrefix: String,
    val assistantSuffix: String,
    val generationPrompt: String,
    val stripSystem: Boolean,
    val stripUser: Boolean,
    val stripAssistant: Boolean,
)

/** [method]: how the quantized values were found, such as "rounding", "gptq" or "qat". */
data class QuantizationInfo(
    val scheme: String,
    val bitsPerWeight: Double,
    val kvCache: String,
    val method: String = "",
    val weightsBytes: Long = 0,
) {
    /** Whether every build of the runtime gives the same tokens: nothing is rounded to int8. */
    val exact: Boolean get() = scheme == "none" && kvCache == "fp32"
}

/** Measured against the float model when the bundle was made; null: not measured. */
data class QualityInfo(
    val perplexity: Double? = null,
    val perplexityRatio: Double? = null,
    val kl: Double? = null,
    val note: String = "",
)

/** Block-sparse attention; [block] in positions, the rest in blocks. */
data class SparseBlocks(val block: Int, val local: Int, val stride: Int, val reach: Int)

data class ProgramInfo(
    val file: String,
    val sizeBytes: Long,
    val sha256: String,
    val contextLength: Int,
    val maxChunk: Int,
    val window: Int?,
    val sparse: SparseBlocks?,
    /** How many first positions are seen by all, with a window or blocks. */
    val sinks: Int,
    /** Each so manieth layer looks at all positions nevertheless; null: none. */
    val globalEvery: Int?,
    val backend: String,
    val operators: List<String>,
) {
    /** Whether [layer], counted from 0, looks at all positions. */
    fun isGlobal(layer: Int): Boolean = globalEvery != null && (layer + 1) % globalEvery == 0
}

data class TokenizerInfo(
    val file: String,
    val kind: String,
    val sha256: String,
    val vocabSize: Int,
    val bosId: Int?,
    val eosIds: List<Int>,
    val addBos: Boolean,
)

data class GenerationDefaults(
    val temperature: Double,
    val topP: Double,
    val maxTokens: Int,
    val stop: List<String>,
)

class GoldenPrompt(val text: String, val promptIds: IntArray, val expectedIds: IntArray)
