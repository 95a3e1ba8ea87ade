package dev.yuzui.text;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.Checkpoints;
import java.nio.file.Path;
import java.util.stream.StreamSupport;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Published vocabularies, written as a GGUF has them, give the same ids. */
class GgufVocabularyOfFolderTest {
  @ParameterizedTest
  @CsvSource({
    "deepseek-v2/,                deepseek-llm, 102400, deepseek-v2",
    "deepseek-v3/,                deepseek-v3,  129280, deepseek-v3",
    "deepseek-v3-apidocs-r1/,     deepseek-v3,  129280, deepseek-r1"
  })
  void idsStayAndTheSplitIsNamed(String name, String pre, int size, String vectors) {
    VocabularySource.HuggingFace source = Shared.huggingFace(name);
    VocabularySource.Gguf gguf = GgufVocabulary.of(source, size);
    assertEquals(pre, gguf.preTokenizer());
    assertEquals(size, gguf.tokens().size());
    try (Tokenizer before = Tokenizer.of(source);
        Tokenizer after = Tokenizer.of(gguf)) {
      assertEquals(before.bos(), after.bos());
      assertEquals(before.eos(), after.eos());
      JsonNode all = Shared.json("tokenizers/test-vectors." + vectors + ".json");
      for (JsonNode vector : all) {
        int[] ids =
            StreamSupport.stream(vector.get("ids").spliterator(), false)
                .mapToInt(JsonNode::asInt)
                .toArray();
        String text = vector.get("text").asText();
        assertArrayEquals(ids, after.encode(text, false), text);
        assertEquals(before.decode(ids, false), after.decode(ids, false));
      }
    }
  }

  /** By the expressions and whether merges are passed over; else by what a text becomes. */
  @ParameterizedTest
  @CsvSource({"v3-f32, deepseek-v3", "qwen2-f32, deepseek-r1-qwen", "llama3-f32, glm4"})
  void tinyFoldersAreNamedToo(String golden, String pre) {
    Path folder =
        Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden", golden);
    VocabularySource source = Checkpoints.vocabulary(folder);
    assertEquals(pre, GgufVocabulary.of(source, 260).preTokenizer());
  }
}
