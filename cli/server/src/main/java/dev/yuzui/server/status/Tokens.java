package dev.yuzui.server.status;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.openai.ParsedRequest;
import dev.yuzui.openai.RequestFields;
import dev.yuzui.openai.RequestProblem;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.http.Call;
import dev.yuzui.server.http.HttpProblem;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.Tokenizer;
import java.util.List;
import java.util.Set;

/**
 * {@code /tokenize}, {@code /detokenize} and {@code /apply-template}, in llama.cpp's form and in
 * vLLM's: the fields of both are read and written, but for a template of the request's own.
 */
public record Tokens(Service service) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /** Fields of a text; with {@code messages} it is a chat's. */
  private static final Set<String> TEXT =
      Set.of(
          "model",
          "content",
          "prompt",
          "add_special",
          "add_special_tokens",
          "parse_special",
          "with_pieces",
          "return_token_strs");

  public void tokenize(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    int[] ids =
        body.has("messages")
            ? rendered(body).request().prompt().stream().mapToInt(Integer::intValue).toArray()
            : service.computed(() -> text(body));
    boolean pieces = Service.field(() -> body.flag("with_pieces")).orElse(false);
    boolean strings = Service.field(() -> body.flag("return_token_strs")).orElse(false);
    ObjectNode answer = JSON.objectNode();
    ArrayNode tokens = answer.putArray("tokens");
    for (int id : ids) {
      if (pieces) {
        tokens.addObject().put("id", id).put("piece", tokenizer().decode(new int[] {id}, false));
      } else {
        tokens.add(id);
      }
    }
    answer.put("count", ids.length).put("max_model_len", service.engine().contextLength());
    if (strings) {
      ArrayNode texts = answer.putArray("token_strs");
      for (int id : ids) {
        texts.add(tokenizer().piece(id));
      }
    }
    call.json(answer);
  }

  private int[] text(RequestFields body) {
    body.requireKnown(List.of(TEXT));
    String content =
        body.text("content")
            .or(() -> body.text("prompt"))
            .orElseThrow(() -> RequestProblem.field("content", "a text, or messages", "none"));
    // llama.cpp adds nothing unless asked to, vLLM does
    boolean special =
        body.flag("add_special")
            .or(() -> body.flag("add_special_tokens"))
            .orElse(body.has("prompt"));
    return tokenizer().encode(content, special, body.flag("parse_special").orElse(true));
  }

  public void detokenize(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    String text =
        service.computed(
            () -> {
              body.requireKnown(List.of(Set.of("tokens", "model")));
              JsonNode tokens = body.object().path("tokens");
              if (!tokens.isArray()) {
                throw RequestProblem.field("tokens", "an array of token ids", tokens.toString());
              }
              int[] ids = new int[tokens.size()];
              for (int i = 0; i < ids.length; i++) {
                JsonNode id = tokens.get(i);
                if (!id.isInt()
                    || id.intValue() < 0
                    || id.intValue() >= service.model().vocabulary()) {
                  throw RequestProblem.field(
                      "tokens", "token ids below " + service.model().vocabulary(), id.toString());
                }
                ids[i] = id.intValue();
              }
              return tokenizer().decode(ids, false);
            });
    call.json(JSON.objectNode().put("content", text).put("prompt", text));
  }

  /** The text that a chat becomes. */
  public void applyTemplate(Call call) throws InterruptedException {
    RequestFields body = service.fields(call);
    call.json(JSON.objectNode().put("prompt", rendered(body).text().map(Prompt::text).orElse("")));
  }

  private ParsedRequest.Prompt rendered(RequestFields body) throws InterruptedException {
    ObjectNode chat = body.object().deepCopy();
    chat.remove(
        List.of(
            "add_special_tokens",
            "add_special",
            "parse_special",
            "with_pieces",
            "return_token_strs",
            "add_generation_prompt",
            "continue_final_message"));
    RequestFields _ =
        Service.field(
            () -> {
              body.refuse("add_generation_prompt", "true", Set.of("true"));
              body.refuse("continue_final_message", "false", Set.of("false"));
              return body;
            });
    RequestFields fields = new RequestFields(chat);
    return service.parsed(fields, parser -> parser.chat(fields)).prompts().getFirst();
  }

  private Tokenizer tokenizer() {
    return service
        .model()
        .reading()
        .map(ServedModel.Reading::tokenizer)
        .orElseThrow(
            () -> HttpProblem.of(400, "no_tokenizer", "this model has no tokenizer: no text"));
  }
}
