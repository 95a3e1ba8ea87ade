package dev.yuzui.grammar;

import dev.yuzui.grammar.GrammarSource.Choices;
import dev.yuzui.grammar.GrammarSource.JsonObject;
import dev.yuzui.grammar.GrammarSource.JsonSchema;
import dev.yuzui.grammar.GrammarSource.Named;
import dev.yuzui.grammar.GrammarSource.OneOf;
import dev.yuzui.grammar.GrammarSource.Pattern;
import dev.yuzui.grammar.GrammarSource.Repeated;
import dev.yuzui.grammar.GrammarSource.Sequence;
import dev.yuzui.grammar.GrammarSource.Template;
import dev.yuzui.io.Json;
import dev.yuzui.text.OutputFormat;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolSyntax.Invocations;
import dev.yuzui.text.ToolSyntax.Objects;
import dev.yuzui.text.ToolSyntax.Pairs;
import dev.yuzui.text.ToolSyntax.Section;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * The calls of tools that a family's answer may have, as a grammar. Arguments keep to the schema of
 * their tool, unless it is not strict; what is wrong with a schema is said of its tool.
 */
public final class ToolGrammar {
  static final JsonLayout LAYOUT = JsonLayout.COMPACT;

  private final OutputFormat format;
  private final List<Tool> tools;
  private final boolean several;

  /**
   * @param tools that may be called, one at least
   * @param several whether an answer may have more than one call
   */
  public ToolGrammar(OutputFormat format, List<Tool> tools, boolean several) {
    this.format = format;
    this.tools = List.copyOf(tools);
    this.several = several;
  }

  /** An answer that calls. */
  public GrammarSource calls() {
    return sequence(new Template(begin()), behindBegin());
  }

  /** What the first call begins with, as the family writes it. */
  private String begin() {
    return switch (format.tools()) {
      case Invocations block -> "\n\n" + block.begin() + "\n";
      case Section section -> section.begin();
      case Objects objects -> objects.begin();
      case Pairs pairs -> pairs.begin();
    };
  }

  /** What follows {@link #mark} in an answer that came to call by itself. */
  public GrammarSource behindMark() {
    String rest = begin().substring(begin().indexOf(mark()) + mark().length());
    return rest.isEmpty() ? behindBegin() : sequence(new Template(rest), behindBegin());
  }

  /** What an answer that calls cannot do without. */
  public String mark() {
    return format.tools().begin().strip();
  }

  private GrammarSource behindBegin() {
    return switch (format.tools()) {
      case Section section -> {
        List<GrammarSource> each = each(tool -> section(section, tool));
        GrammarSource call = oneOf(each);
        yield sequence(
            new Template(section.open()),
            call,
            more(sequence(new Template(section.between() + section.open()), call)),
            new Template(section.end()));
      }
      case Objects objects -> {
        GrammarSource call = sequence(oneOf(each(this::object)), new Template(objects.close()));
        yield sequence(
            call, more(sequence(new Template(objects.between() + objects.begin()), call)));
      }
      case Invocations block -> {
        GrammarSource call = oneOf(each(tool -> invocation(block, tool)));
        yield sequence(call, more(call), new Template(block.end()));
      }
      case Pairs pairs -> {
        GrammarSource call = oneOf(each(ToolGrammar::pairs));
        yield sequence(call, more(sequence(new Template(pairs.begin()), call)));
      }
    };
  }

  private interface OfTool {
    GrammarSource of(Tool tool);
  }

  private List<GrammarSource> each(OfTool make) {
    return tools.stream().map(make::of).toList();
  }

  private GrammarSource more(GrammarSource call) {
    return new Repeated(call, 0, several ? Repeated.ANY_NUMBER : 0);
  }

  static GrammarSource oneOf(List<GrammarSource> parts) {
    return parts.size() == 1 ? parts.getFirst() : new OneOf(parts);
  }

  static GrammarSource sequence(GrammarSource... parts) {
    return new Sequence(List.of(parts));
  }

  static GrammarSource text(String text) {
    return new Choices(List.of(text));
  }

  private GrammarSource section(Section section, Tool tool) {
    String named = section.named();
    int number = named.indexOf('$');
    GrammarSource between =
        number < 0
            ? new Template(named)
            : sequence(
                new Template(named.substring(0, number)),
                new Pattern("0|[1-9]\\d{0,5}"),
                new Template(named.substring(number + 1)));
    return sequence(text(tool.name()), between, arguments(tool), new Template(section.close()));
  }

  private GrammarSource object(Tool tool) {
    return sequence(
        text("{\"name\": " + Json.compact(tool.name()) + ", \"arguments\": "),
        arguments(tool),
        text("}"));
  }

  /** As JSON. */
  private static GrammarSource arguments(Tool tool) {
    if (tool.lenient()) {
      return new JsonObject(LAYOUT);
    }
    if (tool.parameters().isEmpty()) {
      return text("{}");
    }
    Map<String, Object> schema = new LinkedHashMap<>();
    tool.parameters().get().forEach((key, value) -> schema.put(String.valueOf(key), value));
    schema.putIfAbsent("type", "object");
    if (ArgumentGrammar.listsAll(schema)) {
      schema.putIfAbsent("additionalProperties", false); // nobody means the others
    }
    return named(tool, "", new JsonSchema(Json.compact(schema), LAYOUT));
  }

  static Named named(Tool tool, String pointer, GrammarSource part) {
    return new Named(tool.where() + ".parameters" + pointer + " (of '" + tool.name() + "')", part);
  }

  private static GrammarSource invocation(Invocations block, Tool tool) {
    GrammarSource arguments = ArgumentGrammar.of(tool, ArgumentGrammar.Style.DSML);
    boolean mayBeEmpty = tool.lenient() || ArgumentGrammar.required(tool).isEmpty();
    return sequence(
        new Template(Invocations.INVOKE),
        text(tool.name()),
        new Template(Invocations.END_TAG + "\n"),
        block.empty().isEmpty() || !mayBeEmpty
            ? arguments
            : new OneOf(List.of(arguments, new Template(block.empty()))),
        new Template(Invocations.END_INVOKE + "\n"));
  }

  private static GrammarSource pairs(Tool tool) {
    return sequence(
        text(tool.name()),
        ArgumentGrammar.of(tool, ArgumentGrammar.Style.PAIRS),
        new Template(Pairs.CLOSE));
  }
}
