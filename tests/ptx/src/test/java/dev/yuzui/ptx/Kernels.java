package dev.yuzui.ptx;

import dev.yuzui.ptx.code.Fatbin;
import dev.yuzui.ptx.code.KernelCode;
import dev.yuzui.ptx.code.PtxModule;
import dev.yuzui.ptx.machine.Program;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.Collection;
import java.util.HashMap;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.UnaryOperator;
import java.util.zip.GZIPInputStream;

/** The binaries in the jar of the CUDA backend, and the programs in them. */
final class Kernels {
  private static final String FOLDER = "/dev/yuzui/backend/cuda/kernels/";

  private record Key(String stem, int capability) {}

  private record Name(String kernel, int capability) {}

  private final Map<String, String> stems = new TreeMap<>();
  private final Map<String, String> letters = new HashMap<>();

  /** Of files whose kernels one architecture has: 90a. */
  private final Map<String, String> alone = new HashMap<>();

  private final Map<String, Fatbin> fatbins = new HashMap<>();
  private final Map<Key, PtxModule> modules = new HashMap<>();
  private final Map<Name, Program> programs = new HashMap<>();

  Kernels() {
    new String(resource("manifest.txt"), StandardCharsets.UTF_8)
        .lines()
        .map(line -> line.split(" "))
        .forEach(
            words -> {
              switch (words[0]) {
                case "kernel" -> {
                  stems.put(words[2], words[1]);
                  letters.put(words[2], words[3]);
                }
                case "alone" -> alone.put(words[1], words[2]);
                default -> {}
              }
            });
  }

  private static byte[] resource(String name) {
    try (InputStream in = Kernels.class.getResourceAsStream(FOLDER + name)) {
      if (in == null) {
        throw new IllegalStateException(name + " is not in the build of the CUDA backend");
      }
      return in.readAllBytes();
    } catch (IOException e) {
      throw new UncheckedIOException(name, e);
    }
  }

  /** Those of the manifest. */
  Set<String> names() {
    return stems.keySet();
  }

  /** Those of the manifest that a device of {@code capability} has. */
  Set<String> namesFor(int capability) {
    Set<String> names = new TreeSet<>(stems.keySet());
    names.removeIf(n -> !has(stems.get(n), capability));
    return names;
  }

  private boolean has(String stem, int capability) {
    String architecture = alone.get(stem);
    return architecture == null || architecture.equals(capability + "a");
  }

  /** Files whose kernels one architecture has. */
  Set<String> alone() {
    return alone.keySet();
  }

  /** What the host gives {@code kernel}: p pointer, i int, l long long, f float. */
  String letters(String kernel) {
    return letters.get(kernel);
  }

  /** Those of the files. */
  Set<String> names(int capability) {
    Set<String> names = new TreeSet<>();
    for (String stem : new TreeSet<>(stems.values())) {
      if (has(stem, capability)) {
        names.addAll(module(stem, capability).kernels());
      }
    }
    return names;
  }

  Fatbin fatbin(String stem) {
    return fatbins.computeIfAbsent(stem, s -> Fatbin.read(resource(s + ".fatbin")));
  }

  Set<String> stems() {
    return new TreeSet<>(stems.values());
  }

  PtxModule module(String stem, int capability) {
    return modules.computeIfAbsent(new Key(stem, capability), k -> PtxModule.of(ptx(k)));
  }

  private String ptx(Key key) {
    String architecture = alone.getOrDefault(key.stem(), String.valueOf(key.capability()));
    byte[] packed = resource("%s.sm_%s.ptx.gz".formatted(key.stem(), architecture));
    try (var in = new GZIPInputStream(new ByteArrayInputStream(packed))) {
      // nvcc sets tabs between words
      return new String(in.readAllBytes(), StandardCharsets.ISO_8859_1).replaceAll("[ \t]+", " ");
    } catch (IOException e) {
      throw new UncheckedIOException(key.stem(), e);
    }
  }

  private PtxModule moduleOf(String kernel, int capability) {
    String stem = stems.get(kernel);
    if (stem == null) {
      throw new IllegalArgumentException("no kernel is called " + kernel);
    }
    return module(stem, capability);
  }

  Program program(String kernel, int capability) {
    return programs.computeIfAbsent(
        new Name(kernel, capability),
        n -> Program.of(moduleOf(n.kernel(), n.capability()).kernel(n.kernel())));
  }

  /** The kernel with another text, which is nobody's but the caller's. */
  Program edited(String kernel, int capability, UnaryOperator<String> edit) {
    return Program.of(moduleOf(kernel, capability).kernel(kernel, edit));
  }

  KernelCode code(String kernel, int capability) {
    return moduleOf(kernel, capability).kernel(kernel);
  }

  /** Those that were asked for. */
  Collection<Program> programs() {
    return programs.values();
  }
}
