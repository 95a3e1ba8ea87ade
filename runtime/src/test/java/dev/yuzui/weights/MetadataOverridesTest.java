package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.TinyModel.Layout;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class MetadataOverridesTest {
  @TempDir Path folder;

  private Path gguf() {
    GgufWriter w = TinyModel.V3.gguf(Layout.NEW, Encoding.F16);
    return TinyModel.write(folder.resolve("tiny.gguf"), w.bytes());
  }

  private static MetadataOverrides overrides(String... texts) {
    return MetadataOverrides.parse(List.of(texts));
  }

  @Test
  void aValueHasAKeyAndAType() {
    assertEquals(
        Map.of("a.b", 3L, "c", 0.5, "d", false, "e", "x=y: z", "f", "", "g", -1L),
        overrides("a.b=int:3", "c=float:0.5", "d=bool:false", "e=str:x=y: z", "f=str:", "g=int:-1")
            .values());
  }

  @Test
  void severalMayStandBetweenCommasAndTheLastOfAKeyCounts() {
    assertEquals(
        Map.of("a", 2L, "b", "one, two,three", "c", true),
        overrides("a=int:1,b=str:one, two,three,c=bool:true", "a=int:2").values());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "a          | expected KEY=TYPE:VALUE",
        "a=3        | expected KEY=TYPE:VALUE",
        "=int:3     | expected KEY=TYPE:VALUE",
        "a=long:3   | expected KEY=TYPE:VALUE, TYPE one of int, float, bool and str, found 'a=long:3'",
        "a=int:3.5  | expected a whole number after int:, found 'a=int:3.5'",
        "a=int:     | expected a whole number",
        "a=float:x  | expected a number after float:",
        "a=bool:yes | expected true or false after bool:",
        "a=int:1,b  | expected a whole number after int:, found 'a=int:1,b'"
      })
  void whatIsNoneIsRefused(String text, String message) {
    var e = assertThrows(IllegalArgumentException.class, () -> overrides(text));
    assertTrue(e.getMessage().startsWith(message), e.getMessage());
  }

  @Test
  void aCheckpointIsReadAsIfItsFileSaidSo() {
    Path file = gguf();
    List<String> log = new ArrayList<>();
    MetadataOverrides overrides =
        overrides(
            "deepseek2.context_length=int:77",
            "tokenizer.ggml.add_bos_token=bool:false",
            "tokenizer.ggml.pre=str:qwen2",
            "deepseek2.rope.freq_base=float:500000",
            "made.up=int:1");
    try (Checkpoint was = Checkpoints.open(file);
        Checkpoint is = Checkpoints.open(file, overrides, log::add)) {
      assertEquals(77, is.config().contextLength());
      assertEquals(500000, is.config().ropeTheta());
      var vocabulary = (VocabularySource.Gguf) is.vocabulary();
      assertEquals("qwen2", vocabulary.preTokenizer());
      assertFalse(vocabulary.addBos());
      assertEquals("1", is.metadata().get("made.up"));
      assertFalse(is.fingerprint().equals(was.fingerprint()), "another model's cache is no good");
    }
    assertEquals(5, log.size());
    assertEquals("metadata tokenizer.ggml.add_bos_token: false instead of true", log.get(1));
    assertEquals("metadata made.up: 1, which the file lacks", log.get(4));
    assertFalse(
        ((VocabularySource.Gguf) Checkpoints.vocabulary(file, overrides, _ -> {})).addBos());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "deepseek2.context_length=str:77 | expected int, which the file has, found str; write",
        "deepseek2.rope.freq_base=int:5  | expected float, which the file has, found int; write",
        "tokenizer.ggml.tokens=str:x     | expected an array, which the file has, found str; arrays",
        "deepseek2.context_length=int:0  | expected a whole number from 1 to"
      })
  void aValueOfAnotherKindIsRefused(String text, String message) {
    Path file = gguf();
    MetadataOverrides overrides = overrides(text);
    var e =
        assertThrows(
            WeightException.class, () -> Checkpoints.open(file, overrides, _ -> {}).close());
    assertTrue(e.getMessage().contains(message), e.getMessage());
  }

  @Test
  void aFolderIsChangedInItsOwnFiles() {
    TinyModel.folder(folder, TinyModel.V3.config(), TinyModel.V3.safetensors("BF16"), 1);
    MetadataOverrides overrides = overrides("made.up=int:1");
    var e =
        assertThrows(
            WeightException.class, () -> Checkpoints.open(folder, overrides, _ -> {}).close());
    assertTrue(e.getMessage().contains("change its config.json"), e.getMessage());
  }
}
