package io.shakti.demo.ui

import android.app.Application
import io.shakti.demo.FailureKind
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(application = Application::class)
class FailuresTest {
    private val context = RuntimeEnvironment.getApplication()

    @Test
    fun every_kind_has_a_sentence_of_its_own_and_a_way_on() {
        val sentences = FailureKind.entries.map { context.getString(it.text.sentence) }
        assertEquals(FailureKind.entries.size, sentences.toSet().size)
        for (kind in FailureKind.entries) {
            val sentence = context.getString(kind.text.sentence)
            assertTrue("$kind: $sentence", sentence.endsWith(".") && sentence.length in 30..160)
            assertTrue("$kind has no way on", kind.text.ways.isNotEmpty())
            assertEquals(kind.text.ways.distinct(), kind.text.ways)
        }
    }

    @Test
    fun every_way_is_named_once() {
        val words = WayOn.entries.map { context.getString(it.words) }
        assertEquals(words.size, words.toSet().size)
    }
}
