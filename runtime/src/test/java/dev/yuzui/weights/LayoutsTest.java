package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import dev.yuzui.weights.TinyModel.Layout;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.MethodSource;

/** One model in every layout the world has: each gives the same parts, bit for bit. */
class LayoutsTest {
  @TempDir Path folder;

  static Stream<Arguments> ggufs() {
    return Stream.of(Encoding.F32, Encoding.F16, Encoding.BF16)
        .flatMap(e -> Stream.of(Layout.values()).map(l -> Arguments.of(l, e)));
  }

  @ParameterizedTest
  @MethodSource("ggufs")
  void ggufGivesTheModelsParts(Layout layout, Encoding encoding) {
    Path file = folder.resolve("tiny.gguf");
    for (int rank : List.of(0, 32)) {
      TinyModel model = new TinyModel(rank, 1);
      TinyModel.write(file, model.gguf(layout, encoding).bytes());
      try (Checkpoint c = Checkpoints.open(file)) {
        assertIsTheModel(c, rank);
        assertEquals(encoding, c.tensor(Part.KEY_UP, 1).encoding());
        assertEquals("GGUF v3", c.format());
      }
    }
  }

  @ParameterizedTest
  @CsvSource({"F32,1", "F16,3", "BF16,2"})
  void huggingFaceGivesTheModelsParts(String dtype, int shards) {
    for (int rank : List.of(0, 32)) {
      TinyModel model = new TinyModel(rank, 1);
      Path at = folder.resolve("r" + rank);
      TinyModel.folder(at, model.config(), model.safetensors(dtype), shards);
      try (Checkpoint c = Checkpoints.open(at)) {
        assertIsTheModel(c, rank);
        assertEquals("Hugging Face", c.format());
      }
    }
  }

  private static void assertIsTheModel(Checkpoint c, int rank) {
    assertPart(c, Part.EMBED, 0, "embed", TinyModel.VOCAB, TinyModel.H);
    assertPart(c, Part.FINAL_NORM, 0, "norm", 1, TinyModel.H);
    assertPart(c, Part.HEAD, 7, "head", TinyModel.VOCAB, TinyModel.H);
    for (int i = 0; i < 3; i++) {
      int query = TinyModel.HEADS * (TinyModel.P + TinyModel.R);
      assertPart(c, Part.ATTN_NORM, i, "an" + i, 1, TinyModel.H);
      if (rank == 0) {
        assertPart(c, Part.Q, i, "q" + i, query, TinyModel.H);
        assertEquals(Optional.empty(), c.find(Part.Q_A, i));
      } else {
        assertPart(c, Part.Q_A, i, "qa" + i, rank, TinyModel.H);
        assertPart(c, Part.Q_A_NORM, i, "qan" + i, 1, rank);
        assertPart(c, Part.Q_B, i, "qb" + i, query, rank);
      }
      int entry = TinyModel.LKV + TinyModel.R;
      assertPart(c, Part.KV_A, i, "kva" + i, entry, TinyModel.H);
      assertPart(c, Part.KV_A_NORM, i, "kvan" + i, 1, TinyModel.LKV);
      assertPart(c, Part.KEY_UP, i, "k" + i, TinyModel.HEADS * TinyModel.LKV, TinyModel.P);
      assertPart(c, Part.VALUE_UP, i, "v" + i, TinyModel.HEADS * TinyModel.V, TinyModel.LKV);
      assertPart(c, Part.ATTN_OUT, i, "o" + i, TinyModel.H, TinyModel.HEADS * TinyModel.V);
      assertPart(c, Part.FFN_NORM, i, "fn" + i, 1, TinyModel.H);
    }
    assertPart(c, Part.FFN_GATE, 0, "g0", TinyModel.DENSE, TinyModel.H);
    assertPart(c, Part.FFN_UP, 0, "u0", TinyModel.DENSE, TinyModel.H);
    assertPart(c, Part.FFN_DOWN, 0, "d0", TinyModel.H, TinyModel.DENSE);
    for (int i = 1; i < 3; i++) {
      assertPart(c, Part.ROUTER, i, "r" + i, TinyModel.E, TinyModel.H);
      assertPart(c, Part.ROUTER_BIAS, i, "rb" + i, 1, TinyModel.E);
      int shared = TinyModel.F * TinyModel.SHARED;
      assertPart(c, Part.SHARED_GATE, i, "sg" + i, shared, TinyModel.H);
      assertPart(c, Part.SHARED_UP, i, "su" + i, shared, TinyModel.H);
      assertPart(c, Part.SHARED_DOWN, i, "sd" + i, TinyModel.H, shared);
      for (int e = 0; e < TinyModel.E; e++) {
        String of = i + "." + e;
        assertTensor(c.experts(Part.EXPERT_GATE, i).get(e), "eg" + of, TinyModel.F, TinyModel.H);
        assertTensor(c.experts(Part.EXPERT_UP, i).get(e), "eu" + of, TinyModel.F, TinyModel.H);
        assertTensor(c.experts(Part.EXPERT_DOWN, i).get(e), "ed" + of, TinyModel.H, TinyModel.F);
      }
    }
    assertPart(c, Part.MTP_PROJ, 2, "eh2", TinyModel.H, 2 * TinyModel.H);
    assertPart(c, Part.MTP_ENORM, 2, "en2", 1, TinyModel.H);
    assertPart(c, Part.MTP_HNORM, 2, "hn2", 1, TinyModel.H);
    assertPart(c, Part.MTP_NORM, 2, "sn2", 1, TinyModel.H);
    assertPart(c, Part.MTP_EMBED, 2, "me2", TinyModel.VOCAB, TinyModel.H);
    assertPart(c, Part.MTP_HEAD, 2, "mh2", TinyModel.VOCAB, TinyModel.H);
    assertEquals(2, c.config().layers());
    assertEquals(1, c.config().mtpLayers());
  }

