package io.shakti.demo.files

import android.system.ErrnoException
import android.system.OsConstants
import io.shakti.demo.FailureKind
import io.shakti.demo.fakes.SmallDisk
import org.junit.Assert.assertEquals
import org.junit.Test
import org.junit.runner.RunWith
import org.robolectric.RobolectricTestRunner
import java.io.File
import java.io.IOException

/** The system's error numbers, which only Android knows. */
@RunWith(RobolectricTestRunner::class)
class DiskErrnoTest {
    @Test
    fun full_storage_is_known_by_the_number_in_its_cause() {
        assertEquals(FailureKind.STORAGE_FULL, kindOf(OsConstants.ENOSPC))
        assertEquals(FailureKind.STORAGE_FULL, kindOf(OsConstants.EDQUOT))
        assertEquals(FailureKind.FILE_UNREADABLE, kindOf(OsConstants.EIO))
    }

    private fun kindOf(errno: Int): FailureKind {
        val error = IOException("write failed", ErrnoException("write", errno))
        return SmallDisk(1L shl 40).writeFailure(error, File("/")).kind
    }
}
