package dev.yuzui.text;

import dev.yuzui.text.ToolSyntax.Invocations;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * How DeepSeek-V4 is asked. No template is published: its encoding_dsv4.py is the definition.
 * Results of tools are parts of a user's turn, in the order of the calls. What an assistant thought
 * is shown behind the last question alone, unless there are tools or {@code drop_thinking} is
 * false; turns of a developer before it are left out then.
 *
 * <p>Variables: {@code tools}, {@code response_format}, {@code drop_thinking} and {@code
 * reasoning_effort}, of which the higher ones are told in front of everything.
 */
final class V4Encoding {
  private static final String BOS = "<｜begin▁of▁sentence｜>";
  private static final String EOS = "<｜end▁of▁sentence｜>";
  private static final String USER = "<｜User｜>";
  private static final String ASSISTANT = "<｜Assistant｜>";
  static final String REMINDER = "<｜latest_reminder｜>";
  private static final String OPEN = "<think>";
  private static final String CLOSE = "</think>";

  private static final String TOOLS =
      """


      ## Tools

      You have access to a set of tools to help answer the user's question. You can invoke tools by writing a "<｜DSML｜tool_calls>" block like the following:

      <｜DSML｜tool_calls>
      <｜DSML｜invoke name="$TOOL_NAME">
      <｜DSML｜parameter name="$PARAMETER_NAME" string="true|false">$PARAMETER_VALUE</｜DSML｜parameter>
      ...
      </｜DSML｜invoke>
      <｜DSML｜invoke name="$TOOL_NAME2">
      ...
      </｜DSML｜invoke>
      </｜DSML｜tool_calls>

      String parameters should be specified as is and set `string="true"`. For all other types (numbers, booleans, arrays, objects), pass the value in JSON format and set `string="false"`.

      If thinking_mode is enabled (triggered by <think>), you MUST output your complete reasoning inside <think>...</think> BEFORE any tool calls or final response.

      Otherwise, output directly after </think> with tool calls or final response.

      ### Available Tool Schemas

      """;

  private static final String AFTER_TOOLS =
      "\n\nYou MUST strictly follow the above defined tool name and parameter schemas to invoke tool"
          + " calls.\n";

  private static final String FORMAT =
      "\n\n## Response Format:\n\nYou MUST strictly adhere to the following schema to reply:\n";

  private static final String ABSOLUTE =
      """
      Reasoning Effort: Absolute maximum with no shortcuts permitted.
      You MUST be very thorough in your thinking and comprehensively decompose the problem to resolve the root cause, rigorously stress-testing your logic against all potential paths, edge cases, and adversarial scenarios.
      Explicitly write out your entire deliberation process, documenting every intermediate step, considered alternative, and rejected hypothesis to ensure absolutely no assumption is left unchecked.

      """;

  private static final String BEYOND =
      """
      Reasoning Effort: Beyond maximum — exhaustive, relentless, and uncompromising.
      You MUST reason with the utmost depth and rigor, leaving absolutely nothing to chance: exhaustively decompose the problem into its most fundamental components, trace every causal chain to its root, and resolve the underlying cause rather than any surface symptom.
      Do not stop reasoning until you have independently verified the solution from multiple angles and are certain that no assumption remains unchecked and no error remains undiscovered.

      """;

  /** What a release makes of the words for effort; those it says nothing for are empty. */
  enum Release {
    FLASH_AND_PRO(Map.of("max", ABSOLUTE, "xhigh", ABSOLUTE)),
    FLASH_0731(Map.of("high", ABSOLUTE, "max", BEYOND, "xhigh", BEYOND));

    private final Map<String, String> efforts;

    Release(Map<String, String> efforts) {
      this.efforts = efforts;
    }
  }

  /** Words for effort that clients send. */
  private static final Set<String> EFFORTS =
      Set.of("minimal", "low", "medium", "high", "xhigh", "max");

