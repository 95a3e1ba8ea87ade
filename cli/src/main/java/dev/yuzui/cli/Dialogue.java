package dev.yuzui.cli;

import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.Message;
import dev.yuzui.text.RenderOptions;
import java.util.List;
import java.util.stream.Collectors;

/** How a conversation becomes the text that the model continues. */
sealed interface Dialogue {
  String render(List<Message> messages);

  /** Texts that end an answer, besides the model's end token. */
  List<String> stops();

  /** The model was trained to answer. */
  record Templated(ChatTemplate template) implements Dialogue {
    @Override
    public String render(List<Message> messages) {
      return template.render(messages, RenderOptions.ANSWER);
    }

    @Override
    public List<String> stops() {
      return List.of();
    }
  }

  /**
   * For a model that only continues text: what you write and what it adds make one paragraph, and a
   * blank line ends each.
   */
  record Plain() implements Dialogue {
    private static final String PARAGRAPH = "\n\n";

    @Override
    public String render(List<Message> messages) {
      return messages.stream()
          .map(m -> m.content().orElse("") + (m.role().equals("user") ? "" : PARAGRAPH))
          .collect(Collectors.joining());
    }

    @Override
    public List<String> stops() {
      return List.of(PARAGRAPH);
    }
  }
}
