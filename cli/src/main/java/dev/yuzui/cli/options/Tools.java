package dev.yuzui.cli.options;

import dev.yuzui.text.RenderOptions;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolChoice;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * Functions that the model is told of, and whether it calls them.
 *
 * @param all none where none is to be called
 * @param command that answers calls
 */
public record Tools(List<Tool> all, ToolChoice choice, Optional<String> command) {
  public static final Tools NONE = new Tools(List.of(), new ToolChoice.None(), Optional.empty());

  public boolean isEmpty() {
    return all.isEmpty();
  }

  /** Those that may be called. */
  public List<Tool> callable() {
    return choice instanceof ToolChoice.Named(String name)
        ? all.stream().filter(tool -> tool.name().equals(name)).toList()
        : all;
  }

  /** Once a call has been answered the model says what it makes of it. */
  public Tools afterCalls() {
    return isEmpty() ? this : new Tools(all, new ToolChoice.Auto(), command);
  }

  /** Whether an answer may have more than one call. */
  public boolean several() {
    return !(choice instanceof ToolChoice.Named);
  }

  /** A template is told of them. */
  public RenderOptions shown(RenderOptions options) {
    return isEmpty()
        ? options
        : options.withVariables(Map.of("tools", all.stream().map(Tool::declaration).toList()));
  }
}
