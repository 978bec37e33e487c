// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.espresso

import android.os.Looper
import java.util.concurrent.CopyOnWriteArraySet

interface IdlingResource {
    fun getName(): String

    fun isIdleNow(): Boolean

    fun registerIdleTransitionCallback(callback: ResourceCallback?)

    fun interface ResourceCallback {
        fun onTransitionToIdle()
    }
}

/** What Robolectric waits for beside the main looper; empty unless a test registers something. */
class IdlingRegistry private constructor() {
    private val all = CopyOnWriteArraySet<IdlingResource>()

    fun register(vararg resources: IdlingResource): Boolean = all.addAll(resources)

    fun unregister(vararg resources: IdlingResource): Boolean = all.removeAll(resources.toSet())

    fun getResources(): Collection<IdlingResource> = all.toSet()

    fun getLoopers(): Collection<Looper> = emptySet()

    companion object {
        private val only = IdlingRegistry()

        @JvmStatic fun getInstance(): IdlingRegistry = only
    }
}
