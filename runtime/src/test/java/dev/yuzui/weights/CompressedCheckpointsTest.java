package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.spi.Dequantizer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.HostTensor;
import java.io.IOException;
import java.lang.foreign.Arena;
import java.lang.foreign.ValueLayout;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Set;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** DeepSeek-V4 as it is released, and as GGUF with its MTP layer beside it. */
class CompressedCheckpointsTest {
  private static final Path GOLDEN =
      Path.of(System.getProperty("yuzui.root"), "tests/system/src/test/resources/golden");
  private static final Path FOLDER = GOLDEN.resolve("v4-f32");
  private static final Path MAIN = GOLDEN.resolve("gguf-v4-f32/model.gguf");
  private static final Path MTP = GOLDEN.resolve("gguf-v4-f32/mtp-model.gguf");

  /** Of hidden size 32, 4 streams, 2 heads of 96, 8 experts; layer 2 pools 128 tokens a row. */
  private static final String SHAPES =
      """
      HC_HEAD_FN 0 4 128, HC_HEAD_BASE 0 1 4, HC_HEAD_SCALE 0 1 1, EMBED 0 260 32,
      HC_ATTN_FN 0 24 128, HC_ATTN_BASE 0 1 24, HC_FFN_SCALE 3 1 3,
      Q_A 0 32 32, Q_B 1 192 32, KV 1 96 32, KV_NORM 1 1 96, ATTN_SINKS 2 1 2,
      ATTN_OUT_A 0 64 96, ATTN_OUT_B 0 32 64,
      COMPRESS_KV 1 192 32, COMPRESS_GATE 1 192 32, COMPRESS_APE 1 4 192, COMPRESS_NORM 1 1 96,
      COMPRESS_KV 2 96 32, COMPRESS_GATE 2 96 32, COMPRESS_APE 2 128 96, COMPRESS_NORM 2 1 96,
      INDEX_Q 1 256 32, INDEX_WEIGHTS 1 8 32, INDEX_COMPRESS_KV 1 64 32, INDEX_COMPRESS_APE 1 4 64,
      INDEX_COMPRESS_NORM 3 1 32, ROUTER 0 8 32, ROUTER_TABLE 0 260 2, ROUTER_BIAS 1 1 8,
      MTP_PROJ_EMBED 4 32 32, MTP_PROJ_HIDDEN 4 32 32, MTP_NORM 4 1 32, MTP_HC_FN 4 4 128\
      """;

  private static final Map<Integer, Set<Part>> ABSENT =
      Map.of(
          0, Set.of(Part.COMPRESS_KV, Part.INDEX_Q, Part.ROUTER_BIAS),
          1, Set.of(Part.ROUTER_TABLE),
          2, Set.of(Part.INDEX_Q, Part.INDEX_COMPRESS_KV),
          4, Set.of(Part.COMPRESS_KV, Part.ROUTER_TABLE, Part.MTP_EMBED, Part.MTP_HEAD));

  @TempDir Path folder;

  @Test
  void eachPartHasItsShapeAndOnlyTheLayersThatHaveIt() {
    try (Checkpoint c = Checkpoints.open(FOLDER)) {
      for (String line : SHAPES.split(",\\s+")) {
        String[] f = line.split(" ");
        HostTensor t = c.tensor(Part.valueOf(f[0]), Integer.parseInt(f[1]));
        assertEquals(f[2] + " " + f[3], t.rows() + " " + t.cols(), line);
      }
      ABSENT.forEach(
          (layer, parts) ->
              parts.forEach(
                  p -> assertEquals(Optional.empty(), c.find(p, layer), p + " of " + layer)));
      assertEquals(8, c.experts(Part.EXPERT_DOWN, 4).size());
    }
  }

  @Test
  void bothFormatsHaveTheSameModel() {
    try (Checkpoint hf = Checkpoints.open(FOLDER);
        Checkpoint gguf = Checkpoints.open(MAIN)) {
      assertSameModel(hf, gguf);
      assertTrue(gguf.derivedBytes() > 0, "halves of eh_proj");
    }
  }

  @Test
  void aFolderOfMainAndMtpFileIsOneModel() {
    try (Checkpoint gguf = Checkpoints.open(MAIN.getParent())) {
      assertEquals(1, gguf.config().mtpLayers());
      assertEquals(4, gguf.config().layers());
    }
  }

