package dev.yuzui.langchain4j;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;

import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.yuzui.grammar.GrammarSource.Pattern;
import java.time.Duration;
import java.util.Map;
import java.util.Optional;
import org.junit.jupiter.api.Test;

/** Parameters of two sources become one, whichever of LangChain4j's ways they meet. */
class ParametersTest {
  private static final YuzuiChatRequestParameters ALL =
      YuzuiChatRequestParameters.builder()
          .temperature(0.5)
          .minP(0.1)
          .repetitionPenalty(1.1)
          .seed(3)
          .thinking(true)
          .parallelToolCalls(false)
          .grammar(new Pattern("a*"))
          .timeout(Duration.ofSeconds(9))
          .templateVariables(Map.of("a", 1))
          .build();

  private static final ChatRequestParameters PLAIN =
      ChatRequestParameters.builder().temperature(0.9).maxOutputTokens(5).build();

  @Test
  void whatALaterOneSaysGoesBefore() {
    YuzuiChatRequestParameters other =
        YuzuiChatRequestParameters.builder().seed(4).templateVariables(Map.of("b", 2)).build();
    YuzuiChatRequestParameters both = ALL.overrideWith(other);
    assertEquals(Optional.of(4L), both.seed());
    assertEquals(Optional.of(0.1), both.minP());
    assertEquals(Map.of("a", 1, "b", 2), both.templateVariables());
    assertEquals(Optional.of(3L), ALL.defaultedBy(other).seed());
  }

  @Test
  void noneIsLostAmongLangChain4jsOwn() {
    for (ChatRequestParameters both :
        new ChatRequestParameters[] {ALL.overrideWith(PLAIN), PLAIN.defaultedBy(ALL)}) {
      YuzuiChatRequestParameters ours = (YuzuiChatRequestParameters) both;
      assertEquals(0.9, ours.temperature());
      assertEquals(5, ours.maxOutputTokens());
      assertEquals(ALL.grammar(), ours.grammar());
    }
    YuzuiChatRequestParameters first = (YuzuiChatRequestParameters) PLAIN.overrideWith(ALL);
    assertEquals(0.5, first.temperature());
    assertEquals(5, first.maxOutputTokens());
    assertEquals(ALL.timeout(), first.timeout());
  }

  @Test
  void equalOnesAreEqual() {
    YuzuiChatRequestParameters copy =
        YuzuiChatRequestParameters.builder().overrideWith(ALL).build();
    assertEquals(ALL, copy);
    assertEquals(ALL.hashCode(), copy.hashCode());
    assertNotEquals(
        ALL, YuzuiChatRequestParameters.builder().overrideWith(ALL).thinking(false).build());
  }
}
