package dev.yuzui.weights;

import java.io.IOException;
import java.lang.foreign.Arena;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import java.util.stream.Stream;

/**
 * The MTP layer of a DeepSeek-V4 in a GGUF of its own, which lies beside the main model's and has
 * {@code mtp} in its name. llama.cpp's has the layer behind the others, {@code blk.43}, and what
 * the layer does with its streams at the root; antirez's, of architecture deepseek4_mtp_support,
 * has {@code mtp.0} in front of everything.
 *
 * @param tensors by the names they would have in the main model's file
 */
record MtpFile(Path path, int layers, Map<String, RawTensor> tensors) {
  private static final Pattern NAME = Pattern.compile("(?:^|.*[-._])mtp(?:[-._].*|$)");
  private static final String SUPPORT = "deepseek4_mtp_support";
  private static final String PREFIX = "mtp.";
  private static final String MIX = "output_hc_";

  /** What stands outside the layer's block, by the names of DeepSeek's own code. */
  private static final List<String> AROUND =
      List.of("e_proj", "h_proj", "enorm", "hnorm", "hc_head_fn", "hc_head_base", "hc_head_scale");

  /** Whether a GGUF is named as one. */
  static boolean named(Path file) {
    String name = file.getFileName().toString().toLowerCase(Locale.ROOT);
    return NAME.matcher(name.replaceFirst("\\.gguf$", "")).matches();
  }

  /**
   * The only one beside {@code model}.
   *
   * @param layers of the main model
   * @param log told where none is taken although there are some
   */
  static Optional<MtpFile> beside(Path model, int layers, Arena arena, Consumer<String> log) {
    List<Path> files = candidates(model);
    if (files.size() > 1) {
      log.accept(
          model
              + ": more than one file beside it may have its MTP layer, so none is taken; leave one"
              + " there: "
              + files.stream().map(f -> f.getFileName().toString()).toList());
      return Optional.empty();
    }
    return files.stream().findFirst().flatMap(file -> read(file, layers, arena, log));
  }

  private static List<Path> candidates(Path model) {
    Path folder = model.toAbsolutePath().getParent();
    try (Stream<Path> files = Files.list(folder)) {
      return files
          .filter(f -> f.getFileName().toString().endsWith(".gguf") && named(f))
          .filter(f -> !f.getFileName().equals(model.getFileName()))
          .sorted()
          .toList();
    } catch (IOException e) {
      throw Mapping.unreadable(folder, e);
    }
  }

  private static Optional<MtpFile> read(Path path, int layers, Arena arena, Consumer<String> log) {
    GgufFile file = GgufFile.read(path, arena);
    String architecture = String.valueOf(file.metadata().get("general.architecture"));
    boolean support = architecture.equals(SUPPORT);
    if (!support && !architecture.equals(GgufCompressedConfig.ARCHITECTURE)) {
      log.accept(path + ": not taken for an MTP layer, for its architecture is " + architecture);
      return Optional.empty();
    }
    Keys keys = new Keys(path, GgufCompressedConfig.ARCHITECTURE + ".", file.metadata());
    int own = keys.integer("nextn_predict_layers", 1, ConfigLimits.LAYERS);
    int blocks = keys.integerOr("block_count", 1, ConfigLimits.LAYERS, layers + own);
    if (own != 1 || !support && blocks != layers + own) {
      throw keys.refused(
          "block_count",
          layers + 1 + ", one more than the model it lies beside has",
          blocks + " with " + own + " MTP layers",
          "move the file elsewhere, or use that of this model");
    }
    Map<String, RawTensor> tensors = new LinkedHashMap<>();
    for (RawTensor t : file.tensors()) {
      Optional<String> name = support ? ofSupport(t.name(), layers) : ofBlock(t.name(), layers);
      name.ifPresent(n -> tensors.put(n, t.renamed(n)));
    }
    return Optional.of(new MtpFile(path, own, tensors));
  }

  /** Empty for what the main model's file has too. */
  private static Optional<String> ofBlock(String name, int layer) {
    String block = TensorNames.GGUF.layerPrefix(layer);
    if (name.startsWith(MIX)) {
      return Optional.of(block + "nextn.hc_head_" + name.substring(MIX.length()));
    }
    return Optional.of(name).filter(n -> n.startsWith(block));
  }

  private static Optional<String> ofSupport(String name, int layer) {
    String prefix = PREFIX + "0.";
    String block = TensorNames.GGUF.layerPrefix(layer);
    if (!name.startsWith(prefix)) {
      return Optional.empty();
    }
    String own = name.substring(prefix.length());
    if (own.equals("norm.weight")) {
      return Optional.of(block + "nextn.shared_head_norm.weight");
    }
    boolean around = AROUND.contains(own.replaceFirst("\\.weight$", ""));
    return Optional.of(block + (around ? "nextn." : "") + own);
  }
}