  private static void assertPart(
      Checkpoint c, Part part, int layer, String of, int rows, int cols) {
    assertTensor(c.tensor(part, layer), of, rows, cols);
  }

  private static void assertTensor(HostTensor t, String of, int rows, int cols) {
    assertEquals(List.of((long) rows, (long) cols), List.of(t.rows(), t.cols()), t.name());
    assertArrayEquals(TinyModel.weights(of, rows, cols), Dequantizer.all(t), t.name());
  }

  @Test
  void allLayoutsHaveOneConfiguration() {
    TinyModel model = TinyModel.V3;
    Path gguf = folder.resolve("tiny.gguf");
    Path hf = folder.resolve("tiny");
    TinyModel.write(gguf, model.gguf(Layout.NEW, Encoding.F32).bytes());
    TinyModel.folder(hf, model.config(), model.safetensors("F32"), 2);
    try (Checkpoint a = Checkpoints.open(gguf);
        Checkpoint b = Checkpoints.open(hf)) {
      assertEquals(a.config(), b.config());
    }
  }

  @Test
  void halvesOfQuantisedWholesKeepWhatTheyCan() {
    Path file = folder.resolve("q8.gguf");
    TinyModel.write(file, TinyModel.V3.gguf(Layout.OLD, new Encoding.Q8_0()).bytes());
    try (Checkpoint c = Checkpoints.open(file)) {
      HostTensor key = c.tensor(Part.KEY_UP, 1);
      HostTensor value = c.tensor(Part.VALUE_UP, 1);
      assertEquals(Encoding.F16, key.encoding());
      assertEquals(new Encoding.Q8_0(), value.encoding());
      float[] exact = TinyModel.valueUp(1);
      float[] stored = Dequantizer.all(value);
      float[] exactKey = TinyModel.keyUp(1);
      float[] storedKey = Dequantizer.all(key);
      for (int i = 0; i < exact.length; i++) {
        assertEquals(exact[i], stored[i], 2f / 127, "value " + i);
        assertEquals(exactKey[i], storedKey[i], 2f / 127, "key " + i);
      }
      long bytes = 3 * (key.byteSize() + value.byteSize());
      assertEquals(bytes, c.derivedBytes());
      assertSame(key, c.tensor(Part.KEY_UP, 1), "made once");
    }
  }

  @Test
  void keysThatExceedF16BecomeF32() {
    GgufWriter w = TinyModel.V3.gguf(Layout.OLD, new Encoding.Q8_0());
    GgufWriter.Entry kvB = w.find("blk.1.attn_kv_b.weight");
    TinyModel.little(kvB.data()).putShort(0, Float.floatToFloat16(1000f));
    TinyModel.little(kvB.data()).put(2, (byte) 127);
    Path file = TinyModel.write(folder.resolve("big.gguf"), w.bytes());
    try (Checkpoint c = Checkpoints.open(file)) {
      HostTensor key = c.tensor(Part.KEY_UP, 1);
      assertEquals(Encoding.F32, key.encoding());
      assertEquals(127000f, Dequantizer.all(key)[0]);
      assertEquals(Encoding.F16, c.tensor(Part.KEY_UP, 0).encoding());
    }
  }

  @Test
  void fp8WeightsCarryTheirScales() {
    TinyModel model = TinyModel.V3;
    TinyModel.folder(folder, model.config(), model.safetensors("F8_E4M3"), 1);
    try (Checkpoint c = Checkpoints.open(folder)) {
      HostTensor q = c.tensor(Part.Q_A, 0);
      assertEquals(Encoding.FP8, q.encoding());
      float[] x = TinyModel.weights("qa0", 32, TinyModel.H);
      float[] y = Dequantizer.all(q);
      for (int i = 0; i < x.length; i++) {
        float magnitude = Math.max(Math.scalb(1f, Math.getExponent(2 * x[i])), 0x1p-6f) / 2;
        assertEquals(x[i] < 0 ? -magnitude : magnitude, y[i], "weight " + i);
      }
      assertEquals(Encoding.FP8, c.experts(Part.EXPERT_DOWN, 1).get(3).encoding());
      assertEquals(Encoding.BF16, c.tensor(Part.EMBED, 0).encoding());
      assertEquals(Encoding.F32, c.tensor(Part.KEY_UP, 1).encoding());
      assertEquals(Encoding.F32, c.tensor(Part.VALUE_UP, 1).encoding());
      assertFalse(
          c.stored().stream().noneMatch(t -> t.name().endsWith("weight_scale_inv")),
          "scales are listed");
    }
  }

