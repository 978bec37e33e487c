package io.shakti.demo.ui.shell

import io.shakti.demo.ShaktiApp
import io.shakti.demo.chat.ChatViewModel
import io.shakti.demo.ui.about.AboutScreen
import io.shakti.demo.ui.bench.BenchScreen
import io.shakti.demo.ui.chat.ChatScreen
import io.shakti.demo.ui.models.ModelsScreen
import io.shakti.demo.ui.settings.SettingsScreen

/** Which screen stands at which place. */
fun screenAt(place: Place, host: ScreenHost): Screen = when (place) {
    Place.CHAT -> chat(host)
    Place.MODELS -> ModelsScreen(host)
    Place.BENCHMARK -> BenchScreen(host)
    Place.SETTINGS -> SettingsScreen(host)
    Place.ABOUT -> AboutScreen(host)
}

private fun chat(host: ScreenHost): Screen {
    val app = host.activity.application as ShaktiApp
    val permission = NotificationPermission(app)
    val model = host.retained("chat") { scope ->
        ChatViewModel(app.chat, app.archive, scope, app.engineUse.user, permission::mayAsk)
    }
    return ChatScreen(host, model)
}
