package io.shakti.demo.ui.design

import android.os.Build
import android.view.View
import android.view.accessibility.AccessibilityNodeInfo
import android.view.accessibility.AccessibilityNodeInfo.AccessibilityAction

/**
 * Tells TalkBack in what state a view is. Before Android 11 only its name and own value are told.
 */
fun View.describeState(words: CharSequence?) {
    if (Build.VERSION.SDK_INT >= Build.VERSION_CODES.R) stateDescription = words
}

/** Something that can be done with a view, offered in TalkBack's menu of actions. */
class CustomAction(val id: Int, val words: CharSequence, val run: () -> Unit)

fun View.offer(actions: () -> List<CustomAction>) {
    accessibilityDelegate = object : View.AccessibilityDelegate() {
        override fun onInitializeAccessibilityNodeInfo(host: View, info: AccessibilityNodeInfo) {
            super.onInitializeAccessibilityNodeInfo(host, info)
            actions().forEach { info.addAction(AccessibilityAction(it.id, it.words)) }
        }

        override fun performAccessibilityAction(
            host: View,
            action: Int,
            args: android.os.Bundle?,
        ): Boolean {
            val own = actions().firstOrNull { it.id == action }
                ?: return super.performAccessibilityAction(host, action, args)
            own.run()
            return true
        }
    }
}
