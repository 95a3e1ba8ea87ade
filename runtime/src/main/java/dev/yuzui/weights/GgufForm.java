package dev.yuzui.weights;

import java.nio.file.Path;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/**
 * A checkpoint as a GGUF would hold it: metadata and tensors, by the names, in the shapes and with
 * the rows in the order that llama.cpp's converter gives them. Latent attention comes in the layout
 * of 2025: {@code attn_k_b} and {@code attn_v_b} in place of {@code attn_kv_b}.
 *
 * <p>What a GGUF brings is passed on as it is, but for that layout. A folder brings no vocabulary
 * here: {@link Checkpoint#vocabulary} has it.
 *
 * @param metadata without keys that say how tensors are quantised or the file is split
 * @param remarks what the GGUF will not say as the checkpoint does, a line each
 */
public record GgufForm(
    Checkpoint checkpoint,
    Map<String, GgufValue> metadata,
    List<GgufTensor> tensors,
    List<String> remarks)
    implements AutoCloseable {

  public GgufForm {
    metadata = new LinkedHashMap<>(metadata); // in order
    tensors = List.copyOf(tensors);
    remarks = List.copyOf(remarks);
  }

  /**
   * Opens the checkpoint at {@code path}, see {@link Checkpoints#open(Path)}.
   *
   * @throws WeightException if anything is wrong with it, or a GGUF cannot say what it says
   */
  public static GgufForm open(Path path) {
    MappedCheckpoint checkpoint = (MappedCheckpoint) Checkpoints.open(path);
    try {
      return checkpoint.ggufForm();
    } catch (RuntimeException | Error e) {
      checkpoint.close();
      throw e;
    }
  }

  /** Whether it was a GGUF before. */
  public boolean fromGguf() {
    return checkpoint.format().startsWith("GGUF");
  }

  @Override
  public void close() {
    checkpoint.close();
  }
}