  /** The names of antirez's ds4: those of DeepSeek's code around the block, of llama.cpp in it. */
  @Test
  void theMtpFileMayBeAntirezs() throws IOException {
    Path main = Files.copy(MAIN, folder.resolve("model.gguf"));
    try (Arena arena = Arena.ofConfined()) {
      GgufWriter w = new GgufWriter();
      w.put("general.architecture", "deepseek4_mtp_support")
          .put("deepseek4.nextn_predict_layers", 1);
      for (RawTensor t : GgufFile.read(MTP, arena).tensors()) {
        String name = t.name().replace("blk.4.nextn.", "").replace("blk.4.", "");
        if (name.equals("eh_proj.weight")) {
          w.tensor("mtp.0.e_proj.weight", 0, columns(t, 0), 32, 32);
          w.tensor("mtp.0.h_proj.weight", 0, columns(t, 32), 32, 32);
        } else {
          name = name.replace("shared_head_norm", "norm").replace("output_hc_", "hc_head_");
          w.tensor("mtp.0." + name, 0, t.data().toArray(ValueLayout.JAVA_BYTE), shape(t));
        }
      }
      Files.write(folder.resolve("DeepSeek-V4-Flash-MTP-Q4K.gguf"), w.bytes());
    }
    try (Checkpoint hf = Checkpoints.open(FOLDER);
        Checkpoint gguf = Checkpoints.open(main)) {
      assertSameModel(hf, gguf);
      assertEquals(0, gguf.derivedBytes());
    }
  }

  private static byte[] columns(RawTensor t, int from) {
    ByteBuffer out = ByteBuffer.allocate(32 * 32 * 4).order(ByteOrder.LITTLE_ENDIAN);
    for (int row = 0; row < 32; row++) {
      out.put(t.data().asSlice((row * 64L + from) * 4, 128).asByteBuffer());
    }
    return out.array();
  }

  private static long[] shape(RawTensor t) {
    return t.shape().stream().mapToLong(Long::longValue).toArray();
  }

  private static void assertSameModel(Checkpoint a, Checkpoint b) {
    DeepseekConfig c = a.config();
    assertEquals(withoutName(c), withoutName(b.config()));
    for (int layer = 0; layer < c.layers() + c.mtpLayers(); layer++) {
      for (Part part : LayerParts.all(c, layer)) {
        if (LayerParts.EXPERTS.contains(part)) {
          for (int e = 0; e < c.gate().experts(); e++) {
            assertEqual(a.experts(part, layer).get(e), b.experts(part, layer).get(e));
          }
        } else {
          assertEqual(a.tensor(part, layer), b.tensor(part, layer));
        }
      }
    }
  }

  private static String withoutName(DeepseekConfig c) {
    return c.toString().replace("name=" + c.name(), "");
  }

  private static void assertEqual(HostTensor a, HostTensor b) {
    assertEquals(List.of(a.rows(), a.cols()), List.of(b.rows(), b.cols()), a + " " + b);
    if (a.encoding().equals(Encoding.I32)) {
      assertArrayEquals(
          a.data().toArray(ValueLayout.JAVA_INT), b.data().toArray(ValueLayout.JAVA_INT));
    } else {
      assertArrayEquals(numbers(a), numbers(b), a + " " + b);
    }
  }

  /** −0 is not kept by E2M1's blocks. */
  private static float[] numbers(HostTensor t) {
    float[] x = Dequantizer.all(t);
    for (int i = 0; i < x.length; i++) {
      x[i] += 0f;
    }
    return x;
  }

