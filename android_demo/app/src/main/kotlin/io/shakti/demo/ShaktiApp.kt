package io.shakti.demo

import android.app.Application
import android.content.ComponentCallbacks2
import io.shakti.demo.chat.AnswerKeeper
import io.shakti.demo.chat.ChatArchive
import io.shakti.demo.chat.ChatSession
import io.shakti.demo.ui.EngineUse
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.MainScope

/** The app's parts, for every screen and service, with what belongs to no Activity. */
class AppParts(val graph: AppGraph, scope: CoroutineScope = MainScope()) {
    val archive = ChatArchive(graph)

    /** The open conversation; an answer goes on in it whatever becomes of the Activity. */
    val chat: ChatSession by lazy { ChatSession(graph, scope, archive) }
    val engineUse: EngineUse by lazy { EngineUse(chat.answering, scope, chat::release) }
}

/** Makes the app's parts once. */
open class ShaktiApp : Application() {
    protected open val parts: AppParts by lazy { AppParts(AndroidGraph(this)) }

    val graph: AppGraph get() = parts.graph
    val archive: ChatArchive get() = parts.archive
    val chat: ChatSession get() = parts.chat
    val engineUse: EngineUse get() = parts.engineUse
    val keeper: AnswerKeeper by lazy { AnswerKeeper(this, ::chat) }

    override fun onCreate() {
        super.onCreate()
        registerActivityLifecycleCallbacks(keeper)
    }

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        if (level >= ComponentCallbacks2.TRIM_MEMORY_BACKGROUND) chat.trimMemory()
    }
}
