package dev.yuzui.text;

import com.hubspot.jinjava.Jinjava;
import com.hubspot.jinjava.JinjavaConfig;
import com.hubspot.jinjava.LegacyOverrides;
import com.hubspot.jinjava.el.JinjavaProcessors;
import com.hubspot.jinjava.interpret.Context;
import com.hubspot.jinjava.interpret.InterpretException;
import com.hubspot.jinjava.interpret.JinjavaInterpreter;
import com.hubspot.jinjava.interpret.RenderResult;
import com.hubspot.jinjava.interpret.TemplateError;
import com.hubspot.jinjava.lib.exptest.ExpTest;
import com.hubspot.jinjava.lib.filter.AdvancedFilter;
import com.hubspot.jinjava.lib.filter.Filter;
import com.hubspot.jinjava.lib.fn.ELFunctionDefinition;
import com.hubspot.jinjava.lib.tag.Tag;
import com.hubspot.jinjava.loader.ResourceNotFoundException;
import com.hubspot.jinjava.objects.date.StrftimeFormatter;
import com.hubspot.jinjava.tree.Node;
import com.hubspot.jinjava.tree.TagNode;
import com.hubspot.jinjava.util.ObjectTruthValue;
import java.time.Duration;
import java.time.ZoneId;
import java.time.ZonedDateTime;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.function.Predicate;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/**
 * jinjava, set up to mean what Python's Jinja means under transformers' settings: trim_blocks,
 * lstrip_blocks, Python's None, methods and JSON. A template comes with a model and is not trusted:
 * it reaches no class, file or network, and output, loops and depth are limited.
 */
final class Jinja {
  /** The filter every printed value passes through. */
  static final String PRINT = "python_text";

  private static final int MAX_OUTPUT = 64 << 20;
  private static final Duration TIME = Duration.ofSeconds(10);

  private final Jinjava jinjava;
  private final String source;
  private final Duration time;
  private long deadline;
  private UnaryOperator<Object> guard = UnaryOperator.identity();

  /** Throws {@link TextException} if the template's form is wrong. */
  Jinja(String template) {
    this(template, TIME);
  }

  Jinja(String template, Duration time) {
    this.time = time;
    jinjava =
        new Jinjava(
            JinjavaConfig.newBuilder()
                .withNestedInterpretationEnabled(false) // a message may contain {{ }}
                .withElResolver(new PythonObjects())
                .withMaxOutputSize(MAX_OUTPUT)
                .withMaxStringLength(MAX_OUTPUT)
                .withMaxRenderDepth(20)
                .withMaxListSize(1_000_000)
                .withMaxMapSize(100_000)
                .withRangeLimit(100_000)
                .withEnableRecursiveMacroCalls(true)
                .withMaxMacroRecursionDepth(20)
                .withDisabled(
                    Map.of(
                        Context.Library.TAG,
                        Set.of("include", "import", "from", "extends", "cycle", "unless")))
                .withProcessors(
                    JinjavaProcessors.newBuilder()
                        .withNodePreProcessor(
                            (_, _) -> {
                              if (System.nanoTime() - deadline > 0) {
                                throw new OutOfTime();
                              }
                            })
                        .build())
                .withLegacyOverrides(
                    LegacyOverrides.newBuilder()
                        .withEvaluateMapKeys(true)
                        .withIterateOverMapKeys(true)
                        .withUsePyishObjectMapper(true)
                        .withKeepNullableLoopValues(true)
                        .build())
                .build());
    jinjava.setResourceLocator(
        (name, _, _) -> {
          throw new ResourceNotFoundException(name + ": a chat template may not read files");
        });
    test("defined", v -> !PythonValue.isUndefined(v));
    test("undefined", PythonValue::isUndefined);
    test("none", PythonValue::isNone);
    test("string", v -> v instanceof String);
    test("mapping", v -> v instanceof Map);
    test("sequence", v -> v instanceof List || v instanceof String || v instanceof Map);
    test("iterable", v -> v instanceof List || v instanceof String || v instanceof Map);
    test("boolean", v -> v instanceof Boolean);
    test("number", v -> v instanceof Number);
    test("integer", v -> v instanceof Long || v instanceof Integer);
    test("true", v -> Boolean.TRUE.equals(v));
    test("false", v -> Boolean.FALSE.equals(v));
    filter("tojson", (v, _, named) -> Json.write(v, named));
    filter("from_json", (v, _, _) -> PythonValue.of(guard.apply(Json.read(String.valueOf(v)))));
    filter("string", (v, _, _) -> Json.print(v));
    filter("default", Jinja::orElse);
    filter("d", Jinja::orElse);
    filter(PRINT, (v, _, _) -> Json.print(v));
    jinjava.registerTag(new GenerationTag());
    function("raise_exception", String.class);
    function("strftime_now", String.class);
    jinjava.getGlobalContext().setDynamicVariableResolver(_ -> PythonValue.UNDEFINED);
    source =
        JinjaSource.rewrite(
            template,
            jinjava.getGlobalContext().getAllFilters().stream()
                .map(Filter::getName)
                .collect(Collectors.toUnmodifiableSet()));
  }

