package io.shakti.demo.ui

import java.io.File
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test

class StoredShotsTest {
    private val folder = File(
        checkNotNull(System.getProperty("shakti.golden")) { "set the property shakti.golden" },
    )

    @Test
    fun every_stored_image_has_an_owner_and_every_shot_its_image() {
        val expected = Shots.ALL.flatMap { (shot, looks) -> looks.map { it.file(shot) } }.sorted()
        val stored = folder.list { _, name -> name.endsWith(".png") }.orEmpty().sorted()
        assertEquals(expected.joinToString("\n"), stored.joinToString("\n"))
    }

    @Test
    fun stored_images_take_less_than_six_megabytes() {
        val bytes = folder.listFiles().orEmpty().sumOf { it.length() }
        assertTrue("$bytes bytes", bytes in 1..6_000_000)
    }
}
