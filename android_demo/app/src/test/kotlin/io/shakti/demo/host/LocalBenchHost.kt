package io.shakti.demo.host

import io.shakti.demo.bench.AndroidConditions
import io.shakti.demo.bench.LocalBench
import io.shakti.demo.bench.PhoneFacts
import io.shakti.demo.bench.readBundle
import io.shakti.demo.bench.roundTools
import io.shakti.demo.runtime.RuntimeFlavour
import java.io.File
import kotlin.system.exitProcess

/**
 * The app's own quick benchmark, with Android's library, on the phone whose state is in STATE:
 *
 *     java ... io.shakti.demo.host.LocalBenchHost STATE BUNDLE JSONL
 *
 * What the app would share goes to the file JSONL, remarks and whether the golden answers were
 * confirmed to stdout.
 */
object LocalBenchHost {
    @JvmStatic
    fun main(arguments: Array<String>) {
        val (stateFile, folder, jsonl) = arguments
        val state = PhoneState(File(stateFile))
        for ((name, value) in state.properties) System.setProperty("android.$name", value)
        val conditions = AndroidConditions(PhoneContext(state))
        val bench = LocalBench(
            roundTools(conditions, RuntimeFlavour::loader),
            phone = { PhoneFacts(model = "Pixel 8", maker = "Google") },
            appVersion = state.appVersion,
        )
        val outcome = checkNotNull(bench.run(readBundle(File(folder)), quick = true, {}, { false }))
        File(jsonl).writeText(outcome.jsonl)
        println("golden ${outcome.goldenConfirmed}")
        outcome.remarks.forEach(::println)
        System.out.flush()
        exitProcess(0) // the runtime's own thread would keep the process
    }
}