  @Test
  void aMissingHeadMeansTheEmbedding() {
    GgufWriter w = TinyModel.V3.gguf(Layout.NEW, Encoding.F32);
    w.tensors.removeIf(t -> t.name().equals("output.weight"));
    try (Checkpoint c = Checkpoints.open(TinyModel.write(folder.resolve("t.gguf"), w.bytes()))) {
      assertEquals(c.tensor(Part.EMBED, 0), c.tensor(Part.HEAD, 0));
    }
    SafetensorsWriter hf = TinyModel.V3.safetensors("F32");
    hf.tensors.remove("lm_head.weight");
    var config = TinyModel.V3.config();
    Path untied = TinyModel.folder(folder.resolve("untied"), config, hf, 1);
    assertThrows(WeightException.class, () -> Checkpoints.open(untied));
    config.put("tie_word_embeddings", true);
    try (Checkpoint c = Checkpoints.open(TinyModel.folder(folder.resolve("tied"), config, hf, 1))) {
      assertEquals(c.tensor(Part.EMBED, 0), c.tensor(Part.HEAD, 0));
    }
  }

  @Test
  void mtpEmbeddingHeadAndNormMayBeShared() {
    GgufWriter w = TinyModel.V3.gguf(Layout.NEW, Encoding.F32);
    w.tensors.removeIf(
        t -> t.name().contains("nextn.embed") || t.name().contains("nextn.shared_head"));
    try (Checkpoint c = Checkpoints.open(TinyModel.write(folder.resolve("t.gguf"), w.bytes()))) {
      assertEquals(1, c.config().mtpLayers());
      assertEquals(Optional.empty(), c.find(Part.MTP_EMBED, 2));
      assertEquals(Optional.empty(), c.find(Part.MTP_NORM, 2));
      assertEquals(Optional.empty(), c.find(Part.MTP_HEAD, 2));
    }
  }

  @Test
  void strippedMtpLayersAreNotMissed() {
    SafetensorsWriter hf = TinyModel.V3.safetensors("F32");
    hf.tensors.keySet().removeIf(n -> n.startsWith("model.layers.2."));
    TinyModel.folder(folder, TinyModel.V3.config(), hf, 1);
    try (Checkpoint c = Checkpoints.open(folder)) {
      assertEquals(0, c.config().mtpLayers());
      assertEquals(2, c.config().layers());
    }
  }

  @Test
  void aFolderOfSplitPartsOpensByFolderOrAnyPart() {
    GgufWriter whole = TinyModel.V3.gguf(Layout.NEW, Encoding.F32);
    int n = whole.tensors.size();
    for (int part = 0; part < 3; part++) {
      GgufWriter w = new GgufWriter();
      if (part == 0) {
        w.metadata.putAll(whole.metadata);
      }
      w.put("split.no", part).put("split.count", 3).put("split.tensors.count", n);
      w.tensors.addAll(whole.tensors.subList(part * n / 3, (part + 1) * n / 3));
      TinyModel.write(folder.resolve("tiny-0000%d-of-00003.gguf".formatted(part + 1)), w.bytes());
    }
    for (String at : List.of("", "tiny-00001-of-00003.gguf", "tiny-00003-of-00003.gguf")) {
      try (Checkpoint c = Checkpoints.open(folder.resolve(at))) {
        assertIsTheModel(c, 32);
        assertEquals(n, c.stored().size());
        assertEquals(
            TinyModel.VOCAB, ((Checkpoint.VocabularySource.Gguf) c.vocabulary()).tokens().size());
      }
    }
  }

  @Test
  void partsThatALayerLacksAreNamed() {
    Path file = folder.resolve("tiny.gguf");
    TinyModel.write(file, TinyModel.V3.gguf(Layout.NEW, Encoding.F32).bytes());
    try (Checkpoint c = Checkpoints.open(file)) {
      var router = assertThrows(WeightException.class, () -> c.tensor(Part.ROUTER, 0));
      assertTrue(router.getMessage().contains("ROUTER of layer 0"), router.getMessage());
      assertThrows(WeightException.class, () -> c.tensor(Part.KEY_UP, 3));
      assertThrows(WeightException.class, () -> c.experts(Part.EXPERT_UP, 0));
      assertEquals(Optional.empty(), c.find(Part.FFN_GATE, 1));
      assertEquals(Optional.empty(), c.find(Part.KEY_UP, -1));
    }
  }

  @Test
  void aClosedCheckpointIsClosed() {
    Path file = folder.resolve("tiny.gguf");
    TinyModel.write(file, TinyModel.V3.gguf(Layout.NEW, Encoding.F32).bytes());
    Checkpoint c = Checkpoints.open(file);
    HostTensor embed = c.tensor(Part.EMBED, 0);
    c.close();
    assertThrows(IllegalStateException.class, () -> Dequantizer.all(embed));
  }
}
