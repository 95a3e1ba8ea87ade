package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertInstanceOf;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint.GenerationDefaults;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.TinyModel.Layout;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** What a checkpoint says beside its weights. */
class VocabularyTest {
  @TempDir Path folder;

  private Path hf() {
    return TinyModel.folder(folder, TinyModel.V3.config(), TinyModel.V3.safetensors("BF16"), 1);
  }

  @Test
  void aGgufCarriesItsVocabulary() {
    GgufWriter w = TinyModel.V3.gguf(Layout.NEW, Encoding.F16);
    w.put("tokenizer.chat_template", "{{ messages }}");
    Path file = TinyModel.write(folder.resolve("tiny.gguf"), w.bytes());
    try (Checkpoint c = Checkpoints.open(file)) {
      var v = assertInstanceOf(VocabularySource.Gguf.class, c.vocabulary());
      assertEquals("gpt2", v.model());
      assertEquals("deepseek-v3", v.preTokenizer());
      assertEquals(TinyModel.VOCAB, v.tokens().size());
      assertEquals("t39", v.tokens().getLast());
      assertEquals(TinyModel.VOCAB, v.types().length);
      assertEquals(List.of("t 1", "t 2"), v.merges());
      assertEquals(List.of(0, 1), List.of(v.bos(), v.eos()));
      assertTrue(v.addBos() && !v.addEos());
      assertEquals(Optional.of("{{ messages }}"), v.chatTemplate());
      assertEquals(
          "[\"t0\", \"t1\", \"t2\", \"t3\", \"t4\", …] (40)",
          c.metadata().get("tokenizer.ggml.tokens"));
      assertEquals("deepseek2", c.metadata().get("general.architecture"));
      assertInstanceOf(VocabularySource.Gguf.class, Checkpoints.vocabulary(file));
      assertInstanceOf(VocabularySource.Gguf.class, Checkpoints.vocabulary(folder));
    }
  }

  @ParameterizedTest
  @CsvSource({
    "deepseek-llm, deepseek-llm, 102400, 99757",
    "deepseek-coder, deepseek-coder, 32256, 31757"
  })
  void vocabularyFilesOfOtherArchitecturesCanBeRead(
      String name, String pre, int tokens, int merges) {
    Path file = SharedData.path("refdata/tokenizers/llama.cpp-vocabs/ggml-vocab-" + name + ".gguf");
    var v = assertInstanceOf(VocabularySource.Gguf.class, Checkpoints.vocabulary(file));
    assertEquals(pre, v.preTokenizer());
    assertEquals(tokens, v.tokens().size());
    assertEquals(merges, v.merges().size());
    assertThrows(WeightException.class, () -> Checkpoints.open(file).close());
  }

  @Test
  void aTemplatesFileIsReadAsText() throws IOException {
    hf();
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    Path file = folder.resolve("chat_template.jinja");
    Files.writeString(file, "\uFEFF{{ a }}\r\nb");
    var v = assertInstanceOf(VocabularySource.HuggingFace.class, Checkpoints.vocabulary(folder));
    assertEquals(Optional.of("{{ a }}\nb"), v.chatTemplate());
    Files.write(file, new byte[] {'a', (byte) 0xE9});
    String message =
        assertThrows(WeightException.class, () -> Checkpoints.vocabulary(folder)).getMessage();
    assertTrue(message.startsWith(file + ": file: expected UTF-8 text, found byte 0xE9"), message);
  }

  @Test
  void aFolderHasATokenizerBesideItsWeights() throws IOException {
    hf();
    Path json = Files.writeString(folder.resolve("tokenizer.json"), "{}");
    try (Checkpoint c = Checkpoints.open(folder)) {
      var v = assertInstanceOf(VocabularySource.HuggingFace.class, c.vocabulary());
      assertEquals(json, v.tokenizerJson());
      assertEquals(Optional.empty(), v.tokenizerConfig());
      assertEquals(Optional.empty(), v.chatTemplate());
    }
    assertInstanceOf(VocabularySource.HuggingFace.class, Checkpoints.vocabulary(json));
  }

