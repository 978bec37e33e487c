package io.shakti.demo

/**
 * Something went wrong that a person has to be told about.
 *
 * [kind] decides the sentence and the way on that the screens show; [message] is the technical
 * detail behind it, in one line.
 */
class AppFailure(val kind: FailureKind, message: String, cause: Throwable? = null) :
    Exception(message, cause) {
    override val message: String get() = super.message ?: kind.name
}

enum class FailureKind {
    /** A file of the bundle is missing, cut off, or not the one that was exported. */
    BUNDLE_CORRUPT,

    /** The manifest has a major schema version that this app does not know. */
    BUNDLE_NEWER,

    /** The program needs an operator or a backend that this runtime does not have. */
    OPERATOR_MISSING,

    /** The runtime cannot read the program. */
    PROGRAM_CORRUPT,

    /** The runtime failed while the program ran. */
    RUNTIME_FAILED,

    /** tokenizer.json describes something that this app cannot do. */
    TOKENIZER_UNSUPPORTED,

    /** The last question alone does not fit into the model's context. */
    PROMPT_TOO_LONG,

    /** The program does not compute what the exporting machine computed. */
    GOLDEN_MISMATCH,

    OUT_OF_MEMORY,
    STORAGE_FULL,
    FILE_UNREADABLE,
}
