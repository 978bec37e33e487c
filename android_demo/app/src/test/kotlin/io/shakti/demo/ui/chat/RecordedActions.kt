package io.shakti.demo.ui.chat

import io.shakti.demo.ui.WayOn

/** Remembers what was done, in words. */
class RecordedActions : ChatActions {
    val done = mutableListOf<String>()

    override fun type(text: String) = note("type $text")

    override fun send() = note("send")

    override fun stop() = note("stop")

    override fun retry() = note("retry")

    override fun goOn() = note("goOn")

    override fun edit(index: Int) = note("edit $index")

    override fun leaveEdit() = note("leaveEdit")

    override fun copy(text: String) = note("copy $text")

    override fun newChat() = note("newChat")

    override fun showHistory(open: Boolean) = note("showHistory $open")

    override fun open(id: String) = note("open $id")

    override fun delete(id: String) = note("delete $id")

    override fun undoDelete() = note("undoDelete")

    override fun go(way: WayOn) = note("go $way")

    override fun notify(allow: Boolean) = note("notify $allow")

    private fun note(words: String) {
        done += words
    }
}
