package io.shakti.demo.ui.models

import io.shakti.demo.ui.shell.Place

/** What a person can do on the models screen. */
interface ModelsActions {
    /** Lets the person pick a file to import. */
    fun pick()

    fun retryImport()

    fun cancelImport()

    fun dismissImport()

    fun use(item: ModelItem.Usable)

    fun open(item: ModelItem.Usable)

    fun close()

    fun check(item: ModelItem.Usable)

    fun cancelCheck()

    fun dismissCheck()

    fun delete(item: ModelItem)

    fun refresh()

    fun dismissNotice()

    fun go(place: Place)
}
