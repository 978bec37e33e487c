package io.shakti.demo.bench

import java.io.Closeable
import java.util.concurrent.TimeUnit
import java.util.concurrent.locks.ReentrantLock
import kotlin.concurrent.thread
import kotlin.concurrent.withLock

/** How far a round is: [done] cases of [total]; [now] names the one that runs. */
data class CasesDone(val done: Int, val total: Int, val now: String)

/** A single call of the runtime that lasts longer is a hang. */
const val HANG_MS = 10L * 60 * 1000

/** Told how a round goes on, by the thread that measures. */
interface Pulse {
    /** A case begins, or the round is over. */
    fun say(progress: CasesDone)

    /** A call of the runtime has returned. Cheap. */
    fun tick()
}

/**
 * Sends the progress as it changes, and again from a thread of its own whenever nothing was sent
 * for [intervalMs], also while the runtime is busy. It falls silent when the last call of the
 * runtime returned [hangMs] ago, and speaks again when one returns.
 *
 * [send] is never called by two threads at once.
 */
class Heartbeat(
    private val intervalMs: Long,
    private val hangMs: Long = HANG_MS,
    private val send: (CasesDone) -> Unit,
) : Pulse, Closeable {
    private val lock = ReentrantLock()
    private val ended = lock.newCondition()
    private var last: CasesDone? = null
    private var sentAt = 0L
    private var closed = false

    @Volatile private var tickedAt = System.nanoTime()

    private val beating = thread(isDaemon = true, name = "bench-heartbeat") { beat() }

    override fun say(progress: CasesDone) {
        tick()
        lock.withLock { sendNow(progress) }
    }

    override fun tick() {
        tickedAt = System.nanoTime()
    }

    override fun close() {
        lock.withLock {
            closed = true
            ended.signalAll()
        }
        beating.join()
    }

    private fun sendNow(progress: CasesDone) {
        last = progress
        sentAt = System.nanoTime()
        send(progress)
    }

    private fun beat() = lock.withLock {
        while (!closed) {
            val progress = last
            val dueNs = TimeUnit.MILLISECONDS.toNanos(intervalMs) - (System.nanoTime() - sentAt)
            if (progress != null && dueNs <= 0 && !hangs()) {
                sendNow(progress)
            } else {
                val pauseNs = if (dueNs > 0) dueNs else TimeUnit.MILLISECONDS.toNanos(intervalMs)
                ended.awaitNanos(pauseNs)
            }
        }
    }

    private fun hangs(): Boolean =
        System.nanoTime() - tickedAt >= TimeUnit.MILLISECONDS.toNanos(hangMs)
}
