package io.shakti.demo.tokenizer

import java.io.DataInputStream
import java.io.File

/** Reads what tests/app/tokenizer_cases.py wrote; its docstring gives the format. */
internal class TokenizerCases(private val folder: File) {
    val texts: List<String> = open(File(folder, "texts.bin")).use { file ->
        List(file.readInt()) { file.text()!! }
    }

    /** One folder a tokenizer, by name. */
    fun tokenizers(): List<File> = folder.listFiles { file -> file.isDirectory }!!.sorted()

    /** Calls [each] with every case of the tokenizer in [folder]; their number. */
    fun forEachCase(folder: File, each: (stream: String, case: Case) -> Unit): Int =
        open(File(folder, "cases.bin")).use { file ->
            val stream = file.text()!!
            val count = file.readInt()
            repeat(count) { each(stream, file.case(stream)) }
            check(file.read() == -1) { "${folder.name}/cases.bin goes on after its $count cases" }
            count
        }

    private fun DataInputStream.case(stream: String): Case {
        val number = readInt()
        val text = if (number < 0) null else texts[number]
        val ids = IntArray(readInt()) { readInt() }
        val decoded = text() ?: text!!
        if (readInt() == 0) return Case(text, ids, decoded, null, null)
        val withSpecial = text()!!
        val pieces = if (stream == "none") null else List(ids.size) { text().orEmpty() }
        return Case(text, ids, decoded, withSpecial, pieces)
    }

    private fun DataInputStream.text(): String? = readInt().let { length ->
        if (length == NOTHING) null else String(ByteArray(length).also(::readFully), Charsets.UTF_8)
    }

    private fun open(file: File) = DataInputStream(file.inputStream().buffered(1 shl 16))

    private companion object {
        const val NOTHING = -1
    }
}

/** What Hugging Face's library made of [text], or of [ids] that stand for no text. */
internal class Case(
    val text: String?,
    val ids: IntArray,
    val decoded: String,
    val withSpecial: String?,
    val pieces: List<String>?,
)

/** The folder or file of a system property that the test runner sets. */
internal fun input(property: String): File = File(
    System.getProperty(property) ?: throw AssertionError("the property $property is not set"),
)
