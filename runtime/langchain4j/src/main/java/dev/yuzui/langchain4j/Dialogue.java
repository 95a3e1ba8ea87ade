package dev.yuzui.langchain4j;

import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.PlainChat;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.RenderOptions;
import java.util.List;
import java.util.Optional;

/**
 * How a conversation becomes a text.
 *
 * @param template empty for a model that only continues text, as in {@link PlainChat}
 */
record Dialogue(Optional<ChatTemplate> template) {
  /**
   * @throws UnsupportedFeatureException for what has no place without a template
   */
  Prompt render(List<Message> messages, RenderOptions how) {
    if (template.isPresent()) {
      return template.get().render(messages, how);
    }
    if (!how.variables().isEmpty()) {
      throw new UnsupportedFeatureException(
          "tools, templateVariables: this model has no chat template to put them in; they are not"
              + " supported without ChatModelOptions.withTemplate");
    }
    return PlainChat.render(messages);
  }

  OutputFormat format() {
    return template.map(ChatTemplate::format).orElse(OutputFormat.PLAIN);
  }

  boolean switchesThinking() {
    return template.map(ChatTemplate::switchesThinking).orElse(false);
  }

  /** Texts that end an answer, whatever is asked. */
  List<String> stops() {
    return template.isPresent() ? List.of() : List.of(PlainChat.PARAGRAPH);
  }
}
