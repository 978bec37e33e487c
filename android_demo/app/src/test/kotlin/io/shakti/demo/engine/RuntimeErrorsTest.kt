package io.shakti.demo.engine

import io.shakti.demo.FailureKind
import org.junit.Assert.assertEquals
import org.junit.Assert.assertNull
import org.junit.Test

class RuntimeErrorsTest {
    @Test
    fun every_code_of_the_library_has_a_meaning() {
        val codes = (0x01..0x04) + (0x10..0x16) + (0x20..0x25) + (0x30..0x32)
        assertEquals(codes, NativeCode.entries.map { it.code })
    }

    @Test
    fun code_is_found_in_the_text_of_an_exception() {
        fun code(text: String) = NativeError.from(Exception(text), "method x").code
        assertEquals(0x12, code("Execution of method forward failed with status 0x12"))
        assertEquals(0x23, code("Cannot get load module [Native Error: 0x23]"))
        assertNull(code("no code in 0x12 of this"))
        assertNull(NativeError.from(Exception(), "method x").code)
    }

    @Test
    fun message_is_one_line_with_what_was_done_and_why_it_failed() {
        val error = NativeError.from(Exception("failed with status 0x21\nstack\nmore"), "method forward")
        val failure = failureWhileRunning(error)
        assertEquals(FailureKind.OUT_OF_MEMORY, failure.kind)
        assertEquals("method forward: failed with status 0x21 (out of memory)", failure.message)
        val unknown = failureWhileOpening(NativeError(0x77, "model.pte does not load"))
        assertEquals(FailureKind.PROGRAM_CORRUPT, unknown.kind)
        assertEquals("model.pte does not load (error 0x77)", unknown.message)
    }

    @Test
    fun same_code_means_another_thing_when_it_comes_while_running() {
        val error = NativeError(0x12, "method forward")
        assertEquals(FailureKind.PROGRAM_CORRUPT, failureWhileOpening(error).kind)
        assertEquals(FailureKind.RUNTIME_FAILED, failureWhileRunning(error).kind)
    }
}
