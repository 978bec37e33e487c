package io.shakti.demo.ui

import io.shakti.demo.FailureKind
import io.shakti.demo.R

/** Where a person can go on after a failure; each screen offers those that it can do. */
enum class WayOn(val words: Int) {
    /** The same once more. */
    RETRY(R.string.way_retry),

    /** Another model, or this one imported anew. */
    CHOOSE_MODEL(R.string.way_models),

    /** A shorter question. */
    EDIT_QUESTION(R.string.way_edit),

    /** Delete models or chats. */
    FREE_STORAGE(R.string.way_storage),

    /** What this app can run, and its version. */
    ABOUT(R.string.way_about),
}

/** What a person is told about a kind of failure, and the ways on, the best first. */
data class FailureText(val sentence: Int, val ways: List<WayOn>)

val FailureKind.text: FailureText
    get() = when (this) {
        FailureKind.BUNDLE_CORRUPT ->
            FailureText(R.string.failure_bundle_corrupt, listOf(WayOn.CHOOSE_MODEL))
        FailureKind.BUNDLE_NEWER ->
            FailureText(R.string.failure_bundle_newer, listOf(WayOn.CHOOSE_MODEL, WayOn.ABOUT))
        FailureKind.OPERATOR_MISSING ->
            FailureText(R.string.failure_operator, listOf(WayOn.CHOOSE_MODEL, WayOn.ABOUT))
        FailureKind.PROGRAM_CORRUPT ->
            FailureText(R.string.failure_program, listOf(WayOn.CHOOSE_MODEL))
        FailureKind.RUNTIME_FAILED ->
            FailureText(R.string.failure_runtime, listOf(WayOn.RETRY, WayOn.CHOOSE_MODEL))
        FailureKind.TOKENIZER_UNSUPPORTED ->
            FailureText(R.string.failure_tokenizer, listOf(WayOn.CHOOSE_MODEL, WayOn.ABOUT))
        FailureKind.PROMPT_TOO_LONG ->
            FailureText(R.string.failure_too_long, listOf(WayOn.EDIT_QUESTION, WayOn.CHOOSE_MODEL))
        FailureKind.GOLDEN_MISMATCH ->
            FailureText(R.string.failure_golden, listOf(WayOn.CHOOSE_MODEL))
        FailureKind.OUT_OF_MEMORY ->
            FailureText(R.string.failure_memory, listOf(WayOn.RETRY, WayOn.CHOOSE_MODEL))
        FailureKind.STORAGE_FULL ->
            FailureText(R.string.failure_storage, listOf(WayOn.RETRY, WayOn.FREE_STORAGE))
        FailureKind.FILE_UNREADABLE ->
            FailureText(R.string.failure_unreadable, listOf(WayOn.RETRY, WayOn.CHOOSE_MODEL))
    }
