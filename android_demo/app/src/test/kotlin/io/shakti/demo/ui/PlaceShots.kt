package io.shakti.demo.ui

import io.shakti.demo.ui.Look.DARK
import io.shakti.demo.ui.Look.LARGE
import io.shakti.demo.ui.Look.LIGHT
import io.shakti.demo.ui.Look.TABLET

/** The stored images of the models, settings, benchmark and about screens. */
object PlaceShots {
    val ALL: Map<String, Set<Look>> =
        mapOf(
            "models.list" to setOf(LIGHT, DARK, LARGE, TABLET),
            "models.empty" to setOf(LIGHT, LARGE),
            "models.importing" to setOf(LIGHT),
            "models.import-failed" to setOf(LIGHT),
            "models.details" to setOf(LIGHT, DARK, LARGE, TABLET),
            "models.check" to setOf(LIGHT, DARK),
            "settings" to setOf(LIGHT, DARK, LARGE, TABLET),
            "settings.no-model" to setOf(LIGHT),
            "benchmark" to setOf(LIGHT, DARK, LARGE),
            "benchmark.running" to setOf(LIGHT),
            "benchmark.results" to setOf(LIGHT, DARK, LARGE, TABLET),
            "about" to setOf(LIGHT, DARK, LARGE, TABLET),
            "about.licence" to setOf(LIGHT),
        )
}
