package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.TinyModel.Layout;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.List;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Each way a GGUF can be wrong gets one message: file, place, expected, found, fix. */
class MalformedGgufTest {
  @TempDir Path folder;

  private static GgufWriter tiny() {
    return TinyModel.V3.gguf(Layout.NEW, Encoding.F32);
  }

  private void assertRefused(byte[] bytes, String... says) {
    Path file = TinyModel.write(folder.resolve("bad.gguf"), bytes);
    var e = assertThrows(WeightException.class, () -> Checkpoints.open(file).close());
    assertTrue(e.getMessage().startsWith(file + ": "), e.getMessage());
    for (String each : says) {
      assertTrue(e.getMessage().contains(each), e.getMessage());
    }
  }

  private void assertRefused(Consumer<GgufWriter> change, String... says) {
    GgufWriter w = tiny();
    change.accept(w);
    assertRefused(w.bytes(), says);
  }

  private void assertPatched(Consumer<ByteBuffer> patch, String... says) {
    byte[] bytes = tiny().bytes();
    patch.accept(TinyModel.little(bytes));
    assertRefused(bytes, says);
  }

  @Test
  void notAGguf() {
    assertRefused(new byte[0], "magic");
    assertRefused("GG".getBytes(StandardCharsets.US_ASCII), "magic", "2 before the file ends");
    assertPatched(b -> b.put(0, (byte) 'X'), "magic", "begins with GGUF", "0x58475546");
  }

  @Test
  void otherVersionsAndByteOrders() {
    assertPatched(b -> b.putInt(4, 1), "version", "found version 1");
    assertPatched(b -> b.putInt(4, 4), "version", "found version 4");
    assertPatched(b -> b.putInt(4, 0x03000000), "version", "big-endian");
  }

  @Test
  void absurdCountsAreRefusedBeforeAnythingIsAllocated() {
    for (long n : new long[] {-1, Long.MAX_VALUE, 1L << 40, 1L << 31}) {
      assertPatched(b -> b.putLong(8, n), "tensor count");
      assertPatched(b -> b.putLong(16, n), "metadata count");
      assertPatched(b -> b.putLong(24, n), "metadata key 0");
    }
  }

  @Test
  void absurdArrays() {
    byte[] bytes = tiny().bytes();
    int at = indexOf(bytes, "tokenizer.ggml.tokens") + "tokenizer.ggml.tokens".length();
    TinyModel.little(bytes).putLong(at + 8, Long.MAX_VALUE / 2);
    assertRefused(bytes, "tokenizer.ggml.tokens", "array elements");
    bytes = tiny().bytes();
    TinyModel.little(bytes).putInt(at + 4, 9);
    assertRefused(bytes, "tokenizer.ggml.tokens", "no array within an array");
    bytes = tiny().bytes();
    TinyModel.little(bytes).putInt(at, 13);
    assertRefused(bytes, "tokenizer.ggml.tokens", "GGUF value type");
  }

  @Test
  void messagesShowNoControlCharactersAndNoPages() {
    byte[] bytes = tiny().bytes();
    bytes[indexOf(bytes, "token_embd.weight")] = 0x1b;
    assertRefused(bytes, "tensor token_embd.weight", "no such tensor");
    GgufWriter w = tiny();
    w.tensor("\u001b[2J" + "x".repeat(5000), 0, new byte[128], 32);
    Path file = TinyModel.write(folder.resolve("bad.gguf"), w.bytes());
    var e = assertThrows(WeightException.class, () -> Checkpoints.open(file).close());
    assertTrue(e.getMessage().contains("tensor ?[2Jxxx"), e.getMessage());
    assertTrue(e.getMessage().length() < 1500);
  }

  @Test
  void cutAnywhere() {
    byte[] bytes = tiny().bytes();
    int header = tiny().headerLength();
    for (int at :
        List.of(5, 20, 30, header / 2, header - 40, header, header + 1, bytes.length - 33)) {
      assertRefused(Arrays.copyOf(bytes, at));
    }
    assertRefused(
        Arrays.copyOf(bytes, bytes.length - 33),
        "nextn.shared_head_head.weight",
        "the file is cut off");
  }

  @Test
  void keysAndTensorsOccurOnce() {
    byte[] bytes = tiny().bytes();
    int gate = indexOf(bytes, "blk.0.attn_q_a.weight");
    int up = indexOf(bytes, "blk.0.attn_q_b.weight");
    System.arraycopy(bytes, gate, bytes, up, "blk.0.attn_q_b.weight".length());
    assertRefused(bytes, "tensor blk.0.attn_q_a.weight", "it twice");
    bytes = tiny().bytes();
    int fast = indexOf(bytes, "tokenizer.ggml.bos_token_id");
    System.arraycopy("tokenizer.ggml.eos".getBytes(StandardCharsets.US_ASCII), 0, bytes, fast, 18);
    assertRefused(bytes, "tokenizer.ggml.eos_token_id", "it twice");
  }

