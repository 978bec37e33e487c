package io.shakti.demo.ui.shell

import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel

/** What outlives a rotation: view models by key, each with a scope that ends with the app's use. */
class Retained {
    private class Kept(val thing: Any, val scope: CoroutineScope)

    private val kept = mutableMapOf<String, Kept>()

    fun <T : Any> get(key: String, make: (CoroutineScope) -> T): T {
        val entry = kept.getOrPut(key) {
            val scope = MainScope()
            Kept(make(scope), scope)
        }
        @Suppress("UNCHECKED_CAST")
        return entry.thing as T
    }

    fun end() {
        kept.values.forEach { it.scope.cancel() }
        kept.clear()
    }
}
