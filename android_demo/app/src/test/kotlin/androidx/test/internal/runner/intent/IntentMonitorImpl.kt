// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.internal.runner.intent

import android.content.Intent
import androidx.test.runner.intent.IntentCallback
import androidx.test.runner.intent.IntentMonitor
import java.util.concurrent.CopyOnWriteArrayList

class IntentMonitorImpl : IntentMonitor {
    private val callbacks = CopyOnWriteArrayList<IntentCallback>()

    override fun addIntentCallback(callback: IntentCallback) {
        callbacks.addIfAbsent(callback)
    }

    override fun removeIntentCallback(callback: IntentCallback) {
        callbacks.remove(callback)
    }

    fun signalIntent(intent: Intent) = callbacks.forEach { it.onIntentSent(Intent(intent)) }
}
