package dev.yuzui.grammar;

import static org.junit.jupiter.api.Assumptions.assumeTrue;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.io.Writer;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.BitSet;
import java.util.HexFormat;
import java.util.Optional;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;

/** XGrammar in Node, which is no part of the project: {@code scripts/lib/xgrammar.mjs}. */
final class XGrammar implements AutoCloseable {
  private static final ObjectMapper JSON = new ObjectMapper();

  /** Some schemas take it minutes. */
  private static final int SECONDS = 20;

  private final GrammarVocabulary vocabulary;
  private final int end;
  private Optional<Process> process = Optional.empty();

  /** Its own way to say what ends a text: a token without bytes. */
  XGrammar(GrammarVocabulary vocabulary) {
    this.vocabulary = vocabulary;
    end = vocabulary.ends().nextSetBit(0);
  }

  private static Path folder() {
    String given = System.getProperty("yuzui.xgrammar", "");
    assumeTrue(
        !given.isEmpty() && Files.isDirectory(Path.of(given, "node_modules")),
        "no -Dyuzui.xgrammar=FOLDER in which npm install @mlc-ai/web-xgrammar was run");
    return Path.of(given);
  }

  private ObjectNode asked(ObjectNode question) {
    try {
      if (process.isEmpty()) {
        start();
      }
      Writer out = process.orElseThrow().outputWriter(StandardCharsets.UTF_8);
      out.write(JSON.writeValueAsString(question) + "\n");
      out.flush();
      BufferedReader in = process.orElseThrow().inputReader(StandardCharsets.UTF_8);
      Optional<String> line =
          CompletableFuture.supplyAsync(() -> answer(in))
              .completeOnTimeout(Optional.empty(), SECONDS, TimeUnit.SECONDS)
              .join();
      if (line.isEmpty()) {
        close();
        return JSON.createObjectNode().put("error", "it ended, or took its time");
      }
      return (ObjectNode) JSON.readTree(line.get());
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  /** The library writes warnings between. */
  private static Optional<String> answer(BufferedReader in) {
    try {
      String line = in.readLine();
      while (line != null && !line.startsWith("=")) {
        line = in.readLine();
      }
      return Optional.ofNullable(line).map(text -> text.substring(1));
    } catch (IOException _) {
      return Optional.empty(); // it was ended
    }
  }

  private void start() throws IOException {
    Path script = Path.of(System.getProperty("yuzui.root"), "scripts/lib/xgrammar.mjs");
    process =
        Optional.of(
            new ProcessBuilder("node", script.toString(), folder().toString())
                .redirectError(ProcessBuilder.Redirect.DISCARD)
                .start());
    ObjectNode question = question("vocabulary").put("stop", end);
    for (int id = 0; id < vocabulary.size(); id++) {
      byte[] bytes = id == end ? "</s>".getBytes(StandardCharsets.UTF_8) : vocabulary.bytes()[id];
      question.withArray("tokens").add(HexFormat.of().formatHex(bytes));
    }
    asked(question);
  }

  private static ObjectNode question(String ask) {
    return JSON.createObjectNode().put("ask", ask);
  }

  /** What it makes of a schema in its own notation; empty where it cannot. */
  Optional<String> notation(String schema) {
    return good(asked(question("ebnf").put("schema", schema))).map(a -> a.get("ebnf").asText());
  }

  /** Begins a text of a schema; false where it cannot. */
  boolean beginSchema(String schema) {
    return good(asked(question("schema").put("schema", schema))).isPresent();
  }

  boolean beginGrammar(String notation) {
    return good(asked(question("grammar").put("ebnf", notation))).isPresent();
  }

  /** One that failed has left the library in some state. */
  private Optional<JsonNode> good(JsonNode answer) {
    if (answer.has("error")) {
      close();
      return Optional.empty();
    }
    return Optional.of(answer);
  }

  /** Bytes that are in no UTF-8: XGrammar allows them where a class says what is not. */
  private static boolean noText(byte[] bytes) {
    for (byte b : bytes) {
      int value = b & 255;
      if (value == 0xC0 || value == 0xC1 || value > 0xF4) {
        return true;
      }
    }
    return false;
  }

  /** Of tokens that are text, and the end. */
  BitSet mask() {
    byte[] bytes = Base64.getDecoder().decode(asked(question("mask")).path("mask").asText());
    ByteBuffer words = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    BitSet mask = BitSet.valueOf(words);
    mask.clear(vocabulary.size(), Math.max(mask.length(), vocabulary.size()));
    for (int id = 0; id < vocabulary.size(); id++) {
      byte[] piece = vocabulary.bytes()[id];
      if (piece.length == 0 && !vocabulary.ends().get(id) || noText(piece)) {
        mask.clear(id);
      }
    }
    return mask;
  }

  boolean accept(int token) {
    return asked(question("accept").put("token", token)).path("ok").asBoolean();
  }

  void back(int tokens) {
    if (tokens > 0) {
      asked(question("back").put("tokens", tokens));
    }
  }

  @Override
  public void close() {
    process.ifPresent(Process::destroyForcibly);
    process = Optional.empty();
  }
}
