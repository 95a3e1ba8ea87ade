package dev.yuzui.cli;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import dev.yuzui.cli.shell.Arguments;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.UsageException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class ArgumentsTest {
  private static Optional<byte[]> latin1(String words) {
    return Optional.of(words.getBytes(StandardCharsets.ISO_8859_1));
  }

  private static String refused(Optional<byte[]> commandLine, String... args) {
    return assertThrows(UsageException.class, () -> Arguments.asTyped(commandLine, args))
        .getMessage();
  }

  @Test
  void bytesThatAreNoTextAreRefusedByFlagAndOffset() {
    assertEquals(
        "-p: expected UTF-8 text, found byte 0xE9 at offset 3; convert it with iconv -f"
            + " ITS-ENCODING -t UTF-8",
        refused(
            latin1("java\0-jar\0x.jar\0generate\0-p\0caf\u00e9\0"), "generate", "-p", "caf\uFFFD"));
    assertTrue(
        refused(latin1("java\0Main\0x\0--prompt=\u00e9\0"), "x", "--prompt=\uFFFD")
            .startsWith("--prompt: "));
    assertTrue(
        refused(latin1("java\0Main\0\u00e9\0"), "\uFFFD").startsWith("word 1 of the command line"));
  }

  @Test
  void wordsAreWhatTheirBytesSayWhateverTheLocale() {
    byte[] typed = "java\0Main\0-p\0é �\0\0".getBytes(StandardCharsets.UTF_8);
    assertArrayEquals(
        new String[] {"-p", "é �", ""},
        Arguments.asTyped(Optional.of(typed), new String[] {"-p", "?? ???", ""}));
  }

  @Test
  void withoutTheBytesAReplacementIsRefused() {
    assertTrue(refused(Optional.empty(), "-p", "caf\uFFFD").contains("-f"));
    assertArrayEquals(
        new String[] {"-p", "café"},
        Arguments.asTyped(Optional.empty(), new String[] {"-p", "café"}));
    // the process runs something else, as a test does
    assertArrayEquals(
        new String[] {"-p", "x"},
        Arguments.asTyped(latin1("java\0Surefire\0"), new String[] {"-p", "x"}));
  }

  @Test
  void aProcessRefusesThem(@TempDir Path folder) throws Exception {
    assumeTrue(Files.isReadable(Path.of("/proc/self/cmdline")), "no /proc/self/cmdline here");
    List<String> line = new ArrayList<>(List.of("/bin/sh", "-c"));
    line.add("exec \"$@\" tokenize -p \"$(printf 'caf\\351')\"");
    line.add("sh");
    line.add(ProcessHandle.current().info().command().orElseThrow());
    line.addAll(List.of("-cp", System.getProperty("java.class.path"), Main.class.getName()));
    Path log = folder.resolve("log");
    Process process =
        new ProcessBuilder(line).redirectErrorStream(true).redirectOutput(log.toFile()).start();
    assertTrue(process.waitFor(2, TimeUnit.MINUTES), "it ended");
    assertEquals(ExitCode.USAGE, process.exitValue());
    String said = Files.readString(log);
    assertTrue(said.contains("-p: expected UTF-8 text, found byte 0xE9 at offset 3"), said);
  }
}
