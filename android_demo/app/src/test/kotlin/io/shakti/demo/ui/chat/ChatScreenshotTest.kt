package io.shakti.demo.ui.chat

import android.app.Activity
import android.view.View
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.ScreenshotTest
import io.shakti.demo.ui.Shots
import io.shakti.demo.ui.inShell
import io.shakti.demo.ui.shell.Place
import org.junit.Test

class ChatScreenshotTest : ScreenshotTest() {
    @Test
    fun chat_in_light_looks_as_stored() = shootAll(Look.LIGHT)

    @Test
    fun chat_in_dark_looks_as_stored() = shootAll(Look.DARK)

    @Test
    fun chat_in_large_text_looks_as_stored() = shootAll(Look.LARGE)

    @Test
    fun chat_on_a_tablet_looks_as_stored() = shootAll(Look.TABLET)

    @Test
    fun chat_on_its_side_looks_as_stored() = shootAll(Look.LANDSCAPE)

    private fun shootAll(look: Look) = ChatStates.ALL.forEach { (name, state) ->
        if (look in Shots.ALL["chat-$name"].orEmpty()) {
            shoot("chat-$name", look) { chat(it, name) }
        }
    }

    private fun chat(activity: Activity, name: String): View {
        val view = ChatView(activity, RecordedActions())
        view.render(ChatStates.ALL.getValue(name))
        return inShell(activity, Place.CHAT, view)
    }
}