  @Test
  void offsetsAreAlignedOrderedAndInside() {
    byte[] bytes = tiny().bytes();
    int at = indexOf(bytes, "output_norm.weight") + "output_norm.weight".length() + 4 + 8 + 4;
    long right = TinyModel.little(bytes).getLong(at);
    String tensor = "tensor output_norm.weight";
    assertPatched(b -> b.putLong(at, right + 1), tensor, "multiple of 32");
    assertPatched(b -> b.putLong(at, right - 32), tensor, "overlaps");
    assertPatched(b -> b.putLong(at, right + 32), tensor, "gap");
    assertPatched(b -> b.putLong(at, 1L << 50), tensor);
    assertPatched(b -> b.putLong(at, -32), tensor);
  }

  @Test
  void shapesFitTheirFile() {
    byte[] bytes = tiny().bytes();
    int at = indexOf(bytes, "token_embd.weight") + "token_embd.weight".length();
    String tensor = "tensor token_embd.weight";
    assertPatched(b -> b.putInt(at, 5), tensor, "1 to 4 dimensions", "found 5");
    assertPatched(b -> b.putInt(at, 0), tensor, "1 to 4 dimensions");
    assertPatched(b -> b.putLong(at + 4, 0), tensor, "at least 1");
    assertPatched(b -> b.putLong(at + 4, -1), tensor, "at least 1");
    assertPatched(b -> b.putLong(at + 4, Long.MAX_VALUE), tensor, "a size that fits");
    assertPatched(b -> b.putLong(at + 4, 1L << 61), tensor, "a size that fits");
    assertPatched(b -> b.putLong(at + 12, 1L << 40), tensor, "cut off");
  }

  @ParameterizedTest
  @CsvSource({
    "4, retired",
    "5, retired",
    "31, retired",
    "32, retired",
    "33, retired",
    "36, retired",
    "37, retired",
    "38, retired",
    "9, activations",
    "26, I32",
    "99, ik_llama.cpp's own",
    "137, ik_llama.cpp's own",
    "43, unknown",
    "-1, unknown"
  })
  void otherTypesAreRefusedByName(int id, String says) {
    byte[] bytes = tiny().bytes();
    int at = indexOf(bytes, "token_embd.weight") + "token_embd.weight".length() + 4 + 16;
    assertPatched(b -> b.putInt(at, id), "tensor token_embd.weight", says, "Q4_K");
  }

  /** Multiplying without it would give other text. */
  @Test
  void aScaleOfAWholeTensorIsRefused() {
    byte[] one = {0, 0, (byte) 0x80, 0x3f};
    byte[] bytes = tiny().tensor("blk.0.ffn_up.scale", 0, one, 1).bytes();
    assertRefused(bytes, "tensor blk.0.ffn_up.scale", "NVFP4", "use a file of another type");
  }

  @Test
  void rowsAreWholeBlocks() {
    byte[] bytes = tiny().bytes();
    int at = indexOf(bytes, "token_embd.weight") + "token_embd.weight".length() + 4 + 16;
    assertPatched(b -> b.putInt(at, 12), "tensor token_embd.weight", "whole Q4_K blocks", "32");
  }

  @Test
  void normsAreNotQuantised() {
    assertRefused(
        w ->
            w.replace(new GgufWriter.Entry("output_norm.weight", 8, new long[] {32}, new byte[34])),
        "tensor output_norm.weight",
        "F32, F16 or BF16",
        "Q8_0");
  }

  @Test
  void everyPartIsThereInItsShape() {
    for (String name : tiny().tensors.stream().map(GgufWriter.Entry::name).toList()) {
      boolean optional =
          name.equals("output.weight")
              || name.contains("nextn.embed")
              || name.contains("nextn.shared_head");
      if (!optional) {
        assertRefused(w -> w.tensors.removeIf(t -> t.name().equals(name)));
      }
      assertRefused(
          w -> {
            long[] shape = w.find(name).shape().clone();
            shape[0]--;
            int bytes = 4 * (int) Arrays.stream(shape).reduce(1, (a, b) -> a * b);
            w.replace(new GgufWriter.Entry(name, 0, shape, new byte[bytes]));
          },
          "tensor " + name,
          "shape");
    }
  }

  @Test
  void aTransposedTensorIsRefused() {
    assertRefused(
        w -> {
          var down = w.find("blk.1.ffn_down_shexp.weight");
          w.replace(new GgufWriter.Entry(down.name(), 0, new long[] {64, 32}, down.data()));
        },
        "blk.1.ffn_down_shexp.weight",
        "[32, 64]",
        "[64, 32]");
  }

  @Test
  void aConfigurationOfAnotherModelIsRefused() {
    assertRefused(w -> w.put("deepseek2.block_count", 4), "blk.2.nextn");
    assertRefused(w -> w.put("deepseek2.block_count", 2), "blk.1.nextn");
    assertRefused(w -> w.put("deepseek2.expert_count", 8), "ffn_gate_inp.weight");
    assertRefused(w -> w.put("deepseek2.embedding_length", 64), "token_embd.weight");
    assertRefused(w -> w.put("deepseek2.leading_dense_block_count", 0), "blk.0.ffn_gate_inp");
    assertRefused(w -> w.put("deepseek2.expert_gating_func", 1), "exp_probs_b.bias");
    assertRefused(w -> w.put("deepseek2.vocab_size", 41), "token_embd.weight");
    assertRefused(w -> w.metadata.remove("deepseek2.attention.q_lora_rank"), "attn_q.weight");
  }

