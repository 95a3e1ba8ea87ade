package dev.yuzui.text;

import java.util.ArrayList;
import java.util.HashMap;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.function.Function;

/**
 * Names of calls as a family writes them, in place of a client's: Kimi's template shows them, and a
 * model that sees others makes others.
 */
final class CallIds {
  private static final String TOOL = "probe_tool";

  private CallIds() {}

  /**
   * Whether a template that writes names of its own begins to count in every turn.
   *
   * @param render may throw {@link TextException}
   */
  static boolean anewInEachTurn(OutputFormat format, Function<List<Message>, String> render) {
    Map<String, Object> call =
        Map.of("type", "function", "function", Map.of("name", TOOL, "arguments", "{}"));
    Message turn = new Message("assistant", Optional.of(""), Map.of("tool_calls", List.of(call)));
    try {
      List<Message> turns = List.of(Message.user("?"), turn, Message.user("?"), turn);
      return !render.apply(counted(turns, format, false)).contains(format.id(TOOL, 1));
    } catch (TextException _) {
      return false;
    }
  }

  /**
   * Results follow the last call of their name.
   *
   * @param anew calls are counted in each turn, not through the conversation
   */
  static List<Message> counted(List<Message> messages, OutputFormat format, boolean anew) {
    Map<Object, String> names = new HashMap<>();
    List<Message> all = new ArrayList<>();
    int index = 0;
    for (Message message : messages) {
      Map<String, Object> more = new LinkedHashMap<>(message.more());
      if (more.get("tool_calls") instanceof List<?> calls) {
        List<Object> renamed = new ArrayList<>();
        index = anew ? 0 : index;
        for (Object call : calls) {
          renamed.add(call instanceof Map<?, ?> map ? renamed(map, index++, format, names) : call);
        }
        more.put("tool_calls", renamed);
      }
      if (names.containsKey(more.get("tool_call_id"))) {
        more.put("tool_call_id", names.get(more.get("tool_call_id")));
      }
      all.add(new Message(message.role(), message.content(), more));
    }
    return all;
  }

  private static Map<String, Object> renamed(
      Map<?, ?> call, int index, OutputFormat format, Map<Object, String> names) {
    Map<String, Object> copy = new LinkedHashMap<>();
    call.forEach((key, value) -> copy.put(String.valueOf(key), value));
    Map<?, ?> function = call.get("function") instanceof Map<?, ?> map ? map : Map.of();
    String id = format.id(String.valueOf(function.get("name")), index);
    names.put(call.get("id"), id);
    copy.put("id", id);
    return copy;
  }
}
