package dev.yuzui.text;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * An answer in its parts.
 *
 * @param reasoning empty where there was none
 * @param content empty where it calls tools and says nothing
 */
public record OutputMessage(
    Optional<String> reasoning, Optional<String> content, List<Call> calls) {
  /**
   * @param arguments a JSON object as it was written; the beginning of one where {@code whole} is
   *     false
   * @param whole false where the answer ended within the call
   */
  public record Call(String id, String name, String arguments, boolean whole) {
    /** As the OpenAI interface and chat templates have it. */
    public Map<String, Object> fields() {
      Map<String, Object> function = new LinkedHashMap<>();
      function.put("name", name);
      function.put("arguments", arguments);
      Map<String, Object> call = new LinkedHashMap<>();
      call.put("id", id);
      call.put("type", "function");
      call.put("function", function);
      return call;
    }
  }

  public OutputMessage {
    calls = List.copyOf(calls);
  }

  /** Of all events of an answer. */
  public static OutputMessage of(List<OutputEvent> events) {
    StringBuilder reasoning = new StringBuilder();
    StringBuilder content = new StringBuilder();
    List<Call> calls = new ArrayList<>();
    for (OutputEvent event : events) {
      switch (event) {
        case OutputEvent.Reasoning(String text) -> reasoning.append(text);
        case OutputEvent.Content(String text) -> content.append(text);
        case OutputEvent.CallBegin(_, String id, String name) ->
            calls.add(new Call(id, name, "", false));
        case OutputEvent.CallArguments(int index, String json) -> {
          Call call = calls.get(index);
          calls.set(index, new Call(call.id(), call.name(), call.arguments() + json, false));
        }
        case OutputEvent.CallEnd(int index) -> {
          Call call = calls.get(index);
          calls.set(index, new Call(call.id(), call.name(), call.arguments(), true));
        }
      }
    }
    boolean silent = content.isEmpty() && !calls.isEmpty();
    return new OutputMessage(
        reasoning.isEmpty() ? Optional.empty() : Optional.of(reasoning.toString()),
        silent ? Optional.empty() : Optional.of(content.toString()),
        calls);
  }

  /** Without a call in which the answer ended. */
  public OutputMessage withoutCutCall() {
    return new OutputMessage(reasoning, content, calls.stream().filter(Call::whole).toList());
  }

  /** As a turn of the conversation that goes on. */
  public Message message() {
    Map<String, Object> more = new LinkedHashMap<>();
    reasoning.ifPresent(text -> more.put("reasoning_content", text));
    if (!calls.isEmpty()) {
      more.put("tool_calls", calls.stream().map(Call::fields).toList());
    }
    return new Message("assistant", content, more);
  }
}
