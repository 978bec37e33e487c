package io.shakti.demo

import android.app.Activity
import android.content.Context
import android.os.Bundle
import io.shakti.demo.bundle.Bundle as DemoBundle
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.fakes.ScriptedLoader
import io.shakti.demo.fakes.ScriptedProgram
import io.shakti.demo.fakes.TinyBundle
import java.io.File
import java.util.concurrent.CompletableFuture
import java.util.concurrent.TimeUnit
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf

/** What `am instrument` gets to hear. */
@RunWith(RobolectricTestRunner::class)
class BenchInstrumentationTest {
    @get:Rule val folder = TemporaryFolder()

    private val statuses = ArrayList<Map<String, String?>>()
    private val ended = CompletableFuture<Map<String, String?>>()
    private val loader = ScriptedLoader {
        ScriptedProgram.sure(vocabSize = 258, contextLength = 256, maxChunk = 64, next = ::answer)
    }

    private inner class Started : BenchInstrumentation() {
        override fun getTargetContext(): Context = RuntimeEnvironment.getApplication()

        override fun programLoader(): ProgramLoader = loader

        override fun version(): String = "9.8.7"

        override fun sendStatus(resultCode: Int, results: Bundle) {
            assertEquals(0, resultCode)
            statuses += texts(results)
        }

        override fun finish(resultCode: Int, results: Bundle) {
            assertEquals(Activity.RESULT_OK, resultCode)
            ended.complete(texts(results))
        }
    }

    private fun texts(bundle: Bundle): Map<String, String?> =
        bundle.keySet().associateWith { bundle.getString(it) }

    private fun run(vararg extras: Pair<String, String>): Map<String, String?> {
        val arguments = Bundle()
        for ((key, value) in extras) arguments.putString(key, value)
        Started().onCreate(arguments)
        val until = System.nanoTime() + TimeUnit.SECONDS.toNanos(60)
        while (!ended.isDone && System.nanoTime() < until) {
            showActivity()
            Thread.sleep(10)
        }
        return ended.get(1, TimeUnit.SECONDS)
    }

    /** Robolectric starts no activity by itself. */
    private fun showActivity() {
        val intent = shadowOf(RuntimeEnvironment.getApplication()).nextStartedActivity ?: return
        assertEquals(MainActivity::class.java.name, intent.component!!.className)
        assertTrue(intent.getBooleanExtra("io.shakti.demo.BENCH", false))
        shown = true
        Robolectric.buildActivity(MainActivity::class.java, intent).setup()
    }

    private var shown = false

    @Test
    fun describe_says_what_the_app_is() {
        val said = run("action" to "describe")
        assertEquals(
            setOf(
                "shakti_protocol", "shakti_app_version", "shakti_runtime", "shakti_runtime_version",
                "shakti_threads_settable", "shakti_results_dir",
            ),
            said.keys,
        )
        assertEquals("1", said["shakti_protocol"])
        assertEquals("9.8.7", said["shakti_app_version"])
        assertEquals("executorch", said["shakti_runtime"])
        assertEquals("1.0", said["shakti_runtime_version"])
        assertEquals("true", said["shakti_threads_settable"])
        assertTrue(said["shakti_results_dir"]!!.endsWith("/bench"))
        assertFalse(shown)
    }

    @Test
    fun run_shows_the_activity_measures_and_says_how_it_ended() {
        val bundle = TinyBundle().writeTo(File(folder.root, "bundle"))
        val said = run("action" to "run", "plan" to plan(bundle))
        assertEquals(mapOf("shakti_status" to "complete", "shakti_message" to ""), said)
        assertTrue(shown)
        assertEquals(
            mapOf("shakti_done" to "0", "shakti_total" to "2", "shakti_now" to "load"),
            statuses.first(),
        )
        assertEquals("2", statuses.last()["shakti_done"])
        val types = lines().map { Regex("\"type\":\"(\\w+)\"").find(it)!!.groupValues[1] }
        assertEquals(listOf("round", "sample", "sample", "round_end"), types)
        assertTrue(lines()[0], "\"golden\":{\"prompts\":1,\"repeated\":1" in lines()[0])
    }

    @Test
    fun bundle_that_is_not_there_is_said_and_written() {
        val bundle = TinyBundle().bundle(File(folder.root, "nowhere"))
        val said = run("action" to "run", "plan" to plan(bundle))
        assertEquals("failed", said["shakti_status"])
        assertEquals("there is no bundle at ${folder.root}/nowhere", said["shakti_message"])
        assertTrue("bundle_unreadable" in lines()[1])
        assertTrue("\"round_end\"" in lines().last() && "\"failed\"" in lines().last())
    }

    /** The golden prompt "hi" is answered by "ya". */
    private fun answer(ids: List<Int>): Int =
        when (ids.last()) {
            'i'.code -> 'y'.code
            else -> 'a'.code
        }

    private fun plan(bundle: DemoBundle): String {
        val program = bundle.manifest.program
        val file = folder.newFile("plan.json")
        file.writeText(
            """{"protocol": 1, "run_id": "0123456789abcdef", "round": 0, "attempt": 0,
            "bundle_dir": "${bundle.folder}", "program": {"file": "model.pte",
            "size_bytes": ${program.sizeBytes}, "sha256": "${program.sha256}", "thorough": true,
            "exact": true, "least_share": 0.6}, "warm_up": {}, "gate": {},
            "cases": [{"kind": "load"}, {"kind": "decode", "tokens": 3}]}""",
        )
        return file.path
    }

    private fun lines(): List<String> {
        val results = RuntimeEnvironment.getApplication().getExternalFilesDir("bench")
        return File(results, "0123456789abcdef-r0-a0.jsonl").readLines()
    }

    @Test
    fun unknown_action_is_answered() {
        val said = run("action" to "jump")
        assertEquals("failed", said["shakti_status"])
        assertEquals("action must be describe or run, not jump", said["shakti_message"])
    }

    @Test
    fun run_without_a_plan_is_answered() {
        val said = run("action" to "run")
        assertEquals("failed", said["shakti_status"])
        assertEquals("no plan: -e plan PLAN_FILE is missing", said["shakti_message"])
    }
}
