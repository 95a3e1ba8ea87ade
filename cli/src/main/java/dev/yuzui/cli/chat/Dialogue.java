package dev.yuzui.cli.chat;

import dev.yuzui.text.ChatTemplate;
import dev.yuzui.text.Message;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.PlainChat;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.RenderOptions;
import java.util.List;

/** How a conversation becomes the prompt that the model continues. */
sealed interface Dialogue {
  Prompt render(List<Message> messages);

  /** Texts that end an answer, besides the model's end token. */
  List<String> stops();

  /** How the model's answers are written. */
  OutputFormat format();

  /** Where a prompt leaves an answer. */
  OutputFormat.Opening opening(Prompt prompt);

  /** The model was trained to answer. */
  record Templated(ChatTemplate template, RenderOptions options) implements Dialogue {
    @Override
    public Prompt render(List<Message> messages) {
      return template.render(messages, options);
    }

    @Override
    public OutputFormat format() {
      return template.format();
    }

    @Override
    public OutputFormat.Opening opening(Prompt prompt) {
      return OutputFormat.opening(prompt);
    }

    @Override
    public List<String> stops() {
      return List.of();
    }
  }

  /** For a model that only continues text. */
  record Plain() implements Dialogue {
    @Override
    public Prompt render(List<Message> messages) {
      return PlainChat.render(messages);
    }

    @Override
    public OutputFormat format() {
      return OutputFormat.PLAIN;
    }

    @Override
    public OutputFormat.Opening opening(Prompt prompt) {
      return OutputFormat.Opening.ANSWERING;
    }

    @Override
    public List<String> stops() {
      return List.of(PlainChat.PARAGRAPH);
    }
  }
}
