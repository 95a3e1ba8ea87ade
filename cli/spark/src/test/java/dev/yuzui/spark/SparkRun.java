package dev.yuzui.spark;

import java.io.File;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import java.util.function.BooleanSupplier;
import java.util.stream.Stream;

/**
 * A driver in a process of its own, with executors in processes of theirs: Spark's local cluster,
 * made of the jars that Maven has.
 */
final class SparkRun implements AutoCloseable {
  private static final long MINUTES = 9;

  private final Path home;
  private final Path log;
  private final Process process;

  /**
   * @param main of the driver
   * @param folder for what the run leaves behind
   * @param executors of one core each
   */
  SparkRun(Class<?> main, Path folder, int executors, String... args) throws IOException {
    home = Files.createDirectories(folder.resolve("spark"));
    log = Files.createTempFile(folder, "driver", ".log");
    jars();
    List<String> command = new ArrayList<>();
    command.add(Path.of(System.getProperty("java.home"), "bin", "java").toString());
    command.addAll(List.of(flags().split(" ")));
    command.addAll(List.of("-Xmx1g", "-cp", System.getProperty("java.class.path")));
    command.add("-Dspark.master=local-cluster[" + executors + ",1,1024]");
    command.add("-Dspark.ui.enabled=false");
    command.add("-Dspark.executor.memory=1g");
    command.add("-Dspark.driver.host=localhost");
    command.add("-Dspark.executor.extraClassPath=" + System.getProperty("java.class.path"));
    command.add("-Dspark.executor.extraJavaOptions=" + flags());
    command.add(main.getName());
    command.addAll(List.of(args));
    ProcessBuilder builder =
        new ProcessBuilder(command)
            .directory(home.toFile())
            .redirectErrorStream(true)
            .redirectOutput(log.toFile());
    builder.environment().put("SPARK_HOME", home.toString());
    builder.environment().put("SPARK_SCALA_VERSION", "2.13");
    builder.environment().put("SPARK_LOCAL_IP", "127.0.0.1");
    builder.environment().put("JAVA_HOME", System.getProperty("java.home"));
    process = builder.start();
  }

  private static String flags() {
    return System.getProperty("yuzui.spark.flags");
  }

  /** Executors are started with what lies in Spark's folder. */
  private void jars() throws IOException {
    Path jars = Files.createDirectories(Path.of(System.getProperty("yuzui.spark.jars")));
    for (String entry : System.getProperty("java.class.path").split(File.pathSeparator)) {
      Path link = jars.resolve(Path.of(entry).getFileName());
      if (entry.endsWith(".jar") && !Files.exists(link)) {
        Files.deleteIfExists(link); // of a jar that is gone
        Files.createSymbolicLink(link, Path.of(entry).toAbsolutePath());
      }
    }
    Path ofHome = home.resolve("jars");
    if (!Files.exists(ofHome)) {
      Files.createSymbolicLink(ofHome, jars.toAbsolutePath());
    }
  }

  /** Waits for its end. */
  int exitCode() throws InterruptedException, IOException {
    if (!process.waitFor(MINUTES, TimeUnit.MINUTES)) {
      throw new AssertionError("the driver did not end:\n" + log());
    }
    return process.exitValue();
  }

  String log() throws IOException {
    return Files.readString(log);
  }

  /** The JVM of one, by what the kernel says of it: Java cuts lines as long as theirs. */
  Optional<ProcessHandle> executor(String id) {
    return process.descendants().filter(child -> isExecutor(child, id)).findFirst();
  }

  private static boolean isExecutor(ProcessHandle child, String id) {
    try {
      String words =
          Files.readString(
              Path.of("/proc/" + child.pid() + "/cmdline"), StandardCharsets.ISO_8859_1);
      return words.contains("CoarseGrainedExecutorBackend")
          && words.contains("--executor-id\0" + id + "\0");
    } catch (IOException _) {
      return false; // it is gone
    }
  }

  /** As kill -9. */
  void kill() throws InterruptedException {
    List<ProcessHandle> all =
        Stream.concat(process.descendants(), Stream.of(process.toHandle())).toList();
    process.destroyForcibly();
    process.waitFor();
    all.forEach(ProcessHandle::destroyForcibly);
  }

  void await(BooleanSupplier something) throws InterruptedException, IOException {
    long end = System.nanoTime() + TimeUnit.MINUTES.toNanos(MINUTES);
    while (!something.getAsBoolean()) {
      if (!process.isAlive() || System.nanoTime() > end) {
        throw new AssertionError("what was waited for did not come:\n" + log());
      }
      Thread.sleep(20);
    }
  }

  /** Of each executor so far, what it said. */
  List<String> executorLogs() throws IOException {
    Path work = home.resolve("work");
    if (!Files.exists(work)) {
      return List.of();
    }
    try (Stream<Path> files = Files.walk(work)) {
      List<String> logs = new ArrayList<>();
      for (Path file : files.filter(f -> f.endsWith("stderr")).toList()) {
        logs.add(Files.readString(file));
      }
      return logs;
    }
  }

  @Override
  public void close() throws InterruptedException {
    kill();
  }
}
