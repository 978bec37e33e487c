package io.shakti.demo.ui

import io.shakti.demo.ui.Look.DARK
import io.shakti.demo.ui.Look.LANDSCAPE
import io.shakti.demo.ui.Look.LARGE
import io.shakti.demo.ui.Look.LIGHT
import io.shakti.demo.ui.Look.TABLET

/** Every stored image by name, and the looks that it is drawn in. */
object Shots {
    val ALL: Map<String, Set<Look>> = mapOf(
        "design" to setOf(LIGHT, DARK, LARGE),
    )
}
