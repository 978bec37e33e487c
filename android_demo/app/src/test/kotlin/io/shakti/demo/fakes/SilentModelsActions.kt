package io.shakti.demo.fakes

import io.shakti.demo.ui.models.ModelItem
import io.shakti.demo.ui.models.ModelsActions
import io.shakti.demo.ui.shell.Place

/** For tests that only look. */
object SilentModelsActions : ModelsActions {
    override fun pick() = Unit

    override fun retryImport() = Unit

    override fun cancelImport() = Unit

    override fun dismissImport() = Unit

    override fun use(item: ModelItem.Usable) = Unit

    override fun open(item: ModelItem.Usable) = Unit

    override fun close() = Unit

    override fun check(item: ModelItem.Usable) = Unit

    override fun cancelCheck() = Unit

    override fun dismissCheck() = Unit

    override fun delete(item: ModelItem) = Unit

    override fun refresh() = Unit

    override fun dismissNotice() = Unit

    override fun go(place: Place) = Unit
}
