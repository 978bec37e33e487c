package io.shakti.demo.ui.settings

import io.shakti.demo.R
import io.shakti.demo.settings.Theme
import io.shakti.demo.ui.atEnd
import io.shakti.demo.ui.bundleChanges
import io.shakti.demo.ui.bundleInUse
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.ask
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.shell.Screen
import io.shakti.demo.ui.shell.ScreenHost
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/** The settings screen: joins [SettingsView] to [SettingsViewModel]. */
class SettingsScreen(private val host: ScreenHost) : Screen, SettingsActions {
    private val model = host.settingsViewModel()
    override val view = SettingsView(host.activity, this)

    override fun onShow(scope: CoroutineScope) {
        host.bundleChanges().tell()
        scope.launch { model.state.collect(view::show) }
        scope.atEnd(model::writeNow)
    }

    override fun systemPrompt(text: String) = model.systemPrompt(text)

    override fun resetSystemPrompt() = model.resetSystemPrompt()

    override fun temperature(value: Float?) = model.temperature(value)

    override fun maxTokens(value: Int?) = model.maxTokens(value)

    override fun contextTokens(value: Int?) = model.contextTokens(value)

    override fun threads(value: Int?) = model.threads(value)

    override fun theme(value: Theme) = model.theme(value)

    override fun resetAll() {
        val context = host.activity
        val yes = BannerAction(context.getString(R.string.settings_reset_all)) { model.resetAll() }
        val title = context.getString(R.string.settings_reset_title)
        context.ask(title, context.getString(R.string.settings_reset_text), yes)
    }

    override fun freeStorage() = host.show(Place.MODELS)

    override fun chooseModel() = host.show(Place.MODELS)
}

private fun ScreenHost.settingsViewModel(): SettingsViewModel {
    val graph = graph
    val bundle = bundleInUse()
    val cores = Runtime.getRuntime().availableProcessors()
    return retained("settings") { scope ->
        SettingsViewModel(graph.settings, bundle, graph.engine.runtime, cores, scope, graph.io)
    }
}
