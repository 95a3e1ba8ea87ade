package dev.yuzui.convert;

import dev.yuzui.spi.Encoding;
import dev.yuzui.text.GgufVocabulary;
import dev.yuzui.text.TextException;
import dev.yuzui.weights.Checkpoint.VocabularySource;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.GgufForm;
import dev.yuzui.weights.GgufTensor;
import dev.yuzui.weights.GgufValue;
import dev.yuzui.weights.ImportanceMatrix;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.function.Consumer;

/** What a conversion will write: every tensor's type, and the metadata. */
final class ConvertPlan {
  /** Tables of rows, which nothing is multiplied by, and the head, which llama.cpp leaves out. */
  private static final Set<String> WITHOUT =
      Set.of("token_embd.weight", "output.weight", "nextn.embed_tokens.weight");

  private static final int SHOWN = 3;

  /**
   * @param importance mean squares, of each column or of each matrix's columns; empty for none
   */
  @SuppressWarnings("ArrayRecordComponent") // as in ImportanceMatrix
  record Item(GgufTensor source, Encoding target, float[] importance) {
    GgufHeader.Tensor header() {
      return new GgufHeader.Tensor(source.name(), source.shape(), target);
    }

    long bytes() {
      return header().bytes();
    }
  }

  private final GgufForm form;
  private final ConvertOptions options;
  private final Optional<ImportanceMatrix> matrix;
  private final Consumer<String> remarks;
  private final List<Item> items = new ArrayList<>();

  private ConvertPlan(
      GgufForm form,
      ConvertOptions options,
      Optional<ImportanceMatrix> matrix,
      Consumer<String> remarks) {
    this.form = form;
    this.options = options;
    this.matrix = matrix;
    this.remarks = remarks;
  }

  static ConvertPlan of(
      GgufForm form,
      ConvertOptions options,
      Optional<ImportanceMatrix> matrix,
      Consumer<String> remarks) {
    ConvertPlan plan = new ConvertPlan(form, options, matrix, remarks);
    form.remarks().forEach(remarks);
    TypeMix.Model model = plan.model();
    for (GgufTensor t : form.tensors()) {
      Encoding target = plan.target(t, model);
      plan.items.add(new Item(t, target, plan.importance(t, target)));
    }
    plan.remark();
    return plan;
  }

  List<Item> items() {
    return items;
  }

  private TypeMix.Model model() {
    DeepseekConfig config = form.checkpoint().config();
    List<String> names = form.tensors().stream().map(GgufTensor::name).toList();
    long values = names.stream().filter(n -> n.matches(".*\\.attn_(v|qkv|kv_b)\\.weight")).count();
    return new TypeMix.Model(
        config,
        config.layers() + config.mtpLayers(),
        (int) values,
        !names.contains("output.weight"),
        matrix.isPresent());
  }

  private Encoding target(GgufTensor t, TypeMix.Model model) {
    if (!TypeMix.quantises(t)) {
      boolean number = t.encoding() instanceof Encoding.Plain && !t.encoding().equals(Encoding.I32);
      return number ? Encoding.F32 : t.encoding();
    }
    Optional<Encoding> own =
        options.overrides().reversed().stream()
            .filter(o -> o.names().matcher(t.name()).find())
            .map(TypeOverride::encoding)
            .findFirst();
    Encoding target = TypeMix.fit(own.orElseGet(() -> options.type().of(t, model)), t.cols());
    boolean kept = own.isEmpty() && t.encoding() instanceof Encoding.MXFP4 && noFewerBits(target);
    return kept ? t.encoding() : target;
  }

  /** Float4 as its publisher trained it gains nothing from blocks of more bits, and loses some. */
  private static boolean noFewerBits(Encoding target) {
    Encoding float4 = new Encoding.MXFP4();
    return target instanceof Encoding.Block && bits(target) >= bits(float4);
  }

  static double bits(Encoding encoding) {
    return 8.0 * encoding.blockBytes() / encoding.blockElements();
  }

  private float[] importance(GgufTensor t, Encoding target) {
    boolean wants =
        target instanceof Encoding.Block && !target.equals(t.encoding()) && matrix.isPresent();
    if (!wants || !matrix.get().entries().containsKey(t.name())) {
      return RowQuantizer.NO_IMPORTANCE;
    }
    ImportanceMatrix.Entry entry = matrix.get().entries().get(t.name());
    long matrices = t.rows() / t.matrixRows();
    int columns = entry.sums().length;
    if (columns != t.cols() && columns != t.cols() * matrices) {
      throw ConvertException.expected(
          "ConvertOptions.importance " + options.importance().orElseThrow() + ": " + t.name(),
          t.cols() + " columns" + (matrices > 1 ? " of each of " + matrices + " matrices" : ""),
          columns + " numbers; give the importance matrix of this model");
    }
    return positive(entry.means(), Math.toIntExact(t.cols()));
  }

  /** A column that nothing came in by weighs next to nothing, but not nothing. */
  private static float[] positive(float[] means, int columns) {
    for (int from = 0; from < means.length; from += columns) {
      double sum = 0;
      for (int i = from; i < from + columns; i++) {
        sum += means[i];
      }
      float least = sum == 0 ? 1 : (float) (1e-6 * sum / columns);
      for (int i = from; i < from + columns; i++) {
        means[i] = Math.max(means[i], Math.max(least, Float.MIN_NORMAL));
      }
    }
    return means;
  }

