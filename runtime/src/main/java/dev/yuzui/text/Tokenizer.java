package dev.yuzui.text;

import ai.djl.engine.EngineException;
import ai.djl.huggingface.tokenizers.HuggingFaceTokenizer;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.BitSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.Set;
import java.util.concurrent.locks.ReadWriteLock;
import java.util.concurrent.locks.ReentrantReadWriteLock;
import java.util.function.Supplier;
import java.util.stream.Collectors;
import java.util.stream.IntStream;

/**
 * Text to token ids and back. Splitting and merging are done by Hugging Face's own library; a
 * GGUF's or tiktoken's vocabulary is turned into a tokenizer.json for it. Encoding may be called by
 * several threads.
 */
public final class Tokenizer implements AutoCloseable {
  private static final Set<String> END_OF_GENERATION =
      Set.of(
          "<｜end▁of▁sentence｜>",
          "<|EOT|>",
          "<|eot_id|>",
          "<|end_of_text|>",
          "<|endoftext|>",
          "<|im_end|>",
          "<|user|>",
          "<|observation|>",
          "[EOS]",
          "[EOT]");

  private final Vocabulary vocabulary;
  private final HuggingFaceTokenizer tokenizer;
  private final Supplier<byte[]> plainJson;
  private HuggingFaceTokenizer plain;
  private Optional<ControlTokens> controlTokens = Optional.empty(); // once they are asked for

  /** To be written by who closes. */
  private final ReadWriteLock library = new ReentrantReadWriteLock();

  private boolean closed;

  private Tokenizer(Vocabulary vocabulary, InputStream json, Supplier<byte[]> plainJson) {
    this.vocabulary = vocabulary;
    this.plainJson = plainJson;
    tokenizer = open(json);
  }

  /** Throws {@link TextException} with the fix if the vocabulary cannot be used. */
  public static Tokenizer of(VocabularySource source) {
    return switch (source) {
      case VocabularySource.HuggingFace hf -> {
        Vocabulary vocabulary = Vocabulary.of(hf);
        try (InputStream json = Files.newInputStream(hf.tokenizerJson())) {
          yield new Tokenizer(
              vocabulary, json, () -> Vocabulary.withoutControlTokens(hf.tokenizerJson()));
        } catch (IOException e) {
          throw new TextException(hf.tokenizerJson() + ": cannot be read: " + e.getMessage(), e);
        }
      }
      case VocabularySource.Gguf gguf ->
          new Tokenizer(
              Vocabulary.of(gguf),
              new ByteArrayInputStream(GgufTokenizerJson.write(gguf, true)),
              () -> GgufTokenizerJson.write(gguf, false));
      case VocabularySource.Tiktoken tiktoken -> {
        byte[] json = TiktokenJson.write(tiktoken);
        yield new Tokenizer(
            Vocabulary.of(tiktoken, json),
            new ByteArrayInputStream(json),
            () -> Vocabulary.withoutControlTokens(TiktokenJson.write(tiktoken)));
      }
      case VocabularySource.None none ->
          throw new TextException(
              "the checkpoint has no vocabulary ("
                  + none.because()
                  + "); put its tokenizer.json beside it, or give token ids");
    };
  }

  private static HuggingFaceTokenizer open(InputStream json) {
    // DJL looks for a CUDA build of its library and asks the network whether it runs in Amazon's
    // cloud, unless told not to.
    System.setProperty("RUST_FLAVOR", "cpu");
    System.setProperty("OPT_OUT_TRACKING", "true");
    try {
      return HuggingFaceTokenizer.newInstance(
          json, Map.of("truncation", "false", "padding", "false", "addSpecialTokens", "false"));
    } catch (EngineException | LinkageError e) {
      throw new TextException(
          "the tokenizer library cannot be loaded: "
              + e
              + "; it is unpacked into ~/.djl.ai (or DJL_CACHE_DIR), which must be writable, and is"
              + " built for Linux x86-64 and aarch64, macOS aarch64 and Windows x86-64",
          e);
    } catch (IOException | RuntimeException e) {
      throw new TextException(
          "the tokenizer library refuses the vocabulary: "
              + e.getMessage()
              + "; check that tokenizer.json belongs to this checkpoint",
          e);
    }
  }

  /** As {@link #encode(String, boolean, boolean)}, recognising special tokens in the text. */
  public int[] encode(String text, boolean addBos) {
    return encode(text, addBos, true);
  }

  /**
   * @param addBos put BOS in front if the model asks for it; never a second one where the text
   *     begins with it, as a rendered chat template does
   * @param parseSpecial false takes {@code <｜User｜>} and its like as the letters they are,
   *     everywhere; a chat's prompt is an {@link #encode(Prompt)}
   */
  public int[] encode(String text, boolean addBos, boolean parseSpecial) {
    return ids(List.of(ids(wellFormed(text), parseSpecial)), addBos);
  }

  /**
   * The ids of a prompt, BOS in front if the model asks for it and the prompt does not begin with
   * it.
   *
   * <p>Where no control token stands in a {@link Prompt.Literal} they are those of the prompt's
   * text. A stretch between two of the template's control tokens in which one does is encoded as by
   * a vocabulary that has no control tokens: its letters are split and merged with their neighbours
   * as any others.
   */
  public int[] encode(Prompt prompt) {
    String text = wellFormed(prompt.text()); // as long as it was
    BitSet literals = prompt.literals();
    if (literals.isEmpty() || !controlTokens().anyIn(text, 0, text.length())) {
      return ids(List.of(ids(text, true)), true);
    }
    List<long[]> ids = new ArrayList<>();
    int from = 0; // of what is not encoded yet
    int stretch = 0; // behind the last control token that is meant
    for (int at = 0; at <= text.length(); ) {
      int end = at == text.length() ? at : at + controlTokens().at(text, at).length();
      boolean meant = end > at && !overlaps(literals, at, end);
      if (!meant && at < text.length()) {
        at++;
        continue;
      }
      if (overlaps(literals, stretch, at) && controlTokens().anyIn(text, stretch, at)) {
        ids.add(ids(text.substring(from, stretch), true));
        ids.add(ids(text.substring(stretch, at), false));
        from = at;
      }
      stretch = end;
      at = at == text.length() ? at + 1 : end;
    }
    ids.add(ids(text.substring(from), true));
    return ids(ids, true);
  }

