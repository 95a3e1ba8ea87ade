package dev.yuzui.text;

import dev.yuzui.text.MarkScanner.Look;
import dev.yuzui.text.ToolSyntax.Section;
import java.util.List;

/** Reads a section of calls whose arguments are JSON: V3's, V3.1's, Kimi's. */
final class SectionReader implements CallReader {
  private static final String KIMI = "functions.";

  private enum State {
    BETWEEN,
    NAME,
    ARGUMENTS
  }

  private final List<String> calls;
  private final List<String> names;
  private final List<String> closes;
  private final String end;
  private final String separator;
  private State state = State.BETWEEN;
  private boolean begun;

  SectionReader(Section section, MarkSpelling spelling) {
    String open = section.open();
    end = spelling.mark(section.end());
    int first = open.indexOf('>') + 1;
    calls = List.of(spelling.mark(open.substring(0, first)), end);
    separator = first < open.length() && open.endsWith(">") ? spelling.mark("<｜tool▁sep｜>") : "";
    String named = section.named().replace(":$", "");
    // some forget the fence
    names =
        named.isBlank() || named.charAt(0) != '\n'
            ? List.of(spelling.mark(named))
            : List.of(named, "\n");
    String close = section.close();
    String token = close.substring(close.indexOf('<'));
    closes =
        close.equals(token)
            ? List.of(spelling.mark(token), end)
            : List.of(
                spelling.mark(close), spelling.mark(close.strip()), spelling.mark(token), end);
  }

  @Override
  public Progress step(MarkScanner in, CallWriter out) {
    return switch (state) {
      case BETWEEN -> between(in);
      case NAME -> name(in, out);
      case ARGUMENTS -> arguments(in, out);
    };
  }

  private Progress between(MarkScanner in) {
    return switch (in.look(calls)) {
      case Look.Found(int at, String mark) -> {
        in.take(at + mark.length());
        state = State.NAME;
        yield mark.equals(end) ? Progress.DONE : Progress.MORE;
      }
      case Look.Nothing(int safe) -> {
        in.take(safe);
        yield Progress.WAIT;
      }
    };
  }

  private Progress name(MarkScanner in, CallWriter out) {
    if (!(in.look(names) instanceof Look.Found(int at, String mark))) {
      return Progress.WAIT;
    }
    String header = in.take(at);
    in.take(mark.length());
    String name =
        header.substring(separator.isEmpty() ? 0 : Math.max(0, behind(header, separator)));
    name = MarkSpelling.shown(name).strip();
    if (name.startsWith(KIMI)) {
      name = name.substring(KIMI.length()).replaceFirst(":\\d+$", "");
    }
    out.begin(name);
    begun = false;
    state = State.ARGUMENTS;
    return Progress.MORE;
  }

  private static int behind(String header, String mark) {
    int at = header.lastIndexOf(mark);
    return at < 0 ? 0 : at + mark.length();
  }

  private Progress arguments(MarkScanner in, CallWriter out) {
    if (!begun) {
      in.skipBlanks();
      begun = !in.isEmpty();
    }
    return switch (in.look(closes)) {
      case Look.Found(int at, String mark) -> {
        out.json(in.take(at).stripTrailing());
        in.take(mark.length());
        out.end();
        state = State.BETWEEN;
        yield mark.equals(end) ? Progress.DONE : Progress.MORE;
      }
      case Look.Nothing(int safe) -> {
        out.json(in.take(safe - in.blanksBefore(safe)));
        yield Progress.WAIT;
      }
    };
  }
}
