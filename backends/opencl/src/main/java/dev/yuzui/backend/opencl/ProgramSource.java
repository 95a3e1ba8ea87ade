package dev.yuzui.backend.opencl;

import dev.yuzui.spi.BackendException;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.HashSet;
import java.util.List;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;

/**
 * The text of a program: drivers know no include path, so a header of ours is put where it is
 * included first.
 */
final class ProgramSource {
  private static final Pattern INCLUDE = Pattern.compile("#include \"(?:.*/)?([^/\"]+)\"");

  private static final List<String> STEMS =
      List.of(
          "attention",
          "compressed",
          "embed",
          "expand",
          "gate",
          "gemm",
          "grouped",
          "index",
          "matvec",
          "prefill",
          "rows",
          "sampling",
          "streams");

  private ProgramSource() {}

  /** Of all programs: what a check of them depends on. */
  static String all() {
    return STEMS.stream().map(ProgramSource::of).collect(Collectors.joining());
  }

  static String of(String stem) {
    StringBuilder text = new StringBuilder();
    append(stem + ".cl", text, new HashSet<>());
    return text.toString();
  }

  /** {@code #line} lets a build log name the file. */
  private static void append(String file, StringBuilder out, Set<String> included) {
    if (!included.add(file)) {
      return;
    }
    out.append("#line 1 \"").append(file).append("\"\n");
    List<String> lines = read(file).lines().toList();
    for (int i = 0; i < lines.size(); i++) {
      Matcher include = INCLUDE.matcher(lines.get(i));
      if (include.lookingAt()) {
        append(include.group(1), out, included);
        out.append("#line ").append(i + 2).append(" \"").append(file).append("\"\n");
      } else {
        out.append(lines.get(i)).append('\n');
      }
    }
  }

  private static String read(String file) {
    try (InputStream in = ProgramSource.class.getResourceAsStream("kernels/" + file)) {
      if (in == null) {
        throw new BackendException(
            "no OpenCL source is called " + file, "build again with mvn package");
      }
      return new String(in.readAllBytes(), StandardCharsets.UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException("reading " + file, e);
    }
  }
}
