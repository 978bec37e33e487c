package io.shakti.demo.ui.chat

import io.shakti.demo.chat.ChatViewModel
import io.shakti.demo.ui.WayOn

/** What can be done on the chat screen. */
interface ChatActions {
    fun type(text: String)

    fun send()

    fun stop()

    fun retry()

    fun goOn()

    fun edit(index: Int)

    fun leaveEdit()

    fun copy(text: String)

    fun newChat()

    fun showHistory(open: Boolean)

    fun open(id: String)

    fun delete(id: String)

    fun undoDelete()

    fun go(way: WayOn)

    /** Notifications: allow them, or leave it. */
    fun notify(allow: Boolean)
}

/**
 * What of [ChatActions] the view model does by itself; [goOnWords] is asked for the rest of an
 * answer.
 */
abstract class ModelActions(private val model: ChatViewModel, private val goOnWords: String) :
    ChatActions {
    override fun type(text: String) = model.type(text)

    override fun send() = model.send()

    override fun stop() = model.stop()

    override fun retry() = model.retry()

    override fun goOn() = model.goOn(goOnWords)

    override fun edit(index: Int) = model.edit(index)

    override fun leaveEdit() = model.leaveEdit()

    override fun newChat() = model.newChat()

    override fun showHistory(open: Boolean) = model.showHistory(open)

    override fun open(id: String) = model.open(id)

    override fun delete(id: String) = model.delete(id)

    override fun undoDelete() = model.undoDelete()
}
