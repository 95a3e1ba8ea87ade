package dev.yuzui.cli.options;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.io.Json;
import dev.yuzui.text.TextException;
import dev.yuzui.text.Tool;
import dev.yuzui.text.ToolChoice;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import picocli.CommandLine.Option;

/** Functions that the model may call. */
public final class ToolOptions {
  @Option(
      names = "--tools",
      paramLabel = "FILE",
      description =
          "Functions that the model may call: a JSON array of {\"type\": \"function\","
              + " \"function\": {\"name\", \"description\", \"parameters\"}}.")
  private Optional<Path> file = Optional.empty();

  @Option(
      names = "--tool-choice",
      paramLabel = "CHOICE",
      description = "auto (the default), required, none, or the name of the one to call.")
  private Optional<String> choice = Optional.empty();

  @Option(
      names = "--tool-command",
      paramLabel = "PROGRAM",
      description =
          "Answers calls: it is run with the tool's name, reads the arguments from stdin, and what"
              + " it prints is the result. Each run is asked for first.")
  private Optional<String> command = Optional.empty();

  /** Flags that are given. */
  public List<String> given() {
    List<String> flags = new ArrayList<>();
    file.ifPresent(_ -> flags.add("--tools"));
    choice.ifPresent(_ -> flags.add("--tool-choice"));
    command.ifPresent(_ -> flags.add("--tool-command"));
    return flags;
  }

  /** Says what is wrong with them before a model is loaded. */
  public Tools tools() {
    if (file.isEmpty()) {
      if (!given().isEmpty()) {
        throw new UsageException(
            String.join(", ", given()) + ": expected --tools FILE beside it, found none");
      }
      return Tools.NONE;
    }
    List<Tool> all = read(file.get());
    ToolChoice how =
        switch (choice.orElse("auto")) {
          case "auto" -> new ToolChoice.Auto();
          case "none" -> new ToolChoice.None();
          case "required" -> new ToolChoice.Required();
          default -> new ToolChoice.Named(choice.orElseThrow());
        };
    if (how instanceof ToolChoice.Named(String name)
        && all.stream().noneMatch(t -> t.name().equals(name))) {
      throw UsageException.ofFlag(
          "--tool-choice",
          "auto, required, none or one of " + all.stream().map(Tool::name).toList(),
          name);
    }
    return new Tools(how instanceof ToolChoice.None ? List.of() : all, how, command);
  }

  private static List<Tool> read(Path file) {
    try {
      JsonNode root = Json.STRICT.readTree(Input.read("--tools", file));
      if (!root.isArray() || root.isEmpty()) {
        throw UsageException.ofFlag("--tools " + file, "a JSON array of functions", "none in it");
      }
      List<Object> declarations = new ArrayList<>();
      root.forEach(each -> declarations.add(each.isObject() ? Json.fields(each) : each.toString()));
      return Tool.all(declarations);
    } catch (JsonProcessingException e) {
      throw UsageException.ofFlag("--tools " + file, "JSON", e.getOriginalMessage());
    } catch (TextException e) {
      throw new UsageException("--tools " + file + ": " + e.getMessage());
    }
  }
}
