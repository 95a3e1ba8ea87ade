package dev.yuzui.langchain4j;

import static dev.langchain4j.model.chat.request.ResponseFormatType.JSON;

import dev.langchain4j.agent.tool.ToolSpecification;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.langchain4j.model.chat.request.ToolChoice;
import dev.langchain4j.model.chat.request.json.JsonEnumSchema;
import dev.langchain4j.model.chat.request.json.JsonObjectSchema;
import dev.langchain4j.model.chat.request.json.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Choices;
import java.util.List;
import java.util.Map;

/**
 * What a model would have to know for LangChain4j's kit, which the embedded one does not: that the
 * capital is Berlin and the city Munich. It is held to that by its schemas and grammars; which
 * calls, callbacks, threads, reasons, counts and refusals come of it is the adapter's.
 */
final class Knowing {
  static final YuzuiChatRequestParameters BERLIN = says("Berlin, which is a city.");

  private Knowing() {}

  private static YuzuiChatRequestParameters says(String text) {
    return YuzuiChatRequestParameters.builder().grammar(new Choices(List.of(text))).build();
  }

  static ChatRequest hinted(ChatRequest asked) {
    boolean asks = asked.messages().getLast() instanceof UserMessage;
    YuzuiChatRequestParameters.Builder hint =
        YuzuiChatRequestParameters.builder().overrideWith(asked.parameters());
    if (!asked.toolSpecifications().isEmpty() && asks) {
      hint.toolSpecifications(List.of(hinted(asked.toolSpecifications().getFirst())))
          .toolChoice(ToolChoice.REQUIRED)
          .parallelToolCalls(false);
    } else {
      boolean json = asked.responseFormat() != null && asked.responseFormat().type() == JSON;
      hint.toolChoice(ToolChoice.NONE);
      if (json && !asks) {
        hint.responseFormat(object("weather", "sunny"));
      } else if (json) {
        hint.responseFormat(object("city", "Berlin"));
      } else {
        hint.overrideWith(
            says("Hello World. Berlin is a green city, Ich liebe dich. Sunny, 14:35, 12:10."));
      }
    }
    return ChatRequest.builder().messages(asked.messages()).parameters(hint.build()).build();
  }

  private static JsonSchema object(String name, String value) {
    return JsonSchema.builder()
        .name("hint")
        .rootElement(
            JsonObjectSchema.builder()
                .addProperties(Map.of(name, oneOf(value)))
                .required(name)
                .build())
        .build();
  }

  private static JsonEnumSchema oneOf(String value) {
    return JsonEnumSchema.builder().enumValues(value).build();
  }

  private static ToolSpecification hinted(ToolSpecification tool) {
    return tool.parameters() == null
        ? tool
        : tool.toBuilder()
            .parameters(
                JsonObjectSchema.builder()
                    .addProperties(Map.of("city", oneOf("Munich")))
                    .required("city")
                    .build())
            .build();
  }
}
