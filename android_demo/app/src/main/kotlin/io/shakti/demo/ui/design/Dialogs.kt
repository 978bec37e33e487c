package io.shakti.demo.ui.design

import android.app.Dialog
import android.content.Context
import android.graphics.Color
import android.graphics.drawable.ColorDrawable
import android.view.Gravity
import android.view.View
import android.view.Window
import android.widget.FrameLayout
import android.widget.ScrollView
import io.shakti.demo.R

/**
 * A question on top of a screen. [yes] is the way on; "Cancel" or back leaves everything as it was.
 *
 * [body] stands below [text]: a field, choices.
 */
fun Context.ask(
    title: CharSequence,
    text: CharSequence?,
    yes: BannerAction,
    style: ButtonStyle = ButtonStyle.FILLED,
    body: View? = null,
): Dialog {
    val dialog = Dialog(this)
    val card = column {
        background = rounded(R.color.card, R.dimen.corner_l)
        pad(R.dimen.space_xl, R.dimen.space_xl)
    }
    val heading = Label(this, TextRole.TITLE).apply { markHeading() }
    heading.show(title)
    card.add(heading)
    val sentence = Label(this, TextRole.BODY, R.color.text_muted)
    sentence.show(text)
    card.add(sentence, above = R.dimen.space_s)
    body?.let { card.add(it, above = R.dimen.space_m) }
    val cancel = ActionButton(this, getString(R.string.cancel), ButtonStyle.TEXT) { dialog.dismiss() }
    val accept = ActionButton(this, yes.text, style) {
        dialog.dismiss()
        yes.run()
    }
    val ways = FlowRow(this)
    ways.addView(cancel)
    ways.addView(accept)
    card.add(ways, width = WRAP, above = R.dimen.space_l, gravity = Gravity.END)
    dialog.show(card)
    return dialog
}

private fun Dialog.show(card: View) {
    requestWindowFeature(Window.FEATURE_NO_TITLE)
    val frame = CappedFrame(context, R.dimen.dialog_max)
    val margin = context.dimen(R.dimen.space_l)
    val params = FrameLayout.LayoutParams(MATCH, WRAP)
    params.setMargins(margin, margin, margin, margin)
    frame.addView(card, params)
    val scroll = ScrollView(context)
    scroll.addView(frame, MATCH, WRAP)
    setContentView(scroll)
    window?.apply {
        setBackgroundDrawable(ColorDrawable(Color.TRANSPARENT))
        setLayout(MATCH, WRAP)
    }
    show()
}
