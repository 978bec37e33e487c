package io.shakti.demo

import android.view.View
import android.view.ViewGroup
import android.widget.TextView

/** The view and all below it, parents first. */
fun View.descendants(): Sequence<View> = sequence {
    yield(this@descendants)
    val group = this@descendants as? ViewGroup ?: return@sequence
    for (index in 0 until group.childCount) yieldAll(group.getChildAt(index).descendants())
}

/** Those of [descendants] that are on the screen. */
fun View.shown(): Sequence<View> = descendants().filter { it.isShown }

fun View.textsShown(): List<String> =
    shown().filterIsInstance<TextView>().map { it.text.toString() }.filter { it.isNotEmpty() }.toList()

/** The one view shown with this text or description. */
fun View.called(words: String): View {
    val found = shown().filter {
        it.contentDescription?.toString() == words || (it as? TextView)?.text?.toString() == words
    }.toList()
    return found.firstOrNull { it.isClickable } ?: found.firstOrNull()
        ?: throw AssertionError("nothing called \"$words\" among ${textsShown()}")
}
