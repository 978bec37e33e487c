package io.shakti.demo.ui.shell

import android.Manifest
import android.app.Activity
import android.content.Context
import android.content.pm.PackageManager
import android.os.Build

/** Whether notifications may be asked for: once, and only where Android wants to be asked. */
class NotificationPermission(private val context: Context) {
    private val memory = context.getSharedPreferences("notifications", Context.MODE_PRIVATE)

    fun mayAsk(): Boolean =
        Build.VERSION.SDK_INT >= Build.VERSION_CODES.TIRAMISU &&
            !memory.getBoolean(ASKED, false) &&
            context.checkSelfPermission(Manifest.permission.POST_NOTIFICATIONS) !=
            PackageManager.PERMISSION_GRANTED

    fun ask(activity: Activity, requestCode: Int) {
        if (!mayAsk()) return
        memory.edit().putBoolean(ASKED, true).apply()
        activity.requestPermissions(arrayOf(Manifest.permission.POST_NOTIFICATIONS), requestCode)
    }

    private companion object {
        const val ASKED = "asked"
    }
}
