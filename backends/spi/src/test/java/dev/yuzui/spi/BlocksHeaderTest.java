package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.opentest4j.TestAbortedException;

/** The C layouts of the block formats are those of {@link Encoding}. */
class BlocksHeaderTest {
  private static final Map<String, Integer> SIZES = Map.of("yz_u8", 1, "yz_i8", 1, "yz_u16", 2);

  private static Path header() {
    return Path.of(System.getProperty("yuzui.root", "../.."), "native-kernels/common/blocks.h");
  }

  @Test
  void structsHaveTheSizesOfEncoding() throws IOException {
    String text = Files.readString(header());
    Matcher struct =
        Pattern.compile(
                "typedef struct \\{(.*?)\\} block_(\\w+);\\s*YZ_SIZE\\(block_(\\w+), (\\d+)\\);")
            .matcher(text);
    Map<String, Integer> declared = new TreeMap<>();
    while (struct.find()) {
      assertEquals(struct.group(2), struct.group(3));
      int asserted = Integer.parseInt(struct.group(4));
      assertEquals(asserted, bytes(struct.group(1)), struct.group(2));
      declared.put(struct.group(2).toUpperCase(Locale.ROOT), asserted);
    }
    Map<String, Integer> wanted = new TreeMap<>();
    for (Encoding e : Encoding.all()) {
      if (e instanceof Encoding.Block) {
        wanted.put(e.label(), e.blockBytes());
      }
    }
    assertEquals(wanted, declared);
  }

  /** {@code yz_u16 d, m; yz_u8 qs[16];} */
  private static int bytes(String members) {
    int total = 0;
    for (String declaration : members.split(";")) {
      if (!declaration.isBlank()) {
        String[] words = declaration.strip().split(" ", 2);
        for (String name : words[1].split(",")) {
          Matcher array = Pattern.compile("\\[(\\d+)]").matcher(name);
          total += SIZES.get(words[0]) * (array.find() ? Integer.parseInt(array.group(1)) : 1);
        }
      }
    }
    return total;
  }

  @ParameterizedTest
  @CsvSource({"cc, c, -std=c11", "c++, c++, -std=c++17"})
  void compilersAgree(String compiler, String language, String standard, @TempDir Path folder)
      throws IOException, InterruptedException {
    Path unit = Files.writeString(folder.resolve("unit"), "#include \"blocks.h\"\n");
    List<String> command = new ArrayList<>(List.of(compiler, "-x", language, standard));
    command.addAll(List.of("-fsyntax-only", "-Wall", "-Werror", "-I"));
    command.addAll(List.of(header().getParent().toString(), unit.toString()));
    Process process;
    try {
      process = new ProcessBuilder(command).redirectErrorStream(true).start();
    } catch (IOException e) {
      // native kernels are asked for: then compilers are too
      assertFalse(
          List.of(System.getProperty("yuzui.require", "").split(",")).contains("cpu"),
          "no " + compiler);
      throw new TestAbortedException("no " + compiler + " here: " + e.getMessage(), e);
    }
    String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
    assertEquals(0, process.waitFor(), output);
  }
}
