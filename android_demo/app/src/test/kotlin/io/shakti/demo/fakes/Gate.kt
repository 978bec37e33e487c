package io.shakti.demo.fakes

import java.util.concurrent.CountDownLatch
import java.util.concurrent.TimeUnit

/** Where a worker waits for the test; one that is never opened fails the worker. */
class Gate(private val patienceS: Long = 20) {
    private val opened = CountDownLatch(1)
    private val reached = CountDownLatch(1)

    /** Whether a worker has come here. */
    val isReached: Boolean get() = reached.count == 0L

    fun pass() {
        reached.countDown()
        check(opened.await(patienceS, TimeUnit.SECONDS)) { "nobody opened the gate" }
    }

    fun open() = opened.countDown()
}