  /** Asks of a user's turn that DeepSeek's own programs make. */
  private static final Set<String> TASKS =
      Set.of("action", "query", "authority", "domain", "title", "read_url");

  /** A turn, of which a user's may be several messages. */
  private record Turn(Message first, List<Message> parts) {
    String role() {
      return first.role().equals("tool") ? "user" : first.role();
    }

    boolean asks() {
      return role().equals("user") || role().equals("developer");
    }

    Optional<String> task() {
      return parts.stream().flatMap(m -> task(m).stream()).findFirst();
    }

    private static Optional<String> task(Message m) {
      return Optional.ofNullable(m.more().get("task")).map(String::valueOf);
    }
  }

  private final List<Turn> turns;
  private final RenderOptions options;
  private final Release release;
  private final boolean drops;
  private final int lastQuestion;

  private V4Encoding(List<Message> messages, RenderOptions options, Release release) {
    this.options = options;
    this.release = release;
    boolean tools =
        variable("tools").isPresent() || messages.stream().anyMatch(m -> given(m, "tools"));
    this.drops = !tools && !Objects.equals(options.variables().get("drop_thinking"), false);
    List<Turn> all = turns(messages);
    this.turns = thinking() && drops ? withoutDevelopers(all) : all;
    this.lastQuestion = lastQuestion(turns);
  }

  static String render(List<Message> messages, RenderOptions options, Release release) {
    return new V4Encoding(messages, options, release).render();
  }

  private boolean thinking() {
    return options.thinking().orElse(false);
  }

  /** Neighbouring messages of users and tools are one turn; a task ends it. */
  private static List<Turn> turns(List<Message> messages) {
    List<Turn> turns = new ArrayList<>();
    for (Message m : messages) {
      boolean user = m.role().equals("user") || m.role().equals("tool");
      boolean follows = user && !turns.isEmpty() && turns.getLast().role().equals("user");
      if (follows && turns.getLast().task().isEmpty()) {
        turns.getLast().parts().add(m);
      } else {
        turns.add(new Turn(m, new ArrayList<>(List.of(m))));
      }
    }
    Map<String, Integer> order = new HashMap<>();
    for (Turn turn : turns) {
      if (turn.first().more().get("tool_calls") instanceof List<?> calls && !calls.isEmpty()) {
        order.clear();
        calls.forEach(call -> order.putIfAbsent(id(call), order.size()));
      } else if (turn.role().equals("user")) {
        sortResults(turn.parts(), order);
      }
    }
    return turns;
  }

  private static String id(Object call) {
    return call instanceof Map<?, ?> map ? String.valueOf(map.get("id")) : "";
  }

  /** Results change places among themselves; what else a user said stays where it is. */
  private static void sortResults(List<Message> parts, Map<String, Integer> order) {
    List<Message> results =
        new ArrayList<>(parts.stream().filter(m -> m.role().equals("tool")).toList());
    results.sort(
        Comparator.comparing(
            m -> order.getOrDefault(String.valueOf(m.more().get("tool_call_id")), 0)));
    parts.replaceAll(m -> m.role().equals("tool") ? results.removeFirst() : m);
  }

  private static int lastQuestion(List<Turn> turns) {
    int last = -1;
    for (int i = 0; i < turns.size(); i++) {
      last = turns.get(i).asks() ? i : last;
    }
    return last;
  }

  private static List<Turn> withoutDevelopers(List<Turn> turns) {
    int last = lastQuestion(turns);
    return IntStream.range(0, turns.size())
        .filter(i -> i >= last || !turns.get(i).role().equals("developer"))
        .mapToObj(turns::get)
        .toList();
  }

