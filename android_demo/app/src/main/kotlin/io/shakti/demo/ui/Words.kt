package io.shakti.demo.ui

import android.content.Context
import android.text.format.Formatter
import io.shakti.demo.AppFailure
import io.shakti.demo.R
import java.math.RoundingMode
import java.text.NumberFormat
import kotlin.math.abs
import kotlin.math.roundToInt
import kotlin.time.Duration

/** Sizes, times and numbers as people read them, in the phone's language. */
fun Context.bytesWords(bytes: Long): String = Formatter.formatShortFileSize(this, bytes)

fun Context.timeWords(duration: Duration): String {
    val seconds = duration.inWholeSeconds
    return when {
        seconds < 1 -> getString(R.string.time_a_second)
        seconds < 60 -> getString(R.string.time_seconds, seconds)
        seconds < 3600 -> getString(R.string.time_minutes, seconds / 60, seconds % 60)
        else -> getString(R.string.time_hours, seconds / 3600, seconds % 3600 / 60)
    }
}

/** With about [digits] digits that count: 8.53, 38.6, 231. */
fun numberWords(value: Double, digits: Int = 3): String {
    val whole = if (abs(value) < 1) 1 else abs(value).toLong().toString().length
    val format = NumberFormat.getNumberInstance()
    format.roundingMode = RoundingMode.HALF_UP
    format.maximumFractionDigits = (digits - whole).coerceAtLeast(0)
    format.minimumFractionDigits = format.maximumFractionDigits
    return format.format(value)
}

/** 134.5 million, 1.1 billion. */
fun Context.parametersWords(parameters: Long): String {
    val millions = parameters / 1e6
    return if (millions < 1000) {
        getString(R.string.parameters_millions, numberWords(millions))
    } else {
        getString(R.string.parameters_billions, numberWords(millions / 1000, digits = 2))
    }
}

fun Context.percentWords(share: Double): String =
    getString(R.string.percent, (share * 100).roundToInt())

/** What a person is told about [failure]; the technical line is [AppFailure.message]. */
fun Context.sentence(failure: AppFailure): String = getString(failure.kind.text.sentence)
