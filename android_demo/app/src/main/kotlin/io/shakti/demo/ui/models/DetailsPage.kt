package io.shakti.demo.ui.models

import android.content.Context
import android.widget.LinearLayout
import io.shakti.demo.R
import io.shakti.demo.bundle.Manifest
import io.shakti.demo.bundle.QualityInfo
import io.shakti.demo.ui.bytesWords
import io.shakti.demo.ui.design.ActionButton
import io.shakti.demo.ui.design.Banner
import io.shakti.demo.ui.design.BannerKind
import io.shakti.demo.ui.design.FactRow
import io.shakti.demo.ui.design.Label
import io.shakti.demo.ui.design.Page
import io.shakti.demo.ui.design.TextRole
import io.shakti.demo.ui.design.WRAP
import io.shakti.demo.ui.design.add
import io.shakti.demo.ui.design.section
import io.shakti.demo.ui.numberWords
import io.shakti.demo.ui.parametersWords

/** Everything that is known about one model, and what can be done with it. */
class DetailsPage(
    context: Context,
    private val item: ModelItem.Usable,
    private val actions: ModelsActions,
) : LinearLayout(context) {
    private val page = Page(context, item.name)
    private val notice = Banner(context)
    private val check = CheckCard(context, item, actions)
    private val manifest: Manifest = item.stored.bundle.manifest

    init {
        orientation = VERTICAL
        add(page, height = 0, weight = 1f)
        page.topBar.setSubtitle(context.modelLine(item.stored))
        page.topBar.back(actions::close)
        page.content.apply {
            add(notice)
            if (manifest.model.untrained) {
                add(Banner(context), above = R.dimen.space_s)
                    .show(BannerKind.WARNING, text(R.string.details_untrained))
            }
            add(context.tags(item), above = R.dimen.space_s)
            if (!item.inUse) {
                val use = ActionButton(context, text(R.string.models_use)) { actions.use(item) }
                add(use, width = WRAP, above = R.dimen.space_m)
            }
            add(check, above = R.dimen.space_l)
            section(text(R.string.details_model)) { model() }
            section(text(R.string.details_format)) { format() }
            section(text(R.string.details_quality)) { quality(manifest.quality) }
            section(text(R.string.details_file)) { program() }
            if (item.deletable) addDelete(item, actions) else addNotOurs(item)
        }
    }

    fun show(state: ModelsState) {
        check.show(state.check)
        notice.show(state.notice, actions)
    }

    private fun LinearLayout.model() {
        val model = manifest.model
        fact(R.string.details_parameters, context.parametersWords(model.parameters))
        val shape =
            context.getString(
                R.string.details_architecture_value,
                model.architecture,
                model.layers,
                numberWords(model.vocabSize.toDouble()),
            )
        fact(R.string.details_architecture, shape)
        fact(R.string.details_licence, model.licence ?: text(R.string.details_unknown))
        val source = model.source?.let {
            context.getString(R.string.details_source_value, it.name, it.weightFormat, it.kind)
        }
        fact(R.string.details_source, source ?: text(R.string.details_unknown))
    }

    private fun LinearLayout.format() {
        val quantization = manifest.quantization
        val program = manifest.program
        val scheme =
            context.getString(
                R.string.details_scheme_value,
                quantization.scheme,
                numberWords(quantization.bitsPerWeight),
            )
        fact(R.string.details_scheme, scheme)
        fact(R.string.details_size, context.bytesWords(item.stored.sizeBytes))
        val length = tokens(R.string.details_context_value, program.contextLength)
        fact(R.string.details_context, length)
        program.window?.let {
            fact(R.string.details_window, tokens(R.string.details_window_value, it))
        }
        program.sparse?.let {
            val numbers = listOf(it.local, it.block, it.stride, it.reach)
            val words = numbers.map { one -> numberWords(one.toDouble()) }.toTypedArray()
            fact(R.string.details_sparse, context.getString(R.string.details_sparse_value, *words))
        }
        program.globalEvery?.let {
            fact(R.string.details_global, tokens(R.string.details_global_value, it))
        }
        manifest.kvBytes?.let {
            val words = context.bytesWords(it)
            val kv = context.getString(R.string.details_kv_value, words, quantization.kvCache)
            fact(R.string.details_kv, kv)
        }
    }

    private fun tokens(words: Int, count: Int) =
        context.getString(words, numberWords(count.toDouble()))

    private fun LinearLayout.quality(quality: QualityInfo) {
        quality.perplexity?.let { fact(R.string.details_perplexity, numberWords(it)) }
        quality.perplexityRatio?.let {
            fact(R.string.details_perplexity_ratio, numberWords(it, digits = 4))
        }
        quality.kl?.let {
            fact(R.string.details_kl, context.getString(R.string.details_kl_value, numberWords(it)))
        }
        val measured = listOf(quality.perplexity, quality.perplexityRatio, quality.kl)
        if (measured.all { it == null }) {
            add(Label(context, TextRole.BODY)).text = text(R.string.details_not_measured)
        } else if (quality.note.isNotBlank()) {
            val note = Label(context, TextRole.SMALL, R.color.text_muted)
            note.text = quality.note
            add(note, above = R.dimen.space_s)
        }
    }

    private fun LinearLayout.program() {
        fact(R.string.details_backend, manifest.program.backend)
        fact(R.string.details_hash, manifest.program.sha256, code = true)
        fact(R.string.details_folder, item.folder.path, code = true)
    }

    private fun LinearLayout.fact(name: Int, value: String, code: Boolean = false) {
        add(FactRow(context, text(name), value, code))
    }

    private fun text(id: Int) = context.getString(id)
}
