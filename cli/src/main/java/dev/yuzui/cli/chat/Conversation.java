package dev.yuzui.cli.chat;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.options.Input;
import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.io.Json;
import dev.yuzui.io.Texts;
import dev.yuzui.io.WholeFile;
import dev.yuzui.text.Message;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/**
 * The messages of a chat so far; saved as a JSON array of {@code {"role", "content"}}, with calls
 * of tools as the OpenAI interface has them.
 */
final class Conversation {
  private static final List<String> ROLES = List.of("system", "user", "assistant", "tool");

  /** What a message has besides that is saved with it. */
  private static final List<String> MORE =
      List.of("tool_calls", "tool_call_id", "name", "reasoning_content");

  private static Map<String, Object> saved(Message message) {
    Map<String, Object> fields = new LinkedHashMap<>();
    fields.put("role", message.role());
    fields.put("content", message.content().orElse(""));
    MORE.stream()
        .filter(message.more()::containsKey)
        .forEach(name -> fields.put(name, message.more().get(name)));
    return fields;
  }

  private Optional<String> system;
  private List<Message> turns = new ArrayList<>();

  Conversation(Optional<String> system) {
    this.system = system;
  }

  void setSystem(String text) {
    system = text.isBlank() ? Optional.empty() : Optional.of(text);
  }

  /** Forgets the turns, not the system prompt. */
  void reset() {
    turns.clear();
  }

  void add(Message message) {
    turns.add(message);
  }

  /** As it is now, whatever becomes of this one. */
  Conversation copy() {
    Conversation copy = new Conversation(system);
    copy.turns.addAll(turns);
    return copy;
  }

  /** Forgets all it has for what {@code other} has. */
  void become(Conversation other) {
    system = other.system;
    turns = new ArrayList<>(other.turns);
  }

  List<Message> messages() {
    List<Message> all = new ArrayList<>();
    system.ifPresent(text -> all.add(Message.system(text)));
    all.addAll(turns);
    return all;
  }

  int turns() {
    return turns.size();
  }

  /**
   * In place of one that was saved there, and of nothing else. What is there stays until all is
   * written.
   */
  void save(Path file) {
    String text = Json.pretty(messages().stream().map(Conversation::saved).toList()) + "\n";
    requireReplaceable(file);
    try {
      WholeFile.write(file, text);
    } catch (IOException e) {
      throw new FailedException("/save: " + file + " cannot be written: " + Texts.reason(e));
    }
  }

  private static void requireReplaceable(Path file) {
    if (Files.isDirectory(file)) {
      throw UsageException.ofFlag("/save", "a file", file + ", which is a folder");
    }
    try {
      if (Files.isRegularFile(file) && Files.size(file) > 0) {
        new Conversation(Optional.empty()).load(file);
      }
    } catch (IOException | UsageException _) {
      throw UsageException.ofFlag(
          "/save",
          "a new file, or a saved conversation to replace",
          file + ", which is something else; choose another name");
    }
  }

  /** Replaces everything; leaves everything as it was if the file cannot be used. */
  void load(Path file) {
    List<Message> loaded = new ArrayList<>();
    try {
      JsonNode root = Json.mapper().readTree(Input.read("/load", file));
      if (root == null || !root.isArray()) {
        throw unusable(file, "no array");
      }
      for (JsonNode node : root) {
        String role = node.path("role").asText();
        if (!ROLES.contains(role) || !node.path("content").isTextual()) {
          throw unusable(file, Texts.shorten(node.toString()));
        }
        Map<String, Object> more = Json.fields(node);
        more.keySet().retainAll(MORE);
        loaded.add(new Message(role, Optional.of(node.path("content").asText()), more));
      }
    } catch (JsonProcessingException e) {
      throw unusable(file, e.getOriginalMessage());
    }
    boolean hasSystem = !loaded.isEmpty() && loaded.getFirst().role().equals("system");
    system =
        hasSystem ? Optional.of(loaded.removeFirst().content().orElseThrow()) : Optional.empty();
    turns = loaded;
  }

  private static UsageException unusable(Path file, String found) {
    return UsageException.ofFlag(
        "/load " + file, "a JSON array of {\"role\", \"content\"} as /save writes it", found);
  }
}
