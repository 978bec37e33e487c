package io.shakti.demo.ui.chat

import android.content.ClipData
import android.content.ClipboardManager
import android.os.Build
import android.os.Bundle
import android.view.View
import android.widget.Toast
import io.shakti.demo.R
import io.shakti.demo.chat.ChatSnapshot
import io.shakti.demo.chat.ChatViewModel
import io.shakti.demo.chat.Draft
import io.shakti.demo.ui.WayOn
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.shell.Screen
import io.shakti.demo.ui.shell.ScreenHost
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/** Binds the chat's view model to its view. */
class ChatScreen(private val host: ScreenHost, private val model: ChatViewModel) : Screen {
    private val activity = host.activity
    private val chat = ChatView(activity, Actions())
    override val view: View get() = chat

    override val takesBack: Boolean get() = model.state.value.history.isOpen

    override fun onShow(scope: CoroutineScope) {
        model.refresh()
        scope.launch {
            model.state.collect {
                chat.render(it)
                host.backChanged()
            }
        }
    }

    override fun onBack() = model.showHistory(false)

    override fun save(into: Bundle) {
        val snapshot = model.snapshot()
        into.putString(CHAT, snapshot.chatId)
        into.putString(DRAFT, snapshot.draft.text)
        snapshot.draft.replaces?.let { into.putInt(REPLACES, it) }
        into.putBoolean(HISTORY, snapshot.isHistoryOpen)
    }

    override fun restore(from: Bundle) {
        val id = from.getString(CHAT) ?: return
        val replaces = if (from.containsKey(REPLACES)) from.getInt(REPLACES) else null
        val draft = Draft(from.getString(DRAFT).orEmpty(), replaces)
        model.restore(ChatSnapshot(id, draft, from.getBoolean(HISTORY)))
    }

    private inner class Actions : ModelActions(model, activity.getString(R.string.go_on_words)) {
        override fun copy(text: String) {
            val clipboard = activity.getSystemService(ClipboardManager::class.java)
            clipboard.setPrimaryClip(ClipData.newPlainText(activity.getString(R.string.app_name), text))
            // From Android 13 on the system itself shows what was copied.
            if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU) {
                Toast.makeText(activity, R.string.copied, Toast.LENGTH_SHORT).show()
            }
        }

        override fun go(way: WayOn) = when (way) {
            WayOn.RETRY -> model.retry()
            WayOn.EDIT_QUESTION -> model.editLast()
            WayOn.CHOOSE_MODEL, WayOn.FREE_STORAGE -> host.show(Place.MODELS)
            WayOn.ABOUT -> host.show(Place.ABOUT)
        }

        override fun notify(allow: Boolean) {
            model.notificationsDecided()
            if (allow) host.askForNotifications()
        }
    }

    private companion object {
        const val CHAT = "chat"
        const val DRAFT = "draft"
        const val REPLACES = "replaces"
        const val HISTORY = "history"
    }
}
