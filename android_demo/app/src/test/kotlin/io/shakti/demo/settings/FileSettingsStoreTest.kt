package io.shakti.demo.settings

import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.SmallDisk
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import kotlin.concurrent.thread
import kotlin.random.Random

class FileSettingsStoreTest {
    @get:Rule val temporary = TemporaryFolder()

    private val file by lazy { File(temporary.root, "files/settings.json") }

    private fun reopened(): Settings = FileSettingsStore(file).settings.value

    @Test
    fun missing_file_gives_the_defaults_and_none_is_made() {
        assertEquals(Settings(), reopened())
        assertEquals(false, file.exists())
    }

    @Test
    fun every_setting_outlives_the_process() {
        val chosen = Settings(
            systemPrompt = "Be \"brief\".\n🙂",
            temperature = 0.35f,
            maxTokens = 77,
            contextTokens = 1024,
            threads = 3,
            theme = Theme.DARK,
            bundleFolder = "/data/x/नम",
        )
        val store = FileSettingsStore(file)
        store.update { chosen }
        assertEquals(chosen, store.settings.value)
        assertEquals(chosen, reopened())
        store.update { it.copy(systemPrompt = null, theme = Theme.LIGHT) }
        assertEquals(chosen.copy(systemPrompt = null, theme = Theme.LIGHT), reopened())
        store.update { Settings() }
        assertEquals(Settings(), reopened())
    }

    @Test
    fun values_outside_their_range_go_to_its_end() {
        val store = FileSettingsStore(file)
        store.update {
            Settings("x".repeat(50_000), -1f, 0, 1, Int.MAX_VALUE)
        }
        val low = Settings("x".repeat(20_000), 0f, 1, 64, 32)
        assertEquals(low, store.settings.value)
        assertEquals(low, reopened())
        store.update { it.copy(temperature = Float.NaN, maxTokens = Int.MAX_VALUE) }
        assertNull(store.settings.value.temperature)
        assertEquals(32_768, reopened().maxTokens)
        file.writeText("{\"temperature\": 1e300, \"threads\": -5}")
        assertEquals(Settings(temperature = 2f, threads = 1), reopened())
    }

    @Test
    fun prompt_is_not_cut_within_a_character() {
        val long = "x".repeat(19_999)
        assertEquals(long, Settings(systemPrompt = "$long🙂").withinRanges().systemPrompt)
    }

    @Test
    fun damaged_file_gives_the_defaults() {
        FileSettingsStore(file).update { Settings(threads = 2, theme = Theme.DARK) }
        val good = file.readBytes()
        val random = Random(11)
        var defaults = 0
        repeat(2000) {
            val bad = good.copyOf(if (it % 3 == 0) random.nextInt(good.size) else good.size)
            if (bad.isNotEmpty()) bad[random.nextInt(bad.size)] = random.nextInt().toByte()
            file.writeBytes(bad)
            if (reopened() == Settings()) defaults++
        }
        assertTrue("$defaults", defaults in 700..1999)
        val wrong = listOf("{\"threads\": \"2\"}", "{\"theme\": 4}", "{\"threads\": 1e1}")
        for (text in wrong + listOf("", "[]")) {
            file.writeText(text)
            assertEquals(Settings(), reopened())
        }
        file.writeText("{\"theme\": \"sepia\", \"threads\": 2, \"font\": 3}")
        assertEquals(Settings(threads = 2), reopened())
    }

    @Test
    fun change_that_cannot_be_written_holds_for_now_and_says_so() {
        val disk = SmallDisk(1000)
        val store = FileSettingsStore(file, disk)
        store.update { it.copy(threads = 2) }
        assertNull(store.unsaved.value)
        disk.leftBytes = 0
        store.update { it.copy(threads = 4) }
        assertEquals(4, store.settings.value.threads)
        assertEquals(FailureKind.STORAGE_FULL, store.unsaved.value?.kind)
        assertEquals(2, reopened().threads)
        disk.leftBytes = 1000
        store.update { it }
        assertNull(store.unsaved.value)
        assertEquals(4, reopened().threads)
    }

    @Test
    fun changes_from_many_threads_are_all_kept() {
        val store = FileSettingsStore(file)
        store.update { it.copy(maxTokens = 1) }
        val workers = List(4) {
            thread { repeat(25) { store.update { it.copy(maxTokens = it.maxTokens!! + 1) } } }
        }
        workers.forEach { it.join() }
        assertEquals(101, reopened().maxTokens)
    }
}
