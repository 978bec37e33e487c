package io.shakti.demo

import android.app.Activity
import android.content.Context
import android.content.Intent
import android.content.res.Configuration
import android.os.Build
import android.os.Bundle
import android.window.OnBackInvokedCallback
import android.window.OnBackInvokedDispatcher
import io.shakti.demo.settings.Theme
import io.shakti.demo.ui.shell.BenchRunningView
import io.shakti.demo.ui.design.goEdgeToEdge
import io.shakti.demo.ui.shell.NotificationPermission
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.shell.Retained
import io.shakti.demo.ui.shell.ScreenHost
import io.shakti.demo.ui.shell.Shell
import io.shakti.demo.ui.shell.screenAt
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.MainScope
import kotlinx.coroutines.cancel
import kotlinx.coroutines.flow.map
import kotlinx.coroutines.launch

/** The one Activity: it holds the shell and hands it what Android tells. */
class MainActivity : Activity(), ScreenHost {
    private lateinit var retained: Retained
    private lateinit var shell: Shell
    private val scope = MainScope()
    private var drawnTheme = Theme.SYSTEM
    private var backCallback: Any? = null

    private val app get() = application as ShaktiApp

    /** Whether the SDK measures: then no screen may work beside it. */
    private val isBench get() = intent.getBooleanExtra(EXTRA_BENCH, false)

    override val activity: Activity get() = this
    override val graph: AppGraph get() = app.graph

    override fun attachBaseContext(base: Context) {
        super.attachBaseContext(base)
        val graph = (base.applicationContext as ShaktiApp).graph
        drawnTheme = graph.settings.settings.value.theme
        val night = when (drawnTheme) {
            Theme.SYSTEM -> return
            Theme.LIGHT -> Configuration.UI_MODE_NIGHT_NO
            Theme.DARK -> Configuration.UI_MODE_NIGHT_YES
        }
        applyOverrideConfiguration(Configuration().apply { uiMode = night })
    }

    override fun onCreate(savedInstanceState: Bundle?) {
        super.onCreate(savedInstanceState)
        window.goEdgeToEdge()
        @Suppress("DEPRECATION")
        retained = lastNonConfigurationInstance as? Retained ?: Retained()
        shell = Shell(this, ::backChanged) { place -> screenAt(place, this) }
        savedInstanceState?.getBundle(SHELL)?.let(shell::restore)
        setContentView(if (isBench) BenchRunningView(this) else shell)
        if (savedInstanceState == null) takeBundle(intent)
        backChanged()
        scope.launch {
            graph.settings.settings.map { it.theme }.collect { if (it != drawnTheme) recreate() }
        }
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        setIntent(intent)
        takeBundle(intent)
        if (intent.hasExtra(EXTRA_BENCH)) recreate()
    }

    /** The SDK names the bundle that it has just pushed. */
    private fun takeBundle(intent: Intent) {
        val folder = intent.getStringExtra(EXTRA_BUNDLE) ?: return
        graph.settings.update { it.copy(bundleFolder = folder) }
        shell.show(Place.CHAT)
    }

    override fun onStart() {
        super.onStart()
        if (!isBench) shell.start()
    }

    override fun onStop() {
        shell.stop()
        super.onStop()
    }

    override fun onSaveInstanceState(outState: Bundle) {
        super.onSaveInstanceState(outState)
        outState.putBundle(SHELL, Bundle().also(shell::save))
    }

    @Deprecated("The framework's way to keep things over a rotation")
    override fun onRetainNonConfigurationInstance(): Any = retained

    override fun onDestroy() {
        scope.cancel()
        if (!isChangingConfigurations) retained.end()
        super.onDestroy()
    }

    override fun show(place: Place) = shell.show(place)

    override fun <T : Any> retained(key: String, make: (CoroutineScope) -> T): T =
        retained.get(key, make)

    override fun askForNotifications() =
        NotificationPermission(this).ask(this, NOTIFICATIONS_REQUEST)

    override fun startForResult(place: Place, intent: Intent) =
        @Suppress("DEPRECATION")
        startActivityForResult(intent, place.ordinal)

    @Deprecated("The framework's way to get a result")
    override fun onActivityResult(requestCode: Int, resultCode: Int, data: Intent?) {
        val place = Place.entries.getOrNull(requestCode) ?: return
        shell.screenAt(place).onResult(data.takeIf { resultCode == RESULT_OK })
    }

    /**
     * Takes the back gesture only while there is a step to go back, so that leaving is predicted.
     */
    override fun backChanged() {
        if (Build.VERSION.SDK_INT < Build.VERSION_CODES.TIRAMISU) return
        val own = backCallback as OnBackInvokedCallback?
        if (shell.takesBack && own == null) {
            val callback = OnBackInvokedCallback { shell.back() }
            onBackInvokedDispatcher.registerOnBackInvokedCallback(
                OnBackInvokedDispatcher.PRIORITY_DEFAULT,
                callback,
            )
            backCallback = callback
        } else if (!shell.takesBack && own != null) {
            onBackInvokedDispatcher.unregisterOnBackInvokedCallback(own)
            backCallback = null
        }
    }

    @Deprecated("The way back before Android 13")
    override fun onBackPressed() {
        @Suppress("DEPRECATION")
        if (shell.takesBack) shell.back() else super.onBackPressed()
    }

    companion object {
        /** The folder of a bundle to chat with. */
        const val EXTRA_BUNDLE = "bundle"

        /** True while the SDK measures: nothing but a note is shown, and the screen stays on. */
        const val EXTRA_BENCH = "io.shakti.demo.BENCH"
        private const val SHELL = "shell"
        private const val NOTIFICATIONS_REQUEST = 100
    }
}
