package io.shakti.demo.ui.bench

import android.content.ActivityNotFoundException
import io.shakti.demo.R
import io.shakti.demo.bench.BenchOutcome
import io.shakti.demo.share.SharedFiles
import io.shakti.demo.ui.bundleInUse
import io.shakti.demo.ui.engineUse
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.shell.Screen
import io.shakti.demo.ui.shell.ScreenHost
import java.io.IOException
import java.time.Instant
import java.time.ZoneOffset
import java.time.format.DateTimeFormatter
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

/** The benchmark screen: joins [BenchView] to [BenchViewModel], and shares results. */
class BenchScreen(private val host: ScreenHost) : Screen, BenchActions {
    private val model = host.benchViewModel()
    override val view = BenchView(host.activity, this)
    private var seen: CoroutineScope? = null

    override fun onShow(scope: CoroutineScope) {
        seen = scope
        scope.launch { model.state.collect(view::show) }
    }

    override fun start(quick: Boolean) = model.start(quick, host::releaseModel)

    override fun cancel() = model.cancel()

    override fun dismiss() = model.dismiss()

    override fun go(place: Place) = host.show(place)

    override fun share(outcome: BenchOutcome) {
        val context = host.activity
        val title = context.getString(R.string.bench_share)
        seen?.launch {
            try {
                val uri =
                    withContext(host.graph.io) {
                        SharedFiles.write(context, fileName(), outcome.jsonl)
                    }
                context.startActivity(SharedFiles.intent(context, uri, title))
            } catch (failed: IOException) {
                view.complain(context.getString(R.string.bench_share_failed), failed.message)
            } catch (_: ActivityNotFoundException) {
                view.complain(context.getString(R.string.bench_share_nobody), null)
            }
        }
    }

    private fun fileName() = "shakti-bench-${TIME.format(Instant.now())}.jsonl"

    private companion object {
        val TIME: DateTimeFormatter =
            DateTimeFormatter.ofPattern("yyyyMMdd-HHmmss").withZone(ZoneOffset.UTC)
    }
}

private fun ScreenHost.benchViewModel(): BenchViewModel {
    val graph = graph
    val engine = engineUse()
    val bundle = bundleInUse()
    return retained("benchmark") { scope ->
        BenchViewModel(graph.bench, bundle, engine, scope, graph.engineThread)
    }
}
