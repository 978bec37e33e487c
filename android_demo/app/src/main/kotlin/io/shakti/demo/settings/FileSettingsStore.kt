package io.shakti.demo.settings

import io.shakti.demo.AppFailure
import io.shakti.demo.files.DeviceDisk
import io.shakti.demo.files.Disk
import io.shakti.demo.files.JsonNode
import io.shakti.demo.files.JsonRefused
import io.shakti.demo.files.parseStrictObject
import io.shakti.demo.files.replace
import io.shakti.demo.files.toFileBytes
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.StateFlow
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import java.io.File
import java.io.IOException

/**
 * The settings in one small JSON [file], read at once and written with every change. A file that
 * is missing or damaged gives the defaults; values outside their range go to its nearest end.
 */
class FileSettingsStore(
    private val file: File,
    private val disk: Disk = DeviceDisk,
) : SettingsStore {
    private val state = MutableStateFlow(read())
    private val unsavedState = MutableStateFlow<AppFailure?>(null)

    override val settings: StateFlow<Settings> get() = state

    override val unsaved: StateFlow<AppFailure?> get() = unsavedState

    /** The change holds in any case; one that cannot be written is told by [unsaved]. */
    @Synchronized
    override fun update(change: (Settings) -> Settings) {
        val changed = change(state.value).withinRanges()
        if (changed == state.value && unsavedState.value == null) return
        state.value = changed
        unsavedState.value = try {
            disk.replace(file, encode(changed))
            null
        } catch (failure: AppFailure) {
            failure
        }
    }

    private fun read(): Settings = try {
        JsonNode(parseStrictObject(file.readBytes()), unknownRefused = false).settings()
    } catch (_: IOException) {
        Settings()
    } catch (_: JsonRefused) {
        Settings()
    }

    private fun JsonNode.settings(): Settings = record {
        Settings(
            systemPrompt = nullable("system_prompt")?.text(),
            temperature = nullable("temperature")?.number()?.toFloat(),
            maxTokens = nullable("max_tokens")?.anyInt(),
            contextTokens = nullable("context_tokens")?.anyInt(),
            threads = nullable("threads")?.anyInt(),
            theme = nullable("theme")?.text().let { THEMES[it] } ?: Theme.SYSTEM,
            bundleFolder = nullable("bundle_folder")?.text(),
        ).withinRanges()
    }

    private fun JsonNode.anyInt(): Int = whole(INT_RANGE).toInt()

    private fun encode(settings: Settings): ByteArray = buildJsonObject {
        put("system_prompt", settings.systemPrompt)
        put("temperature", settings.temperature)
        put("max_tokens", settings.maxTokens)
        put("context_tokens", settings.contextTokens)
        put("threads", settings.threads)
        put("theme", THEMES.entries.first { it.value == settings.theme }.key)
        put("bundle_folder", settings.bundleFolder)
    }.toFileBytes()

    private companion object {
        val INT_RANGE = Int.MIN_VALUE.toLong()..Int.MAX_VALUE.toLong()
        val THEMES =
            mapOf("system" to Theme.SYSTEM, "light" to Theme.LIGHT, "dark" to Theme.DARK)
    }
}
