package dev.yuzui.backend.cuda;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.LinkedHashSet;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.function.Function;

/**
 * What native-kernels/cuda/build wrote beside the binaries, a line each: {@code source SHA256 FILE}
 * of what they were compiled from, {@code kernel STEM NAME LETTERS} of the kernels, {@code cubin
 * ARCH} of what {@code STEM.fatbin} has machine code for, {@code ptx ARCH VERSION} of the files
 * {@code STEM.sm_ARCH.ptx.gz}, {@code alone STEM ARCHa VERSION} of a file whose kernels one
 * architecture has, as machine code and as PTX.
 *
 * @param sources files, relative to native-kernels, and their SHA-256
 * @param cubins compute capabilities, 90 for 9.0
 * @param ptx the same
 * @param alone compute capabilities by stem
 */
record KernelManifest(
    Map<String, String> sources,
    Map<String, Entry> kernels,
    Set<Integer> cubins,
    Set<Integer> ptx,
    Map<String, Integer> alone) {

  /**
   * @param letters of the parameters in order: p pointer, i int, l long long, f float
   */
  record Entry(String stem, String letters) {}

  /**
   * The CUDA of the toolkit that makes the machine code, whose format older drivers do not load.
   */
  private static final int TOOLKIT = 13000;

  static final KernelManifest EMPTY =
      new KernelManifest(Map.of(), Map.of(), Set.of(), Set.of(), Map.of());

  KernelManifest {
    sources = Map.copyOf(sources);
    kernels = Map.copyOf(kernels);
    cubins = Set.copyOf(cubins);
    ptx = Set.copyOf(ptx);
    alone = Map.copyOf(alone);
  }

  /**
   * The end of the name of the PTX file of {@code stem} for {@code device}, as {@link
   * #ptxFor(CudaDevice)}: {@code 80} or {@code 90a}.
   */
  Optional<String> ptxFor(String stem, CudaDevice device) {
    OptionalInt general = ptxFor(device);
    if (general.isEmpty()) {
      return Optional.empty();
    }
    return Optional.of(
        alone.containsKey(stem) ? alone.get(stem) + "a" : String.valueOf(general.getAsInt()));
  }

  /**
   * What a device gets of each file: machine code, where its driver is new enough to load what a
   * toolkit 13 made and there is some for the device's major version and none but older minor ones,
   * else the newest PTX that the device can run, which the driver compiles.
   *
   * @return the architecture of the PTX, or empty for machine code
   */
  OptionalInt ptxFor(CudaDevice device) {
    int capability = device.capability();
    boolean machineCode =
        device.driver() >= TOOLKIT
            && cubins.stream().anyMatch(c -> c / 10 == capability / 10 && c <= capability);
    return machineCode
        ? OptionalInt.empty()
        : ptx.stream().mapToInt(Integer::intValue).filter(p -> p <= capability).max();
  }

  /**
   * @throws IllegalArgumentException if a line is none of the manifest's
   */
  static KernelManifest parse(String text) {
    Map<String, String> sources = new LinkedHashMap<>();
    Map<String, Entry> kernels = new LinkedHashMap<>();
    Set<Integer> cubins = new LinkedHashSet<>();
    Set<Integer> ptx = new LinkedHashSet<>();
    Map<String, Integer> alone = new LinkedHashMap<>();
    text.lines()
        .forEach(
            line -> {
              String[] words = line.split(" ", -1);
              if (words.length == 3 && words[0].equals("source")) {
                sources.put(words[2], words[1]);
              } else if (words.length == 2 && line.matches("cubin [0-9]+")) {
                cubins.add(Integer.parseInt(words[1]));
              } else if (words.length == 3 && line.matches("ptx [0-9]+ [0-9]+[.][0-9]+")) {
                ptx.add(Integer.parseInt(words[1]));
              } else if (line.matches("alone \\w+ [0-9]+a [0-9]+[.][0-9]+")) {
                alone.put(words[1], Integer.parseInt(words[2].substring(0, words[2].length() - 1)));
              } else if (words.length == 4
                  && words[0].equals("kernel")
                  && words[3].matches("[pilf]+")) {
                kernels.put(words[2], new Entry(words[1], words[3]));
              } else {
                throw new IllegalArgumentException(
                    "manifest of the CUDA kernels: '" + line + "' is no line of it");
              }
            });
    return new KernelManifest(sources, kernels, cubins, ptx, alone);
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