  private void remark() {
    Map<String, Integer> again = new TreeMap<>();
    TreeSet<String> odd = new TreeSet<>();
    List<String> missing = new ArrayList<>();
    for (Item item : items) {
      Encoding from = item.source.encoding();
      boolean changes = !from.equals(item.target);
      if (changes && from instanceof Encoding.Block && item.target instanceof Encoding.Block) {
        again.merge(from.label() + " to " + item.target.label(), 1, Integer::sum);
      }
      if (TypeMix.quantises(item.source)
          && item.target.equals(Encoding.F16)
          && options.type() != TypeMix.F16) {
        odd.add(item.source.kind() + " (rows of " + item.source.cols() + ")");
      }
      boolean weighed = changes && item.target instanceof Encoding.Block;
      if (weighed && item.importance.length == 0 && !WITHOUT.contains(item.source.kind())) {
        missing.add(item.source.name());
      }
    }
    if (!again.isEmpty()) {
      List<String> how = new ArrayList<>();
      again.forEach((types, n) -> how.add(n + " " + types));
      remarks.accept(
          "quantised a second time (a file of F16 or BF16 would lose less): "
              + String.join(", ", how));
    }
    if (!odd.isEmpty()) {
      remarks.accept("F16 for rows that are no whole number of blocks: " + String.join(", ", odd));
    }
    if (matrix.isPresent() && !missing.isEmpty()) {
      remarks.accept(
          "not in the importance matrix, and quantised without: "
              + String.join(", ", missing.subList(0, Math.min(SHOWN, missing.size())))
              + (missing.size() > SHOWN ? " and " + (missing.size() - SHOWN) + " more" : ""));
    }
  }

  /** Of the whole file, or of the first of several. */
  Map<String, GgufValue> metadata() {
    Map<String, GgufValue> metadata = new LinkedHashMap<>(form.metadata());
    if (!form.fromGguf()) {
      vocabulary(metadata);
    }
    metadata.put("general.quantization_version", GgufValue.u32(2));
    metadata.put("general.file_type", GgufValue.u32(options.type().fileType()));
    matrix.ifPresent(
        m -> {
          String file = options.importance().orElseThrow().getFileName().toString();
          metadata.put("quantize.imatrix.file", GgufValue.text(file));
          if (!m.datasets().isEmpty()) {
            metadata.put("quantize.imatrix.dataset", GgufValue.text(m.datasets().getFirst()));
          }
          metadata.put("quantize.imatrix.entries_count", GgufValue.i32(m.entries().size()));
          metadata.put("quantize.imatrix.chunks_count", GgufValue.i32(m.chunkCount()));
        });
    return metadata;
  }

  private void vocabulary(Map<String, GgufValue> metadata) {
    DeepseekConfig config = form.checkpoint().config();
    String prefix = "tokenizer.ggml.";
    List<Integer> ends = new ArrayList<>(config.eosTokens());
    if (form.checkpoint().vocabulary() instanceof VocabularySource.None(String because)) {
      remarks.accept(because + ": the file will have no vocabulary, and takes token ids alone");
      metadata.put(prefix + "model", GgufValue.text("none"));
      id(metadata, "bos", config.bosToken());
    } else {
      VocabularySource.Gguf v;
      try {
        v = GgufVocabulary.of(form.checkpoint().vocabulary(), config.vocabSize());
      } catch (TextException e) {
        throw ConvertException.asked(e.getMessage());
      }
      metadata.put(prefix + "model", GgufValue.text(v.model()));
      metadata.put(prefix + "pre", GgufValue.text(v.preTokenizer()));
      metadata.put(prefix + "tokens", GgufValue.texts(v.tokens()));
      metadata.put(prefix + "token_type", GgufValue.integers(v.types()));
      metadata.put(prefix + "merges", GgufValue.texts(v.merges()));
      id(metadata, "bos", v.bos() >= 0 ? v.bos() : config.bosToken());
      if (v.eos() >= 0) {
        ends.remove(Integer.valueOf(v.eos()));
        ends.addFirst(v.eos());
      }
      metadata.put(prefix + "add_bos_token", GgufValue.bool(v.addBos()));
      metadata.put(prefix + "add_eos_token", GgufValue.bool(v.addEos()));
      v.chatTemplate().ifPresent(t -> metadata.put("tokenizer.chat_template", GgufValue.text(t)));
    }
    List<String> keys = List.of("eos", "eot", "eom");
    for (int i = 0; i < Math.min(ends.size(), keys.size()); i++) {
      id(metadata, keys.get(i), ends.get(i));
    }
    if (ends.size() > keys.size()) {
      remarks.accept(
          "a GGUF names three tokens that end a text; left out: "
              + ends.subList(keys.size(), ends.size()));
    }
  }

  private static void id(Map<String, GgufValue> metadata, String which, int id) {
    if (id >= 0) {
      metadata.put("tokenizer.ggml." + which + "_token_id", GgufValue.u32(id));
    }
  }
}
