package io.shakti.demo.ui.design

import android.app.Activity
import android.view.View
import io.shakti.demo.R
import io.shakti.demo.ui.Look
import io.shakti.demo.ui.ScreenshotTest
import org.junit.Test

/** The parts that screens are made of, together. */
class DesignGalleryTest : ScreenshotTest() {
    @Test
    fun components_look_as_stored() =
        shoot("design", Look.LIGHT, Look.DARK, Look.LARGE, build = ::gallery)

    private fun gallery(activity: Activity): View = Page(activity, "Design").apply {
        setBackgroundColor(activity.getColor(R.color.ground))
        topBar.setSubtitle("Parts of every screen")
        topBar.back {}
        topBar.action(IconButton(activity, R.drawable.ic_history, "History", ink = R.color.text))
        val gap = R.dimen.space_m
        val buttons = FlowRow(activity)
        ButtonStyle.entries.forEach {
            buttons.addView(ActionButton(activity, it.name.lowercase(), it))
        }
        content.add(buttons)
        content.add(Banner(activity), above = gap).show(
            BannerKind.ERROR,
            "The phone’s storage is full, so nothing can be saved.",
            "write failed: no space left",
            listOf(BannerAction("Try again") {}, BannerAction("Delete models") {}),
        )
        content.add(Banner(activity), above = gap).show(BannerKind.WARNING, "The phone is warm.")
        content.add(Banner(activity), above = gap).show(BannerKind.INFO, "The model was put away.")
        content.add(card(activity), above = gap)
        content.add(ProgressStrip(activity), above = gap).share = 0.4
        content.add(ProgressStrip(activity), above = gap)
        content.add(MeterBar(activity), above = gap).show(900, 1000, "900 of 1000")
        val field = TextBox(activity, "System prompt", "You are a helpful assistant")
        field.say("Leave it empty for the model’s own")
        content.add(field, above = gap)
    }

    private fun card(activity: Activity) = Card(activity).apply {
        add(ListRow(activity, "SmolLM2 135M", "4 bit · 92 MB", R.drawable.ic_models) {})
            .trailing(IconButton(activity, R.drawable.ic_delete, "Delete"))
        add(SwitchRow(activity, "Greedy", "The likeliest word each time")).isOn = true
        add(SliderRow(activity, "Temperature", 20) { "%.1f".format(it / 10.0) }).step = 7
        add(ChoiceRows(activity, listOf("Light", "Dark"))).chosen = 1
    }
}
