package io.shakti.demo.runtime

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.engine.bestId
import org.pytorch.executorch.Library
import java.io.File

/** Runs the official adapter over the declared API. The argument: a file with a program's head. */
fun main(arguments: Array<String>) {
    val loader = RuntimeFlavour.loader()
    val file = File(arguments.single())
    same("official", loader.runtime.flavour)
    same("1.5.1", loader.runtime.version)
    same(listOf("aten::other.out"), loader.missing(listOf("aten::mul.out", "aten::other.out")))

    val program = loader.open(file, threads = 3)
    same(listOf("${file.name} 1 3"), Library.loaded)
    same(6, bestId(program.forward(intArrayOf(3, 1), 5)))
    same(7, bestId(program.forward(intArrayOf(2), 5)))
    val rows = program.score(intArrayOf(1, 2, 3), 2).toList().chunked(8)
    same(listOf(3, 4, 5), rows.map { it.indexOf(1f) })
    Library.refusesToRun = 0x21
    same(FailureKind.OUT_OF_MEMORY, failure { program.forward(intArrayOf(1), 0) }.kind)
    Library.refusesToRun = 0x12
    same(FailureKind.RUNTIME_FAILED, failure { program.forward(intArrayOf(1), 0) }.kind)
    Library.refusesToRun = null
    program.close()
    same("the program is closed", failure { program.forward(intArrayOf(1), 0) }.message)

    for ((code, kind) in KINDS) {
        Library.refusesToLoad = code
        same(kind, failure { loader.open(file, threads = null) }.kind)
    }
    same("${file.name} 1 0", Library.loaded.last())
    same(0, Library.openModules)
    println("the official adapter keeps to its API")
}

private val KINDS = mapOf(
    0x14 to FailureKind.OPERATOR_MISSING,
    0x20 to FailureKind.OPERATOR_MISSING,
    0x23 to FailureKind.PROGRAM_CORRUPT,
    0x31 to FailureKind.OUT_OF_MEMORY,
    0x99 to FailureKind.PROGRAM_CORRUPT,
)

private fun same(expected: Any, found: Any?) =
    check(expected == found) { "expected $expected, found $found" }

private fun failure(block: () -> Unit): AppFailure {
    try {
        block()
    } catch (failure: AppFailure) {
        check('\n' !in failure.message) { failure.message }
        return failure
    }
    error("nothing failed")
}
