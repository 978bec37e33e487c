package io.shakti.demo.ui.about

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.ModelSource
import io.shakti.demo.engine.RuntimeInfo
import kotlinx.coroutines.CoroutineScope
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.MutableStateFlow
import kotlinx.coroutines.flow.SharingStarted
import kotlinx.coroutines.flow.StateFlow
import kotlinx.coroutines.flow.combine
import kotlinx.coroutines.flow.stateIn

/** [model] is null where none is in use; [reading] is the licence whose text is open. */
data class AboutState(
    val appVersion: String,
    val runtime: RuntimeInfo,
    val licences: List<Licence>,
    val model: ModelCredit? = null,
    val reading: Licence? = null,
)

/** Whose work the model in use is; null: its bundle does not say. */
data class ModelCredit(
    val name: String,
    val licence: String?,
    val source: ModelSource?,
    val untrained: Boolean,
)

class AboutViewModel(
    appVersion: String,
    runtime: RuntimeInfo,
    bundle: Flow<Bundle?>,
    scope: CoroutineScope,
) {
    private val fixed = AboutState(appVersion, runtime, Licences.of(runtime.flavour))
    private val reading = MutableStateFlow<Licence?>(null)

    val state: StateFlow<AboutState> =
        combine(bundle, reading) { bundle, reading ->
                fixed.copy(model = bundle?.let(::credit), reading = reading)
            }
            .stateIn(scope, SharingStarted.Eagerly, fixed)

    fun read(licence: Licence) {
        reading.value = licence
    }

    fun close() {
        reading.value = null
    }

    private fun credit(bundle: Bundle) =
        with(bundle.manifest) { ModelCredit(name, model.licence, model.source, model.untrained) }
}
