package dev.yuzui.server;

import dev.yuzui.kit.Required;
import java.io.File;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.stream.Stream;

/** Scripts of {@code src/test/node} in Node, beside the packages of npm that they name. */
final class Node {
  private static final Path SOURCES =
      Path.of(System.getProperty("yuzui.root"), "tests/server/src/test/node");

  private static final Path FOLDER =
      Path.of(System.getProperty("yuzui.root"), "tests/server/target/node");

  private static final int MINUTES = 8; // a test has ten

  private Node() {}

  /** What a program said, and its exit status. */
  record Run(int status, String output) {
    @Override
    public String toString() {
      return "exit status " + status + "\n" + output;
    }
  }

  /** A program of the PATH. */
  static Optional<Path> program(String... names) {
    return Arrays.stream(System.getenv("PATH").split(File.pathSeparator))
        .flatMap(folder -> Arrays.stream(names).map(name -> Path.of(folder, name)))
        .filter(Files::isExecutable)
        .findFirst();
  }

  /** Aborts the test, or fails it, where there is no Node, or npm has not what is needed. */
  static Run run(String script, List<String> arguments) {
    Path node = program("node").orElse(Path.of(""));
    if (node.toString().isEmpty() || program("npm").isEmpty()) {
      Required.missing("node", "no node and npm on the PATH (Debian: apt install nodejs npm)");
    }
    install();
    List<String> command = new ArrayList<>(List.of(node.toString(), script));
    command.addAll(arguments);
    return run(command);
  }

  /** Once for each list of packages; scripts are copied each time. */
  private static synchronized void install() {
    try {
      Files.createDirectories(FOLDER);
      Path wanted = SOURCES.resolve("package.json");
      Path there = FOLDER.resolve("installed.json");
      try (Stream<Path> files = Files.list(SOURCES)) {
        for (Path file : files.toList()) {
          Files.copy(file, FOLDER.resolve(file.getFileName()), StandardCopyOption.REPLACE_EXISTING);
        }
      }
      if (Files.exists(there) && Files.mismatch(wanted, there) < 0) {
        return;
      }
      Run run =
          run(
              List.of(
                  "npm",
                  "install",
                  "--no-package-lock",
                  "--no-audit",
                  "--no-fund",
                  "--ignore-scripts"));
      if (run.status() != 0) {
        Required.missing("node", "npm cannot install what " + wanted + " names: " + run);
      }
      Files.copy(wanted, there, StandardCopyOption.REPLACE_EXISTING);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Run run(List<String> command) {
    try {
      Path said = Files.createTempFile(FOLDER, "said", ".txt");
      Process process =
          new ProcessBuilder(command)
              .directory(FOLDER.toFile())
              .redirectErrorStream(true)
              .redirectOutput(said.toFile())
              .start();
      if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
        process.descendants().forEach(ProcessHandle::destroyForcibly);
        process.destroyForcibly().waitFor();
      }
      String output = Files.readString(said);
      Files.delete(said);
      return new Run(process.exitValue(), output);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    } catch (InterruptedException e) {
      throw new IllegalStateException(e);
    }
  }
}
