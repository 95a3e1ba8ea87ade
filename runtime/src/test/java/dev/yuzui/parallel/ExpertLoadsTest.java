package dev.yuzui.parallel;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ExpertLoadsTest {
  @TempDir private Path folder;

  @Test
  void countsAddUp() {
    ExpertLoads loads = loads("a", 3);
    loads.add(5, 0, 2);
    loads.add(5, 2, 3);
    loads.add(1, 1, 7);
    ExpertLoads more = loads("a", 3);
    more.add(5, 2, 10);
    more.add(9, 0, 1);
    loads.merge(more);
    assertEquals(List.of(1, 5, 9), loads.layers());
    assertArrayEquals(new long[] {2, 0, 13}, loads.tokens(5));
    assertArrayEquals(new long[] {1, 0, 0}, loads.tokens(9));
  }

  @Test
  void loadsOfAnotherModelAreNotAdded() {
    String message =
        assertThrows(ParallelException.class, () -> loads("a", 3).merge(loads("b", 3)))
            .getMessage();
    assertTrue(message.contains("expected model (3 experts, a), found model (3 exp"), message);
  }

  @Test
  void anExpertThatIsNotThereIsRefused() {
    assertThrows(IllegalArgumentException.class, () -> loads("a", 3).add(0, 3, 1));
    assertThrows(IllegalArgumentException.class, () -> loads("a", 3).add(0, -1, 1));
  }

  @Test
  void aLayerIsSummedUp() {
    LayerLoad even = LayerLoad.of(new long[] {5, 5, 5, 5});
    assertEquals(new LayerLoad(20, 1, 1, 0.25, 0, 0), even);
    LayerLoad one = LayerLoad.of(new long[] {0, 8, 0, 0});
    assertEquals(new LayerLoad(8, 4, 0, 1, 1, 3), one);
    LayerLoad none = LayerLoad.of(new long[4]);
    assertEquals(new LayerLoad(0, 1, 1, 0, 0, 4), none);
    LayerLoad half = LayerLoad.of(new long[] {1, 1, 0, 0});
    assertEquals(0.5, half.evenness(), 1e-12);
  }

  @Test
  void aFileGivesBackWhatWasWritten() throws IOException {
    Path file = folder.resolve("loads.json");
    ExpertLoads loads = new ExpertLoads("Grimm's \"best\"", "f00d", 2);
    loads.add(3, 1, 1L << 40);
    loads.add(4, 0, 5);
    ExpertLoadsFile.write(file, loads);
    loads.add(4, 0, 1);
    ExpertLoadsFile.write(file, loads);
    ExpertLoads found = ExpertLoadsFile.read(file);
    assertEquals("Grimm's \"best\"", found.model());
    assertEquals("f00d", found.fingerprint());
    assertEquals(List.of(3, 4), found.layers());
    assertArrayEquals(new long[] {0, 1L << 40}, found.tokens(3));
    assertArrayEquals(new long[] {6, 0}, found.tokens(4));
    try (var files = Files.list(folder)) {
      assertEquals(1, files.count(), "nothing is left beside it");
    }
  }

  @ParameterizedTest(name = "{0} for {1}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          yuzui-expert-loads       | bird         | expected format yuzui-expert-loads, found "bird"
          "version":1              | "version":2  | expected version 1, found 2
          "experts":2              | "experts":0  | expected experts, 1 or more, found 0
          "experts":2              | "experts":3  | expected 3 tokens in layer 3, found [1,2]
          "fingerprint":"f"        | "print":"f"  | expected fingerprint, a string, found none
          "layer":4                | "layer":3    | expected each layer once, found 3
          "layer":4                | "layer":-1   | expected layer, 0 or more, found -1
          [1,2]                    | [1,-2]       | expected tokens, 0 or more, found -2
          [1,2]                    | [1,0.5]      | expected tokens, 0 or more, found 0.5
          ]}                       | ]            | expected JSON, found Unexpected end-of-input
          ]}                       | ]} 1         | expected JSON, found Trailing token
          """)
  void aDamagedFileSaysWhatIsWrong(String good, String bad, String message) throws IOException {
    Path file = folder.resolve("loads.json");
    ExpertLoads loads = new ExpertLoads("m", "f", 2);
    loads.add(3, 0, 1);
    loads.add(3, 1, 2);
    loads.add(4, 0, 9);
    ExpertLoadsFile.write(file, loads);
    String text = Files.readString(file);
    assertTrue(text.contains(good), text);
    int at = text.lastIndexOf(good);
    Files.writeString(file, text.substring(0, at) + bad + text.substring(at + good.length()));
    String found =
        assertThrows(ParallelException.class, () -> ExpertLoadsFile.read(file)).getMessage();
    assertTrue(found.startsWith(file + ": not expert loads: "), found);
    assertTrue(found.contains(message), found);
  }

  private static ExpertLoads loads(String fingerprint, int experts) {
    return new ExpertLoads("model", fingerprint, experts);
  }
}
