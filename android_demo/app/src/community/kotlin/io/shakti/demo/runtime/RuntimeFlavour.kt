package io.shakti.demo.runtime

import io.shakti.demo.engine.NativeError
import io.shakti.demo.engine.NativeModule
import io.shakti.demo.engine.NativeRuntime
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.engine.RuntimeLoader
import org.pytorch.executorch.EValue
import org.pytorch.executorch.ExecuTorchRuntime
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import java.io.File

/** The runtime that this build of the app is made with. */
object RuntimeFlavour {
    fun loader(): ProgramLoader = RuntimeLoader(CommunityRuntime)
}

/**
 * The ExecuTorch library in the npm package react-native-executorch 0.5.15.
 *
 * The library does not tell its version; its Java classes and their native methods are those of
 * ExecuTorch 0.7. Failures come as plain exceptions, return codes or null.
 */
private object CommunityRuntime : NativeRuntime {
    override val info = RuntimeInfo(
        name = "ExecuTorch, community build",
        version = "0.7 (react-native-executorch 0.5.15)",
        flavour = "community",
        threadsSettable = true,
        limits = listOf(
            "It is older than the official 1.5.1 and slower on recent processors.",
            "It runs on phones with 4 KiB memory pages only, not on those with 16 KiB.",
        ),
    )

    override fun operators(): Set<String> =
        translated("the library's operators") { ExecuTorchRuntime.getRegisteredOps().toSet() }

    override fun load(file: File, threads: Int): NativeModule =
        translated("${file.name} cannot be opened") {
            CommunityModule(Module.load(file.path, Module.LOAD_MODE_MMAP, threads))
        }
}

private class CommunityModule(private val module: Module) : NativeModule {
    private val oneId = Tensor.allocateLongBuffer(1)
    private val start = Tensor.allocateLongBuffer(1)

    override fun methods(): Set<String> =
        translated("the program's methods") { module.methods.toSet() }

    override fun loadMethod(name: String) {
        val code = translated("method $name") { module.loadMethod(name) }
        if (code != 0) throw NativeError(code, "method $name does not load")
    }

    override fun constant(name: String): Long =
        translated("method $name") { result(name, module.execute(name)).toInt() }

    override fun run(method: String, ids: IntArray, start: Int): FloatArray =
        translated("method $method") {
            // The tensors are views of buffers; those of the decode loop are made once.
            val tokens = if (ids.size == 1) oneId else Tensor.allocateLongBuffer(ids.size)
            for (index in ids.indices) tokens.put(index, ids[index].toLong())
            this.start.put(0, start.toLong())
            val output = module.execute(
                method,
                EValue.from(Tensor.fromBlob(tokens, longArrayOf(1, ids.size.toLong()))),
                EValue.from(Tensor.fromBlob(this.start, longArrayOf(1))),
            )
            // The output is the library's own memory, to be copied before the next run.
            result(method, output).toTensor().dataAsFloatArray
        }

    override fun close() = module.destroy()

    /** This build returns null or nothing where it should throw. */
    private fun result(method: String, output: Array<EValue>?): EValue =
        output?.firstOrNull() ?: throw NativeError(null, "method $method gave no output")
}

private inline fun <T> translated(what: String, block: () -> T): T = try {
    block()
} catch (error: NativeError) {
    throw error
} catch (error: Exception) {
    throw NativeError.from(error, what)
}
