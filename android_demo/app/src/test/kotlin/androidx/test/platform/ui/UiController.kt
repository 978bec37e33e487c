// The few parts of androidx.test that Robolectric calls; the build leaves their artifacts out.
package androidx.test.platform.ui

import android.view.KeyEvent
import android.view.MotionEvent

class InjectEventSecurityException(message: String?, cause: Throwable?) :
    Exception(message, cause) {
    constructor(message: String?) : this(message, null)

    constructor(cause: Throwable?) : this(cause?.message, cause)
}

/** Robolectric's controller implements it: taps, keys and waiting for the main looper. */
interface UiController {
    @Throws(InjectEventSecurityException::class) fun injectMotionEvent(event: MotionEvent): Boolean

    @Throws(InjectEventSecurityException::class) fun injectKeyEvent(event: KeyEvent): Boolean

    @Throws(InjectEventSecurityException::class) fun injectString(str: String): Boolean

    fun loopMainThreadUntilIdle()

    fun loopMainThreadForAtLeast(millisDelay: Long)
}
