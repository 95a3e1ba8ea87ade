package dev.yuzui.spark;

import com.fasterxml.jackson.core.JsonProcessingException;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.io.Json;
import java.io.FileNotFoundException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import org.apache.hadoop.fs.ChecksumException;
import org.apache.hadoop.fs.FileStatus;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;

/**
 * A folder that driver and executors reach. {@code attempts/APPLICATION/} has what attempts of
 * tasks have under way, and a file {@code gone-N} of each executor N that is no more; {@code lost/}
 * has a file of each request that was found to end processes, and outlives applications.
 */
record CrashNotes(FileSystem files, Path folder, String application) {
  private static final String GONE = "gone-";
  private static final long POLL_MILLIS = 100;

  /**
   * What an attempt has under way. A new one is a new file, complete before the one before it goes,
   * for there are file systems that replace none in one step.
   *
   * @param work that attempts of it are attempts at
   * @param attempt no other of the application has
   * @param sequence counts the notes of an attempt
   * @param gone why the attempt is over, where it could say so itself
   * @param alone the request that is in the process with no other
   */
  record Note(
      String work,
      long attempt,
      long sequence,
      String executor,
      Optional<String> gone,
      Optional<String> alone,
      List<String> underWay) {
    private String name() {
      return work + "." + attempt + "." + sequence;
    }

    private ObjectNode json() {
      ObjectNode json = JsonNodeFactory.instance.objectNode().put("executor", executor);
      gone.ifPresent(why -> json.put("gone", why));
      alone.ifPresent(request -> json.put("alone", request));
      underWay.forEach(json.putArray("under_way")::add);
      return json;
    }

    private static Note of(String name, JsonNode json) {
      String[] parts = name.split("\\.");
      List<String> underWay = new ArrayList<>();
      json.path("under_way").forEach(request -> underWay.add(request.asText()));
      return new Note(
          parts[0],
          Long.parseLong(parts[1]),
          Long.parseLong(parts[2]),
          json.path("executor").asText(),
          Optional.ofNullable(json.get("gone")).map(JsonNode::asText),
          Optional.ofNullable(json.get("alone")).map(JsonNode::asText),
          underWay);
    }
  }

  /**
   * A request that was alone in a process when that ended.
   *
   * @param reason as Spark gives it
   */
  record Lost(String executor, String reason) {}

  private Path attempts() {
    return new Path(new Path(folder, "attempts"), application);
  }

  private Path lost() {
    return new Path(folder, "lost");
  }

  Path lost(String request) {
    return new Path(lost(), request);
  }

  void write(Note note) {
    write(new Path(attempts(), note.name()), note.json());
  }

  void delete(Note note) {
    delete(new Path(attempts(), note.name()));
  }

  /** Of all attempts at it. One that was not written to its end says nothing. */
  List<Note> notes(String work) {
    List<Note> notes = new ArrayList<>();
    for (String name : names(attempts())) {
      if (name.startsWith(work + ".")) {
        read(new Path(attempts(), name)).ifPresent(json -> notes.add(Note.of(name, json)));
      }
    }
    return notes;
  }

  /** Of an executor that is no more: what its attempts left is evidence from now on. */
  void gone(String executor, String reason) {
    write(
        new Path(attempts(), GONE + executor),
        JsonNodeFactory.instance.objectNode().put("reason", reason));
  }

  /**
   * Why an executor is no more; nothing if it seems to be there still. Spark gives its tasks to
   * others at about the time at which it says so.
   */
  Optional<String> awaitGone(String executor, Duration patience) {
    Path file = new Path(attempts(), GONE + executor);
    long end = System.nanoTime() + patience.toNanos();
    while (true) {
      Optional<JsonNode> json = read(file);
      if (json.isPresent() || System.nanoTime() > end) {
        return json.map(said -> said.path("reason").asText());
      }
      try {
        Thread.sleep(POLL_MILLIS);
      } catch (InterruptedException _) {
        Thread.currentThread().interrupt();
        return Optional.empty();
      }
    }
  }

  void blame(String request, Lost lost) {
    write(
        lost(request),
        JsonNodeFactory.instance
            .objectNode()
            .put("executor", lost.executor())
            .put("reason", lost.reason()));
  }

  Set<String> blamed() {
    return new HashSet<>(names(lost()));
  }

  Lost why(String request) {
    JsonNode json = read(lost(request)).orElse(JsonNodeFactory.instance.objectNode());
    return new Lost(json.path("executor").asText("unknown"), json.path("reason").asText(""));
  }

  /** What the application noted, when it is over. */
  void forget() {
    delete(attempts());
  }

  /** What applications before noted that did not end well themselves: no evidence of anything. */
  void forgetOthers() {
    delete(new Path(folder, "attempts"));
  }

  private List<String> names(Path of) {
    try {
      List<String> names = new ArrayList<>();
      for (FileStatus file : files.listStatus(of)) {
        names.add(file.getPath().getName());
      }
      return names;
    } catch (FileNotFoundException _) {
      return List.of();
    } catch (IOException e) {
      throw problem("read", of, e);
    }
  }

  private void write(Path file, JsonNode json) {
    try (OutputStream out = files.create(file, true)) {
      out.write(Json.compact(json).getBytes(StandardCharsets.UTF_8));
    } catch (IOException e) {
      throw problem("written", file, e);
    }
  }

  /** Nothing where there is none, or half of one. */
  private Optional<JsonNode> read(Path file) {
    try (InputStream in = files.open(file)) {
      JsonNode json = Json.mapper().readTree(in.readAllBytes());
      return Optional.of(json).filter(JsonNode::isObject);
    } catch (FileNotFoundException | ChecksumException | JsonProcessingException _) {
      return Optional.empty();
    } catch (IOException e) {
      throw problem("read", file, e);
    }
  }

  private void delete(Path file) {
    try {
      files.delete(file, true);
    } catch (IOException e) {
      throw problem("deleted", file, e);
    }
  }

  private static UncheckedIOException problem(String done, Path file, IOException e) {
    return new UncheckedIOException(
        "the crash folder: %s cannot be %s: %s".formatted(file, done, e.getMessage()), e);
  }
}
