package android.os

/**
 * Android's properties (`ro.build.version.sdk`) for classes that no Robolectric sandbox holds:
 * Java's system properties with `android.` before their names. The real one asks native code.
 */
object SystemProperties {
    @JvmStatic
    fun get(key: String): String = get(key, "")

    @JvmStatic
    fun get(key: String, absent: String?): String =
        System.getProperty("android.$key") ?: absent.orEmpty()

    @JvmStatic
    fun getInt(key: String, absent: Int): Int = get(key).toIntOrNull() ?: absent

    @JvmStatic
    fun getLong(key: String, absent: Long): Long = get(key).toLongOrNull() ?: absent

    @JvmStatic
    fun getBoolean(key: String, absent: Boolean): Boolean =
        when (get(key)) {
            "1", "true" -> true
            "0", "false" -> false
            else -> absent
        }
}
