@file:OptIn(ExperimentalCoroutinesApi::class)

package io.shakti.demo.ui.models

import io.shakti.demo.bundle.BundleOrigin
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.FakeBundleStore.Companion.ready
import io.shakti.demo.fakes.FakeChecker
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.settings.Settings
import io.shakti.demo.ui.BundleChanges
import io.shakti.demo.ui.EngineUse
import java.io.ByteArrayInputStream
import java.io.InputStream
import kotlin.time.TestTimeSource
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.TestScope
import kotlinx.coroutines.test.runCurrent

val smol = ready("smollm2-135m-q4")
val pushed = ready("shakti-100m-q4", BundleOrigin.PUSHED)

/** The screen's logic over [store], with what it is joined to. */
class ModelsBed(
    scope: TestScope,
    val store: FakeBundleStore,
    settings: Settings = Settings(),
    var freeBytes: Long = 1_000_000,
) {
    val settings = MemorySettings(settings)
    val checker = FakeChecker()
    val answering = MutableStateFlow(false)
    val time = TestTimeSource()
    private val worker = StandardTestDispatcher(scope.testScheduler)
    private val background = scope.backgroundScope
    var putAway = 0
    val engine = EngineUse(answering, background) { putAway++ }
    val import = ImportJob(store, { freeBytes }, background, worker, time)
    val check = CheckJob(checker, engine, background, worker)
    val model =
        ModelsViewModel(
            store,
            this.settings,
            import,
            check,
            engine,
            BundleChanges(),
            background,
            worker,
        )

    val state: ModelsState get() = model.state.value

    fun items() = (state.list as ModelList.Loaded).items

    fun item(name: String) = items().single { it.name == name }

    fun usable(name: String) = item(name) as ModelItem.Usable
}

fun TestScope.bed(
    vararg stored: StoredBundle,
    used: StoredBundle? = null,
): ModelsBed =
    ModelsBed(this, FakeBundleStore(*stored), Settings(bundleFolder = used?.folder?.path)).also {
        it.model.refresh()
        runCurrent()
    }

/** A zip as a person picks it. */
class Zip(
    override val name: String = "model.zip",
    private val bytes: Int = 5000,
    override val sizeBytes: Long? = bytes.toLong(),
    private val stream: InputStream = ByteArrayInputStream(ByteArray(bytes)),
) : PickedFile {
    override fun open(): InputStream = stream
}
