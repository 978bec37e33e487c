package org.pytorch.executorch

import java.io.Closeable
import java.nio.ByteBuffer
import java.nio.ByteOrder
import java.nio.FloatBuffer
import java.nio.LongBuffer

/** Of `runtime/core/error.h`; the message is for logs. */
open class ExecutorchRuntimeException(val errorCode: Int, details: String?) :
    RuntimeException("[ExecuTorch Error 0x${Integer.toHexString(errorCode)}] $details")

abstract class Tensor internal constructor(private val shape: LongArray) {
    fun shape(): LongArray = shape.copyOf()

    open val dataAsFloatArray: FloatArray
        get() = throw IllegalStateException("not a tensor of floats")

    internal class OfLongs(val data: LongBuffer, shape: LongArray) : Tensor(shape)

    internal class OfFloats(val data: FloatBuffer, shape: LongArray) : Tensor(shape) {
        override val dataAsFloatArray: FloatArray
            get() = FloatArray(data.capacity()).also { data.duplicate().get(it) }
    }

    companion object {
        @JvmStatic
        fun allocateLongBuffer(numElements: Int): LongBuffer =
            ByteBuffer.allocateDirect(numElements * Long.SIZE_BYTES)
                .order(ByteOrder.nativeOrder()).asLongBuffer()

        @JvmStatic
        fun fromBlob(data: LongBuffer, shape: LongArray): Tensor {
            require(data.isDirect && data.order() == ByteOrder.nativeOrder())
            require(data.capacity().toLong() == shape.fold(1L) { a, b -> a * b })
            return OfLongs(data, shape)
        }
    }
}

class EValue private constructor(private val value: Any) {
    fun toTensor(): Tensor =
        value as? Tensor ?: throw IllegalStateException("Expected EValue type Tensor")

    fun toInt(): Long = value as? Long ?: throw IllegalStateException("Expected EValue type Int")

    companion object {
        @JvmStatic
        fun from(tensor: Tensor): EValue = EValue(tensor)

        @JvmStatic
        fun from(value: Long): EValue = EValue(value)
    }
}

class ExecuTorchRuntime private constructor() {
    companion object {
        @JvmStatic
        fun getRegisteredOps(): Array<String> = arrayOf("aten::mul.out", "llama::custom_sdpa.out")
    }
}

/** The library's side of the check: what its program says, and how it fails. */
object Library {
    var refusesToLoad: Int? = null
    var refusesToRun: Int? = null
    val loaded = ArrayList<String>()
    var openModules = 0
}

/** Its program's logits are the last id plus the start, in a vocabulary of 8. */
open class Module private constructor(modelPath: String, loadMode: Int, numThreads: Int) :
    Closeable {
    private var valid = true

    init {
        Library.loaded += "${modelPath.substringAfterLast('/')} $loadMode $numThreads"
        Library.openModules++
    }

    open fun getMethods(): Array<String> =
        arrayOf("forward", "score", "get_vocab_size", "get_max_context_len", "get_max_seq_len")

    open fun loadMethod(methodName: String) {
        check(valid) { "Module has been destroyed" }
        Library.refusesToLoad?.let {
            throw ExecutorchRuntimeException(it, "Failed to load method: $methodName")
        }
    }

    open fun execute(methodName: String, vararg inputs: EValue): Array<EValue> {
        check(valid) { "Module has been destroyed" }
        Library.refusesToRun?.let {
            throw ExecutorchRuntimeException(it, "Execution failed for method: $methodName")
        }
        return when (methodName) {
            "get_vocab_size" -> arrayOf(EValue.from(VOCAB_SIZE.toLong()))
            "get_max_context_len" -> arrayOf(EValue.from(32L))
            "get_max_seq_len" -> arrayOf(EValue.from(4L))
            else -> arrayOf(EValue.from(logits(methodName == "score", inputs)))
        }
    }

    private fun logits(all: Boolean, inputs: Array<out EValue>): Tensor {
        val (tokens, start) = inputs.map { it.toTensor() as Tensor.OfLongs }
        require(tokens.shape().size == 2 && start.shape().contentEquals(longArrayOf(1)))
        val ids = List(tokens.data.capacity()) { tokens.data.get(it) }
        val rows = if (all) ids else ids.takeLast(1)
        val values = FloatBuffer.allocate(rows.size * VOCAB_SIZE)
        for ((row, id) in rows.withIndex()) {
            values.put(row * VOCAB_SIZE + ((id + start.data.get(0)) % VOCAB_SIZE).toInt(), 1f)
        }
        return Tensor.OfFloats(values, longArrayOf(1, rows.size.toLong(), VOCAB_SIZE.toLong()))
    }

    override fun close() {
        if (valid) Library.openModules--
        valid = false
    }

    companion object {
        private const val VOCAB_SIZE = 8
        const val LOAD_MODE_FILE = 0
        const val LOAD_MODE_MMAP = 1

        @JvmStatic
        @JvmOverloads
        fun load(modelPath: String?, loadMode: Int = LOAD_MODE_FILE, numThreads: Int = 0): Module =
            Module(requireNotNull(modelPath), loadMode, numThreads)
    }
}