  @Test
  void theConfigurationIsTheFiles() {
    try (Checkpoint c = Checkpoints.open(FOLDER)) {
      DeepseekConfig config = c.config();
      var a = (AttentionConfig.Compressed) config.attention();
      assertEquals(List.of(0, 4, 128, 4), a.ratios());
      assertEquals(List.of(16, 96, 32), List.of(a.window(), a.head(), a.rope()));
      assertEquals(List.of(2, 32), List.of(a.groups(), a.groupRank()));
      assertEquals(new AttentionConfig.BlockIndexer(8, 32, 8), a.indexer());
      assertEquals(new HyperConnections(4, 20, 1e-6f), config.hyperConnections().orElseThrow());
      assertEquals(24, config.hyperConnections().orElseThrow().mixes());
      assertEquals(128, config.stateSize());
      assertEquals(2f, config.swigluLimit());
      assertTrue(config.hashes(0) && !config.hashes(1));
      assertTrue(a.indexes(1) && !a.indexes(2) && a.compresses(2) && !a.compresses(4));
      assertEquals(1 / Math.sqrt(96), config.softmaxScale(), 1e-12);
      assertEquals(1, config.ropeFactor());
      // YaRN for layers with a ratio alone, which scales nothing but frequencies
      double[] plain = config.ropeFrequencies();
      double[] stretched = a.compressed().frequencies(a.rope());
      assertEquals(Math.pow(10000, -30 / 32.0), plain[15], 1e-12);
      assertEquals(1, stretched[0], 1e-12);
      assertEquals(Math.pow(160000, -30 / 32.0) / 16, stretched[15], 1e-12);
      assertEquals(1, a.compressed().scaling().factor());
      assertTrue(((AttentionConfig.Compressed) config.withQat(true).attention()).qat());
    }
  }

  /** E4M3 under powers of two, E2M1 in pairs, which become MXFP4 when they are asked for. */
  @Test
  void theReleasesTypesAreKept() {
    try (Checkpoint c = Checkpoints.open(GOLDEN.resolve("v4-fp8fp4"))) {
      Map<Part, Encoding> want =
          Map.of(
              Part.Q_B, Encoding.FP8,
              Part.ATTN_OUT_A, Encoding.FP8,
              Part.INDEX_Q, Encoding.FP8,
              Part.SHARED_DOWN, Encoding.FP8,
              Part.COMPRESS_GATE, Encoding.BF16,
              Part.COMPRESS_APE, Encoding.F32,
              Part.HC_ATTN_FN, Encoding.F32,
              Part.ROUTER_TABLE, Encoding.I32);
      want.forEach((part, e) -> assertEquals(e, c.tensor(part, 0).encoding(), part.name()));
      assertEquals(Encoding.FP8, c.tensor(Part.MTP_PROJ_EMBED, 3).encoding());
      long experts = 4L * 3 * 8 * 32 * 160 / 32 * 17;
      assertEquals(experts, c.derivedBytes());
      List<Checkpoint.Weight> described =
          c.weights().stream().filter(w -> w.part() == Part.EXPERT_UP).toList();
      assertEquals(4, described.size());
      for (var w : described) {
        assertEquals(new Encoding.MXFP4(), w.encoding());
        assertEquals(new Encoding.MXFP4(), c.experts(w.part(), w.layer()).getFirst().encoding());
      }
      assertSame(c.experts(Part.EXPERT_UP, 1), c.experts(Part.EXPERT_UP, 1), "made once");
    }
  }

  @Test
  void anMtpFileAloneNamesTheMainOne() throws IOException {
    Path file = Files.copy(MTP, folder.resolve("mtp-model.gguf"));
    String message = refusal(file);
    assertTrue(message.contains("this file has the MTP layer alone"), message);
  }

  @Test
  void severalMtpFilesAreNoneAndSaidSo() throws IOException {
    Path main = Files.copy(MAIN, folder.resolve("model.gguf"));
    Files.copy(MTP, folder.resolve("mtp-a.gguf"));
    Files.copy(MTP, folder.resolve("b-mtp.gguf"));
    List<String> log = new ArrayList<>();
    try (Checkpoint c = Checkpoints.open(main, MetadataOverrides.NONE, log::add)) {
      assertEquals(0, c.config().mtpLayers());
    }
    assertEquals(1, log.size());
    assertTrue(log.getFirst().contains("[b-mtp.gguf, mtp-a.gguf]"), log.getFirst());
  }

  @Test
  void withoutAnMtpFileThereIsNoMtpLayer() throws IOException {
    Path main = Files.copy(MAIN, folder.resolve("model.gguf"));
    try (Checkpoint c = Checkpoints.open(main)) {
      assertEquals(0, c.config().mtpLayers());
    }
  }

