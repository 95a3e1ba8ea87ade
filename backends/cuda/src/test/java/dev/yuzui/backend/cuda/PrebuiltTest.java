package dev.yuzui.backend.cuda;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Collectors;
import java.util.stream.Stream;
import java.util.zip.GZIPInputStream;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Test;

/** The binaries in native-kernels/cuda/prebuilt are those of the sources beside them. */
class PrebuiltTest {
  private static final Path KERNELS = Path.of(System.getProperty("yuzui.root"), "native-kernels");
  private static final Path PREBUILT = KERNELS.resolve("cuda/prebuilt");

  private static KernelManifest manifest() throws IOException {
    Path file = PREBUILT.resolve("manifest.txt");
    Assumptions.assumeTrue(
        Files.exists(file), "no binaries of the CUDA kernels: run native-kernels/cuda/build");
    return KernelManifest.parse(Files.readString(file));
  }

  private static Optional<byte[]> source(String name) {
    try {
      Path file = KERNELS.resolve(name);
      return Files.exists(file) ? Optional.of(Files.readAllBytes(file)) : Optional.empty();
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Test
  void binariesAreOfTheseSources() throws IOException {
    KernelManifest manifest = manifest();
    assertEquals(
        Optional.empty(),
        manifest.stale(PrebuiltTest::source),
        "changed since native-kernels/cuda/build ran");
    Set<String> present = new TreeSet<>();
    for (String folder : List.of("cuda", "common")) {
      try (Stream<Path> files = Files.list(KERNELS.resolve(folder))) {
        files
            .map(f -> folder + "/" + f.getFileName())
            .filter(f -> f.matches("cuda/.*\\.cuh?|common/.*\\.h"))
            .forEach(present::add);
      }
    }
    assertEquals(
        present, new TreeSet<>(manifest.sources().keySet()), "run native-kernels/cuda/build");
  }

  @Test
  void everyKernelHasItsBinary() throws IOException {
    Set<String> stems =
        manifest().kernels().values().stream()
            .map(KernelManifest.Entry::stem)
            .collect(Collectors.toSet());
    for (String stem : stems) {
      assertTrue(Files.exists(PREBUILT.resolve(stem + ".fatbin")), stem + ".fatbin");
      for (String arch : ptx(manifest(), stem).keySet()) {
        assertTrue(Files.exists(ptx(stem, arch)), ptx(stem, arch).toString());
      }
    }
  }

  private static Path ptx(String stem, String arch) {
    return PREBUILT.resolve("%s.sm_%s.ptx.gz".formatted(stem, arch));
  }

  /** The architectures that a file has PTX for, and the version of each. */
  private static Map<String, String> ptx(KernelManifest manifest, String stem) {
    return manifest.alone().containsKey(stem)
        ? Map.of(manifest.alone().get(stem) + "a", "8.0")
        : Map.of("75", "6.5", "80", "7.0", "90", "7.8");
  }

  /** Driver 525, the oldest, reads 8.0; what the text needs by itself is older. */
  @Test
  void ptxAsksForNoNewerDriverThanItsArchitecture() throws IOException {
    KernelManifest manifest = manifest();
    assertEquals(Set.of(75, 80, 90), manifest.ptx());
    for (KernelManifest.Entry kernel : Set.copyOf(manifest.kernels().values())) {
      for (Map.Entry<String, String> one : ptx(manifest, kernel.stem()).entrySet()) {
        try (var in = new GZIPInputStream(Files.newInputStream(ptx(kernel.stem(), one.getKey())))) {
          String text = new String(in.readAllBytes(), StandardCharsets.ISO_8859_1);
          assertTrue(
              text.contains("\n.version " + one.getValue() + "\n.target sm_" + one.getKey() + "\n"),
              kernel.stem() + " for sm_" + one.getKey());
        }
      }
    }
  }

  /** Of what is tuned for; the others get what is right there. */
  private static final Set<String> TUNED = Set.of("sm_80", "sm_90", "sm_90a");

  /** Stored and loaded once or twice a block, before and behind the loop. */
  private static final int FEW_BYTES = 64;

  /**
   * A line of resources.txt: file, kernel, architecture, registers, spilled bytes, shared bytes.
   */
  @Test
  void noKernelSpillsRegisters() throws IOException {
    KernelManifest manifest = manifest();
    List<String[]> rows =
        Files.readAllLines(PREBUILT.resolve("resources.txt")).stream()
            .filter(line -> !line.startsWith("#"))
            .map(line -> line.split(" "))
            .toList();
    assertEquals(
        manifest.kernels().keySet(), rows.stream().map(r -> r[1]).collect(Collectors.toSet()));
    assertFalse(rows.isEmpty());
    report(rows);
    assertEquals(
        List.of(),
        rows.stream()
            .filter(r -> Integer.parseInt(r[4]) > (TUNED.contains(r[2]) ? 0 : FEW_BYTES))
            .map(r -> r[1] + " on " + r[2] + ": " + r[4] + " bytes")
            .toList(),
        "kernels that spill registers");
  }

  /** The build's report: of each file, its kernels' most. */
  private static void report(List<String[]> rows) {
    System.out.printf(
        "%-12s %-6s %8s %10s %8s %12s%n",
        "kernels", "arch", "count", "registers", "spilled", "static shared");
    rows.stream()
        .collect(Collectors.groupingBy(r -> r[0] + " " + r[2], TreeMap::new, Collectors.toList()))
        .forEach(
            (name, of) ->
                System.out.printf(
                    "%-12s %-6s %8d %10d %8d %12d%n",
                    name.split(" ")[0],
                    name.split(" ")[1],
                    of.size(),
                    most(of, 3),
                    most(of, 4),
                    most(of, 5)));
  }

  private static int most(List<String[]> rows, int column) {
    return rows.stream().mapToInt(r -> Integer.parseInt(r[column])).max().orElseThrow();
  }
}
