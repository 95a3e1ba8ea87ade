package dev.yuzui.text;

import static dev.yuzui.text.ReasoningFilter.Channel.ANSWER;
import static dev.yuzui.text.ReasoningFilter.Channel.REASONING;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.text.ReasoningFilter.Channel;
import dev.yuzui.text.ReasoningFilter.Mode;
import java.util.List;
import net.jqwik.api.ForAll;
import net.jqwik.api.Property;
import net.jqwik.api.constraints.IntRange;
import net.jqwik.api.constraints.Size;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class ReasoningFilterTest {
  private static final String THOUGHT = "<think>\nsmall < big\n</think>\n\nYes: </think> closes.";

  @Test
  void theBlockAtTheBeginningIsReasoning() {
    assertEquals("\nsmall < big\n", text(REASONING, Mode.STDERR, "", THOUGHT, List.of()));
    assertEquals("Yes: </think> closes.", text(ANSWER, Mode.STDERR, "", THOUGHT, List.of()));
    assertEquals("Yes: </think> closes.", text(ANSWER, Mode.HIDE, "", THOUGHT, List.of()));
    assertEquals("", text(REASONING, Mode.HIDE, "", THOUGHT, List.of()));
  }

  @Test
  void shownReasoningIsTheTextAsItIs() {
    assertEquals(THOUGHT, text(ANSWER, Mode.SHOW, "", THOUGHT, List.of()));
  }

  @ParameterizedTest
  @CsvSource({"'<｜Assistant｜><think>\n'", "'<｜Assistant｜><think>'"})
  void aTemplateMayHaveOpenedTheBlock(String prompt) {
    String answer = "hm</think>Yes";
    assertEquals("hm", text(REASONING, Mode.STDERR, prompt, answer, List.of()));
    assertEquals("Yes", text(ANSWER, Mode.STDERR, prompt, answer, List.of()));
  }

  @Test
  void aTemplateMayHaveClosedTheBlock() {
    String prompt = "<｜Assistant｜></think>";
    assertEquals(THOUGHT, text(ANSWER, Mode.HIDE, prompt, THOUGHT, List.of()));
  }

  @Test
  void whatAPersonWroteAtThePromptsEndNeitherOpensNorClosesIt() {
    ReasoningFilter filter = new ReasoningFilter(Mode.HIDE, Prompt.literal("Say <think>"));
    assertEquals(
        List.of(new ReasoningFilter.Segment(ANSWER, "hm</think>Yes")),
        filter.push("hm</think>Yes"));
  }

  @Test
  void aTagLaterInTheAnswerIsText() {
    String answer = "Write <think> like </think> this.";
    assertEquals(answer, text(ANSWER, Mode.HIDE, "", answer, List.of()));
  }

  @Test
  void reasoningThatIsCutOffLeavesNoAnswer() {
    ReasoningFilter filter = new ReasoningFilter(Mode.HIDE, Prompt.template(""));
    assertEquals(List.of(), filter.push("<think>so </thi"));
    assertTrue(filter.reasoning());
    assertEquals(List.of(), filter.finish());
  }

  @Property
  void whereThePiecesAreCutMakesNoDifference(
      @ForAll Mode mode,
      @ForAll Channel channel,
      @ForAll @Size(max = 12) List<@IntRange(max = 55) Integer> cuts) {
    for (String answer : List.of(THOUGHT, " \n<think></think>a", "<thin", "<think>x</thin", "a")) {
      assertEquals(
          text(channel, mode, "", answer, List.of()), text(channel, mode, "", answer, cuts));
    }
  }

  private static String text(
      Channel channel, Mode mode, String prompt, String answer, List<Integer> cuts) {
    ReasoningFilter filter = new ReasoningFilter(mode, Prompt.template(prompt));
    StringBuilder out = new StringBuilder();
    int at = 0;
    for (int cut : cuts.stream().sorted().toList()) {
      int to = Math.clamp(cut, at, Math.max(at, answer.length()));
      add(channel, filter.push(answer.substring(at, to)), out);
      at = to;
    }
    add(channel, filter.push(answer.substring(at)), out);
    add(channel, filter.finish(), out);
    return out.toString();
  }

  private static void add(
      Channel channel, List<ReasoningFilter.Segment> segments, StringBuilder out) {
    segments.stream().filter(s -> s.channel() == channel).forEach(s -> out.append(s.text()));
  }
}
