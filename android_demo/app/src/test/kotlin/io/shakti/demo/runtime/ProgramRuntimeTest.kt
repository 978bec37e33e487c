package io.shakti.demo.runtime

import io.shakti.demo.engine.bestId
import org.junit.Assert.assertEquals
import org.junit.Test
import java.io.File

class ProgramRuntimeTest {
    @Test
    fun smoke() {
        val loader = RuntimeFlavour.loader()
        val program = loader.open(File(System.getProperty("shakti.bundle.q4"), "model.pte"), 1)
        println(bestId(program.forward(intArrayOf(1, 9690, 198), 0)))
        println(loader.missing(listOf("aten::sym_size.int", "executorch_prim::add.Scalar", "aten::_local_scalar_dense", "x::y")))
        program.close()
        assertEquals(1, 1)
    }
}
