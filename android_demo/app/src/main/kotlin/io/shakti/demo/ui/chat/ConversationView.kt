package io.shakti.demo.ui.chat

import android.content.Context
import android.view.View
import android.widget.FrameLayout
import android.widget.LinearLayout
import android.widget.ScrollView
import io.shakti.demo.R
import io.shakti.demo.ui.design.CappedFrame
import io.shakti.demo.ui.design.MATCH
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.column
import io.shakti.demo.ui.design.dimen
import io.shakti.demo.ui.design.pad

/** The questions and answers; only those views change whose messages do. */
class ConversationView(context: Context, private val actions: ChatActions) : FrameLayout(context) {
    private val list: LinearLayout = context.column { pad(R.dimen.screen_margin, R.dimen.space_s) }
    private val scroll = FollowingScroll(context)
    private var shown: List<Message> = emptyList()

    /** Called when the end of the conversation comes in or goes out of sight. */
    var onFollow: (Boolean) -> Unit
        get() = scroll.onFollow
        set(value) {
            scroll.onFollow = value
        }

    init {
        val frame = CappedFrame(context).apply { addView(list, MATCH, WRAP) }
        scroll.addView(frame, MATCH, WRAP)
        addView(scroll, MATCH, MATCH)
    }

    fun show(messages: List<Message>) {
        if (messages.size < shown.size) scroll.follow()
        messages.forEachIndexed { index, message ->
            val before = shown.getOrNull(index)
            if (before == message) return@forEachIndexed
            if (before == null || before.javaClass != message.javaClass) {
                if (index < list.childCount) list.removeViewAt(index)
                insert(index, message)
                if (message is Message.Question) scroll.follow()
            }
            fill(list.getChildAt(index), message)
        }
        while (list.childCount > messages.size) list.removeViewAt(list.childCount - 1)
        shown = messages
    }

    private fun insert(index: Int, message: Message) {
        val view: View = when (message) {
            is Message.Question -> QuestionView(context, actions)
            is Message.Answer -> AnswerView(context, actions)
            is Message.Working -> WorkingView(context)
            is Message.Dropped -> DroppedView(context)
        }
        val params = LinearLayout.LayoutParams(MATCH, WRAP)
        params.topMargin = dimen(R.dimen.space_l)
        list.addView(view, index, params)
    }

    private fun fill(view: View, message: Message) = when (message) {
        is Message.Question -> (view as QuestionView).show(message)
        is Message.Answer -> (view as AnswerView).show(message)
        is Message.Working -> (view as WorkingView).show(message)
        is Message.Dropped -> (view as DroppedView).show(message)
    }

    fun toEnd() = scroll.follow()
}

/** Stays at its end while it grows, unless the person scrolled away from there. */
class FollowingScroll(context: Context) : ScrollView(context) {
    private var follows = true
    var onFollow: (Boolean) -> Unit = {}

    init {
        clipToPadding = false
        isFillViewport = true
    }

    val isFollowing: Boolean get() = follows

    fun follow() {
        set(true)
        scrollTo(0, end())
    }

    override fun onScrollChanged(left: Int, top: Int, oldLeft: Int, oldTop: Int) {
        super.onScrollChanged(left, top, oldLeft, oldTop)
        set(top >= end() - dimen(R.dimen.space_xl))
    }

    override fun onLayout(changed: Boolean, l: Int, t: Int, r: Int, b: Int) {
        val follow = follows
        super.onLayout(changed, l, t, r, b)
        if (follow) follow()
    }

    /** A field that gets the focus by itself must not pull the conversation along. */
    override fun requestChildFocus(child: View?, focused: View?) {
        if (!follows) super.requestChildFocus(child, focused)
    }

    private fun end(): Int {
        val content = getChildAt(0) ?: return 0
        return (content.height + paddingTop + paddingBottom - height).coerceAtLeast(0)
    }

    private fun set(follow: Boolean) {
        if (follow == follows) return
        follows = follow
        onFollow(follow)
    }
}
