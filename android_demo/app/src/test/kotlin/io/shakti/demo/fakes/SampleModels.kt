package io.shakti.demo.fakes

import io.shakti.demo.AppFailure
import io.shakti.demo.FailureKind
import io.shakti.demo.bundle.BundleOrigin
import io.shakti.demo.bundle.ModelSource
import io.shakti.demo.bundle.QualityInfo
import io.shakti.demo.bundle.StoredBundle
import java.io.File

/** Bundles as a person would have them, without files. */
object SampleModels {
    val SMOL: StoredBundle.Ready =
        ready("smollm2-135m-q4", BundleOrigin.IMPORTED, sizeBytes = 79_489_000) { bundle ->
            val manifest = bundle.manifest
            manifest.copy(
                model =
                    manifest.model.copy(
                        family = "SmolLM2",
                        architecture = "llama",
                        parameters = 134_515_008,
                        untrained = false,
                        layers = 30,
                        vocabSize = 49_152,
                        licence = "Apache-2.0",
                        kvHeads = List(30) { 3 },
                        headDim = 64,
                        source = ModelSource("gguf", "smollm2-135m", "Q4_1"),
                    ),
                quantization =
                    manifest.quantization.copy(scheme = "q4", bitsPerWeight = 4.5998),
                program = manifest.program.copy(contextLength = 4096, sha256 = HASH),
                chat =
                    manifest.chat?.copy(
                        defaultSystem = "You are a helpful AI assistant named SmolLM."
                    ),
                generation = manifest.generation.copy(temperature = 0.7, maxTokens = 512),
                quality =
                    QualityInfo(
                        perplexity = 21.87,
                        perplexityRatio = 1.083,
                        kl = 0.0812,
                        note = "On WikiText-2, 4,096 tokens.",
                    ),
            )
        }

    val SHAKTI: StoredBundle.Ready =
        ready("shakti-100m-q8", BundleOrigin.PUSHED, sizeBytes = 108_730_000) { bundle ->
            val manifest = bundle.manifest
            manifest.copy(
                model =
                    manifest.model.copy(
                        family = "Shakti",
                        architecture = "shakti",
                        parameters = 99_700_000,
                        untrained = true,
                        layers = 10,
                        vocabSize = 49_152,
                        licence = null,
                        source = ModelSource("preset", "shakti-100m", "seed 0"),
                    ),
                quantization = manifest.quantization.copy(scheme = "q8", bitsPerWeight = 8.25),
                program = manifest.program.copy(contextLength = 4096, window = 1024, sha256 = HASH),
                quality = QualityInfo(),
            )
        }

    val CORRUPT =
        StoredBundle.Broken(
            File("/data/user/0/io.shakti.demo/files/bundles/smollm2-360m-q4"),
            BundleOrigin.IMPORTED,
            AppFailure(
                FailureKind.BUNDLE_CORRUPT,
                "model.pte is 201,326,592 bytes, the manifest says 214,958,080",
            ),
        )

    val NEWER =
        StoredBundle.Broken(
            File("/data/local/tmp/shakti/bundles/shakti-250m-q4"),
            BundleOrigin.PUSHED,
            AppFailure(FailureKind.BUNDLE_NEWER, "schema_version 2.0, this app knows 1"),
        )

    private const val HASH = "b064bfd7db078b675706d26179df6dfd000a139d112d707b093510b7bef9ca38"

    private fun ready(
        name: String,
        origin: BundleOrigin,
        sizeBytes: Long,
        change: (io.shakti.demo.bundle.Bundle) -> io.shakti.demo.bundle.Manifest,
    ): StoredBundle.Ready {
        val root =
            if (origin == BundleOrigin.PUSHED) "/data/local/tmp/shakti/bundles"
            else "/data/user/0/io.shakti.demo/files/bundles"
        val tiny = FakeBundleStore.ready(name, origin, folder = File(root, name))
        val bundle = tiny.bundle.copy(manifest = change(tiny.bundle))
        return StoredBundle.Ready(bundle, origin, sizeBytes)
    }
}
