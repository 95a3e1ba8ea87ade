package dev.yuzui.server.answer;

import static org.junit.jupiter.api.Assertions.assertEquals;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.text.OutputEvent;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.TextStream;
import dev.yuzui.text.Tokenizer;
import dev.yuzui.text.Tool;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/** Answers that are taken apart as they are made. */
class ChoiceTest {
  private static final String CALL =
      "<tool_call>\n{\"name\": \"roll\", \"arguments\": {\"dice\": 3}}\n</tool_call>";

  private static Engine engine;

  @BeforeAll
  static void open() {
    Path model = Path.of(System.getProperty("yuzui.root"), "seeds/demo.gguf");
    engine = Engine.open(RuntimeOptions.of(model).withBackend("cpu"), LoadProgress.none());
  }

  @AfterAll
  static void close() {
    engine.close();
  }

  private static Answer read(String text, boolean apart, FinishReason finish) {
    Tokenizer tokenizer = engine.tokenizer();
    List<Tool> tools =
        Tool.all(List.of(Map.of("type", "function", "function", Map.of("name", "roll"))));
    ParsedRequest request =
        new ParsedRequest(
            ParsedRequest.Kind.CHAT,
            List.of(
                new ParsedRequest.Prompt(
                    GenerateRequest.of(List.of(1)),
                    Optional.of(Prompt.template("Roll")),
                    tools,
                    0)),
            1);
    Choice choice =
        new Choice(
            0,
            request,
            Optional.of(new ServedModel.Reading(OutputFormat.PLAIN, tokenizer, false)),
            apart);
    List<Integer> tokens = Arrays.stream(tokenizer.encode(text, false, true)).boxed().toList();
    TextStream stream = new TextStream(tokenizer, true);
    List<OutputEvent> told = new ArrayList<>();
    for (int token : tokens) {
      told.addAll(choice.push(new Piece(token, stream.push(token), Optional.empty())));
    }
    told.addAll(choice.finish());
    Answer answer =
        choice.answer(
            new GenerationResult(
                text,
                tokens,
                finish,
                new GenerationResult.Timings(0, 0, 1, 0, tokens.size(), 0),
                GenerationResult.Speculative.NONE));
    assertEquals(OutputMessage.of(told), answer.message(), "what is streamed is the whole");
    return answer;
  }

  @Test
  void thoughtsThatAreLeftInTheTextEndBeforeACall() {
    Answer answer = read("<think>hm</think>\n\n" + CALL, false, FinishReason.STOP);
    assertEquals(Optional.of("<think>hm</think>"), answer.message().content());
    assertEquals("roll", answer.message().calls().getFirst().name());
    assertEquals("tool_calls", answer.finish());
  }

  @Test
  void thoughtsThatAreLeftInTheTextEndWhereTheModelEndsThem() {
    assertEquals(
        Optional.of("<think>hm</think>yes"),
        read("<think>hm</think>yes", false, FinishReason.STOP).message().content());
    assertEquals(
        Optional.of("<think>hm</think>"),
        read("<think>hm</think>", false, FinishReason.STOP).message().content());
    assertEquals(
        Optional.of("<think>hm"),
        read("<think>hm", false, FinishReason.LENGTH).message().content());
  }

  @Test
  void aCallThatIsCutIsNotOneToMake() {
    String cut = CALL.substring(0, CALL.indexOf("3"));
    assertEquals("stop", read(CALL + "\n" + cut, true, FinishReason.STOP).finish());
    assertEquals("stop", read(cut, true, FinishReason.STOP).finish());
    assertEquals("length", read(cut, true, FinishReason.LENGTH).finish());
    assertEquals("tool_calls", read(CALL, true, FinishReason.STOP).finish());
  }
}
