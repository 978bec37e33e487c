package io.shakti.demo.ui.about

import android.content.Context
import android.os.Bundle
import io.shakti.demo.ui.bundleInUse
import io.shakti.demo.ui.shell.Screen
import io.shakti.demo.ui.shell.ScreenHost
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/** The about screen: joins [AboutView] to [AboutViewModel]. */
class AboutScreen(private val host: ScreenHost) : Screen, AboutActions {
    private val model = host.aboutViewModel()
    override val view = AboutView(host.activity, this) { it.read(host.activity.assets) }

    override val takesBack: Boolean get() = model.state.value.reading != null

    override fun onShow(scope: CoroutineScope) {
        scope.launch {
            model.state.collect {
                view.show(it)
                host.backChanged()
            }
        }
    }

    override fun onBack() = model.close()

    override fun save(into: Bundle) {
        into.putString(READING, model.state.value.reading?.title)
    }

    override fun restore(from: Bundle) {
        val title = from.getString(READING) ?: return
        model.state.value.licences.firstOrNull { it.title == title }?.let(model::read)
    }

    override fun read(licence: Licence) = model.read(licence)

    override fun close() = model.close()

    private companion object {
        const val READING = "reading"
    }
}

private fun ScreenHost.aboutViewModel(): AboutViewModel {
    val version = versionOf(activity)
    val runtime = graph.engine.runtime
    val bundle = bundleInUse()
    return retained("about") { scope -> AboutViewModel(version, runtime, bundle, scope) }
}

/** The app's own version; an app that is installed without one has none to show. */
private fun versionOf(context: Context): String =
    context.packageManager.getPackageInfo(context.packageName, 0).versionName.orEmpty()
