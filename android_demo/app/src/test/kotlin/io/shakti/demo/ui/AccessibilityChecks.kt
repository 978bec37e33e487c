package io.shakti.demo.ui

import android.view.View
import android.view.ViewGroup
import android.widget.EditText
import android.widget.ImageButton
import android.widget.ImageView
import android.widget.SeekBar
import android.widget.TextView
import io.shakti.demo.descendants
import io.shakti.demo.shown

/** What keeps a person from reading or touching what is drawn in [root]; empty if nothing does. */
fun accessibilityProblems(root: View): List<String> =
    root.shown().flatMap { view -> problemsOf(view) }.toList()

private fun problemsOf(view: View): List<String> = listOfNotNull(
    "is smaller than a finger".takeIf { isTouched(view) && isSmall(view) },
    "has no words for TalkBack".takeIf { isTouched(view) && wordsOf(view).isBlank() },
    "is cut off".takeIf { view is TextView && isCutOff(view) },
).map { "${nameOf(view)} $it" }

/** Text to select takes touches too, but it is no target that a finger must hit. */
private fun isTouched(view: View) = view.isClickable && view.isEnabled &&
    !(view is TextView && view !is EditText && view.isTextSelectable)

private fun isSmall(view: View): Boolean {
    val least = 48 * view.resources.displayMetrics.density
    return view.height < least - 1 || view.width < least - 1
}

private fun wordsOf(view: View): String {
    val own = listOf(view.contentDescription, (view as? TextView)?.text, (view as? EditText)?.hint)
    val first = own.firstOrNull { !it.isNullOrBlank() }
    return first?.toString()
        ?: (view as? ViewGroup)?.descendants()?.drop(1)?.map(::wordsOf)?.firstOrNull { it.isNotBlank() }
            .orEmpty()
}

/** Text that ends in dots on purpose has a number of lines; all other must be there whole. */
private fun isCutOff(view: TextView): Boolean {
    val layout = view.layout ?: return false
    if (view.text.isEmpty() || view is EditText) return false
    val room = view.height - view.totalPaddingTop - view.totalPaddingBottom
    val isTooHigh = layout.height > room + 2 && view.ellipsize == null
    val width = view.width - view.totalPaddingLeft - view.totalPaddingRight
    val isTooWide = (0 until layout.lineCount).any { layout.getLineMax(it) > width + 2 }
    return isTooHigh || (isTooWide && view.ellipsize == null)
}

private fun nameOf(view: View): String {
    val kind = when (view) {
        is ImageButton, is ImageView -> "icon"
        is SeekBar -> "slider"
        else -> view.javaClass.simpleName
    }
    return "$kind \"${wordsOf(view).take(40)}\" (${view.width}x${view.height})"
}
