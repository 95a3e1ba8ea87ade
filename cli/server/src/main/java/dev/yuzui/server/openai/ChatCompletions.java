package dev.yuzui.server.openai;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.openai.AnswerFields;
import dev.yuzui.openai.LogprobsFields;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.server.answer.Answer;
import dev.yuzui.server.answer.Answered;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.answer.Teller;
import dev.yuzui.server.http.Call;
import java.time.Instant;

/** {@code /v1/chat/completions}. */
public record ChatCompletions(Service service) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  public void answer(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    StreamAsked stream = StreamAsked.of(body);
    ParsedRequest request = service.parsed(body, parser -> parser.chat(body));
    service.requireRoom(request, "messages");
    Head head = Head.of("chatcmpl-", service.model().name());
    Teller teller =
        stream.streamed()
            ? new ChatChunks(call, head, stream, service.model().reading())
            : (Teller.Whole) all -> call.json(whole(head, all));
    service.answer(call, request, teller);
  }

  /**
   * What each object of an answer begins with.
   *
   * @param created seconds since 1970
   */
  record Head(String id, long created, String model) {
    static Head of(String prefix, String model) {
      return new Head(Ids.of(prefix), Instant.now().getEpochSecond(), model);
    }

    ObjectNode object(String type) {
      return JSON.objectNode()
          .put("id", id)
          .put("object", type)
          .put("created", created)
          .put("model", model);
    }
  }

  private ObjectNode whole(Head head, Answered all) {
    ObjectNode body = head.object("chat.completion");
    ArrayNode choices = body.putArray("choices");
    for (Answer answer : all.answers()) {
      ObjectNode choice = choices.addObject().put("index", answer.choice());
      ObjectNode message = choice.putObject("message").put("role", "assistant");
      AnswerFields.message(message, "content", answer.message(), true);
      message.putNull("refusal");
      if (answer.result().logprobs().isEmpty()) {
        choice.putNull("logprobs");
      } else {
        choice.set(
            "logprobs",
            new LogprobsFields(
                    service.model().reading().orElseThrow().tokenizer(), answer.result().logprobs())
                .chat());
      }
      choice.put("finish_reason", answer.finish());
    }
    body.set("usage", all.usage());
    body.set("timings", all.timings());
    return body;
  }
}
