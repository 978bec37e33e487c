package io.shakti.demo.ui.shell

import android.content.Context
import android.view.Gravity
import android.widget.FrameLayout
import io.shakti.demo.R
import io.shakti.demo.ui.design.EmptyState
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.WRAP

/**
 * What is in sight while the SDK's instrumentation measures. It draws once and then nothing more.
 */
class BenchRunningView(context: Context) : FrameLayout(context) {
    init {
        keepScreenOn = true
        setBackgroundColor(context.getColor(R.color.ground))
        val note = EmptyState(
            context,
            R.drawable.ic_benchmark,
            context.getString(R.string.bench_running),
            context.getString(R.string.bench_running_text),
        )
        addView(note, LayoutParams(MATCH, WRAP, Gravity.CENTER))
    }
}
