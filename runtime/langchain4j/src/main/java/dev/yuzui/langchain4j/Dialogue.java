package dev.yuzui.langchain4j;

import dev.langchain4j.exception.UnsupportedFeatureException;
import dev.yuzui.engine.Engine;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.PlainChat;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.RenderOptions;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * How a conversation becomes a text: as a server's does.
 *
 * @param template empty for a model that only continues text, as in {@link PlainChat}
 * @param model renders with the template, or without one
 */
record Dialogue(Optional<ChatTemplate> template, ServedModel model) {
  static Dialogue of(Engine engine, Optional<ChatTemplate> template) {
    return new Dialogue(template, ServedModel.of(engine, template).continuing());
  }

  /**
   * @throws UnsupportedFeatureException for what has no place without a template
   */
  Prompt render(List<Message> messages, RenderOptions how) {
    try {
      return model.template().orElseThrow().apply(messages, how);
    } catch (RequestProblem e) {
      throw new UnsupportedFeatureException(
          e.getMessage().replace("chat_template_kwargs", "templateVariables")
              + "; they are not supported without ChatModelOptions.withTemplate");
    }
  }

  /**
   * @throws UnsupportedFeatureException for what has no place without a template
   */
  void requirePlace(RenderOptions how) {
    if (template.isEmpty()) {
      render(List.of(new Message("user", Optional.of(""), Map.of())), how);
    }
  }

  OutputFormat format() {
    return template.map(ChatTemplate::format).orElse(OutputFormat.PLAIN);
  }

  boolean switchesThinking() {
    return template.map(ChatTemplate::switchesThinking).orElse(false);
  }

  /** Texts that end an answer, whatever is asked. */
  List<String> stops() {
    return model.endOfTurn();
  }
}
