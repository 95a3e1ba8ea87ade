package dev.yuzui.text;

import java.util.ArrayList;
import java.util.List;

/**
 * A conversation with a model that only continues text: what a person writes and what the model
 * adds make one paragraph, and a blank line ends each.
 */
public final class PlainChat {
  /** Ends a paragraph, and with it an answer. */
  public static final String PARAGRAPH = "\n\n";

  private PlainChat() {}

  public static Prompt render(List<Message> messages) {
    List<Prompt.Piece> pieces = new ArrayList<>();
    for (Message m : messages) {
      pieces.add(new Prompt.Literal(m.content().orElse("")));
      if (!m.role().equals("user")) {
        pieces.add(new Prompt.Template(PARAGRAPH));
      }
    }
    return new Prompt(pieces);
  }
}