  private String render() {
    StringBuilder out = new StringBuilder(BOS);
    out.append(thinking() ? effort() : "");
    boolean told = turns.stream().anyMatch(turn -> turn.role().equals("system"));
    if (!told) {
      out.append(schemas(Map.of(), true));
    }
    boolean first = true;
    for (int i = 0; i < turns.size(); i++) {
      Turn turn = turns.get(i);
      Message m = turn.first();
      switch (turn.role()) {
        case "system" -> {
          out.append(m.content().orElse("")).append(schemas(m.more(), first));
          first = false;
        }
        case "developer" -> out.append(USER).append(text(m)).append(schemas(m.more(), false));
        case "user" ->
            out.append(USER)
                .append(
                    turn.parts().stream()
                        .map(V4Encoding::part)
                        .collect(Collectors.joining("\n\n")));
        case "latest_reminder" -> out.append(REMINDER).append(text(m));
        case "assistant" -> out.append(answer(i, m));
        default ->
            throw new TextException(
                "expected system, user, assistant, tool, developer or latest_reminder, found a turn"
                    + " of "
                    + m.role());
      }
      out.append(transition(i, turn));
    }
    return out.toString();
  }

  private String effort() {
    Optional<String> word = variable("reasoning_effort").map(String::valueOf);
    if (word.isPresent() && !EFFORTS.contains(word.get())) {
      throw new TextException(
          "reasoning_effort: expected minimal, low, medium, high, xhigh or max, found "
              + word.get());
    }
    return word.map(w -> release.efforts.getOrDefault(w, "")).orElse("");
  }

  /**
   * Tools and format that a message brings.
   *
   * @param all whether those of the whole conversation are told here
   */
  private String schemas(Map<String, Object> more, boolean all) {
    Optional<Object> tools =
        present(more.get("tools")).or(() -> all ? variable("tools") : Optional.empty());
    Optional<Object> format =
        present(more.get("response_format"))
            .or(() -> all ? variable("response_format") : Optional.empty());
    return tools.map(t -> TOOLS + Dsml.schemas(t) + AFTER_TOOLS).orElse("")
        + format.map(f -> FORMAT + Json.write(f, Map.of())).orElse("");
  }

  private static String part(Message m) {
    String text = m.content().orElse("");
    return m.role().equals("tool") ? "<tool_result>" + text + "</tool_result>" : text;
  }

  private String answer(int i, Message m) {
    boolean task = i > 0 && turns.get(i - 1).task().isPresent();
    boolean shown = thinking() && !task && (!drops || i > lastQuestion);
    String thought = shown ? present(m.more().get("reasoning_content")).orElse("") + CLOSE : "";
    return thought + m.content().orElse("") + Dsml.calls(m, Invocations.V4) + EOS;
  }

  /** What stands between a turn and an answer to it. */
  private String transition(int i, Turn turn) {
    boolean last = i + 1 == turns.size();
    if (last && !options.addGenerationPrompt()) {
      return "";
    }
    if (!last && !Set.of("assistant", "latest_reminder").contains(turns.get(i + 1).role())) {
      return "";
    }
    Optional<String> task = turn.task();
    if (task.isPresent()) {
      String token = task(task.get());
      return task.get().equals("action") ? ASSISTANT + (thinking() ? OPEN : CLOSE) + token : token;
    }
    boolean thinks = thinking() && (!drops || i >= lastQuestion);
    return turn.asks() ? ASSISTANT + (thinks ? OPEN : CLOSE) : "";
  }

  private static String task(String name) {
    if (!TASKS.contains(name)) {
      throw new TextException("task: expected one of " + TASKS + ", found " + name);
    }
    return "<｜" + name + "｜>";
  }

  private Optional<Object> variable(String name) {
    return present(options.variables().get(name));
  }

  private static boolean given(Message m, String field) {
    return present(m.more().get(field)).isPresent();
  }

  private static Optional<Object> present(Object value) {
    return Optional.ofNullable(value).filter(v -> !Objects.equals(v, List.of()));
  }

  private static String text(Message m) {
    return m.content()
        .orElseThrow(() -> new TextException("found a turn of " + m.role() + " without text"));
  }
}
