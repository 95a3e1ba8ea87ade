package dev.yuzui.langchain4j;

import dev.langchain4j.agent.tool.ToolExecutionRequest;
import dev.langchain4j.data.message.AiMessage;
import dev.langchain4j.data.message.ChatMessage;
import dev.langchain4j.data.message.Content;
import dev.langchain4j.data.message.SystemMessage;
import dev.langchain4j.data.message.TextContent;
import dev.langchain4j.data.message.ToolExecutionResultMessage;
import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.yuzui.text.Message;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;

/** LangChain4j's messages as turns of a conversation. */
final class Turns {
  private Turns() {}

  /**
   * @throws UnsupportedFeatureException for what is no text
   */
  static List<Message> of(List<ChatMessage> messages) {
    return messages.stream().map(Turns::of).toList();
  }

  /**
   * @throws UnsupportedFeatureException for what is no text
   */
  static void requireTexts(List<ChatMessage> messages) {
    of(messages);
  }

  private static Message of(ChatMessage message) {
    return switch (message) {
      case SystemMessage system -> Message.system(system.text());
      case UserMessage user -> {
        Map<String, Object> more = new LinkedHashMap<>();
        put(more, "name", user.name());
        yield new Message("user", Optional.of(text(user.contents())), more);
      }
      case AiMessage ai -> answer(ai);
      case ToolExecutionResultMessage result -> {
        Map<String, Object> more = new LinkedHashMap<>();
        put(more, "tool_call_id", result.id());
        put(more, "name", result.toolName());
        yield new Message("tool", Optional.of(text(result.contents())), more);
      }
      default ->
          throw new UnsupportedFeatureException(
              "messages: expected system, user, AI and tool messages, found one of type "
                  + message.type()
                  + ", which is not supported");
    };
  }

  /** What was thought goes along; whether it is shown again is for the template to say. */
  private static Message answer(AiMessage ai) {
    Map<String, Object> more = new LinkedHashMap<>();
    put(more, "reasoning_content", ai.thinking());
    if (!ai.hasToolExecutionRequests()) {
      return new Message("assistant", Optional.of(ai.text() == null ? "" : ai.text()), more);
    }
    more.put("tool_calls", ai.toolExecutionRequests().stream().map(Turns::call).toList());
    return new Message("assistant", Optional.ofNullable(ai.text()), more);
  }

  private static Map<String, Object> call(ToolExecutionRequest call) {
    Map<String, Object> function = new LinkedHashMap<>();
    function.put("name", call.name());
    String arguments = call.arguments();
    function.put("arguments", arguments == null || arguments.isBlank() ? "{}" : arguments);
    Map<String, Object> fields = new LinkedHashMap<>();
    put(fields, "id", call.id());
    fields.put("type", "function");
    fields.put("function", function);
    return fields;
  }

  /** LangChain4j's null is a field that is not there. */
  private static void put(Map<String, Object> fields, String name, String value) {
    if (value != null) {
      fields.put(name, value);
    }
  }

  private static String text(List<Content> contents) {
    StringBuilder text = new StringBuilder();
    for (Content content : contents) {
      if (!(content instanceof TextContent part)) {
        throw new UnsupportedFeatureException(
            "messages: expected content of texts, for this model sees nothing else, found "
                + content.type().name().toLowerCase(Locale.ROOT)
                + ", which is not supported");
      }
      text.append(part.text());
    }
    return text.toString();
  }
}
