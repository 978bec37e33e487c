package io.shakti.demo.ui.about

import android.content.res.AssetManager

/**
 * Something that ships in this app and the terms that it comes under.
 *
 * [spdx]: its SPDX expression. [texts]: files of assets/licences, read one after the other.
 */
data class Licence(val title: String, val spdx: String, val texts: List<String>) {
    /** The full text. Blocking. */
    fun read(assets: AssetManager): String =
        texts.joinToString("\n\n\n") { file ->
            reflowed(assets.open("$FOLDER/$file").bufferedReader().use { it.readText() })
        }

    private companion object {
        const val FOLDER = "licences"
    }
}

object Licences {
    private const val COMMUNITY = "community"

    private val COMMUNITY_PACKAGE =
        Licence(
            "React Native ExecuTorch (this build of the runtime)",
            "MIT",
            listOf("react-native-executorch.txt", "executorch.txt"),
        )

    private val ALWAYS =
        listOf(
            Licence("Shakti", "Apache-2.0", listOf("apache-2.0.txt")),
            Licence("ExecuTorch", "BSD-3-Clause", listOf("executorch.txt")),
            Licence(
                "Libraries inside ExecuTorch",
                "BSD-3-Clause AND BSD-2-Clause AND MIT AND Apache-2.0 AND MPL-2.0",
                listOf("inside-executorch.txt", "mit.txt", "apache-2.0.txt", "mpl-2.0.txt"),
            ),
            Licence("fbjni and nativeloader", "Apache-2.0", listOf("meta.txt", "apache-2.0.txt")),
            Licence(
                "Kotlin, kotlinx.coroutines, kotlinx.serialization",
                "Apache-2.0",
                listOf("kotlin.txt", "apache-2.0.txt"),
            ),
            Licence(
                "LLVM libc++",
                "Apache-2.0 WITH LLVM-exception",
                listOf("libcxx.txt", "llvm-exception.txt", "apache-2.0.txt"),
            ),
        )

    /** What ships with the runtime of [flavour]. */
    fun of(flavour: String): List<Licence> =
        if (flavour == COMMUNITY) ALWAYS.take(2) + COMMUNITY_PACKAGE + ALWAYS.drop(2)
        else ALWAYS
}

/**
 * [text] without the line breaks of a page 80 columns wide, so that it fits any screen. A line that
 * ends early, or before an item of a list, keeps its end.
 */
internal fun reflowed(text: String): String {
    val result = StringBuilder()
    val lines = text.trim('\n').lines().map { it.trim() }
    for ((index, line) in lines.withIndex()) {
        result.append(line)
        val next = lines.getOrNull(index + 1) ?: break
        val goesOn = line.length >= FULL_LINE && next.isNotEmpty() && !ITEM.containsMatchIn(next)
        result.append(if (goesOn) ' ' else '\n')
    }
    return result.toString()
}

/** Characters from which on a line was ended by the page's width. */
private const val FULL_LINE = 58

private val ITEM = Regex("""^([*-] |\(?[a-z0-9]{1,2}[.)] |\d+\.\d+\. |Copyright|-{3}|={3})""")
