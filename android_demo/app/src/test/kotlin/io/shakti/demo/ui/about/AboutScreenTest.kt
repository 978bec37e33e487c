package io.shakti.demo.ui.about

import io.shakti.demo.fakes.FakeBundleStore
import io.shakti.demo.fakes.SampleModels
import io.shakti.demo.fakes.TestApp
import io.shakti.demo.fakes.TestGraph
import io.shakti.demo.ui.AppBed
import io.shakti.demo.ui.shell.Place
import org.junit.Assert.assertEquals
import org.junit.Assert.assertFalse
import org.junit.Assert.assertTrue
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import org.robolectric.RuntimeEnvironment
import org.robolectric.annotation.Config

@RunWith(RobolectricTestRunner::class)
@Config(application = TestApp::class)
class AboutScreenTest {
    private fun open(store: FakeBundleStore = FakeBundleStore(SampleModels.SMOL)) =
        AppBed(TestGraph(bundles = store), Place.ABOUT)

    @Test
    fun the_runtime_the_model_and_the_promise_are_told() {
        val bed = open()
        bed.untilShown("smollm2-135m, stored as Q4_1 (gguf)")
        val runtime = bed.graph.engine.runtime
        assertTrue(bed.shows("${runtime.name} ${runtime.version}"))
        runtime.limits.forEach { assertTrue(bed.shows(it)) }
        assertTrue(bed.shows("no permission to use the internet"))
    }

    @Test
    fun without_a_model_none_is_credited() {
        val bed = open(FakeBundleStore())
        bed.untilShown("None.")
    }

    @Test
    fun a_licence_is_read_over_the_death_of_the_process_and_left_with_back() {
        val bed = open()
        bed.tap("ExecuTorch")
        bed.untilShown("Copyright (c) Meta Platforms, Inc. and affiliates.")
        bed.dieAndComeBack()
        bed.untilShown("Copyright (c) Meta Platforms, Inc. and affiliates.")
        @Suppress("DEPRECATION") bed.activity.onBackPressed()
        bed.untilShown("Private by construction")
        assertFalse(bed.shows("Copyright (c) Meta"))
    }

    @Test
    fun every_text_in_the_app_belongs_to_a_licence_and_every_licence_has_its_text() {
        val assets = RuntimeEnvironment.getApplication().assets
        val listed = Licences.of("community")
        assertEquals(
            assets.list("licences")!!.toSet(),
            listed.flatMap { it.texts }.toSet(),
        )
        for (licence in listed) assertTrue(licence.title, licence.read(assets).length > 500)
    }

    @Test
    fun the_community_package_is_credited_only_where_it_ships() {
        val mit = { flavour: String -> Licences.of(flavour).count { it.spdx == "MIT" } }
        assertEquals(1, mit("community"))
        assertEquals(0, mit("official"))
    }

    @Test
    fun lines_broken_for_a_page_are_joined_and_lists_and_notices_are_not() {
        val text =
            """
            Copyright 2019 Somebody with a rather long name that fills the whole of it
            Copyright 2020 Somebody else

            Use in source and binary forms of any kind, with or without
            modification, is permitted.

             * Redistributions of source code must retain the above copyright notice,
               this list.
             * Neither.
            """
                .trimIndent()
        val expected =
            """
            Copyright 2019 Somebody with a rather long name that fills the whole of it
            Copyright 2020 Somebody else

            Use in source and binary forms of any kind, with or without modification, is permitted.

            * Redistributions of source code must retain the above copyright notice, this list.
            * Neither.
            """
                .trimIndent()
        assertEquals(expected, reflowed(text))
    }
}
