package io.shakti.demo.runtime

import io.shakti.demo.engine.NativeError
import io.shakti.demo.engine.NativeModule
import io.shakti.demo.engine.NativeRuntime
import io.shakti.demo.engine.ProgramLoader
import io.shakti.demo.engine.RuntimeInfo
import io.shakti.demo.engine.RuntimeLoader
import org.pytorch.executorch.EValue
import org.pytorch.executorch.ExecuTorchRuntime
import org.pytorch.executorch.ExecutorchRuntimeException
import org.pytorch.executorch.Module
import org.pytorch.executorch.Tensor
import java.io.File

/** The runtime that this build of the app is made with. */
object RuntimeFlavour {
    fun loader(): ProgramLoader = RuntimeLoader(OfficialRuntime)
}

/**
 * org.pytorch:executorch-android 1.5.1. Its classes are Kotlin, and every failure of the library is
 * an ExecutorchRuntimeException with a code.
 */
private object OfficialRuntime : NativeRuntime {
    override val info = RuntimeInfo(
        name = "ExecuTorch",
        version = "1.5.1",
        flavour = "official",
        threadsSettable = true,
    )

    override fun operators(): Set<String> =
        translated("the library's operators") { ExecuTorchRuntime.getRegisteredOps().toSet() }

    override fun load(file: File, threads: Int): NativeModule =
        translated("${file.name} cannot be opened") {
            OfficialModule(Module.load(file.path, Module.LOAD_MODE_MMAP, threads))
        }
}

private class OfficialModule(private val module: Module) : NativeModule {
    private val oneId = Tensor.allocateLongBuffer(1)
    private val start = Tensor.allocateLongBuffer(1)

    override fun methods(): Set<String> =
        translated("the program's methods") { module.getMethods().toSet() }

    override fun loadMethod(name: String) = translated("method $name") { module.loadMethod(name) }

    override fun constant(name: String): Long =
        translated("method $name") { module.execute(name).single().toInt() }

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
            output.single().toTensor().dataAsFloatArray
        }

    override fun close() = module.close()
}

private inline fun <T> translated(what: String, block: () -> T): T = try {
    block()
} catch (error: ExecutorchRuntimeException) {
    throw NativeError.from(error, what, error.errorCode)
} catch (error: Exception) {
    throw NativeError.from(error, what)
}
