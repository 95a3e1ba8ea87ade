package dev.yuzui.cli.batch;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static java.nio.charset.StandardCharsets.ISO_8859_1;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.io.Json;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

class BatchCommandTest {
  @TempDir private Path folder;

  private String file(String name, String... lines) throws IOException {
    return Files.write(folder.resolve(name), List.of(lines)).toString();
  }

  @Test
  void everyLineGetsWhatGenerateMakesOfIt() throws IOException {
    String in = file("in", "{\"prompt\":\"Hello\"}", "{\"prompt\":\"a\",\"max_tokens\":3}", "{");
    String out = folder.resolve("out").toString();
    CommandRun run = yuzui("batch", "-m", GGUF, "-i", in, "-o", out, "-n", "8", "--temp", "0");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("", run.out());
    assertTrue(run.err().contains("3 lines: 2 answered, 1 with errors"), run.err());
    List<String> rows = Files.readAllLines(Path.of(out));
    assertEquals(3, rows.size());
    JsonNode first = Json.mapper().readTree(rows.get(0));
    String alone = yuzui("generate", "-m", GGUF, "-p", "Hello", "-n", "8", "--temp", "0").out();
    assertEquals(alone, first.get("text").asText() + "\n");
    assertEquals(3, Json.mapper().readTree(rows.get(1)).at("/usage/completion_tokens").asInt());
  }

  @Test
  void standardInputAndOutputDoAsWell() {
    CommandRun run =
        withInput(
            "{\"custom_id\":\"c\",\"url\":\"/v1/completions\",\"body\":{\"prompt\":\"a\",\"n\":2}}\n",
            "batch",
            "-m",
            GGUF,
            "-i",
            "-",
            "-o",
            "-",
            "-n",
            "2");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertEquals("c", run.json().get("custom_id").asText());
    assertEquals(2, run.json().at("/response/body/choices").size());
  }

  @Test
  void aPromptThatDoesNotFitIsThatLinesError() throws IOException {
    CommandRun run =
        withInput(
            "{\"prompt\":\""
                + "x".repeat(70)
                + "\"}\n{\"prompt\":\"x\"}\n"
                + ("{\"prompt\":\""
                    + "x".repeat(63)
                    + "\"}\n"
                    + "{\"prompt\":\""
                    + "x".repeat(62)
                    + "\"}\n"),
            "batch",
            "-m",
            GGUF,
            "-i",
            "-",
            "-o",
            "-",
            "-n",
            "2",
            "-c",
            "64");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    List<String> rows = run.lines();
    assertTrue(rows.get(0).contains("the prompt does not fit: 71 tokens"), rows.get(0));
    assertTrue(rows.get(2).contains("leaves no room for a text: 64 tokens"), rows.get(2));
    assertEquals(1, Json.mapper().readTree(rows.get(3)).at("/usage/completion_tokens").asInt());
    assertTrue(Json.mapper().readTree(rows.get(1)).has("text"), rows.get(1));
  }

