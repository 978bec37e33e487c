package io.shakti.demo.ui.shell

import io.shakti.demo.R

/** The places of the app, in the order of the bar. */
enum class Place(val label: Int, val icon: Int) {
    CHAT(R.string.place_chat, R.drawable.ic_chat),
    MODELS(R.string.place_models, R.drawable.ic_models),
    BENCHMARK(R.string.place_benchmark, R.drawable.ic_benchmark),
    SETTINGS(R.string.place_settings, R.drawable.ic_settings),
    ABOUT(R.string.place_about, R.drawable.ic_about),
}
