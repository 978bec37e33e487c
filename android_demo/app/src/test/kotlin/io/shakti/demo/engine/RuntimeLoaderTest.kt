package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import org.junit.Assert.assertEquals
import org.junit.Assert.assertThrows
import org.junit.Assert.assertTrue
import org.junit.Before
import org.junit.Rule
import org.junit.Test
import org.junit.rules.TemporaryFolder
import java.io.File
import java.nio.ByteBuffer
import java.nio.ByteOrder

/** What the loader makes of a runtime that misbehaves. */
class RuntimeLoaderTest {
    @get:Rule
    val folder = TemporaryFolder()

    /** A library whose program has [vocabSize] logits; [fault] is thrown where a test says. */
    private class Library(val logitsOfForward: Int = 8) : NativeRuntime {
        var fault: Pair<String, Throwable>? = null
        val calls = ArrayList<String>()
        var open = 0

        override val info = RuntimeInfo("Library", "1", "scripted", threadsSettable = false)

        override fun operators(): Set<String> = step("operators") { setOf("aten::mul.out") }

        override fun load(file: File, threads: Int): NativeModule = step("load $threads") {
            open++
            object : NativeModule {
                override fun methods() = step("methods") {
                    setOf("forward", "score", "get_vocab_size", "get_max_context_len", "get_max_seq_len")
                }

                override fun loadMethod(name: String) = step("loadMethod $name") {}

                override fun constant(name: String): Long = step("constant") {
                    mapOf("get_vocab_size" to 8L, "get_max_context_len" to 32L, "get_max_seq_len" to 4L)
                        .getValue(name)
                }

                override fun run(method: String, ids: IntArray, start: Int): FloatArray =
                    step("$method ${ids.toList()} $start") {
                        FloatArray(if (method == "forward") logitsOfForward else ids.size * 8)
                    }

                override fun close() {
                    open--
                }
            }
        }

        private fun <T> step(name: String, block: () -> T): T {
            calls += name
            fault?.let { (at, thrown) -> if (name.startsWith(at)) throw thrown }
            return block()
        }
    }

    private lateinit var file: File

    @Before
    fun writeProgramHead() {
        val head = ByteBuffer.allocate(128).order(ByteOrder.LITTLE_ENDIAN)
        head.putInt(48).put("ET12eh00".toByteArray()).putInt(32).putLong(128).putLong(128).putLong(0)
        file = folder.newFile("model.pte").apply { writeBytes(head.array()) }
    }

    private fun failure(library: Library, block: (RuntimeLoader) -> Unit): AppFailure {
        val failure = assertThrows(AppFailure::class.java) { block(RuntimeLoader(library)) }
        assertEquals("modules left open", 0, library.open)
        return failure
    }

    @Test
    fun opening_loads_the_method_and_packs_the_weights_by_a_first_token() {
        val library = Library()
        RuntimeLoader(library).open(file, threads = null).close()
        val first = listOf("load 0", "methods", "loadMethod forward", "constant", "constant", "constant")
        assertEquals(first + "forward [0] 0", library.calls)
        assertEquals(0, library.open)
        RuntimeLoader(library).open(file, threads = 2).close()
        assertTrue("load 2" in library.calls)
    }

    @Test
    fun module_is_closed_whatever_goes_wrong_while_it_opens() {
        for (step in listOf("methods", "loadMethod", "constant", "forward")) {
            val library = Library().apply { fault = step to NativeError(0x23, "bad") }
            val kind = failure(library) { it.open(file, threads = null) }.kind
            val expected =
                if (step == "forward") FailureKind.RUNTIME_FAILED else FailureKind.PROGRAM_CORRUPT
            assertEquals(step, expected, kind)
        }
    }

    @Test
    fun no_memory_and_no_library_are_told_apart() {
        val small = Library().apply { fault = "load " to OutOfMemoryError("heap") }
        val noMemory = failure(small) { it.open(file, threads = null) }
        assertEquals(FailureKind.OUT_OF_MEMORY, noMemory.kind)
        val absent = Library().apply { fault = "operators" to UnsatisfiedLinkError("16 KiB pages") }
        val noLibrary = failure(absent) { it.missing(listOf("a")) }
        assertEquals(FailureKind.RUNTIME_FAILED, noLibrary.kind)
        assertEquals("the runtime's library does not load: 16 KiB pages", noLibrary.message)
    }

    @Test
    fun logits_of_another_shape_are_refused() {
        val failure = failure(Library(logitsOfForward = 7)) { it.open(file, threads = null) }
        assertEquals("forward gave 7 logits for 1 positions of 8", failure.message)
    }

    @Test
    fun out_of_memory_while_running_is_told_as_such() {
        val library = Library()
        val program = RuntimeLoader(library).open(file, threads = null)
        library.fault = "score" to OutOfMemoryError("heap")
        val failure = assertThrows(AppFailure::class.java) { program.score(intArrayOf(1, 2), 0) }
        assertEquals(FailureKind.OUT_OF_MEMORY, failure.kind)
    }

    @Test
    fun number_of_threads_must_be_one_or_more() {
        assertThrows(IllegalArgumentException::class.java) { RuntimeLoader(Library()).open(file, 0) }
    }
}