  /** V4-Flash-0731 has three stages of DSpark where V4-Flash has its MTP layer. */
  @Test
  void stagesOfDsparkAreLeftAside() throws IOException {
    copyFolder();
    config("\"hidden_act\"", "\"dspark_block_size\": 5, \"hidden_act\"");
    List<String> log = new ArrayList<>();
    try (Checkpoint c = Checkpoints.open(folder, MetadataOverrides.NONE, log::add)) {
      assertEquals(0, c.config().mtpLayers());
      assertEquals(Optional.empty(), c.find(Part.MTP_NORM, 4));
    }
    assertEquals(1, log.size());
    assertTrue(log.getFirst().contains("DSpark's 53 tensors (mtp.*, "), log.getFirst());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "model_type\": \"deepseek_v4 | model_type\": \"deepseek_v41 | DeepSeek-V4.1",
        "hidden_act | vision_n_layers\": 27, \"hidden_act | DeepSeek-V4-Flash-Vision-Exp",
        "noaux_tc | greedy | topk_method: expected noaux_tc, found greedy",
        "sqrtsoftplus | sigmoid | scoring_func: expected sqrtsoftplus, found sigmoid",
        "  128, | 96, | compress ratios: expected 0, 4, or a power of two up to 128",
        "num_hidden_layers\": 4 | num_hidden_layers\": 6 | compress_ratios: expected a ratio for each",
        "o_groups\": 2 | o_groups\": 3 | attention heads: expected a multiple of the output groups, 3",
        "index_head_dim\": 32 | index_head_dim\": 16 | at most the elements of a head",
        "num_key_value_heads\": 1 | num_key_value_heads\": 2 | num_key_value_heads: expected 1"
      })
  void otherConfigurationsAreRefusedByName(String from, String to, String says) throws IOException {
    copyFolder();
    config(from, to);
    assertTrue(refusal(folder).contains(says), refusal(folder));
  }

  @Test
  void aTableThatNamesNoExpertIsRefused() throws IOException {
    copyFolder();
    Path file = folder.resolve("model.safetensors");
    byte[] bytes = Files.readAllBytes(file);
    ByteBuffer in = ByteBuffer.wrap(bytes).order(ByteOrder.LITTLE_ENDIAN);
    int data = 8 + (int) in.getLong(0); // where the table is first, of the widest elements
    in.putLong(data + 8 * (2 * 17 + 1), 8);
    Files.write(file, bytes);
    String message = refusal(folder);
    assertTrue(
        message.contains("layers.0.ffn.gate.tid2eid: expected experts from 0 to 7"), message);
    assertTrue(message.contains("8 for token 17"), message);
  }

  @Test
  void whatIsMissingIsCalledAsTheFileWouldCallIt() throws IOException {
    copyFolder();
    config("num_nextn_predict_layers\": 1", "num_nextn_predict_layers\": 2");
    config("0\n ],", "0, 0\n ],");
    assertTrue(refusal(folder).contains("tensor mtp.1."), refusal(folder));
  }

  private void copyFolder() throws IOException {
    try (Stream<Path> files = Files.list(FOLDER)) {
      for (Path file : files.filter(f -> !f.toString().endsWith("f32")).toList()) {
        Files.copy(file, folder.resolve(file.getFileName()));
      }
    }
  }

  private void config(String from, String to) throws IOException {
    Path file = folder.resolve("config.json");
    String text = Files.readString(file);
    assertTrue(text.contains(from.strip()), from);
    Files.writeString(file, text.replace(from.strip(), to.strip()));
  }

  private static String refusal(Path path) {
    return assertThrows(WeightException.class, () -> Checkpoints.open(path)).getMessage();
  }

  /** Where ../shared is: a FP8 and FP4 folder, whose numbers another program decodes. */
  @Test
  void whatAnotherProgramDecodesIsTheSame() throws IOException, InterruptedException {
    Path tool = SharedData.path("tools/hf2gguf_sparse.py");
    Path from = GOLDEN.resolve("v4-fp8fp4");
    Path file = folder.resolve("m.gguf");
    GeneratedModelsTest.python(tool, List.of(from.toString(), file.toString(), "--f32"));
    try (Checkpoint hf = Checkpoints.open(from);
        Checkpoint gguf = Checkpoints.open(file)) {
      for (int layer = 0; layer < 3; layer++) {
        for (Part part : LayerParts.required(hf.config(), layer)) {
          boolean experts = LayerParts.EXPERTS.contains(part);
          assertEqual(
              experts ? hf.experts(part, layer).get(5) : hf.tensor(part, layer),
              experts ? gguf.experts(part, layer).get(5) : gguf.tensor(part, layer));
        }
      }
    }
  }
}
