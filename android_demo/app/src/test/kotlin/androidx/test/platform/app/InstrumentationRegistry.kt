// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.platform.app

import android.app.Instrumentation
import android.os.Bundle
import java.util.concurrent.atomic.AtomicReference

/** Where Robolectric puts the instrumentation of the running test. */
object InstrumentationRegistry {
    private val instance = AtomicReference<Instrumentation?>()
    private val arguments = AtomicReference(Bundle.EMPTY)

    @JvmStatic
    fun getInstrumentation(): Instrumentation =
        checkNotNull(instance.get()) { "no instrumentation registered: run it under Robolectric" }

    @JvmStatic fun getArguments(): Bundle = Bundle(arguments.get())

    @JvmStatic
    fun registerInstance(instrumentation: Instrumentation?, bundle: Bundle) {
        instance.set(instrumentation)
        arguments.set(Bundle(bundle))
    }
}
