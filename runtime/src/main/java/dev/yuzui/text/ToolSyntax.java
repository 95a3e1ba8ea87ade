package dev.yuzui.text;

/** How calls of tools are written. Texts are a template's: control tokens in them are meant. */
public sealed interface ToolSyntax {
  /** What the first call begins with. */
  String begin();

  /**
   * A section of calls, each with its arguments as JSON.
   *
   * @param begin of the section
   * @param open of a call, before its name
   * @param named between name and arguments; {@code $} is the call's number
   * @param close of a call, behind its arguments
   * @param between two calls
   * @param end of the section
   */
  record Section(String begin, String open, String named, String close, String between, String end)
      implements ToolSyntax {}

  /**
   * Each call a JSON object {@code {"name": …, "arguments": …}}.
   *
   * @param begin of a call
   * @param close of it
   * @param between two calls
   */
  record Objects(String begin, String close, String between) implements ToolSyntax {}

  /**
   * DSML: a block of invocations with a tag for each argument, which says whether it is a text.
   *
   * @param block its name
   * @param empty what stands in an invocation without arguments
   */
  record Invocations(String block, String empty) implements ToolSyntax {
    static final Invocations V3_2 = new Invocations("function_calls", "");
    static final Invocations V4 = new Invocations("tool_calls", "\n");

    /** What all of its tags have. */
    static final String MARK = "｜DSML｜";

    /** Before a tool's name. */
    public static final String INVOKE = "<" + MARK + "invoke name=\"";

    public static final String END_INVOKE = "</" + MARK + "invoke>";

    /** Before an argument's name. */
    public static final String PARAMETER = "<" + MARK + "parameter name=\"";

    /** Between an argument's name and true or false. */
    public static final String IS_TEXT = "\" string=\"";

    public static final String END_PARAMETER = "</" + MARK + "parameter>";

    /** Of a tag with attributes. */
    public static final String END_TAG = "\">";

    @Override
    public String begin() {
      return "<" + MARK + block + ">";
    }

    public String end() {
      return "</" + MARK + block + ">";
    }
  }

  /** GLM's: a tag for each name and each value of an argument; texts are not marked as such. */
  record Pairs() implements ToolSyntax {
    public static final String KEY = "<arg_key>";
    public static final String END_KEY = "</arg_key>";
    public static final String VALUE = "<arg_value>";
    public static final String END_VALUE = "</arg_value>";

    /** Of a call. */
    public static final String CLOSE = "</tool_call>";

    @Override
    public String begin() {
      return "<tool_call>";
    }
  }
}
