package io.shakti.demo.engine

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind

/** ExecuTorch's error codes (`runtime/core/error.h`) and what they mean to a person. */
internal enum class NativeCode(
    val code: Int,
    val said: String,
    val whileOpening: FailureKind,
    val whileRunning: FailureKind = FailureKind.RUNTIME_FAILED,
) {
    INTERNAL(0x01, "internal error", FailureKind.PROGRAM_CORRUPT),
    INVALID_STATE(0x02, "invalid state", FailureKind.RUNTIME_FAILED),
    END_OF_METHOD(0x03, "end of method", FailureKind.PROGRAM_CORRUPT),
    ALREADY_LOADED(0x04, "already loaded", FailureKind.RUNTIME_FAILED),
    NOT_SUPPORTED(0x10, "not supported", FailureKind.OPERATOR_MISSING),
    NOT_IMPLEMENTED(0x11, "not implemented", FailureKind.OPERATOR_MISSING),
    INVALID_ARGUMENT(0x12, "invalid argument", FailureKind.PROGRAM_CORRUPT),
    INVALID_TYPE(0x13, "invalid type", FailureKind.PROGRAM_CORRUPT),
    OPERATOR_MISSING(0x14, "operator missing", FailureKind.OPERATOR_MISSING),
    TOO_MANY_KERNELS(0x15, "too many kernels", FailureKind.RUNTIME_FAILED),
    KERNEL_TWICE(0x16, "a kernel is there twice", FailureKind.RUNTIME_FAILED),

    /** Of a method that the file does have: its backend is not in the library. */
    NOT_FOUND(0x20, "not found", FailureKind.OPERATOR_MISSING),
    NO_MEMORY(0x21, "out of memory", FailureKind.OUT_OF_MEMORY, FailureKind.OUT_OF_MEMORY),
    ACCESS_FAILED(0x22, "the file cannot be read", FailureKind.FILE_UNREADABLE),
    INVALID_PROGRAM(0x23, "invalid program", FailureKind.PROGRAM_CORRUPT),
    INVALID_DATA(0x24, "invalid external data", FailureKind.PROGRAM_CORRUPT),
    NO_RESOURCES(0x25, "out of resources", FailureKind.OUT_OF_MEMORY, FailureKind.OUT_OF_MEMORY),
    DELEGATE_INCOMPATIBLE(0x30, "incompatible delegate", FailureKind.OPERATOR_MISSING),
    DELEGATE_NO_MEMORY(
        0x31, "delegate out of memory", FailureKind.OUT_OF_MEMORY, FailureKind.OUT_OF_MEMORY,
    ),
    DELEGATE_HANDLE(0x32, "invalid delegate handle", FailureKind.PROGRAM_CORRUPT),
    ;

    companion object {
        fun of(code: Int?): NativeCode? = entries.firstOrNull { it.code == code }
    }
}

internal fun failureWhileOpening(error: NativeError): AppFailure {
    val known = NativeCode.of(error.code)
    return failure(known?.whileOpening ?: FailureKind.PROGRAM_CORRUPT, known, error)
}

internal fun failureWhileRunning(error: NativeError): AppFailure {
    val known = NativeCode.of(error.code)
    return failure(known?.whileRunning ?: FailureKind.RUNTIME_FAILED, known, error)
}

private fun failure(kind: FailureKind, known: NativeCode?, error: NativeError): AppFailure {
    val reason = known?.said ?: error.code?.let { "error 0x%x".format(it) }
    val detail = listOfNotNull(error.message, reason?.let { "($it)" }).joinToString(" ")
    return AppFailure(kind, detail, error)
}
