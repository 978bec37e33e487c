package io.shakti.demo.host

import android.content.Context
import android.os.Bundle
import io.shakti.demo.BenchInstrumentation
import java.io.File
import kotlin.system.exitProcess
import kotlinx.serialization.json.JsonPrimitive
import kotlinx.serialization.json.buildJsonObject

/**
 * The app's process on a stand-in phone: runs the app's own instrumentation as Android's would be.
 *
 *     java ... io.shakti.demo.host.InstrumentationHost STATE RESULTS [KEY VALUE]...
 *
 * STATE: the phone's state file. RESULTS: where the result bundle goes, as JSON, when the
 * instrumentation finishes. Progress goes to stdout: DONE, TOTAL and NOW, with tabs between.
 */
object InstrumentationHost {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val state = PhoneState(File(arguments[0]))
        for ((name, value) in state.properties) System.setProperty("android.$name", value)
        val extras = Bundle()
        arguments.drop(2).chunked(2).forEach { (key, value) -> extras.putString(key, value) }
        HostedInstrumentation(state, File(arguments[1])).onCreate(extras)
    }
}

private class HostedInstrumentation(
    private val state: PhoneState,
    private val results: File,
) : BenchInstrumentation() {
    private val context = PhoneContext(state)

    override fun getTargetContext(): Context = context

    override fun version(): String = state.appVersion

    /** There is no screen here. */
    override fun bringToFront() = Unit

    override fun sendStatus(resultCode: Int, results: Bundle) {
        val keys = listOf("shakti_done", "shakti_total", "shakti_now")
        println(keys.joinToString("\t") { results.getString(it).orEmpty() })
    }

    /** Ends the process at once, as Android does. */
    override fun finish(resultCode: Int, results: Bundle) {
        val said = buildJsonObject {
            for (key in results.keySet()) put(key, JsonPrimitive(results.getString(key)))
        }
        val fresh = File(this.results.path + ".new")
        fresh.writeText(said.toString())
        check(fresh.renameTo(this.results)) { "cannot write ${this.results}" }
        System.out.flush()
        exitProcess(0)
    }
}