  String render(Map<String, Object> variables) {
    return render(variables, UnaryOperator.identity());
  }

  /**
   * Throws {@link TextException} with the line that failed.
   *
   * @param read sees what the template reads out of a JSON text
   */
  synchronized String render(Map<String, Object> variables, UnaryOperator<Object> read) {
    guard = read;
    Map<String, Object> context = new HashMap<>();
    variables.forEach((name, value) -> context.put(name, PythonValue.of(value)));
    context.put("none", PythonValue.NONE);
    context.put("None", PythonValue.NONE);
    deadline = System.nanoTime() + time.toNanos();
    RenderResult result;
    try {
      result = jinjava.renderForResult(source, context);
    } catch (OutOfTime e) {
      throw new TextException("not done after " + time.toSeconds() + " seconds", e);
    } catch (InterpretException e) {
      throw new TextException(e.getMessage(), e);
    }
    for (TemplateError error : result.getErrors()) {
      throw new TextException("line " + error.getLineno() + ": " + cause(error));
    }
    return result.getOutput();
  }

  /** No exception, because jinjava would note it and go on. */
  private static final class OutOfTime extends Error {
    private static final long serialVersionUID = 1L;
  }

  private static String cause(TemplateError error) {
    for (Throwable t = error.getException(); t != null; t = t.getCause()) {
      if (t instanceof TextException) {
        return t.getMessage();
      }
    }
    return error.getMessage();
  }

  private static Object orElse(Object value, Object[] args, Map<String, Object> named) {
    boolean falseToo = args.length > 1 && ObjectTruthValue.evaluate(args[1]);
    boolean absent =
        PythonValue.isUndefined(value) || (falseToo && !ObjectTruthValue.evaluate(value));
    return !absent ? value : args.length > 0 ? args[0] : "";
  }

  private interface FilterBody {
    Object apply(Object value, Object[] args, Map<String, Object> named);
  }

  /** Called by templates. */
  public static String raise_exception(String message) {
    throw new TextException("the template says: " + message);
  }

  /** Called by templates: now, in C's date format. */
  public static String strftime_now(String format) {
    return StrftimeFormatter.format(ZonedDateTime.now(ZoneId.systemDefault()), format);
  }

  /** transformers marks what the assistant said with it; the text is unchanged. */
  private static final class GenerationTag implements Tag {
    private static final long serialVersionUID = 1;

    @Override
    public String getName() {
      return "generation";
    }

    @Override
    public String interpret(TagNode tag, JinjavaInterpreter interpreter) {
      StringBuilder out = new StringBuilder();
      for (Node child : tag.getChildren()) {
        out.append(child.render(interpreter).getValue());
      }
      return out.toString();
    }
  }

  private void function(String name, Class<?>... parameters) {
    jinjava.registerFunction(new ELFunctionDefinition("", name, Jinja.class, name, parameters));
  }

  private void test(String name, Predicate<Object> test) {
    jinjava.registerExpTest(
        new ExpTest() {
          @Override
          public String getName() {
            return name;
          }

          @Override
          public boolean evaluate(Object value, JinjavaInterpreter interpreter, Object... args) {
            return test.test(value);
          }
        });
  }

  private void filter(String name, FilterBody filter) {
    jinjava.registerFilter(
        new AdvancedFilter() {
          @Override
          public String getName() {
            return name;
          }

          @Override
          public Object filter(
              Object value,
              JinjavaInterpreter interpreter,
              Object[] args,
              Map<String, Object> named) {
            return filter.apply(value, args, named);
          }
        });
  }
}
