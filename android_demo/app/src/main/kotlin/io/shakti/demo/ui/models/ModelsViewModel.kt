package io.shakti.demo.ui.models

import io.shakti.demo.AppFailure
import io.shakti.demo.bundle.BundleOrigin
import io.shakti.demo.bundle.BundleStore
import io.shakti.demo.bundle.StoredBundle
import io.shakti.demo.settings.SettingsStore
import io.shakti.demo.ui.BundleChanges
import io.shakti.demo.ui.EngineUse
import io.shakti.demo.ui.EngineUser
import io.shakti.demo.ui.firstReady
import java.io.File
import kotlinx.coroutines.CoroutineDispatcher
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.stateIn
import kotlinx.coroutines.flow.update
import kotlinx.coroutines.launch
import kotlinx.coroutines.withContext

data class ModelsState(
    val list: ModelList = ModelList.Loading,
    val import: ImportState = ImportState.Idle,
    val check: CheckState = CheckState.Idle,
    val details: DetailsState = DetailsState.Closed,
    /** The bundle that a person is asked about before it goes. */
    val deleting: ModelItem? = null,
    val notice: ModelsNotice? = null,
    val engineUser: EngineUser? = null,
)

sealed interface ModelList {
    data object Loading : ModelList

    /** There is no bundle on this phone. */
    data object Empty : ModelList

    data class Loaded(val items: List<ModelItem>) : ModelList
}

/** A bundle in the list. */
sealed interface ModelItem {
    val stored: StoredBundle
    val name: String
    val folder: File get() = stored.folder

    /** Only what the app took in itself is its to delete. */
    val deletable: Boolean get() = stored.origin == BundleOrigin.IMPORTED

    data class Usable(override val stored: StoredBundle.Ready, val inUse: Boolean) : ModelItem {
        override val name: String get() = stored.bundle.manifest.name
    }

    data class Broken(override val stored: StoredBundle.Broken) : ModelItem {
        override val name: String get() = stored.folder.name
    }
}

sealed interface DetailsState {
    data object Closed : DetailsState

    data class Open(val item: ModelItem.Usable) : DetailsState
}

/** Something that happened or was refused; shown until it is put away. */
sealed interface ModelsNotice {
    data class Used(val name: String) : ModelsNotice

    data class Deleted(val name: String) : ModelsNotice

    data class NotDeleted(val name: String, val failure: AppFailure) : ModelsNotice

    /** The engine is [user]'s just now. */
    data class Busy(val user: EngineUser) : ModelsNotice

    /** The phone has no app to pick a file with. */
    data object NoFilePicker : ModelsNotice
}

