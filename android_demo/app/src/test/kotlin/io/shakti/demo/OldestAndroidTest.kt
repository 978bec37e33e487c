package io.shakti.demo

import io.shakti.demo.ui.shell.Place
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import org.robolectric.annotation.Config

/** On the oldest Android that the app installs on, nothing newer is called. */
@Config(sdk = [26])
class OldestAndroidTest : AppTestBase() {
    @Test
    fun a_question_is_answered_and_the_answer_goes_on_in_the_background() {
        engine.reply("**one** two\n\n- three")
        start()
        ask("count to three")
        gate.open()
        controller.pause().stop()
        until("the end") { !state.isBusy && state.facts.conversation.turns.size == 2 }
        controller.restart().start().resume()
        untilShown("one two")
        assertEquals("**one** two\n\n- three", state.facts.conversation.turns[1].text)
    }

    @Test
    fun every_place_is_drawn() {
        start()
        for (place in Place.entries) {
            controller.get().show(place)
            idle()
            assertTrue("$place", screen.textsShown().size > 1)
        }
    }
}
