package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind

/**
 * The id with the highest of [logits] `[V]`; of equals the lowest, so that every device picks the
 * same. Throws AppFailure (RUNTIME_FAILED) when no logit is a number above minus infinity.
 */
fun bestId(logits: FloatArray): Int {
    var best = -1
    var highest = Float.NEGATIVE_INFINITY
    for (id in logits.indices) {
        // False for NaN, which therefore never wins.
        if (logits[id] > highest) {
            highest = logits[id]
            best = id
        }
    }
    if (best < 0) {
        throw AppFailure(FailureKind.RUNTIME_FAILED, "the program's logits are no numbers")
    }
    return best
}
