package io.shakti.demo.ui.design

import android.content.Context
import io.shakti.demo.R
import kotlin.math.max
import kotlin.math.min
import kotlin.math.pow
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

/** Text and ground as WCAG 2 measures them, for every pair that the app draws. */
@RunWith(RobolectricTestRunner::class)
@Config(application = android.app.Application::class)
class ContrastTest {
    private val text = listOf(
        R.color.text to R.color.ground,
        R.color.text to R.color.card,
        R.color.text to R.color.sunken,
        R.color.text_muted to R.color.ground,
        R.color.text_muted to R.color.card,
        R.color.text_muted to R.color.sunken,
        R.color.primary to R.color.ground,
        R.color.primary to R.color.card,
        R.color.on_primary to R.color.primary,
        R.color.on_tonal to R.color.tonal,
        R.color.on_accent_tonal to R.color.accent_tonal,
        R.color.on_accent_tonal to R.color.ground,
        R.color.on_error_tonal to R.color.error_tonal,
        R.color.error to R.color.ground,
        R.color.error to R.color.card,
    )

    /** What has a meaning without being text. */
    private val marks = listOf(
        R.color.outline_strong to R.color.ground,
        R.color.outline_strong to R.color.card,
        R.color.accent to R.color.ground,
        R.color.primary to R.color.outline,
        R.color.primary to R.color.sunken,
    )

    @Test
    fun text_stands_out_by_4_5_in_light() = check("notnight")

    @Test
    fun text_stands_out_by_4_5_in_dark() = check("night")

    @Test
    fun ratio_of_black_and_white_is_21() {
        assertEquals(21.0, ratio(0xFF000000.toInt(), 0xFFFFFFFF.toInt()), 0.001)
    }

    private fun check(qualifier: String) {
        RuntimeEnvironment.setQualifiers(qualifier)
        val context: Context = RuntimeEnvironment.getApplication()
        val low = text.filter { context.ratio(it) < TEXT } + marks.filter { context.ratio(it) < MARK }
        val names = low.map { (a, b) ->
            "${context.name(a)} on ${context.name(b)}: ${context.ratio(a to b)}"
        }
        assertTrue(names.joinToString(), names.isEmpty())
    }

    private fun Context.name(id: Int) = resources.getResourceEntryName(id)

    private fun Context.ratio(pair: Pair<Int, Int>) = ratio(getColor(pair.first), getColor(pair.second))

    private fun ratio(one: Int, other: Int): Double {
        val (a, b) = luminance(one) to luminance(other)
        return (max(a, b) + 0.05) / (min(a, b) + 0.05)
    }

    private fun luminance(colour: Int): Double {
        val (red, green, blue) = listOf(16, 8, 0).map { linear((colour shr it and 0xFF) / 255.0) }
        return 0.2126 * red + 0.7152 * green + 0.0722 * blue
    }

    private fun linear(channel: Double) =
        if (channel <= 0.04045) channel / 12.92 else ((channel + 0.055) / 1.055).pow(2.4)

    private companion object {
        const val TEXT = 4.5
        const val MARK = 3.0
    }
}
