package io.shakti.demo.tokenizer

import java.util.Random
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test

class Utf8DecoderTest {
    private fun decode(vararg bytes: Int): String {
        val text = StringBuilder()
        val decoder = Utf8Decoder(text)
        bytes.forEach(decoder::push)
        decoder.finish()
        return text.toString()
    }

    @Test
    fun whole_characters_of_all_lengths_come_through() {
        assertEquals(
            "a\u00e9\u6771\ud83d\ude00",
            decode(0x61, 0xC3, 0xA9, 0xE6, 0x9D, 0xB1, 0xF0, 0x9F, 0x98, 0x80),
        )
    }

    @Test
    fun each_longest_part_that_cannot_go_on_is_one_replacement() {
        // Unicode 16, chapter 3.9, tables 3-8 to 3-11.
        val bad = "\uFFFD"
        assertEquals(
            bad.repeat(8) + "A",
            decode(0xC0, 0xAF, 0xE0, 0x80, 0xBF, 0xF0, 0x81, 0x82, 0x41),
        )
        assertEquals(
            bad.repeat(8) + "A",
            decode(0xED, 0xA0, 0x80, 0xED, 0xBF, 0xBF, 0xED, 0xAF, 0x41),
        )
        assertEquals(
            bad.repeat(5) + "A" + bad.repeat(2) + "B",
            decode(0xF4, 0x91, 0x92, 0x93, 0xFF, 0x41, 0x80, 0xBF, 0x42),
        )
        assertEquals(
            bad.repeat(4) + "A",
            decode(0xE1, 0x80, 0xE2, 0xF0, 0x91, 0x92, 0xF1, 0xBF, 0x41),
        )
    }

    @Test
    fun a_text_that_holds_U_FFFD_is_sound_and_a_replaced_one_is_not() {
        val decoder = Utf8Decoder(StringBuilder())
        intArrayOf(0xEF, 0xBF, 0xBD).forEach(decoder::push)
        decoder.finish()
        assertTrue(decoder.isSound)
        decoder.push(0xEF)
        decoder.finish()
        assertFalse(decoder.isSound)
    }

    @Test
    fun random_bytes_decode_as_the_desktop_java_does_but_for_surrogates() {
        val random = Random(7)
        // Without 0xED: of surrogates in UTF-8 Java makes one replacement instead of three.
        val leads = intArrayOf(0x41, 0x80, 0xBF, 0xC2, 0xE0, 0xEF, 0xF0, 0xF4, 0xF5, 0xFF)
        repeat(20_000) {
            val bytes = IntArray(random.nextInt(9)) {
                if (random.nextBoolean()) random.nextInt(0xED)
                else leads[random.nextInt(leads.size)]
            }
            val java = String(ByteArray(bytes.size) { bytes[it].toByte() }, Charsets.UTF_8)
            assertEquals(bytes.joinToString(" ") { "%02x".format(it) }, java, decode(*bytes))
        }
    }

    @Test
    fun utf8Bytes_writes_what_java_writes() {
        for (codePoint in intArrayOf(0, 0x7F, 0x80, 0x7FF, 0x800, 0xFFFF, 0x10000, 0x10FFFF)) {
            val bytes = ArrayList<Byte>()
            utf8Bytes(codePoint) { bytes += it.toByte() }
            assertEquals(String(Character.toChars(codePoint)).toByteArray().toList(), bytes)
        }
    }
}
