package dev.yuzui.text;

import dev.yuzui.text.MarkScanner.Look;
import dev.yuzui.text.ToolSyntax.Objects;
import java.util.List;
import java.util.Map;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Reads a call that is a JSON object. Its arguments are told as they come if its name is first. */
final class ObjectReader implements CallReader {
  private static final Pattern HEAD =
      Pattern.compile(
          "\\s*\\{\\s*\"name\"\\s*:\\s*(\"(?:[^\"\\\\]|\\\\.)*\")\\s*,\\s*\"(?:arguments|parameters)\"\\s*:\\s*(?=\\S)");

  private final String begin;
  private final String close;
  private final StringBuilder text = new StringBuilder();
  private boolean named;
  private final JsonValueEnd value = new JsonValueEnd();

  ObjectReader(Objects objects, MarkSpelling spelling) {
    begin = spelling.mark(objects.begin().strip());
    close = spelling.mark(objects.close().strip());
  }

  @Override
  public Progress step(MarkScanner in, CallWriter out) {
    return switch (in.look(List.of(close))) {
      case Look.Found(int at, String mark) -> {
        read(in.take(at), out);
        in.take(mark.length());
        end(out);
        yield Progress.DONE;
      }
      case Look.Nothing(int safe) -> {
        read(in.take(safe), out);
        yield Progress.WAIT;
      }
    };
  }

  @Override
  public void cut(CallWriter out) {
    if (!named) {
      out.content(begin + text);
    }
  }

  private void read(String more, CallWriter out) {
    if (named) {
      out.json(value.inside(more));
      return;
    }
    text.append(more);
    Matcher head = HEAD.matcher(text);
    if (head.lookingAt() && Json.isValue(head.group(1))) {
      named = true;
      out.begin((String) Json.read(head.group(1)));
      out.json(value.inside(text.substring(head.end())));
    }
  }

  private void end(CallWriter out) {
    if (named) {
      out.end();
      return;
    }
    String json = text.toString();
    if (Json.isValue(json)
        && Json.read(json) instanceof Map<?, ?> call
        && call.get("name") instanceof String name) {
      Object arguments = call.get("arguments");
      out.begin(name);
      out.json(arguments == null ? "{}" : Json.write(arguments, Map.of()));
      out.end();
    } else {
      out.content(begin + json + close);
    }
  }
}
