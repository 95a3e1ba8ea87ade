package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.TensorBinder.PartOf;
import java.lang.foreign.Arena;
import java.nio.file.Path;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalInt;

/**
 * An open checkpoint: validated metadata and tensors that lie where the file is mapped. Opening
 * checks everything that can be wrong with names, shapes, types and offsets, so that what follows
 * cannot fail for the file's sake. Tensors are valid until {@link #close}.
 */
public interface Checkpoint extends AutoCloseable {
  Path path();

  /** {@code GGUF v3} or {@code Hugging Face}. */
  String format();

  DeepseekConfig config();

  /**
   * A tensor of the whole model or of {@code layer}; layer is 0 for those of the whole model.
   * Throws {@link WeightException} when absent; experts are {@link #experts}.
   */
  HostTensor tensor(Part part, int layer);

  /** As {@link #tensor}, for parts a model may lack. */
  Optional<HostTensor> find(Part part, int layer);

  /**
   * One projection of each routed expert. Throws for layers without. Those that are not in the file
   * as a device takes them are made when they are got, and kept.
   */
  List<HostTensor> experts(Part part, int layer);

  /**
   * The same to look at or to upload and let go: what is made is made anew for this list alone.
   *
   * @param owner of what is made, for as long as the experts are used
   */
  default List<HostTensor> experts(Part part, int layer, Arena owner) {
    return experts(part, layer);
  }

  /** The names of {@link #experts}, none of which is made for it. */
  default List<String> expertNames(Part part, int layer) {
    return experts(part, layer).stream().map(HostTensor::name).toList();
  }

  /**
   * What a device is given, each matrix once, as the first of the parts it is: a head that is the
   * embedding is not there. Those computed from others are described before they are computed.
   */
  List<Weight> weights();

  /**
   * Matrices of one kind that are loaded together.
   *
   * @param layer 0 for parts of the whole model
   * @param count routed experts, else 1
   */
  record Weight(Part part, int layer, Encoding encoding, long rows, long cols, int count) {
    static Weight of(PartOf key, HostTensor tensor, int count) {
      return new Weight(
          key.part(), key.layer(), tensor.encoding(), tensor.rows(), tensor.cols(), count);
    }

    static Weight of(PartOf key, List<MatrixSource> experts) {
      MatrixSource first = experts.getFirst();
      return new Weight(
          key.part(), key.layer(), first.encoding(), first.rows(), first.cols(), experts.size());
    }
  }

  /** All tensors of the file as they are stored, in file order, for {@code inspect}. */
  List<StoredTensor> stored();

  /** Metadata of the file as text, long arrays shortened. */
  Map<String, String> metadata();

  /** The vocabulary the file carries or lies beside. */
  VocabularySource vocabulary();

  /**
   * Tells this checkpoint's weights and configuration from any other's, in milliseconds: 64 hex
   * digits, the same wherever the files lie.
   */
  String fingerprint();

  /** Sampling defaults the publisher gave. */
  GenerationDefaults generationDefaults();

  /** Bytes of all tensors. */
  default long byteSize() {
    return stored().stream().mapToLong(StoredTensor::bytes).sum();
  }

  /**
   * Bytes of native memory that parts computed from others take once all are asked for: the halves
   * of kv_b where the file has only the whole, queries and keys whose rows lie in another order,
   * experts of float4 pairs.
   */
  default long derivedBytes() {
    return 0;
  }

  /**
   * Writes out tensors that repeat a few bytes ({@link HostTensor#repeatsFrom}): before they are
   * asked for, for a backend that does not repeat.
   */
  default void writeOut() {}

  @Override
  void close();

  /**
   * @param shape outermost dimension first
   */
  record StoredTensor(String name, String type, List<Long> shape, long bytes, Path file) {
    public long elements() {
      return shape.stream().reduce(1L, (a, b) -> a * b);
    }
  }

  /** Where the tokenizer comes from. */
  sealed interface VocabularySource {
    /** What people should know about it, in a line each. */
    default List<String> remarks() {
      return List.of();
    }

    /**
     * tokenizer.json with tokenizer_config.json and a chat template where there is one.
     *
     * @param bos without tokenizer_config.json: what the model's configuration says
     * @param eos the same
     */
    record HuggingFace(
        Path tokenizerJson,
        Optional<Path> tokenizerConfig,
        Optional<String> chatTemplate,
        OptionalInt bos,
        OptionalInt eos)
        implements VocabularySource {

      public HuggingFace(
          Path tokenizerJson, Optional<Path> tokenizerConfig, Optional<String> chatTemplate) {
        this(
            tokenizerJson, tokenizerConfig, chatTemplate, OptionalInt.empty(), OptionalInt.empty());
      }

      @Override
      public List<String> remarks() {
        if (tokenizerConfig.isPresent()) {
          return List.of();
        }
        String found =
            bos.isEmpty() && eos.isEmpty()
                ? "config.json names none either; texts have no BOS in front"
                : "config.json's are taken, BOS "
                    + shown(bos)
                    + " and EOS "
                    + shown(eos)
                    + (bos.isPresent() ? "; BOS is put in front of texts" : "");
        return List.of(
            tokenizerJson
                + ": there is no tokenizer_config.json beside it to name BOS and EOS: "
                + found);
      }

      private static String shown(OptionalInt id) {
        return id.isPresent() ? String.valueOf(id.getAsInt()) : "none";
      }
    }

    /**
     * tiktoken.model of Moonshot's models: tokens of bytes with their ranks, which are their ids.
     *
     * @param tokenizerConfig names the other tokens
     */
    record Tiktoken(Path ranks, Path tokenizerConfig, Optional<String> chatTemplate)
        implements VocabularySource {}

    /**
     * tokenizer.ggml.* of a GGUF.
     *
     * @param types ggml token types: 1 normal, 2 unknown, 3 control, 4 user-defined, 5 unused, 6
     *     byte; empty if the file has none
     * @param bos −1 if the file names none
     */
    record Gguf(
        String model,
        String preTokenizer,
        List<String> tokens,
        int[] types,
        List<String> merges,
        int bos,
        int eos,
        boolean addBos,
        boolean addEos,
        Optional<String> chatTemplate)
        implements VocabularySource {}

    /** The checkpoint has none; token ids still work. */
    record None(String because) implements VocabularySource {}
  }

  /** Absent fields fall back to the documented defaults. */
  record GenerationDefaults(
      Optional<Double> temperature,
      Optional<Integer> topK,
      Optional<Double> topP,
      Optional<Double> minP,
      Optional<Double> repetitionPenalty) {
    public static final GenerationDefaults NONE =
        new GenerationDefaults(
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty(),
            Optional.empty());
  }
}
