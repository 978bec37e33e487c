package io.shakti.demo.chat

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.engine.Role
import io.shakti.demo.engine.Turn
import io.shakti.demo.files.DeviceDisk
import io.shakti.demo.files.Disk
import io.shakti.demo.files.JsonNode
import io.shakti.demo.files.JsonRefused
import io.shakti.demo.files.parseStrictObject
import io.shakti.demo.files.replace
import io.shakti.demo.files.toFileBytes
import io.shakti.demo.files.toHex
import kotlinx.serialization.json.addJsonObject
import kotlinx.serialization.json.buildJsonObject
import kotlinx.serialization.json.put
import kotlinx.serialization.json.putJsonArray
import java.io.File
import java.io.IOException
import java.nio.ByteBuffer
import java.security.MessageDigest

/**
 * A JSON file for each chat in [folder], which is made when needed. A file that cannot be read is
 * left out and left alone: somebody may want to rescue it, or a newer app wrote it.
 */
class FileChatHistory(
    private val folder: File,
    private val disk: Disk = DeviceDisk,
) : ChatHistory {
    @Synchronized
    override fun list(): List<ChatSummary> =
        folder.listFiles { file -> file.name.endsWith(ENDING) && !file.name.startsWith('.') }
            .orEmpty()
            .mapNotNull { file -> read(file)?.takeIf { fileOf(it.id) == file } }
            .map { ChatSummary(it.id, it.title, it.changedAtMs) }
            .sortedWith(compareByDescending<ChatSummary> { it.changedAtMs }.thenBy { it.id })

    @Synchronized
    override fun load(id: String): StoredChat? = read(fileOf(id))?.takeIf { it.id == id }

    @Synchronized
    override fun save(chat: StoredChat) {
        disk.replace(fileOf(chat.id), encode(chat))
    }

    @Synchronized
    override fun delete(id: String) {
        val file = fileOf(id)
        if (!file.delete() && file.exists()) {
            throw AppFailure(FailureKind.FILE_UNREADABLE, "the chat's file cannot be deleted")
        }
    }

    private fun read(file: File): StoredChat? = try {
        JsonNode(parseStrictObject(file.readBytes()), unknownRefused = false).chat()
    } catch (_: IOException) {
        null
    } catch (_: JsonRefused) {
        null
    }

    /** An id that is no safe file name is known by its hash. */
    private fun fileOf(id: String): File {
        if (SAFE_ID.matches(id)) return File(folder, id + ENDING)
        // Char by char, for a charset would make all halves of surrogate pairs equal.
        val bytes = ByteBuffer.allocate(2 * id.length).also { it.asCharBuffer().put(id) }.array()
        val digest = MessageDigest.getInstance("SHA-256").digest(bytes)
        return File(folder, "=" + digest.toHex() + ENDING)
    }

    private fun encode(chat: StoredChat): ByteArray = buildJsonObject {
        put("version", VERSION)
        put("id", chat.id)
        put("changed_at_ms", chat.changedAtMs)
        put("bundle_name", chat.bundleName)
        put("cut_short", chat.cutShort)
        putJsonArray("turns") {
            for (turn in chat.turns) {
                addJsonObject {
                    put("role", ROLES.entries.first { it.value == turn.role }.key)
                    put("text", turn.text)
                }
            }
        }
    }.toFileBytes()

    private fun JsonNode.chat(): StoredChat = record {
        if (this["version"].integer() != VERSION.toString()) fail("of another version")
        StoredChat(
            id = this["id"].text(),
            changedAtMs = this["changed_at_ms"].whole(Long.MIN_VALUE..Long.MAX_VALUE),
            bundleName = this["bundle_name"].text(),
            turns = this["turns"].list().map { it.turn() },
            cutShort = nullable("cut_short")?.bool() ?: false,
        )
    }

    private fun JsonNode.turn(): Turn = record {
        Turn(role = this["role"].oneOf(ROLES), text = this["text"].text())
    }

    private companion object {
        const val VERSION = 1
        const val ENDING = ".json"
        val SAFE_ID = Regex("[A-Za-z0-9_-]{1,100}")
        val ROLES = mapOf("user" to Role.USER, "assistant" to Role.ASSISTANT)
    }
}
