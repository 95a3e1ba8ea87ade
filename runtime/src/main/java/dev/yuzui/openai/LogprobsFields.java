package dev.yuzui.openai;

import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.engine.api.TokenLogprobs;
import dev.yuzui.engine.api.TokenLogprobs.Entry;
import dev.yuzui.text.Tokenizer;
import java.nio.charset.StandardCharsets;
import java.util.List;

/** Probabilities of tokens, as the OpenAI interface has them. */
public record LogprobsFields(Tokenizer tokenizer, List<TokenLogprobs> tokens) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /** JSON has no infinity; OpenAI writes this. */
  private static final double IMPOSSIBLE = -9999;

  /** A list of what is known of each. */
  public ObjectNode chat() {
    ObjectNode all = JSON.objectNode();
    ArrayNode content = all.putArray("content");
    for (TokenLogprobs token : tokens) {
      ObjectNode node = content.addObject();
      entry(node, token.drawn());
      ArrayNode top = node.putArray("top_logprobs");
      token.top().forEach(other -> entry(top.addObject(), other));
    }
    return all.putNull("refusal");
  }

  private void entry(ObjectNode to, Entry entry) {
    to.put("token", text(entry)).put("logprob", number(entry));
    ArrayNode bytes = to.putArray("bytes");
    for (byte b : tokenizer.bytes(entry.token())) {
      bytes.add(b & 255);
    }
  }

  /** A list for each thing that is known. */
  public ObjectNode completion() {
    return completion(0);
  }

  /**
   * The same of tokens that follow others.
   *
   * @param from characters of those before
   */
  public ObjectNode completion(int from) {
    ObjectNode all = JSON.objectNode();
    ArrayNode texts = all.putArray("tokens");
    ArrayNode numbers = all.putArray("token_logprobs");
    ArrayNode tops = all.putArray("top_logprobs");
    ArrayNode offsets = all.putArray("text_offset");
    int offset = from;
    for (TokenLogprobs token : tokens) {
      String text = text(token.drawn());
      texts.add(text);
      numbers.add(number(token.drawn()));
      ObjectNode top = tops.addObject();
      token.top().forEach(other -> top.put(text(other), number(other)));
      offsets.add(offset);
      offset += text.length();
    }
    return all;
  }

  private String text(Entry entry) {
    return new String(tokenizer.bytes(entry.token()), StandardCharsets.UTF_8);
  }

  private static double number(Entry entry) {
    return Math.max(entry.logprob(), IMPOSSIBLE);
  }
}
