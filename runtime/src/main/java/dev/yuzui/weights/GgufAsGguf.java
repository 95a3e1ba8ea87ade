package dev.yuzui.weights;

import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.AttentionConfig.Latent;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Collection;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;

/** A GGUF as it is, latent attention in the layout of 2025. */
final class GgufAsGguf {
  /** What a new file says of itself. */
  private static final Set<String> OWN =
      Set.of(
          "general.file_type",
          "general.quantization_version",
          "general.alignment",
          "split.no",
          "split.count",
          "split.tensors.count",
          "quantize.imatrix.file",
          "quantize.imatrix.dataset",
          "quantize.imatrix.entries_count",
          "quantize.imatrix.chunks_count");

  private GgufAsGguf() {}

  /**
   * @param first of the model's files, the one with the metadata
   * @param raw tensors of all of them
   */
  static GgufForm of(MappedCheckpoint checkpoint, GgufFile first, Collection<RawTensor> raw) {
    Map<String, GgufValue> metadata = new LinkedHashMap<>(first.stored());
    metadata.keySet().removeAll(OWN);
    Set<String> names = new TreeSet<>();
    raw.forEach(t -> names.add(t.name()));
    List<GgufTensor> tensors = new ArrayList<>();
    boolean split = false;
    for (RawTensor t : raw) {
      int layer = GgufTensor.layerOf(t.name()).orElse(-1);
      boolean whole = layer >= 0 && t.name().equals(TensorNames.GGUF.keyValueUp(layer));
      if (whole && checkpoint.config().attention() instanceof Latent latent) {
        split = true;
        for (Part half : List.of(Part.KEY_UP, Part.VALUE_UP)) {
          if (!names.contains(TensorNames.GGUF.of(half, layer).orElseThrow())) {
            HostTensor kvB = checkpoint.bound().keyValueUps().get(layer);
            tensors.add(KeyValueUp.heads(half, layer, kvB, latent, t.file()));
          }
        }
      } else {
        tensors.add(asStored(t, layer, checkpoint.config()));
      }
    }
    if (split && checkpoint.config().attention() instanceof Latent latent) {
      metadata.putAll(HfAsGguf.latentLengths(Architectures.latent(latent), latent));
    }
    return new GgufForm(checkpoint, metadata, tensors, List.of());
  }

  /** The halves of kv_b, which some files have with two dimensions, get their three. */
  private static GgufTensor asStored(RawTensor t, int layer, DeepseekConfig config) {
    List<Long> shape = t.shape();
    String kind = layer < 0 ? "" : t.name().substring(t.name().indexOf('.', 4) + 1);
    if (shape.size() == 2 && (kind.equals("attn_k_b.weight") || kind.equals("attn_v_b.weight"))) {
      shape = List.of((long) config.heads(), shape.get(0) / config.heads(), shape.get(1));
    }
    Encoding encoding = t.encoding().orElseThrow();
    int slices = shape.size() < 3 ? 1 : Math.toIntExact(shape.getFirst());
    long rows = t.elements() / t.innermost() / slices;
    long bytes = encoding.byteSize(rows, t.innermost());
    return new GgufTensor(
        t.name(),
        shape,
        encoding,
        layer,
        t.file(),
        slices,
        (i, _) -> {
          MemorySegment data = t.data().asSlice(i * bytes, bytes);
          return HostTensor.of(t.name(), encoding, rows, t.innermost(), data);
        });
  }
}
