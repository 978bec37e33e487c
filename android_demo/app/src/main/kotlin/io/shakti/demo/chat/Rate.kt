package io.shakti.demo.chat

import java.util.concurrent.atomic.AtomicLong
import kotlinx.coroutines.delay
import kotlinx.coroutines.flow.Flow
import kotlinx.coroutines.flow.conflate
import kotlinx.coroutines.flow.flow

/** The latest value, at most every [periodMs]; the last one always comes. */
fun <T> Flow<T>.atMostEvery(periodMs: Long): Flow<T> = flow {
    conflate().collect {
        emit(it)
        delay(periodMs)
    }
}

/** Says yes at most every [periodMs] of [nowMs], from any thread. */
class RateLimit(private val periodMs: Long, private val nowMs: () -> Long) {
    private val next = AtomicLong(Long.MIN_VALUE)

    fun allows(): Boolean {
        val now = nowMs()
        val due = next.get()
        return now >= due && next.compareAndSet(due, now + periodMs)
    }
}
