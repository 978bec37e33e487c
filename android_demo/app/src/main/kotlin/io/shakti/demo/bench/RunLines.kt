package io.shakti.demo.bench

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.MANIFEST_NAME
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.files.toHex
import java.io.File
import java.security.SecureRandom
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.jsonObject

/** The app's package, which result files name. */
const val PACKAGE = "io.shakti.demo"

/** The name of the runtime in result lines. */
const val RUNTIME_NAME = "executorch"

/** What the phone is; empty strings, zeros and empty lists mean "not known". */
data class PhoneFacts(
    val model: String,
    val maker: String = "",
    val soc: String = "",
    val abi: String = "",
    val system: String = "",
    val apiLevel: Int = 0,
    val coreMaxMhz: List<Double> = emptyList(),
    val memoryBytes: Long = 0,
    val pageSizeBytes: Long = 0,
)

/** 16 hexadecimal digits that no other run has. */
fun newRunId(): String {
    return ByteArray(8).also { SecureRandom().nextBytes(it) }.toHex()
}

/**
 * The first line of a result file that the app makes by itself, as the SDK's `run` line is.
 *
 * Its `sdk_version` is the app's, for no SDK was there; its device id is maker and model, for an
 * app does not learn the serial number. Reads the bundle's manifest; throws IOException.
 */
fun runLine(
    runId: String,
    bundle: Bundle,
    plan: LocalPlan,
    phone: PhoneFacts,
    runtime: RuntimeInfo,
    appVersion: String,
): RunLine {
    val planned = plan.toJson()
    return RunLine(
        json(
            "type" to text("run"),
            "schema_version" to whole(1),
            "run_id" to text(runId),
            "started_at" to text(utcNow()),
            "sdk_version" to text(appVersion),
            "plan" to planned,
            "plan_hash" to text(canonicalHash(planned)),
            "bundle" to bundleFacts(bundle),
            "device" to deviceFacts(phone),
            "runtime" to json(
                "name" to text(RUNTIME_NAME),
                "version" to text(runtime.version),
                "app" to text(PACKAGE),
                "app_version" to text(appVersion),
                "protocol" to whole(PROTOCOL),
                "threads_settable" to JsonPrimitive(runtime.threadsSettable),
            ),
        ),
    )
}

private fun bundleFacts(bundle: Bundle): JsonObject {
    val manifest = bundle.manifest
    return json(
        "name" to text(manifest.name),
        "identity" to text(identityOf(File(bundle.folder, MANIFEST_NAME))),
        "model" to text(manifest.model.source?.name.orEmpty()),
        "family" to text(manifest.model.family),
        "parameters" to whole(manifest.model.parameters),
        "untrained" to JsonPrimitive(manifest.model.untrained),
        "scheme" to text(manifest.quantization.scheme),
        "bits_per_weight" to number(manifest.quantization.bitsPerWeight),
        "program_sha256" to text(manifest.program.sha256),
        "program_size_bytes" to whole(manifest.program.sizeBytes),
        "context_length" to whole(manifest.program.contextLength.toLong()),
        "perplexity" to number(manifest.quality.perplexity),
    )
}

/** Equal for bundles that differ in nothing but provenance, as `identity` of the SDK is. */
internal fun identityOf(manifest: File): String {
    val fields = Json.parseToJsonElement(manifest.readText()).jsonObject
    return canonicalHash(JsonObject(fields - setOf("checksum", "provenance")))
}

private fun deviceFacts(phone: PhoneFacts): JsonObject = json(
    "kind" to text("phone"),
    "id" to text("${phone.maker} ${phone.model}".trim()),
    "model" to text(phone.model),
    "maker" to text(phone.maker),
    "soc" to text(phone.soc),
    "abi" to text(phone.abi),
    "system" to text(phone.system),
    "api_level" to whole(phone.apiLevel.toLong()),
    "core_max_mhz" to numbers(phone.coreMaxMhz),
    "memory_bytes" to whole(phone.memoryBytes),
    "page_size_bytes" to whole(phone.pageSizeBytes),
)
