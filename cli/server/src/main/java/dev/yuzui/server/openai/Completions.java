package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.openai.LogprobsFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.server.answer.Answer;
import dev.yuzui.server.answer.Answered;
import dev.yuzui.server.answer.Piece;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.answer.Teller;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.openai.ChatCompletions.Head;
import dev.yuzui.text.OutputEvent;
import java.util.List;

/** {@code /v1/completions}: text goes on. */
public record Completions(Service service) {
  private static final String TYPE = "text_completion";

  public void answer(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    StreamAsked stream = StreamAsked.of(body);
    ParsedRequest request = service.parsed(body, parser -> parser.completion(body));
    service.requireRoom(request, "prompt");
    Head head = Head.of("cmpl-", service.model().name());
    Teller teller =
        stream.streamed()
            ? new TextChunks(call, head, stream, request)
            : (Teller.Whole) all -> call.json(whole(head, all));
    service.answer(call, request, teller);
  }

  private ObjectNode whole(Head head, Answered all) {
    ObjectNode body = head.object(TYPE);
    ArrayNode choices = body.putArray("choices");
    for (Answer answer : all.answers()) {
      ObjectNode choice =
          choices
              .addObject()
              .put("index", answer.choice())
              .put("text", answer.message().content().orElse(""));
      if (answer.asked().text().isEmpty()) {
        ArrayNode ids = choice.putArray("token_ids");
        answer.result().tokens().forEach(ids::add);
      }
      putLogprobs(choice, answer.result().logprobs(), 0);
      choice.put("finish_reason", answer.finish());
    }
    body.set("usage", all.usage());
    body.set("timings", all.timings());
    return body;
  }

  /**
   * @param from characters of the tokens before
   */
  private void putLogprobs(ObjectNode choice, List<TokenLogprobs> tokens, int from) {
    if (tokens.isEmpty()) {
      choice.putNull("logprobs");
    } else {
      choice.set(
          "logprobs",
          new LogprobsFields(service.model().reading().orElseThrow().tokenizer(), tokens)
              .completion(from));
    }
  }

  private final class TextChunks extends Chunks {
    private final ParsedRequest request;

    /** Characters of each choice's tokens. */
    private final int[] told;

    TextChunks(Call call, Head head, StreamAsked asked, ParsedRequest request) {
      super(call, head, asked);
      this.request = request;
      this.told = new int[request.choices()];
    }

    @Override
    String type() {
      return TYPE;
    }

    @Override
    public void piece(int index, Piece piece, List<OutputEvent> events)
        throws InterruptedException {
      boolean ids = request.prompts().get(index / request.answers()).text().isEmpty();
      if (events.isEmpty() && piece.logprobs().isEmpty() && !ids) {
        return;
      }
      ObjectNode chunk = chunk();
      ObjectNode choice = choice(chunk, index, text(events));
      if (ids) {
        choice.putArray("token_ids").add(piece.token());
      }
      putLogprobs(choice, piece.logprobs().stream().toList(), told[index]);
      for (JsonNode token : choice.path("logprobs").path("tokens")) {
        told[index] += token.textValue().length();
      }
      choice.putNull("finish_reason");
      send(chunk);
    }

    @Override
    public void done(Answer answer, List<OutputEvent> last) throws InterruptedException {
      ObjectNode chunk = chunk();
      ObjectNode choice = choice(chunk, answer.choice(), text(last));
      choice.putNull("logprobs").put("finish_reason", answer.finish());
      send(chunk);
    }

    private static ObjectNode choice(ObjectNode chunk, int index, String text) {
      return chunk.putArray("choices").addObject().put("index", index).put("text", text);
    }

    private static String text(List<OutputEvent> events) {
      StringBuilder text = new StringBuilder();
      for (OutputEvent event : events) {
        if (event instanceof OutputEvent.Content(String more)) {
          text.append(more);
        }
      }
      return text.toString();
    }
  }
}