  @Test
  void anOutputThatExistsIsOnlyGoneOnWithIfAsked() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}");
    String out = folder.resolve("out").toString();
    String[] args = {"batch", "-m", GGUF, "-i", in, "-o", out, "-n", "2"};
    assertEquals(ExitCode.DONE, yuzui(args).exitCode());
    String results = Files.readString(Path.of(out));
    CommandRun again = yuzui(args);
    assertEquals(ExitCode.USAGE, again.exitCode());
    assertTrue(again.err().contains("--resume"), again.err());
    CommandRun resumed = yuzui("batch", "-m", GGUF, "-i", in, "-o", out, "-n", "2", "--resume");
    assertEquals(ExitCode.DONE, resumed.exitCode(), resumed.err());
    assertTrue(resumed.err().contains("0 lines after 2 done before"), resumed.err());
    assertEquals(results, Files.readString(Path.of(out)));
  }

  @Test
  void anInputIsNotItsOwnOutputUnderAnyName() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}");
    String link = Files.createSymbolicLink(folder.resolve("link"), Path.of(in)).toString();
    String hard = Files.createLink(folder.resolve("hard"), Path.of(in)).toString();
    Path work = Path.of("").toAbsolutePath();
    String roundabout = work.relativize(folder) + "/./" + folder.relativize(Path.of(in));
    for (String same : List.of(in, link, hard, roundabout)) {
      assertUsage("-o: expected another file than -i", "batch", "-i", in, "-o", same);
      assertUsage("than -i", "batch", "-i", in, "-o", same, "--resume");
      assertUsage("than -i", "batch", "-i", same, "-o", in, "--resume");
    }
    assertEquals("{\"prompt\":\"a\"}\n", Files.readString(Path.of(in)));
  }

  @Test
  void aThesisIsNoOutput() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}");
    Path thesis = Files.writeString(folder.resolve("thesis.txt"), "my thesis, all on one line");
    assertUsage(
        "found my thesis, all on one line in line 1; it is left as it is",
        "batch",
        "-m",
        GGUF,
        "-i",
        in,
        "-o",
        thesis.toString(),
        "--resume");
    assertEquals("my thesis, all on one line", Files.readString(thesis));
    assertFalse(Files.exists(folder.resolve("thesis.txt.manifest.json")));
  }

  private CommandRun resumed(String model, String in, String out, String... flags) {
    List<String> args =
        new ArrayList<>(List.of("batch", "-m", model, "-i", in, "-o", out, "--resume"));
    args.addAll(List.of(flags));
    return yuzui(args.toArray(String[]::new));
  }

  /** An output that still lacks its last line. */
  private String begun(String in, String... flags) throws IOException {
    String out = folder.resolve("out").toString();
    CommandRun run = resumed(GGUF, in, out, flags);
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    List<String> rows = Files.readAllLines(Path.of(out));
    Files.write(Path.of(out), rows.subList(0, rows.size() - 1));
    return out;
  }

  @Test
  void anotherModelOrOtherFlagsAreRefusedAndTheDifferenceIsNamed() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}");
    String[] flags = {"-n", "2", "--temp", "0", "--logit-bias", "5-inf", "--stop", "x", "--raw"};
    String out = begun(in, flags);
    String before = Files.readString(Path.of(out));
    String manifest = Files.readString(Path.of(out + ".manifest.json"));

    CommandRun other =
        resumed(
            GGUF,
            in,
            out,
            "-n",
            "3",
            "--temp",
            "1.5",
            "--seed",
            "3",
            "--chat-template",
            "deepseek-v3.1",
            "--think",
            "off",
            "--override-kv",
            "my.x=int:1");
    assertEquals(ExitCode.USAGE, other.exitCode());
    for (String difference :
        List.of(
            "predict 3 (2 then)",
            "--temp 1.5 (0.0 then)",
            "--seed 3 (not given then)",
            "--think false (not given then)",
            "--override-kv [\"my.x=int:1\"] (not given then)",
            "--raw not given (true then)",
            "--logit-bias not given (",
            "--stop not given ([\"x\"] then)")) {
      assertTrue(other.err().contains(difference), other.err());
    }
    CommandRun model = resumed(FOLDER, in, out, flags);
    assertEquals(ExitCode.USAGE, model.exitCode());
    assertTrue(model.err().contains("-m \""), model.err());
    assertEquals(before, Files.readString(Path.of(out)));
    assertEquals(manifest, Files.readString(Path.of(out + ".manifest.json")));

    List<String> same = new ArrayList<>(List.of(flags));
    same.addAll(List.of("-c", "64", "-t", "1"));
    CommandRun run = resumed(GGUF, in, out, same.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    assertTrue(run.err().contains("from here on --ctx-size 64 (not given then)"), run.err());
    assertEquals(2, Files.readAllLines(Path.of(out)).size());
  }

  @Test
  void aTemplateOfTheSameNameIsAnotherOnceItIsEdited() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}");
    String template = file("t.jinja", "{{ messages[0].content }}");
    String out = begun(in, "-n", "1", "--chat-template", template);
    file("t.jinja", "{{ messages[0].content }}!");
    CommandRun edited = resumed(GGUF, in, out, "-n", "1", "--chat-template", template);
    assertEquals(ExitCode.USAGE, edited.exitCode());
    assertTrue(edited.err().contains("--chat-template \"t.jinja sha256:"), edited.err());
  }

  @Test
  void aModelThatAnotherNameMakesAChatModelIsAnother() throws IOException {
    Path embedded = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");
    assumeTrue(Files.isRegularFile(embedded), "no seeds/demo.gguf");
    Path demo =
        Files.writeString(
            folder.resolve("demo.gguf"),
            Files.readString(embedded, ISO_8859_1)
                .replace("tokenizer.chat_template", "tokenizer.lost_template"),
            ISO_8859_1);
    String in = file("in", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}");
    String out = folder.resolve("out").toString();
    assertEquals(ExitCode.DONE, resumed(demo.toString(), in, out, "-n", "1").exitCode());
    Path chat = Files.createSymbolicLink(folder.resolve("demo-chat.gguf"), demo);
    CommandRun run = resumed(chat.toString(), in, out, "-n", "1");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("(\"none\" then)"), run.err());
    assertTrue(run.err().contains("found chat template \""), run.err());
  }

  @Test
  void answersThatNoManifestExplainsAreNotGoneOnWith() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}");
    String out = begun(in, "-n", "1");
    Path manifest = Path.of(out + ".manifest.json");
    Path away = Files.move(manifest, folder.resolve("away"));
    assertRefused("out.manifest.json, which says what the answers", in, out);
    Files.writeString(manifest, "[1]");
    assertRefused("something else there", in, out);
    Files.delete(manifest);
    Files.move(away, manifest);
    Path link = Files.createSymbolicLink(folder.resolve("link"), Path.of(out));
    CommandRun run = resumed(GGUF, in, link.toString(), "-n", "1");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
  }

  private void assertRefused(String message, String in, String out) throws IOException {
    String before = Files.readString(Path.of(out));
    CommandRun run = resumed(GGUF, in, out, "-n", "1");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains(message), run.err());
    assertEquals(before, Files.readString(Path.of(out)));
  }

  @Test
  void aManifestReplacesNoOtherFile() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}");
    String out = folder.resolve("out").toString();
    String mine = file("out.manifest.json", "{\"mine\":1}");
    assertUsage("another file of that name", "batch", "-m", GGUF, "-i", in, "-o", out);
    assertEquals("{\"mine\":1}\n", Files.readString(Path.of(mine)));
  }

  @Test
  void aBatchWithoutAnyAnswerHasFailedNowAndWhenItIsLookedAtAgain() throws IOException {
    String in = file("in", "{\"prompt\":\"a\",\"n\":0}", "{");
    String out = folder.resolve("out").toString();
    for (int i = 0; i < 2; i++) {
      CommandRun run = resumed(GGUF, in, out);
      assertEquals(ExitCode.FAILED, run.exitCode());
      assertTrue(run.err().contains("no line was answered: each has its error in -o "), run.err());
    }
    Files.writeString(Path.of(in), "{\"prompt\":\"a\"}\n", StandardOpenOption.APPEND);
    assertEquals(ExitCode.DONE, resumed(GGUF, in, out).exitCode(), "one of three is answered");
    assertEquals(ExitCode.DONE, resumed(GGUF, in, out).exitCode());
    assertEquals(ExitCode.DONE, resumed(GGUF, file("none"), out + "2").exitCode());
  }

  @Test
  void unorderedResultsAreComparedWithAFileAlone() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}", "{\"prompt\":\"b\"}");
    String out = begun(in, "-n", "1", "--unordered");
    CommandRun run =
        withInput(
            Files.readString(Path.of(in)),
            "batch",
            "-m",
            GGUF,
            "-i",
            "-",
            "-o",
            out,
            "-n",
            "1",
            "--resume",
            "--unordered");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("-i: expected a file"), run.err());
    CommandRun ordered =
        withInput(
            Files.readString(Path.of(in)),
            "batch",
            "-m",
            GGUF,
            "-i",
            "-",
            "-o",
            out,
            "-n",
            "1",
            "--resume");
    assertEquals(ExitCode.DONE, ordered.exitCode(), ordered.err());
  }

  @Test
  void filesThatCannotBeUsedAreNamed() throws IOException {
    String in = file("in", "{\"prompt\":\"a\"}");
    assertUsage("no-such-file", "batch", "-i", "no-such-file", "-o", "x");
    assertUsage("a folder", "batch", "-i", folder.toString(), "-o", "x");
    assertUsage("-o: expected a file", "batch", "-i", in, "-o", folder.toString());
    assertUsage("-o: expected a file", "batch", "-i", in, "-o", folder + "/no/such");
    assertUsage("--resume: expected a file", "batch", "-i", in, "-o", "-", "--resume");
  }

  private static void assertUsage(String message, String... args) {
    CommandRun run = yuzui(args);
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains(message), run.err());
  }
}
