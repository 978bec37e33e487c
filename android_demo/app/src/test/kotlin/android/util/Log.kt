package android.util

/**
 * Android's log for classes that no Robolectric sandbox holds: the real one's methods are native.
 * What is logged goes to stderr. Within a sandbox Robolectric's own log counts.
 */
object Log {
    @JvmStatic
    fun isLoggable(tag: String?, level: Int): Boolean = level >= INFO

    @JvmStatic
    fun v(tag: String?, message: String?): Int = print("V", tag, message, null)

    @JvmStatic
    fun d(tag: String?, message: String?): Int = print("D", tag, message, null)

    @JvmStatic
    fun i(tag: String?, message: String?): Int = print("I", tag, message, null)

    @JvmStatic
    fun w(tag: String?, message: String?): Int = print("W", tag, message, null)

    @JvmStatic
    fun w(tag: String?, message: String?, error: Throwable?): Int = print("W", tag, message, error)

    @JvmStatic
    fun e(tag: String?, message: String?): Int = print("E", tag, message, null)

    @JvmStatic
    fun e(tag: String?, message: String?, error: Throwable?): Int = print("E", tag, message, error)

    private const val INFO = 4

    private fun print(level: String, tag: String?, message: String?, error: Throwable?): Int {
        System.err.println("$level $tag: $message")
        error?.printStackTrace()
        return 0
    }
}
