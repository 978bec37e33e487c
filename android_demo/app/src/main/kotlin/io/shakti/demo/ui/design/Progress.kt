package io.shakti.demo.ui.design

import android.animation.ValueAnimator
import android.content.Context
import android.graphics.Canvas
import android.graphics.Paint
import android.graphics.RectF
import android.view.View
import android.view.animation.LinearInterpolator
import android.widget.ProgressBar
import io.shakti.demo.R

/** A thin bar that is filled from the start; the base of progress and meter. */
abstract class Bar(context: Context, private val thicknessDp: Float) : View(context) {
    private val track = paint(R.color.outline)
    protected val fill = paint(R.color.primary)
    private val box = RectF()

    protected fun paint(colour: Int) =
        Paint(Paint.ANTI_ALIAS_FLAG).apply { color = context.getColor(colour) }

    override fun onMeasure(widthMeasureSpec: Int, heightMeasureSpec: Int) =
        setMeasuredDimension(
            getDefaultSize(suggestedMinimumWidth, widthMeasureSpec),
            resolveSize(context.dp(thicknessDp) + paddingTop + paddingBottom, heightMeasureSpec),
        )

    /** Draws the part from [from] to [to], shares of the width counted from the start. */
    protected fun Canvas.bar(from: Float, to: Float, paint: Paint) {
        val view = this@Bar
        val length = view.width - paddingLeft - paddingRight
        val left = paddingLeft + length * minOf(mirror(from), mirror(to))
        val right = paddingLeft + length * maxOf(mirror(from), mirror(to))
        box.set(left, paddingTop.toFloat(), right, (view.height - paddingBottom).toFloat())
        drawRoundRect(box, box.height() / 2, box.height() / 2, paint)
    }

    protected fun Canvas.track() = bar(0f, 1f, track)

    private fun mirror(share: Float) =
        if (layoutDirection == LAYOUT_DIRECTION_RTL) 1 - share else share

    override fun getAccessibilityClassName(): CharSequence = ProgressBar::class.java.name
}

/** How far a job has come. */
class ProgressStrip(context: Context) : Bar(context, THICKNESS_DP) {
    /** 0 to 1, or null while nobody knows. */
    var share: Double? = null
        set(value) {
            field = value
            stateDescription(value)
            animate(value == null)
            invalidate()
        }

    private val runner = ValueAnimator.ofFloat(-RUNNER_SHARE, 1f).apply {
        duration = LAP_MS
        repeatCount = ValueAnimator.INFINITE
        interpolator = LinearInterpolator()
        addUpdateListener { invalidate() }
    }

    override fun onDraw(canvas: Canvas) {
        canvas.track()
        val known = share
        if (known != null) {
            canvas.bar(0f, known.coerceIn(0.0, 1.0).toFloat(), fill)
            return
        }
        val at = if (runner.isStarted) runner.animatedValue as Float else STILL_AT
        canvas.bar(at.coerceAtLeast(0f), (at + RUNNER_SHARE).coerceAtMost(1f), fill)
    }

    /** Moves only while it can be seen, so that a screen in the background costs nothing. */
    override fun onVisibilityAggregated(isVisible: Boolean) {
        super.onVisibilityAggregated(isVisible)
        animate(isVisible && share == null)
    }

    private fun animate(run: Boolean) {
        val may = run && isShown && ValueAnimator.areAnimatorsEnabled()
        if (may && !runner.isStarted) runner.start() else if (!may) runner.cancel()
    }

    override fun onDetachedFromWindow() {
        runner.cancel()
        super.onDetachedFromWindow()
    }

    private fun stateDescription(value: Double?) =
        describeState(value?.let { context.getString(R.string.percent, (it * 100).toInt()) })

    private companion object {
        const val THICKNESS_DP = 6f
        const val RUNNER_SHARE = 0.3f
        const val STILL_AT = 0.1f
        const val LAP_MS = 1400L
    }
}

/** How much of something limited is used; turns to a warning where little is left. */
class MeterBar(context: Context) : Bar(context, THICKNESS_DP) {
    private val full = paint(R.color.accent)
    private var share = 0f

    /** [words] tell TalkBack what is used of what. */
    fun show(used: Int, total: Int, words: CharSequence) {
        share = if (total > 0) (used.toFloat() / total).coerceIn(0f, 1f) else 0f
        contentDescription = words
        invalidate()
    }

    override fun onDraw(canvas: Canvas) {
        canvas.track()
        if (share > 0f) canvas.bar(0f, share.coerceAtLeast(LEAST), if (share > ALMOST) full else fill)
    }

    private companion object {
        const val THICKNESS_DP = 4f
        const val ALMOST = 0.85f
        const val LEAST = 0.015f
    }
}