  @Test
  void chatTemplatesAreWhereTheirPublishersPutThem() throws IOException {
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"chat_template\": \"one\"}");
    assertEquals(Optional.of("one"), template());
    Files.writeString(
        config,
        """
        {"chat_template": [{"name": "tool_use", "template": "tools"},
                           {"name": "default", "template": "two"}]}""");
    assertEquals(Optional.of("two"), template());
    Files.writeString(config, "{\"chat_template\": null}");
    assertEquals(Optional.empty(), template());
    Files.writeString(folder.resolve("chat_template.jinja"), "three");
    assertEquals(Optional.of("three"), template());
  }

  private Optional<String> template() {
    return ((VocabularySource.HuggingFace) Checkpoints.vocabulary(folder)).chatTemplate();
  }

  @Test
  void weightsWithoutATokenizerStillOpen() throws IOException {
    hf();
    try (Checkpoint c = Checkpoints.open(folder)) {
      assertInstanceOf(VocabularySource.None.class, c.vocabulary());
    }
    var e = assertThrows(WeightException.class, () -> Checkpoints.vocabulary(folder));
    assertTrue(e.getMessage().contains("no tokenizer.json"), e.getMessage());
  }

  @Test
  void ranksOfTiktokenNeedTheConfigurationThatNamesTheirSpecialTokens() throws IOException {
    hf();
    Path ranks = Files.writeString(folder.resolve("tiktoken.model"), "");
    try (Checkpoint c = Checkpoints.open(folder)) {
      var none = assertInstanceOf(VocabularySource.None.class, c.vocabulary());
      assertTrue(none.because().contains("no tokenizer_config.json beside it"), none.because());
    }
    Path config = folder.resolve("tokenizer_config.json");
    Files.writeString(config, "{\"tokenizer_class\": \"QWenTokenizer\"}");
    try (Checkpoint c = Checkpoints.open(folder)) {
      var none = assertInstanceOf(VocabularySource.None.class, c.vocabulary());
      assertTrue(none.because().contains("found QWenTokenizer"), none.because());
    }
    Files.writeString(
        config, "{\"tokenizer_class\": \"TikTokenTokenizer\", \"chat_template\": \"hi\"}");
    try (Checkpoint c = Checkpoints.open(folder)) {
      assertEquals(new VocabularySource.Tiktoken(ranks, config, Optional.of("hi")), c.vocabulary());
    }
    assertInstanceOf(VocabularySource.Tiktoken.class, Checkpoints.vocabulary(ranks));
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    assertInstanceOf(VocabularySource.HuggingFace.class, Checkpoints.vocabulary(folder));
  }

  @Test
  void withoutATokenizersConfigurationTheModelsNamesBosAndEos() throws IOException {
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    Files.writeString(folder.resolve("config.json"), "{\"bos_token_id\": 3}");
    Files.writeString(folder.resolve("generation_config.json"), "{\"eos_token_id\": [5, 6]}");
    var v = assertInstanceOf(VocabularySource.HuggingFace.class, Checkpoints.vocabulary(folder));
    assertEquals(List.of(OptionalInt.of(3), OptionalInt.of(5)), List.of(v.bos(), v.eos()));
    assertEquals(
        List.of(
            v.tokenizerJson()
                + ": there is no tokenizer_config.json beside it to name BOS and EOS: config.json's"
                + " are taken, BOS 3 and EOS 5; BOS is put in front of texts"),
        v.remarks());

    Files.writeString(folder.resolve("config.json"), "{\"eos_token_id\": 4}");
    v = assertInstanceOf(VocabularySource.HuggingFace.class, Checkpoints.vocabulary(folder));
    assertEquals(List.of(OptionalInt.empty(), OptionalInt.of(4)), List.of(v.bos(), v.eos()));
    assertTrue(v.remarks().getFirst().endsWith("BOS none and EOS 4"), v.remarks()::toString);

    Files.writeString(folder.resolve("tokenizer_config.json"), "{\"bos_token\": null}");
    v = assertInstanceOf(VocabularySource.HuggingFace.class, Checkpoints.vocabulary(folder));
    assertEquals(List.of(OptionalInt.empty(), OptionalInt.empty()), List.of(v.bos(), v.eos()));
    assertEquals(List.of(), v.remarks());
  }

  @Test
  void publishersDefaultsForSampling() throws IOException {
    hf();
    Path file = folder.resolve("generation_config.json");
    Files.writeString(
        file,
        """
        {"do_sample": true, "temperature": 0.6, "top_p": 0.95, "eos_token_id": [1, 7]}""");
    try (Checkpoint c = Checkpoints.open(folder)) {
      GenerationDefaults d = c.generationDefaults();
      assertEquals(Optional.of(0.6), d.temperature());
      assertEquals(Optional.of(0.95), d.topP());
      assertEquals(Optional.empty(), d.topK());
      assertEquals(List.of(1, 7), c.config().eosTokens());
    }
    Files.writeString(file, "{\"do_sample\": false, \"temperature\": 0.6, \"top_k\": 50}");
    try (Checkpoint c = Checkpoints.open(folder)) {
      assertEquals(Optional.of(0.0), c.generationDefaults().temperature(), "greedy");
      assertEquals(Optional.of(50), c.generationDefaults().topK());
    }
    Files.writeString(file, "{\"temperature\": \"hot\"}");
    var e = assertThrows(WeightException.class, () -> Checkpoints.open(folder).close());
    assertTrue(e.getMessage().contains("generation_config.json: temperature"), e.getMessage());
    Files.delete(file);
    try (Checkpoint c = Checkpoints.open(folder)) {
      assertEquals(GenerationDefaults.NONE, c.generationDefaults());
    }
  }

  @Test
  void aGgufWithoutVocabularyTakesTheTokenizerBesideIt() throws IOException {
    GgufWriter w = TinyModel.V3.gguf(Layout.NEW, Encoding.F16);
    w.metadata.keySet().removeIf(k -> k.startsWith("tokenizer."));
    Path file = TinyModel.write(folder.resolve("tiny.gguf"), w.bytes());
    try (Checkpoint c = Checkpoints.open(file)) {
      assertInstanceOf(VocabularySource.None.class, c.vocabulary());
    }
    Files.writeString(folder.resolve("tokenizer.json"), "{}");
    try (Checkpoint c = Checkpoints.open(file)) {
      assertInstanceOf(VocabularySource.HuggingFace.class, c.vocabulary());
    }
  }

  @Test
  void ggufsMayCarrySamplingDefaults() {
    GgufWriter w = TinyModel.V3.gguf(Layout.NEW, Encoding.F16);
    w.put("general.sampling.temp", 0.6f).put("general.sampling.top_k", 20);
    Path file = TinyModel.write(folder.resolve("tiny.gguf"), w.bytes());
    try (Checkpoint c = Checkpoints.open(file)) {
      assertEquals(Optional.of(0.6), c.generationDefaults().temperature());
      assertEquals(Optional.of(20), c.generationDefaults().topK());
    }
  }
}
