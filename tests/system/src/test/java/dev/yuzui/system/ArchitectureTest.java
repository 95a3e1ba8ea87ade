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
          arrows("spi", ""),
          arrows("backend.reference", "spi"),
          arrows("backend.cpu", "spi"),
          arrows("backend.cuda", "spi"),
          arrows("backend.opencl", "spi"),
          arrows("io", ""),
          arrows("hub", "spi io"),
          arrows("weights", "spi io"),
          arrows("cache", "spi io"),
          arrows("parallel", "spi io"),
          arrows("sampling", "spi"),
          arrows("text", "weights io spi"),
          arrows("convert", "spi io weights text"),
          arrows("grammar", "io text"),
          arrows("model", "spi weights cache parallel"),
          arrows("engine.api", "spi weights sampling grammar text model"),
          arrows("engine.plan", "spi weights cache parallel model engine.api"),
          arrows("engine.step", "spi weights cache parallel model engine.api"),
          arrows("engine.draft", "cache model engine.api engine.step"),
          arrows(
              "engine.schedule",
              "spi cache parallel sampling grammar text model engine.api engine.step engine.draft"),
          arrows(
              "engine",
              "spi weights cache parallel sampling grammar text model engine.api engine.plan engine.step engine.draft engine.schedule"),
          arrows("openai", "spi io sampling weights grammar text engine engine.api"),
          arrows("batch", "spi io openai weights sampling text engine engine.api"),
          arrows("server.http", "io"),
          arrows(
              "server.answer",
              "server.http openai engine engine.api engine.plan io sampling spi text"),
          arrows("server.openai", "server.answer server.http openai engine.api io text"),
          arrows(
              "server.anthropic",
              "server.openai server.answer server.http openai engine.api io text"),
          arrows(
              "server.ollama",
              "server.answer server.http openai engine engine.api engine.plan io text weights"),
          arrows(
              "server.status",
              "server.answer server.http openai engine engine.api engine.plan io sampling text weights"),
          arrows(
              "server",
              "server.anthropic server.answer server.http server.ollama server.openai server.status openai engine engine.api"),
          arrows("langchain4j", "spi io weights sampling grammar text engine engine.api openai"),
          arrows("spark", "spi io weights sampling text batch openai engine engine.api"),
          arrows("compare", "spi weights model engine engine.api"),
          arrows(
              "cli",
              "cli.batch cli.bench cli.chat cli.compare cli.convert cli.evaluate cli.experts cli.generate cli.inspect cli.options cli.pull cli.scale cli.serve cli.shell"),
          arrows(
              "cli.shell",
              "batch convert engine engine.api engine.plan hub io parallel sampling spi text weights"),
          arrows(
              "cli.options",
              "cli.shell engine engine.api engine.plan grammar hub io sampling spi text weights"),
          arrows("cli.chart", ""),
          arrows(
              "cli.generate",
              "cli.options cli.shell engine engine.api grammar io sampling text weights"),
          arrows(
              "cli.chat",
              "cli.generate cli.options cli.shell engine engine.api grammar io sampling text weights"),
          arrows(
              "cli.batch",
              "batch cli.options cli.shell engine engine.api io openai sampling text weights"),
          arrows(
              "cli.bench",
              "cli.chart cli.options cli.shell engine engine.api engine.plan grammar io sampling spi text weights"),
          arrows(
              "cli.compare",
              "cli.options cli.shell compare engine engine.api engine.plan io sampling spi text weights"),
          arrows(
              "cli.experts",
              "cli.chart cli.options cli.shell engine engine.api io parallel spi text weights"),
          arrows(
              "cli.convert", "cli.options cli.shell convert engine engine.api io spi text weights"),
          arrows(
              "cli.serve",
              "cli.options cli.shell server server.answer server.http openai engine engine.api io sampling text weights"),
          arrows("cli.scale", "cli.options cli.shell io parallel spi weights"),
          arrows(
              "cli.inspect",
              "cli.options cli.shell engine.api engine.plan io parallel spi text weights"),
          arrows("cli.pull", "cli.options cli.shell hub io"),
          arrows("cli.evaluate", "cli.options cli.shell engine engine.api io text weights"));

  private static Map.Entry<String, Set<String>> arrows(String from, String to) {
    return Map.entry(from, to.isEmpty() ? Set.of() : Set.of(to.split(" ")));
  }

  private static final List<String> MODULES =
      List.of(
          "backends/spi",
          "backends/reference",
          "backends/cpu",
          "backends/cuda",
          "backends/opencl",
          "runtime",
          "cli/server",
          "runtime/langchain4j",
          "cli/spark",
          "cli");

  /**
   * The one class that turns the environment into options, and those that only tell people which
   * machine this is.
   */
  private static final Set<String> MAY_READ_ENVIRONMENT =
      Set.of(
          "dev/yuzui/cli/shell/Surroundings",
          "dev/yuzui/cli/shell/Machine",
          "dev/yuzui/cli/shell/Version",
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

  /** Who embeds the library gets no framework with it. */
  @Test
  void onlyItsAdapterKnowsLangChain4j() {
    Set<String> users = new TreeSet<>();
    classes()
        .forEach(
            model -> {
              for (var entry : model.constantPool()) {
                if (entry instanceof ClassEntry used
                    && used.asInternalName()
                        .replaceFirst("^\\[+L?", "")
                        .startsWith("dev/langchain4j/")) {
                  users.add(room(model.thisClass().asInternalName()));
                }
              }
            });
    assertEquals(Set.of("langchain4j"), users, "packages that use LangChain4j");
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
