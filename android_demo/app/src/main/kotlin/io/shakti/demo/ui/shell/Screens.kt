package io.shakti.demo.ui.shell

import android.content.Context
import android.view.View
import io.shakti.demo.ShaktiApp
import io.shakti.demo.chat.ChatViewModel
import io.shakti.demo.ui.chat.ChatScreen
import io.shakti.demo.ui.design.Page
import kotlinx.coroutines.CoroutineScope

/** Which screen stands at which place. */
fun screenAt(place: Place, host: ScreenHost): Screen = when (place) {
    Place.CHAT -> chat(host)
    else -> Untitled(host.activity, place)
}

private fun chat(host: ScreenHost): Screen {
    val app = host.activity.application as ShaktiApp
    val permission = NotificationPermission(app)
    val model = host.retained("chat") { scope ->
        ChatViewModel(app.chat, app.archive, scope, permission::mayAsk)
    }
    return ChatScreen(host, model)
}

private class Untitled(context: Context, place: Place) : Screen {
    override val view: View = Page(context, context.getString(place.label))

    override fun onShow(scope: CoroutineScope) = Unit
}
