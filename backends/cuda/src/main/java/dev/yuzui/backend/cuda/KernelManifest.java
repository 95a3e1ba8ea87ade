package dev.yuzui.backend.cuda;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * What native-kernels/cuda/build wrote beside the binaries, a line each: {@code source SHA256 FILE}
 * of what they were compiled from, {@code kernel STEM NAME LETTERS} of what {@code STEM.fatbin}
 * holds.
 *
 * @param sources files, relative to native-kernels, and their SHA-256
 */
record KernelManifest(Map<String, String> sources, Map<String, Entry> kernels) {

  /**
   * @param letters of the parameters in order: p pointer, i int, l long long, f float
   */
  record Entry(String stem, String letters) {}

  static final KernelManifest EMPTY = new KernelManifest(Map.of(), Map.of());

  KernelManifest {
    sources = Map.copyOf(sources);
    kernels = Map.copyOf(kernels);
  }

  /**
   * @throws IllegalArgumentException if a line is none of the manifest's
   */
  static KernelManifest parse(String text) {
    Map<String, String> sources = new LinkedHashMap<>();
    Map<String, Entry> kernels = new LinkedHashMap<>();
    text.lines()
        .forEach(
            line -> {
              String[] words = line.split(" ", -1);
              if (words.length == 3 && words[0].equals("source")) {
                sources.put(words[2], words[1]);
              } else if (words.length == 4
                  && words[0].equals("kernel")
                  && words[3].matches("[pilf]+")) {
                kernels.put(words[2], new Entry(words[1], words[3]));
              } else {
                throw new IllegalArgumentException(
                    "manifest of the CUDA kernels: '" + line + "' is no line of it");
              }
            });
    return new KernelManifest(sources, kernels);
  }

  /**
   * The first source that is not what the binaries were compiled from.
   *
   * @param read a source's bytes, or empty where it is no more
   */
  Optional<String> stale(Function<String, Optional<byte[]>> read) {
    return sources.entrySet().stream()
        .filter(
            e ->
                read.apply(e.getKey()).map(KernelManifest::sha256).stream()
                    .noneMatch(e.getValue()::equals))
        .map(Map.Entry::getKey)
        .sorted()
        .findFirst();
  }

  static String sha256(byte[] bytes) {
    try {
      return HexFormat.of().formatHex(MessageDigest.getInstance("SHA-256").digest(bytes));
    } catch (NoSuchAlgorithmException e) {
      throw new LinkageError("every Java has SHA-256", e);
    }
  }
}
