package dev.yuzui.server.answer;

import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.text.OutputEvent;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.OutputMessage;
import dev.yuzui.text.OutputParser;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;

/** Takes one answer apart as it is made. */
final class Choice {
  private final int index;
  private final ParsedRequest.Prompt asked;
  private final Optional<OutputParser> parser;
  private final boolean apart;
  private final List<OutputEvent> all = new ArrayList<>();
  private int reasoningTokens;
  private boolean inReasoning;

  /**
   * @param apart whether what is thought is told apart from what is said, as {@code
   *     reasoning_content}; otherwise it is text, between its tags
   */
  Choice(int index, ParsedRequest request, Optional<ServedModel.Reading> reading, boolean apart) {
    this.index = index;
    this.asked = request.prompts().get(index / request.answers());
    this.apart = apart;
    boolean parsed =
        request.kind() != ParsedRequest.Kind.COMPLETION
            && asked.text().isPresent()
            && (apart || !asked.tools().isEmpty());
    this.parser =
        reading
            .filter(_ -> parsed)
            .map(
                how ->
                    how.format()
                        .parser(
                            how.tokenizer(),
                            asked.text().orElseThrow(),
                            asked.tools(),
                            asked.calls()));
  }

  List<OutputEvent> push(Piece piece) {
    List<OutputEvent> events =
        parser
            .map(p -> p.push(piece.token(), piece.text()))
            .orElseGet(
                () ->
                    piece.text().isEmpty()
                        ? List.of()
                        : List.of(new OutputEvent.Content(piece.text())));
    if (thinks()) {
      reasoningTokens++;
    }
    return keep(events);
  }

  List<OutputEvent> finish() {
    return keep(parser.map(OutputParser::finish).orElse(List.of()));
  }

  Answer answer(GenerationResult result) {
    return new Answer(index, asked, OutputMessage.of(all), result, reasoningTokens);
  }

  private List<OutputEvent> keep(List<OutputEvent> events) {
    List<OutputEvent> told = apart ? events : tagged(events);
    all.addAll(told);
    return told;
  }

  private boolean thinks() {
    return parser.map(OutputParser::reasoning).orElse(false);
  }

  /** What is thought as text between its tags; where it was cut there is no second one. */
  private List<OutputEvent> tagged(List<OutputEvent> events) {
    List<OutputEvent> told = new ArrayList<>();
    for (OutputEvent event : events) {
      if (event instanceof OutputEvent.Reasoning(String text)) {
        told.add(new OutputEvent.Content(inReasoning ? text : OutputFormat.THINK + text));
        inReasoning = true;
      } else {
        endThinking(told);
        told.add(event);
      }
    }
    if (!thinks()) {
      endThinking(told);
    }
    return told;
  }

  private void endThinking(List<OutputEvent> to) {
    if (inReasoning) {
      to.add(new OutputEvent.Content(OutputFormat.END_THINK));
    }
    inReasoning = false;
  }
}
