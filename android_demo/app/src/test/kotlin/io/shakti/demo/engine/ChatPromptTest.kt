package io.shakti.demo.engine

import io.shakti.demo.bundle.ChatTurns
import io.shakti.demo.bundle.SystemPlace
import io.shakti.demo.fakes.CHATML_TURNS
import kotlinx.serialization.json.Json
import kotlinx.serialization.json.JsonObject
import kotlinx.serialization.json.contentOrNull
import kotlinx.serialization.json.jsonArray
import kotlinx.serialization.json.jsonObject
import kotlinx.serialization.json.jsonPrimitive
import org.junit.Assert.assertArrayEquals
import org.junit.Assert.assertEquals
import org.junit.Assert.assertTrue
import org.junit.Test
import java.io.File

class ChatPromptTest {
    /** tests/app/chat_prompts.py had the Jinja templates themselves write these. */
    @Test
    fun chats_are_written_as_the_models_own_templates_write_them() {
        val fixtures = checkNotNull(System.getProperty("shakti.fixtures")) { "-Dshakti.fixtures" }
        val families =
            Json.parseToJsonElement(File(fixtures, "app/chat_prompts.json").readText()).jsonArray
        var chats = 0
        for (family in families.map { it.jsonObject }) {
            val prompt = ChatPrompt(turns(family.getValue("turns").jsonObject))
            for (chat in family.getValue("chats").jsonArray.map { it.jsonObject }) {
                val (system, dialogue) = messages(chat)
                val written = prompt.render(system, dialogue)
                assertEquals(family.text("family"), chat.text("prompt"), written)
                chats++
            }
        }
        assertTrue("$chats", chats >= 150)
    }

    private fun messages(chat: JsonObject): Pair<String?, List<Turn>> {
        val messages = chat.getValue("messages").jsonArray.map { it.jsonObject }
        val system = messages.first().takeIf { it.text("role") == "system" }?.text("content")
        val dialogue = messages.filter { it.text("role") != "system" }.map {
            Turn(if (it.text("role") == "user") Role.USER else Role.ASSISTANT, it.text("content")!!)
        }
        return system to dialogue
    }

    private fun turns(fields: JsonObject): ChatTurns {
        fun text(name: String) = fields.text(name)!!
        val stripped = fields.getValue("strip_roles").jsonArray.map { it.jsonPrimitive.content }
        return ChatTurns(
            begin = text("begin"),
            systemPlace = SystemPlace.valueOf(text("system_place").uppercase()),
            systemPrefix = text("system_prefix"),
            systemSuffix = text("system_suffix"),
            defaultSystem = fields.text("default_system"),
            userPrefix = text("user_prefix"),
            userSuffix = text("user_suffix"),
            assistantPrefix = text("assistant_prefix"),
            assistantSuffix = text("assistant_suffix"),
            generationPrompt = text("generation_prompt"),
            stripSystem = "system" in stripped,
            stripUser = "user" in stripped,
            stripAssistant = "assistant" in stripped,
        )
    }

    private fun JsonObject.text(name: String): String? = getValue(name).jsonPrimitive.contentOrNull

    @Test
    fun known_answers_stand_as_ids_after_the_generation_prompt() {
        val turns = CHATML_TURNS.copy(assistantPrefix = "<|start|>assistant\n<think></think>")
        val chat = listOf(
            Turn(Role.USER, "q1"), Turn(Role.ASSISTANT, "a1"), Turn(Role.USER, "q2"),
            Turn(Role.ASSISTANT, "a2"), Turn(Role.USER, "q3"),
        )
        val ids = intArrayOf(7, 8)
        val parts = ChatPrompt(turns).parts(null, chat) { if (it == "a2") ids else null }
        // The lead is part of what the model wrote, and so of the ids.
        val before = "<|start|>user\nq1<|end|>\n<|start|>assistant\n<think></think>a1<|end|>\n" +
            "<|start|>user\nq2<|end|>\n<|start|>assistant\n"
        assertEquals(PromptPart.Text(before), parts[0])
        assertArrayEquals(ids, (parts[1] as PromptPart.Ids).ids)
        val after = "<|end|>\n<|start|>user\nq3<|end|>\n<|start|>assistant\n"
        assertEquals(PromptPart.Text(after), parts[2])
    }
}
