package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.io.UncheckedIOException;
import java.lang.classfile.ClassFile;
import java.lang.classfile.ClassModel;
import java.lang.classfile.constantpool.ClassEntry;
import java.lang.classfile.constantpool.MemberRefEntry;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;

/**
 * The dependency arrows of the house, held against the compiled classes. A package missing from the
 * table is a mistake: a new room needs its arrows first.
 */
class ArchitectureTest {

  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));

  /** Which of our packages each may use, beside itself. */
  private static final Map<String, Set<String>> ARROWS =
      Map.ofEntries(
          Map.entry("spi", Set.of()),
          Map.entry("backend.reference", Set.of("spi")),
          Map.entry("backend.cpu", Set.of("spi")),
          Map.entry("backend.cuda", Set.of("spi")),
          Map.entry("backend.opencl", Set.of("spi")),
          Map.entry("io", Set.of()),
          Map.entry("weights", Set.of("spi", "io")),
          Map.entry("cache", Set.of("spi", "io")),
          Map.entry("parallel", Set.of("spi", "io")),
          Map.entry("sampling", Set.of("spi")),
          Map.entry("text", Set.of("weights", "io")),
          Map.entry("model", Set.of("spi", "weights", "cache", "parallel")),
          Map.entry("engine.api", Set.of("spi", "weights", "sampling", "model")),
          Map.entry(
              "engine.plan", Set.of("spi", "weights", "cache", "parallel", "model", "engine.api")),
          Map.entry(
              "engine.step", Set.of("spi", "weights", "cache", "parallel", "model", "engine.api")),
          Map.entry("engine.draft", Set.of("cache", "model", "engine.api", "engine.step")),
          Map.entry(
              "engine.schedule",
              Set.of(
                  "spi",
                  "cache",
                  "parallel",
                  "sampling",
                  "text",
                  "model",
                  "engine.api",
                  "engine.step",
                  "engine.draft")),
          Map.entry(
              "engine",
              Set.of(
                  "spi",
                  "weights",
                  "cache",
                  "parallel",
                  "sampling",
                  "text",
                  "model",
                  "engine.api",
                  "engine.plan",
                  "engine.step",
                  "engine.draft",
                  "engine.schedule")),
          Map.entry("batch", Set.of("io", "weights", "sampling", "text", "engine", "engine.api")),
          Map.entry("compare", Set.of("spi", "weights", "model", "engine", "engine.api")),
          Map.entry(
              "cli",
              Set.of(
                  "spi",
                  "engine",
                  "engine.api",
                  "engine.plan",
                  "batch",
                  "io",
                  "compare",
                  "parallel",
                  "weights",
                  "text",
                  "sampling")));

  private static final List<String> MODULES =
      List.of(
          "backends/spi",
          "backends/reference",
          "backends/cpu",
          "backends/cuda",
          "backends/opencl",
          "runtime",
          "cli");

  /**
   * The one class that turns the environment into options, and those that only tell people which
   * machine this is.
   */
  private static final Set<String> MAY_READ_ENVIRONMENT =
      Set.of(
          "dev/yuzui/cli/Surroundings",
          "dev/yuzui/cli/Machine",
          "dev/yuzui/cli/YuzuiCommand$Version",
          "dev/yuzui/backend/cpu/CpuProvider");

  @Test
  void dependenciesPointOneWay() {
    Set<String> wrong = new TreeSet<>();
    classes()
        .forEach(
            model -> {
              String from = room(model.thisClass().asInternalName());
              assertTrue(ARROWS.containsKey(from), "no arrows are declared for package " + from);
              for (var entry : model.constantPool()) {
                if (entry instanceof ClassEntry used) {
                  String name = used.asInternalName().replaceFirst("^\\[+L?", "");
                  if (name.startsWith("dev/yuzui/")) {
                    String to = room(name);
                    if (!to.equals(from) && !ARROWS.get(from).contains(to)) {
                      wrong.add(model.thisClass().asInternalName() + " → " + name);
                    }
                  }
                }
              }
            });
    assertEquals(Set.of(), wrong, "dependencies against the arrows");
  }

  @Test
  void onlyTheOptionsReadTheEnvironment() {
    Set<String> readers = new TreeSet<>();
    classes()
        .forEach(
            model -> {
              for (var entry : model.constantPool()) {
                if (entry instanceof MemberRefEntry member
                    && member.owner().asInternalName().equals("java/lang/System")
                    && Set.of("getProperty", "getenv", "getProperties")
                        .contains(member.name().stringValue())) {
                  readers.add(model.thisClass().asInternalName());
                }
              }
            });
    readers.removeAll(MAY_READ_ENVIRONMENT);
    assertEquals(Set.of(), readers, "classes that read properties or the environment");
  }

  private static String room(String internalName) {
    String pkg = internalName.substring("dev/yuzui/".length());
    int end = pkg.lastIndexOf('/');
    return end < 0 ? "" : pkg.substring(0, end).replace('/', '.');
  }

  private static Stream<ClassModel> classes() {
    return MODULES.stream()
        .map(module -> ROOT.resolve(module).resolve("target/classes"))
        .flatMap(
            dir -> {
              try {
                List<Path> files;
                try (Stream<Path> walk = Files.walk(dir)) {
                  files = walk.filter(p -> p.toString().endsWith(".class")).toList();
                }
                assertTrue(!files.isEmpty(), "no classes under " + dir);
                return files.stream();
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            })
        .map(
            file -> {
              try {
                return ClassFile.of().parse(file);
              } catch (IOException e) {
                throw new UncheckedIOException(e);
              }
            });
  }
}
