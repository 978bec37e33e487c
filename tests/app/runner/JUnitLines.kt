package io.shakti.tests

import java.io.File
import java.io.PrintWriter
import java.io.StringWriter
import kotlin.system.exitProcess
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import org.junit.runner.Description
import org.junit.runner.JUnitCore
import org.junit.runner.Request
import org.junit.runner.notification.Failure
import org.junit.runner.notification.RunListener

/**
 * Runs JUnit classes and writes one JSON object a line about what happened: a class that begins or
 * is over, a test that ended. The file is right up to the moment the JVM dies.
 *
 * Arguments: the file, then one class name after the other.
 */
fun main(arguments: Array<String>) {
    File(arguments[0]).printWriter().use { out ->
        for (name in arguments.drop(1)) {
            out.line("begin", name)
            runClass(name, out)
            out.line("end", name)
        }
    }
    // Threads of Robolectric and of native libraries may still be there.
    exitProcess(0)
}

private fun runClass(name: String, out: PrintWriter) {
    val type = try {
        Class.forName(name)
    } catch (error: LinkageError) {
        return out.line("test", name, "", "failed", traceOf(error))
    } catch (error: ClassNotFoundException) {
        return out.line("test", name, "", "failed", traceOf(error))
    }
    val core = JUnitCore()
    core.addListener(Lines(name, out))
    core.run(Request.aClass(type))
}

private class Lines(private val type: String, private val out: PrintWriter) : RunListener() {
    private var failed = false
    private var startedNs = 0L

    override fun testStarted(description: Description) {
        failed = false
        startedNs = System.nanoTime()
        out.line("start", type, description.methodName.orEmpty())
    }

    override fun testFailure(failure: Failure) {
        failed = true
        tell(failure.description, "failed", failure.trace)
    }

    override fun testAssumptionFailure(failure: Failure) {
        failed = true
        tell(failure.description, "skipped", failure.message.orEmpty())
    }

    override fun testIgnored(description: Description) = tell(description, "skipped", "@Ignore")

    override fun testFinished(description: Description) {
        if (!failed) tell(description, "passed", "")
    }

    private fun tell(description: Description, status: String, detail: String) {
        val seconds = if (startedNs == 0L) 0.0 else (System.nanoTime() - startedNs) / 1e9
        out.line("test", type, description.methodName.orEmpty(), status, detail, seconds)
    }
}

private fun PrintWriter.line(
    event: String,
    type: String,
    test: String = "",
    status: String = "",
    detail: String = "",
    seconds: Double = 0.0,
) {
    val line = buildJsonObject {
        put("event", event)
        put("class", type)
        put("test", test)
        put("status", status)
        put("detail", detail)
        put("seconds", seconds)
    }
    println(line)
    flush()
}

private fun traceOf(error: Throwable): String =
    StringWriter().also { error.printStackTrace(PrintWriter(it)) }.toString()
