package io.shakti.demo.fakes

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.BundleChecker
import io.shakti.demo.bundle.CheckResult
import io.shakti.demo.bundle.CheckStatus
import java.util.concurrent.CopyOnWriteArrayList

/**
 * Gives [results] one after another, with the progress that belongs to it. [beforeResult] runs
 * before each: there a test may look at the screen, cancel, wait, or throw.
 */
class FakeChecker(
    var results: List<CheckResult> = PASSING,
    var beforeResult: (index: Int) -> Unit = {},
) : BundleChecker {
    /** Every bundle that was to be checked, in order. */
    val checked: MutableList<Bundle> = CopyOnWriteArrayList()

    override fun check(
        bundle: Bundle,
        progress: (Double) -> Unit,
        cancelled: () -> Boolean,
    ): List<CheckResult>? {
        checked += bundle
        val found = results
        found.indices.forEach { index ->
            beforeResult(index)
            if (cancelled()) return null
            progress((index + 1.0) / found.size)
        }
        return found
    }

    companion object {
        /** The checks of the real checker, in its order. */
        val NAMES = listOf(
            "manifest schema",
            "manifest checksum",
            "program size",
            "program hash",
            "tokenizer hash",
            "operators",
            "tokenizer",
            "golden tokens",
        )
        val PASSING = NAMES.map { CheckResult(it, CheckStatus.PASS, "as it should be") }

        /** All pass but [name], which has [status]. */
        fun allBut(
            name: String,
            status: CheckStatus = CheckStatus.FAIL,
            detail: String = "not as it should be",
        ) = PASSING.map { if (it.name == name) CheckResult(name, status, detail) else it }
    }
}
