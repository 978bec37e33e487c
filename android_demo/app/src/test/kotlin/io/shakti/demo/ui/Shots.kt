package io.shakti.demo.ui

import io.shakti.demo.ui.Look.DARK
import io.shakti.demo.ui.Look.LANDSCAPE
import io.shakti.demo.ui.Look.LARGE
import io.shakti.demo.ui.Look.LIGHT
import io.shakti.demo.ui.Look.TABLET

/** Every stored image by name, and the looks that it is drawn in. */
object Shots {
    private val DESIGN = mapOf("design" to setOf(LIGHT, DARK, LARGE))

    private val CHAT = mapOf(
        "chat-no-model" to setOf(LIGHT, DARK, LARGE),
        "chat-start" to setOf(LIGHT, DARK, LARGE, TABLET, LANDSCAPE),
        "chat-loading" to setOf(LIGHT),
        "chat-reading" to setOf(LIGHT, DARK),
        "chat-answering" to setOf(LIGHT, DARK, LARGE, TABLET),
        "chat-ready" to setOf(LIGHT, DARK, LARGE, TABLET, LANDSCAPE),
        "chat-editing" to setOf(LIGHT, LARGE),
        "chat-cut-short" to setOf(LIGHT, LARGE),
        "chat-stopped" to setOf(LIGHT),
        "chat-dropped" to setOf(LIGHT, DARK),
        "chat-failed" to setOf(LIGHT, DARK, LARGE),
        "chat-broken-model" to setOf(LIGHT),
        "chat-put-away" to setOf(LIGHT),
        "chat-notifications" to setOf(LIGHT, DARK),
        "chat-history" to setOf(LIGHT, DARK, LARGE),
        "chat-history-empty" to setOf(LIGHT),
    )

    /** Drawn by [io.shakti.demo.ChatRuntimeTest], and not compared: it shows measured figures. */
    const val REAL = "chat-smollm2"

    val ALL: Map<String, Set<Look>> = DESIGN + CHAT + PlaceShots.ALL + (REAL to setOf(LIGHT))
}
