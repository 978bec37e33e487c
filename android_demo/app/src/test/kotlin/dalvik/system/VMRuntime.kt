package dalvik.system

/** What `android.os.Build` asks of Android's virtual machine, outside of Robolectric. */
class VMRuntime private constructor() {
    fun is64Bit(): Boolean = true

    companion object {
        private val runtime = VMRuntime()

        @JvmStatic
        fun getRuntime(): VMRuntime = runtime
    }
}
