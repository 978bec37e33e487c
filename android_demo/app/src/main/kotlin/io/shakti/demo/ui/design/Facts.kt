package io.shakti.demo.ui.design

import android.content.Context
import android.os.Build
import android.text.SpannableString
import android.text.Spanned
import android.text.style.BulletSpan
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.view.accessibility.AccessibilityNodeInfo.AccessibilityAction
import android.widget.LinearLayout
import io.shakti.demo.R

/** A word or two that stand out: what something is, or is not. */
enum class TagKind(val ground: Int, val ink: Int) {
    GOOD(R.color.tonal, R.color.on_tonal),
    CAUTION(R.color.accent_tonal, R.color.on_accent_tonal),
    BAD(R.color.error_tonal, R.color.on_error_tonal),
    PLAIN(R.color.sunken, R.color.text_muted),
}

fun Context.tag(text: CharSequence, kind: TagKind = TagKind.PLAIN): Label =
    Label(this, TextRole.SMALL, kind.ink).apply {
        this.text = text
        typeface = TextRole.LABEL.typeface
        background = rounded(kind.ground, R.dimen.corner_s)
        pad(R.dimen.space_s, R.dimen.space_xs)
    }

/** Something that is known: its name, and below it the value, which can be marked and copied. */
class FactRow(context: Context, name: CharSequence, value: CharSequence, code: Boolean = false) :
    LinearLayout(context) {
    init {
        orientation = VERTICAL
        setPaddingRelative(0, dimen(R.dimen.space_s), 0, dimen(R.dimen.space_s))
        add(Label(context, TextRole.SMALL, R.color.text_muted)).text = name
        val words = Label(context, if (code) TextRole.CODE else TextRole.BODY)
        words.text = value
        words.setTextIsSelectable(code)
        add(words, above = R.dimen.space_xs)
        contentDescription = "$name: $value"
        isFocusable = true
        for (index in 0 until childCount) {
            getChildAt(index).importantForAccessibility = View.IMPORTANT_FOR_ACCESSIBILITY_NO
        }
    }
}

/** One of several remarks, with a dot before it. */
fun Context.bulletLine(text: CharSequence, colour: Int = R.color.text_muted): Label =
    Label(this, TextRole.BODY, colour).apply {
        val dotted = SpannableString(text)
        val dot = bullet(colour(colour))
        dotted.setSpan(dot, 0, dotted.length, Spanned.SPAN_INCLUSIVE_INCLUSIVE)
        this.text = dotted
    }

private fun Context.bullet(colour: Int): BulletSpan =
    if (Build.VERSION.SDK_INT < Build.VERSION_CODES.P) BulletSpan(dp(BULLET_GAP_DP), colour)
    else BulletSpan(dp(BULLET_GAP_DP), colour, dp(BULLET_RADIUS_DP))

private const val BULLET_GAP_DP = 8f
private const val BULLET_RADIUS_DP = 2.5f

/** A heading above what belongs to it; [above] is a dimension resource. */
fun LinearLayout.section(
    title: CharSequence,
    above: Int = R.dimen.space_xl,
    body: LinearLayout.() -> Unit,
): LinearLayout {
    val heading = Label(context, TextRole.LABEL, R.color.primary)
    heading.text = title
    heading.markHeading()
    heading.setPaddingRelative(dimen(R.dimen.space_xs), 0, 0, 0)
    add(heading, above = above)
    val card = Card(context)
    card.body()
    return add(card, above = R.dimen.space_s)
}

/** Tells TalkBack what a tap does, where the view is more than a button. */
fun View.sayClick(words: CharSequence) {
    accessibilityDelegate =
        object : View.AccessibilityDelegate() {
            override fun onInitializeAccessibilityNodeInfo(
                host: View,
                info: AccessibilityNodeInfo,
            ) {
                super.onInitializeAccessibilityNodeInfo(host, info)
                info.addAction(AccessibilityAction(AccessibilityNodeInfo.ACTION_CLICK, words))
            }
        }
}
