package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.openai.LogprobsFields;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.server.answer.Answer;
import dev.yuzui.server.answer.Piece;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.openai.ChatCompletions.Head;
import dev.yuzui.text.OutputEvent;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;

/**
 * Chat as a stream of deltas: the role first; a call's id and name once, then its arguments; why it
 * ended; then usage.
 */
final class ChatChunks extends Chunks {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private final Optional<ServedModel.Reading> reading;
  private final Set<Integer> introduced = new HashSet<>();

  /** Of tokens whose text is not told yet. */
  private final Map<Integer, List<TokenLogprobs>> waiting = new HashMap<>();

  ChatChunks(Call call, Head head, StreamAsked asked, Optional<ServedModel.Reading> reading) {
    super(call, head, asked);
    this.reading = reading;
  }

  @Override
  String type() {
    return "chat.completion.chunk";
  }

  @Override
  public void piece(int choice, Piece piece, List<OutputEvent> events) throws InterruptedException {
    piece.logprobs().ifPresent(l -> waiting.computeIfAbsent(choice, _ -> new ArrayList<>()).add(l));
    tell(choice, events);
  }

  private void tell(int choice, List<OutputEvent> events) throws InterruptedException {
    if (introduced.add(choice)) {
      delta(choice, JSON.objectNode().put("role", "assistant").put("content", ""));
    }
    for (OutputEvent event : events) {
      switch (event) {
        case OutputEvent.Reasoning(String text) ->
            delta(choice, JSON.objectNode().put("reasoning_content", text));
        case OutputEvent.Content(String text) ->
            delta(choice, JSON.objectNode().put("content", text));
        case OutputEvent.CallBegin(int index, String id, String name) -> {
          ObjectNode delta = JSON.objectNode();
          delta
              .putArray("tool_calls")
              .addObject()
              .put("index", index)
              .put("id", id)
              .put("type", "function")
              .putObject("function")
              .put("name", name)
              .put("arguments", "");
          delta(choice, delta);
        }
        case OutputEvent.CallArguments(int index, String json) -> {
          ObjectNode delta = JSON.objectNode();
          delta
              .putArray("tool_calls")
              .addObject()
              .put("index", index)
              .putObject("function")
              .put("arguments", json);
          delta(choice, delta);
        }
        case OutputEvent.CallEnd _ -> {}
      }
    }
  }

  @Override
  public void done(Answer answer, List<OutputEvent> last) throws InterruptedException {
    tell(answer.choice(), last);
    ObjectNode chunk = chunk();
    ObjectNode choice = chunk.putArray("choices").addObject().put("index", answer.choice());
    choice.putObject("delta");
    putLogprobs(choice, answer.choice());
    choice.put("finish_reason", answer.finish());
    send(chunk);
  }

  private void delta(int index, ObjectNode delta) throws InterruptedException {
    ObjectNode chunk = chunk();
    ObjectNode choice = chunk.putArray("choices").addObject().put("index", index);
    choice.set("delta", delta);
    if (delta.has("role")) {
      choice.putNull("logprobs");
    } else {
      putLogprobs(choice, index);
    }
    choice.putNull("finish_reason");
    send(chunk);
  }

  private void putLogprobs(ObjectNode choice, int index) {
    List<TokenLogprobs> tokens = waiting.getOrDefault(index, List.of());
    if (tokens.isEmpty()) {
      choice.putNull("logprobs");
      return;
    }
    choice.set("logprobs", new LogprobsFields(reading.orElseThrow().tokenizer(), tokens).chat());
    waiting.remove(index);
  }
}
