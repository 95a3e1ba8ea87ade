package dev.yuzui.text;

import dev.yuzui.text.MarkScanner.Look;
import dev.yuzui.text.ToolSyntax.Invocations;
import java.util.List;
import java.util.Set;

/** Reads V3.2's and V4's blocks of invocations. */
final class DsmlReader implements CallReader {
  private enum State {
    BLOCK,
    NAME,
    INVOCATION,
    ARGUMENT,
    TEXT,
    VALUE,
    PASSED_OVER
  }

  private final List<Tool> tools;
  private final String invoke;
  private final String endOfBlock;
  private final String parameter;
  private final String endOfInvocation;
  private final String endOfParameter;
  private State state = State.BLOCK;
  private String tool = "";

  DsmlReader(Invocations syntax, MarkSpelling spelling, List<Tool> tools) {
    this.tools = tools;
    invoke = spelling.mark(Invocations.INVOKE);
    endOfBlock = spelling.mark(syntax.end());
    parameter = spelling.mark(Invocations.PARAMETER);
    endOfInvocation = spelling.mark(Invocations.END_INVOKE);
    endOfParameter = spelling.mark(Invocations.END_PARAMETER);
  }

  private List<String> marks() {
    return switch (state) {
      case BLOCK -> List.of(invoke, endOfBlock);
      case NAME, ARGUMENT -> List.of(Invocations.END_TAG);
      case INVOCATION -> List.of(parameter, endOfInvocation, endOfBlock);
      case TEXT, VALUE, PASSED_OVER -> List.of(endOfParameter);
    };
  }

  @Override
  public Progress step(MarkScanner in, CallWriter out) {
    return switch (in.look(marks())) {
      case Look.Found(int at, String mark) -> {
        String before = in.take(at);
        in.take(mark.length());
        yield found(before, mark, out);
      }
      case Look.Nothing(int safe) -> {
        if (state == State.TEXT) {
          out.textPart(in.take(safe));
        } else if (state == State.BLOCK || state == State.INVOCATION) {
          in.take(safe); // line ends
        }
        yield Progress.WAIT;
      }
    };
  }

  private Progress found(String before, String mark, CallWriter out) {
    switch (state) {
      case BLOCK -> {
        if (mark.equals(endOfBlock)) {
          return Progress.DONE;
        }
        state = State.NAME;
      }
      case NAME -> {
        tool = MarkSpelling.shown(before);
        out.begin(tool);
        state = State.INVOCATION;
      }
      case INVOCATION -> {
        if (mark.equals(parameter)) {
          state = State.ARGUMENT;
        } else {
          out.endArguments();
          state = State.BLOCK;
          return mark.equals(endOfBlock) ? Progress.DONE : Progress.MORE;
        }
      }
      case ARGUMENT -> argument(MarkSpelling.shown(before), out);
      case TEXT -> {
        out.textPart(before);
        out.json("\"");
        state = State.INVOCATION;
      }
      case VALUE -> {
        out.value(before, Set.of()); // its tag says that it is none
        state = State.INVOCATION;
      }
      case PASSED_OVER -> state = State.INVOCATION;
    }
    return Progress.MORE;
  }

  private void argument(String header, CallWriter out) {
    int at = header.lastIndexOf(Invocations.IS_TEXT);
    String name = at < 0 ? header : header.substring(0, at);
    boolean text =
        at < 0
            ? Tool.isText(CallWriter.schema(tools, tool, name))
            : header.substring(at + Invocations.IS_TEXT.length()).equals("true");
    if (!out.argument(name)) {
      state = State.PASSED_OVER;
      return;
    }
    state = text ? State.TEXT : State.VALUE;
    if (text) {
      out.json("\"");
    }
  }
}
