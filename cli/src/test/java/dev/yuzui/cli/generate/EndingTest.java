package dev.yuzui.cli.generate;

import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/** Stderr says why an answer ended where a reader cannot see it. */
class EndingTest {
  private static CommandRun generate(String... args) {
    List<String> all = new ArrayList<>(List.of("generate", "-m", GGUF, "--temp", "0"));
    all.addAll(List.of(args));
    CommandRun run = yuzui(all.toArray(String[]::new));
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    return run;
  }

  @Test
  void aFullContextIsNamedWithTheFlagThatRaisesIt() {
    CommandRun run = generate("-p", "ab", "--raw", "-c", "16", "--ignore-eos");
    assertEquals(
        "ended where the context is full, at 16 tokens; a larger -c takes more, up to the model's"
            + " 512\n",
        run.err());
    CommandRun most = generate("-p", "ab", "--raw", "-c", "0", "--ignore-eos");
    assertEquals(
        "ended where the context is full, at 512 tokens, all that the model has\n", most.err());
  }

  @Test
  void whatWasAskedForIsSaidOnlyWithV() {
    assertEquals("", generate("-p", "ab", "--raw", "-n", "3", "--ignore-eos").err());
    String verbose = generate("-p", "ab", "--raw", "-n", "3", "--ignore-eos", "-v").err();
    assertTrue(verbose.contains("ended after the 3 tokens of -n\n"), verbose);
  }

  @Test
  void hiddenReasoningLeavesNoAnswerAndSaysSo(@TempDir Path folder) throws Exception {
    Path template = folder.resolve("think.jinja");
    Files.writeString(template, "{{ messages[0].content }}<think>");
    String[] args = {
      "-p",
      "ab",
      "--chat-template",
      template.toString(),
      "--reasoning",
      "hide",
      "-n",
      "5",
      "--ignore-eos"
    };
    CommandRun run = generate(args);
    assertEquals("\n", run.out());
    assertEquals(
        "no answer: all 5 tokens are reasoning, which --reasoning hide leaves out; -n 5 was reached"
            + " before it began\n",
        run.err());
  }

  @Test
  void anEndTokenAtOnceIsNoFault() {
    CommandRun run = generate("-p", "ab", "--raw", "--logit-bias", "257+1000");
    assertEquals("\n", run.out());
    assertEquals("no answer: the model ended its text at once\n", run.err());
  }
}
