package io.shakti.demo.ui

import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.MemorySettings
import io.shakti.demo.settings.Settings
import java.io.File
import kotlinx.coroutines.ExperimentalCoroutinesApi
import kotlinx.coroutines.launch
import kotlinx.coroutines.test.StandardTestDispatcher
import kotlinx.coroutines.test.runCurrent
import kotlinx.coroutines.test.runTest
import org.junit.Assert.assertEquals
import org.junit.Test

@OptIn(ExperimentalCoroutinesApi::class)
class BundleInUseTest {
    @Test
    fun the_bundle_in_use_follows_settings_and_folders() = runTest {
        val ready = FakeBundleStore.ready("a")
        val second = FakeBundleStore.ready("b")
        val broken = FakeBundleStore.broken("c")
        val store = FakeBundleStore(ready, second, broken)
        val settings = MemorySettings(Settings(bundleFolder = second.folder.path))
        val changes = BundleChanges()
        val seen = mutableListOf<String?>()
        backgroundScope.launch {
            bundleInUse(settings, store, changes, StandardTestDispatcher(testScheduler))
                .collect { seen += it?.manifest?.name }
        }
        runCurrent()
        for (folder in listOf(broken.folder.path, File("/gone").path, null)) {
            settings.update { it.copy(bundleFolder = folder) }
            runCurrent()
        }
        store.remove(ready.folder)
        changes.tell()
        runCurrent()
        store.remove(second.folder)
        changes.tell()
        runCurrent()
        assertEquals(listOf("b", null, null, "a", "b", null), seen)
    }
}
