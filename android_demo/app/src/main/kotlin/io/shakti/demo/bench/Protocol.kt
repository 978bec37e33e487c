package io.shakti.demo.bench

/*
 * The benchmark protocol as docs/benchmark-protocol.md has it; sdk_builder/benchmark/protocol.py is
 * the other side. A number that both have to agree on is named here once.
 */

/** Raised by any change that an older app, or an older SDK, would misread. */
const val PROTOCOL = 1L

/** Keys and words of `am instrument`. */
object InstrumentationKeys {
    const val ACTION = "action"
    const val DESCRIBE = "describe"
    const val RUN = "run"
    const val PLAN = "plan"

    const val PROTOCOL = "shakti_protocol"
    const val APP_VERSION = "shakti_app_version"
    const val RUNTIME = "shakti_runtime"
    const val RUNTIME_VERSION = "shakti_runtime_version"
    const val THREADS_SETTABLE = "shakti_threads_settable"
    const val RESULTS_DIR = "shakti_results_dir"

    const val DONE = "shakti_done"
    const val TOTAL = "shakti_total"
    const val NOW = "shakti_now"

    const val STATUS = "shakti_status"
    const val MESSAGE = "shakti_message"
}

enum class CaseKind(val word: String) {
    /** Open the program and run one token through it; weights are packed then. */
    LOAD("load"),

    /** Prompt tokens after `depth` tokens in the KV cache. */
    PREFILL("prefill"),

    /** Tokens one by one after `depth`, each picked greedily and fed back. */
    DECODE("decode"),

    /** As prefill, and picking the first token of the answer. */
    TTFT("ttft"),
}

/** One thing that is timed. [threads]: of the runtime; null leaves them to it. */
data class Case(
    val kind: CaseKind,
    val tokens: Long = 0,
    val depth: Long = 0,
    val threads: Long? = null,
) {
    /** A name for people and tables: `decode-128@512/4t`. */
    val name: String
        get() = buildString {
            append(kind.word)
            if (kind != CaseKind.LOAD) append('-').append(tokens)
            if (depth > 0) append('@').append(depth)
            if (threads != null) append('/').append(threads).append('t')
        }

    /** Whether its positions are all below [contextLength]. */
    fun fits(contextLength: Int): Boolean =
        depth <= contextLength && tokens <= contextLength - depth
}

/** What runs untimed after each load, before the first case. */
data class WarmUp(val prefillTokens: Long = 64, val decodeTokens: Long = 16)

/** Inside which conditions a sample counts; null, or a reading that is not known, is no limit. */
data class Gate(
    val maxThermalStatus: Long? = 0,
    val maxBatteryTemperatureC: Double? = 42.0,
    val startBatteryTemperatureC: Double? = 38.0,
    val minBatteryPercent: Double? = 20.0,
)

/** What must be found before anything is measured. [thorough]: hash and golden prompts, too. */
data class ProgramCheck(
    val file: String,
    val sizeBytes: Long,
    val sha256: String,
    val thorough: Boolean,
    val exact: Boolean,
    val leastShare: Double,
)

/** The plan file: what one process measures, in this order. [attempt] counts a run's processes. */
data class RoundPlan(
    val runId: String,
    val round: Long,
    val attempt: Long,
    val bundleDir: String,
    val program: ProgramCheck,
    val warmUp: WarmUp,
    val gate: Gate,
    val cases: List<Case>,
    val heartbeatS: Long = 5,
) {
    val outputName: String get() = outputName(runId, round, attempt)
}

/** Name of the JSONL file that an attempt writes. */
fun outputName(runId: String, round: Long, attempt: Long): String =
    "$runId-r$round-a$attempt.jsonl"

private const val SPREAD = 2654435761L

/** The prompt token at [position] of the KV cache, in `[1, vocabSize)`; the same everywhere. */
fun benchToken(position: Int, vocabSize: Int): Int =
    (1 + (position * SPREAD % (1L shl 32)) % (vocabSize - 1)).toInt()
