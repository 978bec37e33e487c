package io.shakti.demo

import android.app.Application
import android.content.ComponentCallbacks2
import io.shakti.demo.chat.AnswerKeeper
import io.shakti.demo.chat.ChatArchive
import io.shakti.demo.chat.ChatSession
import io.shakti.demo.ui.EngineUse
import kotlinx.coroutines.MainScope

/** Makes the app's parts once, for every screen and service. */
open class ShaktiApp : Application() {
    private val scope = MainScope()
    val graph: AppGraph by lazy(::makeGraph)
    val archive: ChatArchive by lazy { ChatArchive(graph) }
    private val lazyChat = lazy { ChatSession(graph, scope, archive) }

    /** The open conversation; an answer goes on in it whatever becomes of the Activity. */
    val chat: ChatSession by lazyChat
    val engineUse: EngineUse by lazy { EngineUse(chat.answering, scope) }
    val keeper: AnswerKeeper by lazy { AnswerKeeper(this, ::chat) }

    override fun onCreate() {
        super.onCreate()
        registerActivityLifecycleCallbacks(keeper)
    }

    /** The parts that this app is made of. */
    protected open fun makeGraph(): AppGraph = AndroidGraph(this)

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        val isInBackground = level >= ComponentCallbacks2.TRIM_MEMORY_BACKGROUND
        if (isInBackground && lazyChat.isInitialized()) chat.trimMemory()
    }
}
