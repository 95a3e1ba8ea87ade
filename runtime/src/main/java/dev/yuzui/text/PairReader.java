package dev.yuzui.text;

import dev.yuzui.text.MarkScanner.Look;
import dev.yuzui.text.ToolSyntax.Pairs;
import java.util.List;

/** Reads GLM's calls. Which arguments are texts is said by their schemas. */
final class PairReader implements CallReader {
  private enum State {
    NAME,
    PAIRS,
    KEY,
    BEFORE_VALUE,
    TEXT,
    VALUE,
    PASSED_OVER
  }

  private final List<Tool> tools;
  private final String key;
  private final String endOfKey;
  private final String value;
  private final String endOfValue;
  private final String endOfCall;
  private State state = State.NAME;
  private String tool = "";
  private String argument = "";

  PairReader(MarkSpelling spelling, List<Tool> tools) {
    this.tools = tools;
    key = spelling.mark(Pairs.KEY);
    endOfKey = spelling.mark(Pairs.END_KEY);
    value = spelling.mark(Pairs.VALUE);
    endOfValue = spelling.mark(Pairs.END_VALUE);
    endOfCall = spelling.mark(Pairs.CLOSE);
  }

  private List<String> marks() {
    return switch (state) {
      case NAME, PAIRS -> List.of(key, endOfCall);
      case KEY -> List.of(endOfKey, endOfCall);
      case BEFORE_VALUE -> List.of(value, endOfCall);
      case TEXT, VALUE, PASSED_OVER -> List.of(endOfValue, endOfCall);
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
        } else if (state == State.PAIRS) {
          in.take(safe);
        }
        yield Progress.WAIT;
      }
    };
  }

  private Progress found(String before, String mark, CallWriter out) {
    switch (state) {
      case NAME -> {
        tool = MarkSpelling.shown(before).strip();
        out.begin(tool);
        state = State.KEY;
      }
      case PAIRS -> state = State.KEY;
      case KEY -> {
        argument = MarkSpelling.shown(before).strip();
        state = State.BEFORE_VALUE;
      }
      case BEFORE_VALUE -> {
        if (mark.equals(value)) {
          boolean text = Tool.isText(CallWriter.schema(tools, tool, argument));
          state = !out.argument(argument) ? State.PASSED_OVER : text ? State.TEXT : State.VALUE;
          if (state == State.TEXT) {
            out.json("\"");
          }
        }
      }
      case TEXT -> {
        out.textPart(before);
        out.json("\"");
        state = State.PAIRS;
      }
      case VALUE -> {
        out.value(before, Tool.types(CallWriter.schema(tools, tool, argument)));
        state = State.PAIRS;
      }
      case PASSED_OVER -> state = State.PAIRS;
    }
    if (mark.equals(endOfCall)) {
      out.endArguments();
      return Progress.DONE;
    }
    return Progress.MORE;
  }
}
