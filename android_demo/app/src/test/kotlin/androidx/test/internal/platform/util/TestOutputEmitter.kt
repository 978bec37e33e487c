// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.internal.platform.util

/** Robolectric asks for the threads' states when it waited too long for the main looper. */
object TestOutputEmitter {
    @JvmStatic
    fun dumpThreadStates(@Suppress("UNUSED_PARAMETER") outputFileName: String) {
        Thread.getAllStackTraces().forEach { (thread, frames) ->
            System.err.println("$thread ${thread.state}")
            frames.forEach { System.err.println("    at $it") }
        }
    }
}