  private static boolean overlaps(BitSet places, int from, int to) {
    int first = places.nextSetBit(from);
    return first >= 0 && first < to;
  }

  private int[] ids(List<long[]> parts, boolean addBos) {
    int[] ids = parts.stream().flatMapToLong(Arrays::stream).mapToInt(Math::toIntExact).toArray();
    int bos = vocabulary.bos();
    if (!addBos || !vocabulary.addBos() || (ids.length > 0 && ids[0] == bos)) {
      return ids;
    }
    return IntStream.concat(IntStream.of(bos), Arrays.stream(ids)).toArray();
  }

  /** Those of the vocabulary. */
  synchronized ControlTokens controlTokens() {
    if (controlTokens.isEmpty()) {
      controlTokens = Optional.of(vocabulary.controlTokens());
    }
    return controlTokens.get();
  }

  /** The library's memory is not given back while it runs. */
  private long[] ids(String text, boolean parseSpecial) {
    library.readLock().lock();
    try {
      if (closed) {
        throw new TextException("the tokenizer is closed, with the engine it came from");
      }
      return (parseSpecial ? tokenizer : plain()).encode(text, false, false).getIds();
    } finally {
      library.readLock().unlock();
    }
  }

  /**
   * The text of all ids together; bytes that are no UTF-8 become U+FFFD.
   *
   * @param skipSpecial leave out tokens the vocabulary marks as special
   */
  public String decode(int[] ids, boolean skipSpecial) {
    TextStream stream = new TextStream(this, skipSpecial);
    StringBuilder out = new StringBuilder();
    for (int id : ids) {
      out.append(stream.push(id));
    }
    return out.append(stream.finish()).toString();
  }

  /** What one id contributes to the text; may be part of a character, or nothing. */
  public byte[] bytes(int id) {
    return vocabulary.bytes(checked(id));
  }

  /** The vocabulary's own spelling, {@code Ġthe}. */
  public String piece(int id) {
    return vocabulary.piece(checked(id));
  }

  /** Whether the vocabulary marks {@code id} as carrying no text. */
  public boolean isSpecial(int id) {
    return vocabulary.special().get(checked(id));
  }

  /**
   * Whether the vocabulary added {@code id} to those that texts are made of, as it does with
   * control tokens that it does not mark as special, {@code <｜User｜>}.
   */
  public boolean isControl(int id) {
    return vocabulary.added().get(checked(id));
  }

  /** Whether a model that writes {@code id} has said all it wants to. */
  public boolean isEndOfGeneration(int id) {
    return id == vocabulary.eos()
        || (vocabulary.added().get(checked(id)) && END_OF_GENERATION.contains(piece(id)));
  }

  public OptionalInt bos() {
    return vocabulary.bos() < 0 ? OptionalInt.empty() : OptionalInt.of(vocabulary.bos());
  }

  public OptionalInt eos() {
    return vocabulary.eos() < 0 ? OptionalInt.empty() : OptionalInt.of(vocabulary.eos());
  }

  /** Whether the model asks for BOS in front of a plain text. */
  public boolean addsBos() {
    return vocabulary.addBos();
  }

  /** The id spelled {@code piece}, {@code <｜User｜>} or {@code Ġthe}. Searches; not for loops. */
  public OptionalInt id(String piece) {
    return IntStream.range(0, size()).filter(id -> piece.equals(piece(id))).findFirst();
  }

  /** Ids whose text contains one of {@code parts}: the breakers of DRY, say. Searches. */
  public Set<Integer> idsContaining(List<String> parts) {
    return IntStream.range(0, size())
        .filter(
            id -> {
              String text = new String(bytes(id), StandardCharsets.UTF_8);
              return parts.stream().anyMatch(text::contains);
            })
        .boxed()
        .collect(Collectors.toUnmodifiableSet());
  }

  /** One more than the highest id with a spelling; models often have more logits than that. */
  public int size() {
    return vocabulary.size();
  }

  /** Waits for texts that are being read. Ids can still be turned into text. */
  @Override
  public void close() {
    library.writeLock().lock();
    try {
      closed = true;
      tokenizer.close();
      if (plain != null) {
        plain.close();
      }
    } finally {
      library.writeLock().unlock();
    }
  }

  private synchronized HuggingFaceTokenizer plain() {
    if (plain == null) {
      plain = open(new ByteArrayInputStream(plainJson.get()));
    }
    return plain;
  }

  private static int checked(int id) {
    if (id < 0) {
      throw new TextException("token id: expected 0 or more, found " + id);
    }
    return id;
  }

  /** Lone surrogates, which have no UTF-8, become U+FFFD. */
  private static String wellFormed(String text) {
    for (int i = 0; i < text.length(); i++) {
      if (Character.isSurrogate(text.charAt(i))) {
        StringBuilder out = new StringBuilder(text.length());
        text.codePoints()
            .forEach(
                c ->
                    out.appendCodePoint(
                        c >= Character.MIN_SURROGATE && c <= Character.MAX_SURROGATE ? 0xFFFD : c));
        return out.toString();
      }
    }
    return text;
  }
}
