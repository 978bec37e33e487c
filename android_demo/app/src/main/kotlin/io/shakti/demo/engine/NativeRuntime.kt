package io.shakti.demo.engine

import java.io.Closeable
import java.io.File

/**
 * One build of the ExecuTorch library with its Java classes. What two builds have in common is in
 * [RuntimeLoader]; how they differ, in their adapters. Anything thrown here is a [NativeError], an
 * OutOfMemoryError or the linker's UnsatisfiedLinkError.
 */
interface NativeRuntime {
    val info: RuntimeInfo

    /** Names of the registered operators, such as `aten::add.out`. */
    fun operators(): Set<String>

    /** [threads] 0: as many as the library likes. */
    fun load(file: File, threads: Int): NativeModule
}

/** One opened file. Positions, shapes and ids are not checked here. */
interface NativeModule : Closeable {
    fun methods(): Set<String>

    fun loadMethod(name: String)

    /** What a method without inputs returns. */
    fun constant(name: String): Long

    /** Runs [method] on tokens int64 `[1, n]` and start int64 `[1]`; copies the output's floats. */
    fun run(method: String, ids: IntArray, start: Int): FloatArray
}

/** The library refused. [code]: of ExecuTorch's `runtime/core/error.h`, null where it gave none. */
class NativeError(val code: Int?, message: String, cause: Throwable? = null) :
    Exception(message, cause) {
    companion object {
        private val CODE =
            Regex("""(?:status|error)\D{0,8}0x([0-9a-f]+)""", RegexOption.IGNORE_CASE)

        /** From an exception of the library's Java classes, which may tell its code in its text. */
        fun from(error: Exception, what: String, code: Int? = null): NativeError {
            val text = error.message?.lineSequence()?.firstOrNull()?.trim().orEmpty()
            val told = CODE.find(text)?.groupValues?.get(1)?.toIntOrNull(radix = 16)
            return NativeError(code ?: told, if (text.isEmpty()) what else "$what: $text", error)
        }
    }
}