/** The models screen: which bundles there are, and what can be done with them. */
class ModelsViewModel(
    private val store: BundleStore,
    private val settings: SettingsStore,
    private val import: ImportJob,
    private val check: CheckJob,
    private val engine: EngineUse,
    private val bundles: BundleChanges,
    private val scope: CoroutineScope,
    private val io: CoroutineDispatcher,
) {
    /** What is neither derived nor another's. */
    private data class Own(
        val stored: List<StoredBundle>? = null,
        val opened: File? = null,
        val deleting: File? = null,
        val notice: ModelsNotice? = null,
    )

    private val own = MutableStateFlow(Own())

    val state: StateFlow<ModelsState> =
        combine(own, settings.settings, import.state, check.state, engine.user) {
                own,
                settings,
                import,
                check,
                user ->
                joined(own, settings.bundleFolder, import, check, user)
            }
            .stateIn(scope, SharingStarted.Eagerly, ModelsState())

    /** Looks again at what there is; bundles may have been pushed or taken away meanwhile. */
    fun refresh() {
        scope.launch { reload() }
    }

    fun use(item: ModelItem.Usable) {
        if (item.inUse || refusedFor(setOf(EngineUser.CHAT))) return
        settings.update { it.copy(bundleFolder = item.folder.path) }
        own.update { it.copy(notice = ModelsNotice.Used(item.name)) }
    }

    /** [source] may block. */
    fun import(source: () -> PickedFile) {
        own.update { it.copy(notice = null) }
        scope.launch {
            val known = withContext(io) { source() }
            import.start(known, ::takeIn)
        }
    }

    /** The import that failed, once more. */
    fun retryImport() = import.retry(::takeIn)

    fun cancelImport() = import.cancel()

    fun dismissImport() = import.dismiss()

    fun check(item: ModelItem.Usable) {
        if (refusedFor(EngineUser.entries.toSet())) return
        check.start(item.stored.bundle)
    }

    fun cancelCheck() = check.cancel()

    fun dismissCheck() = check.dismiss()

    /** Shows the bundle in [folder] in detail, as soon as it is in the list. */
    fun open(folder: File) = own.update { it.copy(opened = folder) }

    fun close() = own.update { it.copy(opened = null) }

    /** Asks before [item] goes; see [confirmDelete]. */
    fun delete(item: ModelItem) {
        val inUse = item is ModelItem.Usable && item.inUse
        val checked = check.state.value.active && check.state.value.subject == item.folder
        if (inUse && refusedFor(setOf(EngineUser.CHAT, EngineUser.BENCHMARK))) return
        if (checked && refusedFor(setOf(EngineUser.CHECK))) return
        own.update { it.copy(deleting = item.folder, notice = null) }
    }

    fun keep() = own.update { it.copy(deleting = null) }

    fun confirmDelete() {
        val item = state.value.deleting ?: return
        own.update { it.copy(deleting = null) }
        scope.launch {
            val notice =
                try {
                    withContext(io) { store.delete(item.stored) }
                    forget(item.folder)
                    ModelsNotice.Deleted(item.name)
                } catch (failure: AppFailure) {
                    ModelsNotice.NotDeleted(item.name, failure)
                }
            reload()
            own.update { it.copy(notice = notice) }
        }
    }

    fun noFilePicker() = own.update { it.copy(notice = ModelsNotice.NoFilePicker) }

    fun dismissNotice() = own.update { it.copy(notice = null) }

    private suspend fun takeIn(bundle: StoredBundle.Ready): Boolean {
        reload()
        val used = isUsed(bundle)
        // The chat may still have the one open that this one replaced.
        if (used) engine.makeRoom()
        return used
    }

    private suspend fun reload() {
        val stored = withContext(io) { store.list() }
        own.update { it.copy(stored = stored) }
        bundles.tell()
    }

    /** Whether someone of [users] has the engine; says so. */
    private fun refusedFor(users: Set<EngineUser>): Boolean {
        val user = engine.user.value?.takeIf { it in users } ?: return false
        own.update { it.copy(notice = ModelsNotice.Busy(user)) }
        return true
    }

    /**
     * Whether chats use [bundle], which has just come in. They do if there is no other one; if one
     * was used without being chosen, it stays the one.
     */
    private fun isUsed(bundle: StoredBundle.Ready): Boolean {
        val stored = own.value.stored.orEmpty()
        val chosen = settings.settings.value.bundleFolder
        val used =
            if (chosen == null) stored.filter { it.folder != bundle.folder }.firstReady()
            else stored.filter { it.folder.path == chosen }.firstReady()
        val next = (used ?: bundle).folder
        if (next.path != chosen) settings.update { it.copy(bundleFolder = next.path) }
        return next == bundle.folder
    }

    private fun forget(folder: File) {
        settings.update { if (it.bundleFolder == folder.path) it.copy(bundleFolder = null) else it }
        if (check.state.value.subject == folder) check.dismiss()
        own.update { if (it.opened == folder) it.copy(opened = null) else it }
    }

    private fun joined(
        own: Own,
        used: String?,
        import: ImportState,
        check: CheckState,
        user: EngineUser?,
    ): ModelsState {
        val inUse = used ?: own.stored?.firstReady()?.folder?.path
        val items = own.stored?.map { item(it, inUse) }
        val opened = items?.firstOrNull { it.folder == own.opened } as? ModelItem.Usable
        return ModelsState(
            list =
                when {
                    items == null -> ModelList.Loading
                    items.isEmpty() -> ModelList.Empty
                    else -> ModelList.Loaded(items)
                },
            import = import,
            check = check,
            details = opened?.let { DetailsState.Open(it) } ?: DetailsState.Closed,
            deleting = items?.firstOrNull { it.folder == own.deleting },
            notice = own.notice,
            engineUser = user,
        )
    }

    private fun item(stored: StoredBundle, used: String?): ModelItem =
        when (stored) {
            is StoredBundle.Ready -> ModelItem.Usable(stored, inUse = stored.folder.path == used)
            is StoredBundle.Broken -> ModelItem.Broken(stored)
        }
}
