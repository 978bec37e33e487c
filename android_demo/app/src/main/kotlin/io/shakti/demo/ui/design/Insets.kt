package io.shakti.demo.ui.design

import android.os.Build
import android.view.View
import android.view.Window
import android.view.WindowInsets
import kotlin.math.max

/** What of a window is under bars, cut-outs and the keyboard, in pixels. */
data class Edges(val left: Int, val top: Int, val right: Int, val bottom: Int, val keyboard: Int) {
    val isTyping: Boolean get() = keyboard > 0
}

fun WindowInsets.edges(): Edges {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) {
        val bars = getInsets(WindowInsets.Type.systemBars() or WindowInsets.Type.displayCutout())
        val keyboard = getInsets(WindowInsets.Type.ime()).bottom
        return Edges(bars.left, bars.top, bars.right, bars.bottom, keyboard)
    }
    return oldEdges()
}

/** Before Android 11 the keyboard is told apart only by being higher than the bar it covers. */
@Suppress("DEPRECATION")
private fun WindowInsets.oldEdges(): Edges {
    val cutout = if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.P) displayCutout else null
    val isTyping = systemWindowInsetBottom > stableInsetBottom
    return Edges(
        max(systemWindowInsetLeft, cutout?.safeInsetLeft ?: 0),
        max(systemWindowInsetTop, cutout?.safeInsetTop ?: 0),
        max(systemWindowInsetRight, cutout?.safeInsetRight ?: 0),
        max(stableInsetBottom, cutout?.safeInsetBottom ?: 0),
        if (isTyping) systemWindowInsetBottom else 0,
    )
}

/** Draws behind the bars, as Android 15 does without asking. */
@Suppress("DEPRECATION")
fun Window.goEdgeToEdge() {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) setDecorFitsSystemWindows(false)
    else {
        decorView.systemUiVisibility = decorView.systemUiVisibility or
            View.SYSTEM_UI_FLAG_LAYOUT_STABLE or
            View.SYSTEM_UI_FLAG_LAYOUT_FULLSCREEN or
            View.SYSTEM_UI_FLAG_LAYOUT_HIDE_NAVIGATION
    }
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.Q) isNavigationBarContrastEnforced = false
}
