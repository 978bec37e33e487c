package io.shakti.demo.ui.design

import android.content.Context
import android.view.Gravity
import android.view.View
import android.view.ViewGroup
import android.widget.FrameLayout
import android.widget.LinearLayout
import android.widget.ScrollView
import io.shakti.demo.R
import kotlin.math.min

const val MATCH = ViewGroup.LayoutParams.MATCH_PARENT
const val WRAP = ViewGroup.LayoutParams.WRAP_CONTENT

fun Context.column(build: LinearLayout.() -> Unit = {}): LinearLayout =
    LinearLayout(this).apply {
        orientation = LinearLayout.VERTICAL
        build()
    }

fun Context.row(build: LinearLayout.() -> Unit = {}): LinearLayout =
    LinearLayout(this).apply {
        orientation = LinearLayout.HORIZONTAL
        gravity = Gravity.CENTER_VERTICAL
        build()
    }

/**
 * Adds [view]; sizes in pixels or [MATCH] / [WRAP], [above] and [start] are dimension resources.
 */
fun <V : View> LinearLayout.add(
    view: V,
    width: Int = if (orientation == LinearLayout.VERTICAL) MATCH else WRAP,
    height: Int = WRAP,
    weight: Float = 0f,
    above: Int? = null,
    start: Int? = null,
    gravity: Int = -1,
): V {
    val params = LinearLayout.LayoutParams(width, height, weight)
    above?.let { params.topMargin = dimen(it) }
    start?.let { params.marginStart = dimen(it) }
    if (gravity != -1) params.gravity = gravity
    addView(view, params)
    return view
}

fun View.pad(horizontal: Int, vertical: Int) =
    setPaddingRelative(dimen(horizontal), dimen(vertical), dimen(horizontal), dimen(vertical))

/** Keeps its children at most [maxWidth] (a dimension resource) wide, in the middle. */
class CappedFrame(context: Context, private val maxWidth: Int = R.dimen.content_max) :
    FrameLayout(context) {
    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        val given = MeasureSpec.getSize(widthMeasureSpec)
        val spare = given - min(given, dimen(maxWidth))
        setPadding(spare / 2, paddingTop, spare - spare / 2, paddingBottom)
        super.onMeasure(widthMeasureSpec, heightMeasureSpec)
    }
}

/** As high as its content, up to [share] of the screen's height; then it scrolls. */
class LowScroll(context: Context, private val share: Double) : ScrollView(context) {
    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) {
        val most = (resources.displayMetrics.heightPixels * share).toInt()
        val height = MeasureSpec.makeMeasureSpec(most, MeasureSpec.AT_MOST)
        super.onMeasure(widthMeasureSpec, height)
    }
}

/** A screen of its own: a bar above [content], which scrolls and keeps to a readable width. */
class Page(context: Context, title: CharSequence) : LinearLayout(context) {
    val topBar = TopBar(context, title)
    val content: LinearLayout = context.column { pad(R.dimen.screen_margin, R.dimen.space_s) }
    private val scroll = ScrollView(context)

    init {
        orientation = VERTICAL
        add(topBar)
        val frame = CappedFrame(context).apply { addView(content, MATCH, WRAP) }
        scroll.addView(frame, MATCH, WRAP)
        scroll.clipToPadding = false
        scroll.isFillViewport = true
        add(scroll, height = 0, weight = 1f)
        content.setPaddingRelative(
            content.paddingStart,
            content.paddingTop,
            content.paddingEnd,
            dimen(R.dimen.space_xl),
        )
    }
}
