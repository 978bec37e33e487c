package io.shakti.demo

import android.app.Activity
import android.app.Application
import android.app.Instrumentation
import android.content.Intent
import android.os.Bundle
import android.util.Log
import io.shakti.demo.bench.AndroidConditions
import io.shakti.demo.bench.BenchResult
import io.shakti.demo.bench.BenchRun
import io.shakti.demo.bench.CasesDone
import io.shakti.demo.bench.EndStatus
import io.shakti.demo.bench.InFront
import io.shakti.demo.bench.InstrumentationKeys
import io.shakti.demo.bench.PROTOCOL
import io.shakti.demo.bench.RUNTIME_NAME
import io.shakti.demo.bench.appVersion
import io.shakti.demo.bench.roundTools
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.runtime.RuntimeFlavour
import java.io.File
import kotlin.concurrent.thread

/**
 * What `shakti-sdk bench` starts on a phone; docs/benchmark-protocol.md, "The app's
 * instrumentation".
 *
 * What it needs of the phone it asks by [Instrumentation]'s own methods and by those that are open
 * here, so that it runs wherever these are given.
 */
open class BenchInstrumentation : Instrumentation() {
    private var arguments = Bundle()

    override fun onCreate(arguments: Bundle?) {
        super.onCreate(arguments)
        this.arguments = arguments ?: Bundle()
        start()
    }

    /** Android's own start gives its thread a priority that the app's engine does not have. */
    override fun start() {
        thread(name = "bench") { onStart() }
    }

    override fun onStart() {
        super.onStart()
        val results = try {
            answer()
        } catch (error: RuntimeException) {
            of(failed(error.toString(), error))
        }
        finish(Activity.RESULT_OK, results)
    }

    /** Which runtime measures. */
    protected open fun programLoader(): ProgramLoader = RuntimeFlavour.loader()

    /** The app's version name. */
    protected open fun version(): String = appVersion(targetContext)

    /** Has the app's activity shown, so that the process counts as the one in use. */
    protected open fun bringToFront() {
        val intent = Intent(targetContext, MainActivity::class.java)
            .putExtra(EXTRA_BENCH, true)
            .addFlags(Intent.FLAG_ACTIVITY_NEW_TASK)
        val application = targetContext.applicationContext as Application
        val inFront = InFront(application).await(SHOW_MS) { targetContext.startActivity(intent) }
        if (!inFront) Log.w(TAG, "the app did not come to the front: it may get slow cores only")
    }

    private fun answer(): Bundle =
        when (val action = arguments.getString(InstrumentationKeys.ACTION)) {
            InstrumentationKeys.DESCRIBE -> describe()
            InstrumentationKeys.RUN -> of(run(arguments.getString(InstrumentationKeys.PLAN)))
            else -> of(failed("action must be describe or run, not $action"))
        }

    private fun describe(): Bundle {
        val runtime = programLoader().runtime
        return bundle(
            InstrumentationKeys.PROTOCOL to PROTOCOL.toString(),
            InstrumentationKeys.APP_VERSION to version(),
            InstrumentationKeys.RUNTIME to RUNTIME_NAME,
            InstrumentationKeys.RUNTIME_VERSION to runtime.version,
            InstrumentationKeys.THREADS_SETTABLE to runtime.threadsSettable.toString(),
            InstrumentationKeys.RESULTS_DIR to resultsDir()?.path.orEmpty(),
        )
    }

    private fun run(plan: String?): BenchResult {
        if (plan == null) return failed("no plan: -e plan PLAN_FILE is missing")
        val folder = resultsDir() ?: return failed("the phone's shared storage is not available")
        bringToFront()
        val tools = roundTools(AndroidConditions(targetContext), ::programLoader)
        return BenchRun(folder, tools, ::tell).run(File(plan))
    }

    private fun tell(progress: CasesDone) = sendStatus(
        STATUS_CODE,
        bundle(
            InstrumentationKeys.DONE to progress.done.toString(),
            InstrumentationKeys.TOTAL to progress.total.toString(),
            InstrumentationKeys.NOW to progress.now,
        ),
    )

    /** Below the app's external files, where adb's shell can read; null while not mounted. */
    private fun resultsDir(): File? = targetContext.getExternalFilesDir(RESULTS_FOLDER)

    private fun failed(message: String, error: Throwable? = null) =
        BenchResult(EndStatus.FAILED, message, error)

    private fun of(result: BenchResult): Bundle {
        if (result.error != null) Log.e(TAG, "the benchmark failed", result.error)
        return bundle(
            InstrumentationKeys.STATUS to result.status.word,
            InstrumentationKeys.MESSAGE to result.message,
        )
    }

    private fun bundle(vararg values: Pair<String, String>): Bundle =
        Bundle().apply { for ((key, value) in values) putString(key, value) }

    companion object {
        /** Of [MainActivity]'s intent: only say that a benchmark runs, and keep the screen on. */
        const val EXTRA_BENCH = "io.shakti.demo.BENCH"

        private const val TAG = "ShaktiBench"
        private const val RESULTS_FOLDER = "bench"
        private const val STATUS_CODE = 0
        private const val SHOW_MS = 5_000L
    }
}
