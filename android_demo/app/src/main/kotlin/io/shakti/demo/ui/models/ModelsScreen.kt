package io.shakti.demo.ui.models

import android.app.Dialog
import android.content.ActivityNotFoundException
import android.content.Intent
import android.os.Bundle
import io.shakti.demo.R
import io.shakti.demo.bundle.RESERVE_BYTES
import io.shakti.demo.ui.atEnd
import io.shakti.demo.ui.bundleChanges
import io.shakti.demo.ui.bytesWords
import io.shakti.demo.ui.design.BannerAction
import io.shakti.demo.ui.design.ButtonStyle
import io.shakti.demo.ui.design.ask
import io.shakti.demo.ui.engineUse
import io.shakti.demo.ui.shell.Place
import io.shakti.demo.ui.shell.Screen
import io.shakti.demo.ui.shell.ScreenHost
import java.io.File
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.launch

/** The models screen: joins [ModelsView] to [ModelsViewModel] and to the system's file picker. */
class ModelsScreen(private val host: ScreenHost) : Screen, ModelsActions {
    private val model = host.modelsViewModel()
    override val view = ModelsView(host.activity, this)
    private var question: Dialog? = null

    override val takesBack: Boolean get() = model.state.value.details is DetailsState.Open

    override fun onShow(scope: CoroutineScope) {
        model.refresh()
        scope.launch { model.state.collect(::draw) }
        scope.atEnd(::closeQuestion)
    }

    override fun onBack() = close()

    override fun onResult(data: Intent?) {
        val uri = data?.data ?: return
        val resolver = host.activity.applicationContext.contentResolver
        model.import { PickedUri(resolver, uri) }
    }

    override fun save(into: Bundle) {
        val open = model.state.value.details as? DetailsState.Open
        into.putString(OPEN, open?.item?.folder?.path)
    }

    override fun restore(from: Bundle) {
        from.getString(OPEN)?.let { model.open(File(it)) }
    }

    private fun draw(state: ModelsState) {
        view.show(state)
        host.backChanged()
        val item = state.deleting
        if (item == null) closeQuestion() else if (question == null) askBeforeDeleting(item)
    }

    private fun askBeforeDeleting(item: ModelItem) {
        val context = host.activity
        val text =
            when (item) {
                is ModelItem.Usable -> {
                    val size = context.bytesWords(item.stored.sizeBytes)
                    context.getString(R.string.delete_text, size)
                }
                is ModelItem.Broken -> context.getString(R.string.delete_text_broken)
            }
        val yes = BannerAction(context.getString(R.string.models_delete)) { model.confirmDelete() }
        val title = context.getString(R.string.delete_title, item.name)
        question =
            context.ask(title, text, yes, ButtonStyle.DANGER).also { dialog ->
                dialog.setOnDismissListener { if (question === dialog) model.keep() }
            }
    }

    /** Takes the question off the screen without an answer to it. */
    private fun closeQuestion() {
        val dialog = question
        question = null
        dialog?.dismiss()
    }

    override fun pick() {
        model.dismissImport()
        val intent =
            Intent(Intent.ACTION_OPEN_DOCUMENT)
                .addCategory(Intent.CATEGORY_OPENABLE)
                .setType("*/*")
                .putExtra(Intent.EXTRA_MIME_TYPES, ZIP_TYPES)
        try {
            host.startForResult(Place.MODELS, intent)
        } catch (_: ActivityNotFoundException) {
            model.noFilePicker()
        }
    }

    override fun retryImport() = model.retryImport()

    override fun cancelImport() = model.cancelImport()

    override fun dismissImport() = model.dismissImport()

    override fun use(item: ModelItem.Usable) = model.use(item)

    override fun open(item: ModelItem.Usable) = model.open(item.folder)

    override fun close() = model.close()

    override fun check(item: ModelItem.Usable) = model.check(item)

    override fun cancelCheck() = model.cancelCheck()

    override fun dismissCheck() = model.dismissCheck()

    override fun delete(item: ModelItem) = model.delete(item)

    override fun refresh() = model.refresh()

    override fun dismissNotice() = model.dismissNotice()

    override fun go(place: Place) = host.show(place)

    private companion object {
        const val OPEN = "open"

        /** Not every provider knows a zip when it has one. */
        val ZIP_TYPES =
            arrayOf("application/zip", "application/x-zip-compressed", "application/octet-stream")
    }
}

/** The one for as long as the app is used, so that imports and checks go on over rotations. */
private fun ScreenHost.modelsViewModel(): ModelsViewModel {
    val graph = graph
    val engine = engineUse()
    val bundles = bundleChanges()
    val storage = activity.applicationContext.filesDir
    return retained("models") { scope ->
        ModelsViewModel(
            graph.bundles,
            graph.settings,
            ImportJob(graph.bundles, { storage.usableSpace - RESERVE_BYTES }, scope, graph.io),
            CheckJob(graph.checker, engine, scope, graph.engineThread),
            engine,
            bundles,
            scope,
            graph.io,
        )
    }
}