  @Test
  void aBiasBesideAnotherGatingFunctionNamesItsKeyAndTheWayOut() {
    String key = "deepseek2.expert_gating_func";
    String fix = "--override-kv " + key + "=int:2";
    String expected = "expected 2 (sigmoid), since there is blk.1.exp_probs_b.bias";
    assertRefused(w -> w.put(key, 1), key, expected, "found 1", fix);
    assertRefused(w -> w.metadata.remove(key), key, expected, "found nothing", fix);
    assertRefused(w -> w.put(key, 4), key, "expected 1 (softmax) or 2 (sigmoid)", "found 4", fix);
  }

  @Test
  void aHalfStrippedMtpLayerIsRefused() {
    assertRefused(
        w -> w.tensors.removeIf(t -> t.name().equals("blk.2.nextn.eh_proj.weight")),
        "blk.2.nextn.eh_proj.weight",
        "no such tensor");
  }

  @Test
  void tensorsNobodyAskedForAreRefused() {
    assertRefused(
        w -> w.tensor("blk.1.attn_q_a.bias", 0, new byte[128], 32), "tensor blk.1.attn_q_a.bias");
    GgufWriter harmless = tiny();
    harmless.tensor("rope_freqs.weight", 0, new byte[128], 32);
    Checkpoints.open(TinyModel.write(folder.resolve("good.gguf"), harmless.bytes())).close();
  }

  @Test
  void alignmentIsAPowerOfTwo() {
    assertRefused(w -> w.put("general.alignment", 0), "general.alignment");
    assertRefused(w -> w.put("general.alignment", 48), "general.alignment");
    assertRefused(w -> w.put("general.alignment", "32"), "general.alignment");
    GgufWriter wide = tiny();
    wide.alignment = 256;
    wide.put("general.alignment", 256);
    Checkpoints.open(TinyModel.write(folder.resolve("wide.gguf"), wide.bytes())).close();
  }

  @Test
  void version2IsReadAsVersion3() {
    GgufWriter w = tiny();
    w.version = 2;
    try (Checkpoint c = Checkpoints.open(TinyModel.write(folder.resolve("v2.gguf"), w.bytes()))) {
      assertTrue(c.format().equals("GGUF v2"));
    }
  }

  @Test
  void vocabulariesAgreeWithThemselves() {
    assertRefused(w -> w.put("tokenizer.ggml.token_type", List.of(1, 1)), "token_type");
    assertRefused(w -> w.put("tokenizer.ggml.tokens", List.of(1, 2)), "ggml.tokens");
    assertRefused(w -> w.put("tokenizer.ggml.bos_token_id", 40), "bos_token_id");
    assertRefused(
        w -> {
          var tokens = new ArrayList<Object>(Collections.nCopies(41, "t"));
          w.put("tokenizer.ggml.tokens", tokens);
          w.put("tokenizer.ggml.token_type", Collections.nCopies(41, 1));
        },
        "tokenizer.ggml.tokens",
        "at most 40");
  }

  @Test
  void splitPartsBelongTogether() {
    GgufWriter whole = tiny();
    int half = whole.tensors.size() / 2;
    GgufWriter a = new GgufWriter();
    a.metadata.putAll(whole.metadata);
    a.put("split.no", 0).put("split.count", 2).put("split.tensors.count", whole.tensors.size());
    a.tensors.addAll(whole.tensors.subList(0, half));
    GgufWriter b = new GgufWriter();
    b.put("split.no", 1).put("split.count", 2);
    b.tensors.addAll(whole.tensors.subList(half, whole.tensors.size()));
    Path first = TinyModel.write(folder.resolve("m-00001-of-00002.gguf"), a.bytes());
    assertSplitRefused(first, "m-00002-of-00002.gguf", "no such file");
    Path second = folder.resolve("m-00002-of-00002.gguf");
    b.put("split.no", 0);
    TinyModel.write(second, b.bytes());
    assertSplitRefused(first, "split.no", "expected 1");
    b.put("split.no", 1);
    b.tensors.removeLast();
    TinyModel.write(second, b.bytes());
    assertSplitRefused(first, "split.tensors.count");
    b.tensors.add(a.tensors.getFirst());
    TinyModel.write(second, b.bytes());
    assertSplitRefused(second, "token_embd.weight", "it in m-00001-of-00002.gguf too");
    assertSplitRefused(TinyModel.write(folder.resolve("renamed.gguf"), a.bytes()), "split.count");
  }

  private static void assertSplitRefused(Path file, String... says) {
    var e = assertThrows(WeightException.class, () -> Checkpoints.open(file).close());
    for (String each : says) {
      assertTrue(e.getMessage().contains(each), e.getMessage());
    }
  }

  static int indexOf(byte[] bytes, String text) {
    return new String(bytes, StandardCharsets.ISO_8859_1).indexOf(text);
  }
}
