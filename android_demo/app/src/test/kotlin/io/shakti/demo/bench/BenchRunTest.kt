package io.shakti.demo.bench

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.engine.ProgramLoader
import java.io.File
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder

class BenchRunTest {
    @get:Rule val folder = TemporaryFolder()

    private val setup by lazy { BenchSetup(File(folder.root, "bundle")) }
    private val results by lazy { File(folder.root, "results") }
    private val sent = ArrayList<CasesDone>()

    private fun run(
        plan: String,
        tools: RoundTools = setup.tools(),
        into: File = results,
    ): BenchResult {
        val file = File(folder.root, "plan.json").apply { writeText(plan) }
        return BenchRun(into, tools) { synchronized(sent) { sent += it } }.run(file)
    }

    private fun plan(bundle: Bundle = setup.bundle): String {
        val program = bundle.manifest.program
        return """{"protocol": 1, "run_id": "0123456789abcdef", "round": 1, "attempt": 2,
            "bundle_dir": "${bundle.folder}", "program": {"file": "model.pte",
            "size_bytes": ${program.sizeBytes}, "sha256": "${program.sha256}", "thorough": true,
            "exact": true, "least_share": 0.6}, "warm_up": {}, "gate": {},
            "cases": [{"kind": "load"}, {"kind": "decode", "tokens": 3}]}"""
    }

    private fun lines(): List<JsonObject> =
        File(results, "0123456789abcdef-r1-a2.jsonl").readLines()
            .map { Json.parseToJsonElement(it).jsonObject }

    private fun JsonObject.text(name: String): String = getValue(name).jsonPrimitive.content

    @Test
    fun plan_is_measured_into_the_file_that_the_sdk_looks_for() {
        assertEquals(BenchResult(EndStatus.COMPLETE, ""), run(plan()))
        val types = lines().map { it.text("type") }
        assertEquals(listOf("round", "sample", "sample", "round_end"), types)
        assertEquals(CasesDone(2, 2, "decode-3"), sent.last())
    }

    @Test
    fun second_start_of_an_attempt_goes_on_behind_the_first() {
        results.mkdirs()
        val file = File(results, "0123456789abcdef-r1-a2.jsonl")
        file.writeText("{\"type\": \"round\"}\n{\"type\": ")
        run(plan())
        val lines = file.readLines()
        assertEquals("{\"type\": ", lines[1])
        assertTrue(lines.last().startsWith("{\"type\":\"round_end\""))
    }

    @Test
    fun plan_of_another_protocol_ends_its_file_with_a_failure() {
        val result = run(plan().replace("\"protocol\": 1", "\"protocol\": 2"))
        assertEquals(EndStatus.FAILED, result.status)
        assertTrue(result.message, "update the app" in result.message)
        assertEquals(listOf("failure", "round_end"), lines().map { it.text("type") })
        assertEquals("plan_refused", lines()[0].text("cause"))
        assertEquals("failed", lines()[1].text("status"))
        assertEquals(result.message, lines()[1].text("message"))
    }

    @Test
    fun plan_that_tells_nothing_of_its_attempt_is_refused_in_the_result() {
        for (text in listOf("", "[]", "{\"run_id\": \"../../../../etc/passwd\"}")) {
            val result = run(text)
            assertEquals(EndStatus.FAILED, result.status)
            assertTrue(result.message.isNotBlank() && '\n' !in result.message)
        }
        assertEquals(emptyList<File>(), results.listFiles().orEmpty().toList())
        val missing = BenchRun(results, setup.tools()) {}.run(File(folder.root, "none"))
        assertTrue(missing.message, missing.message.startsWith("cannot read "))
    }

    @Test
    fun error_that_nobody_expects_ends_the_file_too() {
        val tools = RoundTools(
            { throw NoSuchMethodError("forward\nof a runtime") }, { setup.bundle },
            { Conditions("now") }, { null },
        )
        val result = run(plan(), tools)
        assertEquals(EndStatus.FAILED, result.status)
        assertTrue(result.error is NoSuchMethodError)
        assertEquals("app_failed", lines().first { it.text("type") == "failure" }.text("cause"))
        assertEquals("round_end", lines().last().text("type"))
    }

    @Test
    fun results_that_cannot_be_written_are_told_in_the_result() {
        val inTheWay = folder.newFile("file")
        val result = run(plan(), into = inTheWay)
        assertEquals(EndStatus.FAILED, result.status)
        assertTrue(result.message, result.message.startsWith("cannot write ${inTheWay.path}"))
    }

    @Test
    fun heartbeats_come_while_the_program_is_opened() {
        val slow = object : ProgramLoader by setup.loader {
            override fun open(file: File, threads: Int?) =
                setup.loader.open(file, threads).also { Thread.sleep(2500) }
        }
        run(plan().replace("\"warm_up\"", "\"heartbeat_s\": 1, \"warm_up\""), setup.tools(slow))
        assertTrue("$sent", sent.count { it.done == 0 } >= 4) // two as it begins, two beats or more
    }
}
