package io.shakti.demo.ui.shell

import android.content.Context
import android.os.Bundle
import android.view.View
import android.view.ViewGroup
import android.view.WindowInsets
import android.widget.FrameLayout
import android.widget.LinearLayout
import android.widget.ScrollView
import io.shakti.demo.R
import io.shakti.demo.ui.design.Edges
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.edges
import io.shakti.demo.ui.design.isLow
import io.shakti.demo.ui.design.isWide
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel

/** Holds the screens, shows one of them, and the way to the others. */
class Shell(context: Context, private val backChanged: () -> Unit, make: (Place) -> Screen) :
    LinearLayout(context) {
    private val atSide = context.isWide || context.isLow
    private val screens = Place.entries.associateWith(make)
    private val nav = NavBar(context, atSide, ::show)
    private val rail = if (atSide) railOf(nav) else null
    private val frame = FrameLayout(context)
    private var seen: CoroutineScope? = null
    private var isStarted = false

    var place = Place.CHAT
        private set

    private val screen get() = screens.getValue(place)

    init {
        setBackgroundColor(context.getColor(R.color.ground))
        if (rail != null) {
            orientation = HORIZONTAL
            add(rail, width = dimen(R.dimen.rail), height = MATCH)
            add(frame, width = 0, height = MATCH, weight = 1f)
        } else {
            orientation = VERTICAL
            add(frame, height = 0, weight = 1f)
            add(nav)
        }
        present()
    }

    private fun railOf(nav: NavBar) = ScrollView(context).apply {
        setBackgroundColor(context.getColor(R.color.card))
        isFillViewport = true
        isVerticalScrollBarEnabled = false
        addView(nav, ViewGroup.LayoutParams(MATCH, WRAP))
    }

    fun show(place: Place) {
        if (place == this.place) return
        hideScreen()
        this.place = place
        present()
        if (isStarted) showScreen()
        backChanged()
    }

    private fun present() {
        nav.select(place)
        frame.removeAllViews()
        frame.addView(screen.view, MATCH, MATCH)
    }

    fun start() {
        isStarted = true
        showScreen()
    }

    fun stop() {
        isStarted = false
        hideScreen()
    }

    private fun showScreen() {
        seen = MainScope().also(screen::onShow)
    }

    private fun hideScreen() {
        seen?.cancel()
        seen = null
    }

    fun screenAt(place: Place): Screen = screens.getValue(place)

    val takesBack: Boolean get() = screen.takesBack || place != Place.CHAT

    fun back() = if (screen.takesBack) screen.onBack() else show(Place.CHAT)

    fun save(into: Bundle) {
        into.putString(PLACE, place.name)
        screens.forEach { (place, screen) -> into.putBundle(place.name, Bundle().also(screen::save)) }
    }

    fun restore(from: Bundle) {
        screens.forEach { (place, screen) -> from.getBundle(place.name)?.let(screen::restore) }
        Place.entries.firstOrNull { it.name == from.getString(PLACE) }?.let(::show)
    }

    /** Keeps everything that is read or tapped clear of the bars; colours go on below them. */
    override fun onApplyWindowInsets(insets: WindowInsets): WindowInsets {
        apply(insets.edges())
        return super.onApplyWindowInsets(insets)
    }

    private fun apply(edges: Edges) {
        val toLeft = layoutDirection == View.LAYOUT_DIRECTION_LTR
        if (rail != null) {
            val start = if (toLeft) edges.left else edges.right
            rail.layoutParams.width = dimen(R.dimen.rail) + start
            rail.setPaddingRelative(start, edges.top, 0, edges.bottom)
            val bottom = maxOf(edges.bottom, edges.keyboard)
            frame.setPaddingRelative(0, edges.top, if (toLeft) edges.right else edges.left, bottom)
        } else {
            nav.visibility = if (edges.isTyping) View.GONE else View.VISIBLE
            nav.setPadding(edges.left, 0, edges.right, edges.bottom)
            frame.setPadding(edges.left, edges.top, edges.right, edges.keyboard)
        }
        requestLayout()
    }

    private companion object {
        const val PLACE = "place"
    }
}
