package io.shakti.demo.fakes

import io.shakti.demo.bundle.Bundle
import io.shakti.demo.bundle.ChatTurns
import io.shakti.demo.bundle.GenerationDefaults
import io.shakti.demo.bundle.GoldenPrompt
import io.shakti.demo.bundle.Manifest
import io.shakti.demo.bundle.ModelInfo
import io.shakti.demo.bundle.ProgramInfo
import io.shakti.demo.bundle.QuantizationInfo
import io.shakti.demo.bundle.SystemPlace
import io.shakti.demo.bundle.TokenizerInfo
import java.io.File

/** Chat turns in the manner of ChatML, with the specials of [ByteTokenizer]. */
val CHATML_TURNS = ChatTurns(
    begin = "",
    systemPlace = SystemPlace.TURN,
    systemPrefix = "<|start|>system\n",
    systemSuffix = "<|end|>\n",
    defaultSystem = null,
    userPrefix = "<|start|>user\n",
    userSuffix = "<|end|>\n",
    assistantPrefix = "<|start|>assistant\n",
    assistantSuffix = "<|end|>\n",
    generationPrompt = "<|start|>assistant\n",
    stripSystem = false,
    stripUser = false,
    stripAssistant = false,
)

/** A bundle as its manifest describes it; there need be no files in [folder]. */
fun scriptedBundle(
    folder: File = File("/nowhere/scripted"),
    name: String = "scripted-1m-q4",
    contextLength: Int = 256,
    maxChunk: Int = 16,
    vocabSize: Int = ByteTokenizer.VOCAB_SIZE,
    chat: ChatTurns? = CHATML_TURNS,
    endIds: List<Int> = listOf(ByteTokenizer.END),
    stop: List<String> = emptyList(),
    maxTokens: Int = 32,
    temperature: Double = 0.0,
    operators: List<String> = emptyList(),
    golden: List<GoldenPrompt> = emptyList(),
): Bundle = Bundle(
    folder,
    Manifest(
        schemaVersion = "1.0",
        name = name,
        model = ModelInfo("scripted", "ScriptedForCausalLM", 1_000_000, true, 2, vocabSize, "MIT"),
        quantization = QuantizationInfo("q4", bitsPerWeight = 4.5, kvCache = "fp32"),
        program = ProgramInfo(
            file = "model.pte",
            sizeBytes = 1_000_000,
            sha256 = "0".repeat(64),
            contextLength = contextLength,
            maxChunk = maxChunk,
            window = null,
            sparse = null,
            sinks = 4,
            globalEvery = null,
            backend = "xnnpack",
            operators = operators,
        ),
        tokenizer = TokenizerInfo(
            file = "tokenizer.json",
            kind = "huggingface",
            sha256 = "0".repeat(64),
            vocabSize = vocabSize,
            bosId = null,
            eosIds = endIds,
            addBos = false,
        ),
        chat = chat,
        generation = GenerationDefaults(temperature, topP = 1.0, maxTokens, stop),
        golden = golden,
    ),
)
