package io.shakti.demo.ui

import android.app.Activity
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Canvas
import android.os.Looper
import android.view.View
import io.shakti.demo.fakes.TestApp
import java.io.File
import java.util.Locale
import java.util.TimeZone
import org.junit.Assert.assertTrue
import org.junit.Assert.fail
import org.junit.Before
import org.junit.runner.RunWith
import org.robolectric.Robolectric
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.Shadows.shadowOf
import org.robolectric.annotation.Config

/**
 * On what a screen is drawn; with no more pixels than needed, so that the stored images stay small.
 */
enum class Look(val qualifiers: String, val fontScale: Float = 1f) {
    LIGHT("w411dp-h891dp-port-notnight-hdpi"),
    DARK("w411dp-h891dp-port-night-mdpi"),
    LARGE("w411dp-h891dp-port-notnight-mdpi", fontScale = 1.8f),
    TABLET("w1280dp-h800dp-land-notnight-mdpi"),
    LANDSCAPE("w891dp-h411dp-land-notnight-mdpi"),
    ;

    fun file(shot: String) = "$shot.${name.lowercase()}.png"
}

/**
 * Draws named states of screens and compares them with the images in docs/app.
 *
 * Fonts and drawing are the JVM's own, so a machine draws the same pixels each time; for other
 * machines two measures leave room: [MOST_MEAN] and [MOST_DIFFERING]. The property
 * `shakti.screenshots.update` = true writes the stored images anew.
 */
@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
abstract class ScreenshotTest {
    @Before
    fun fixPlaceAndTime() {
        Locale.setDefault(Locale.UK)
        TimeZone.setDefault(TimeZone.getTimeZone("UTC"))
    }

    /** Draws what [build] makes in an empty Activity. */
    fun shoot(shot: String, vararg looks: Look, build: (Activity) -> View) {
        check(shot in Shots.ALL.keys) { "$shot is not in Shots.ALL" }
        val faults = looks.mapNotNull { look ->
            check(look in Shots.ALL.getValue(shot)) { "$shot has no ${look.name} in Shots.ALL" }
            compare(look.file(shot), draw(look, build))
        }
        if (faults.isNotEmpty()) fail(faults.joinToString("\n"))
    }

    protected fun draw(look: Look, build: (Activity) -> View): Bitmap {
        RuntimeEnvironment.setQualifiers(look.qualifiers)
        RuntimeEnvironment.setFontScale(look.fontScale)
        val controller = Robolectric.buildActivity(Activity::class.java).create()
        val activity = controller.get()
        activity.setContentView(build(activity))
        controller.start().resume().visible()
        shadowOf(Looper.getMainLooper()).idle()
        val picture = picture(activity.window.decorView)
        controller.pause().stop().destroy()
        return picture
    }

    protected fun picture(view: View): Bitmap {
        val bitmap = Bitmap.createBitmap(view.width, view.height, Bitmap.Config.ARGB_8888)
        view.draw(Canvas(bitmap))
        return bitmap
    }

    /** Null if the stored image looks the same, else what differs. */
    private fun compare(name: String, fresh: Bitmap): String? {
        write(File(folder("shakti.screenshots"), name), fresh)
        val stored = File(folder("shakti.golden"), name)
        if (System.getProperty("shakti.screenshots.update") == "true") {
            write(stored, fresh)
            return null
        }
        if (!stored.isFile) return "$name is not stored: run once with shakti.screenshots.update"
        val before = BitmapFactory.decodeFile(stored.path)
        if (before.width != fresh.width || before.height != fresh.height) {
            return "$name is ${fresh.width}x${fresh.height}, stored ${before.width}x${before.height}"
        }
        val difference = difference(before, fresh)
        return if (difference.isSmall) null else "$name differs: $difference"
    }

    private fun write(file: File, bitmap: Bitmap) {
        assertTrue("cannot make ${file.parent}", file.parentFile!!.isDirectory || file.parentFile!!.mkdirs())
        file.outputStream().use { bitmap.compress(Bitmap.CompressFormat.PNG, 100, it) }
    }

    private fun folder(property: String) = File(
        checkNotNull(System.getProperty(property)) { "set the system property $property to a folder" },
    )
}

/**
 * How two images of one size differ: [mean] of all channels (0 to 255), [share] of changed pixels.
 */
data class Difference(val mean: Double, val share: Double) {
    val isSmall: Boolean get() = mean <= MOST_MEAN && share <= MOST_DIFFERING
}

fun difference(one: Bitmap, other: Bitmap): Difference {
    val size = one.width * one.height
    val first = IntArray(size).also { one.getPixels(it, 0, one.width, 0, 0, one.width, one.height) }
    val second =
        IntArray(size).also { other.getPixels(it, 0, one.width, 0, 0, one.width, one.height) }
    var sum = 0L
    var changed = 0
    for (index in 0 until size) {
        val channels = (0..16 step 8).map {
            Math.abs(((first[index] shr it) and 0xFF) - ((second[index] shr it) and 0xFF))
        }
        sum += channels.sum()
        if (channels.max() > SAME_CHANNEL) changed++
    }
    return Difference(sum / 3.0 / size, changed.toDouble() / size)
}

/** Of 255; a moved line of text is about 1. */
private const val MOST_MEAN = 0.6

/** A pixel counts as changed from this difference of a channel on. */
private const val SAME_CHANNEL = 24

private const val MOST_DIFFERING = 0.008
