package dev.yuzui.weights;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;
import static org.junit.jupiter.api.Assumptions.assumeFalse;

import dev.yuzui.spi.Encoding;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Map;
import java.util.function.Consumer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Each way a Hugging Face folder can be wrong gets one message. */
class MalformedFolderTest {
  private static final String NORM = "model.norm.weight";

  @TempDir Path folder;

  private void assertRefused(Path path, String... says) {
    var e = assertThrows(WeightException.class, () -> Checkpoints.open(path).close());
    for (String each : says) {
      assertTrue(e.getMessage().contains(each), e.getMessage());
    }
  }

  private Path tiny() {
    return tiny(_ -> {}, 1);
  }

  private Path tiny(Consumer<SafetensorsWriter> change, int shards) {
    SafetensorsWriter w = TinyModel.V3.safetensors("F32");
    change.accept(w);
    return TinyModel.folder(folder, TinyModel.V3.config(), w, shards);
  }

  private void assertHeaderRefused(String from, String to, String... says) {
    SafetensorsWriter w = TinyModel.V3.safetensors("F32");
    assertTrue(w.header().contains(from), from);
    String header = w.header().replace(from, to);
    tiny();
    TinyModel.write(
        folder.resolve("model.safetensors"), w.bytes(header + " ".repeat(-header.length() & 7)));
    assertRefused(folder, says);
  }

  @Test
  void pathsThatHaveNoModel() throws IOException {
    assertRefused(folder.resolve("nowhere"), "nothing at this path");
    assertRefused(folder, "config.json with safetensors, or one .gguf model", "neither");
    TinyModel.write(
        folder.resolve("config.json"),
        SafetensorsWriter.json(TinyModel.V3.config()).getBytes(StandardCharsets.UTF_8));
    assertRefused(folder, "model.safetensors.index.json", "neither");
    Files.delete(folder.resolve("config.json"));
    Files.write(folder.resolve("a.gguf"), new byte[8]);
    Files.write(folder.resolve("b.gguf"), new byte[8]);
    assertRefused(folder, "[a.gguf, b.gguf]", "name the file you mean");
    tiny();
    assertRefused(folder.resolve("config.json"), "magic", "a folder with config.json");
  }

  @Test
  void weightsWithoutAConfiguration() throws IOException {
    tiny();
    Files.delete(folder.resolve("config.json"));
    assertRefused(folder, "config.json");
  }

  @Test
  void filesThatMayNotBeRead() throws IOException {
    Path file = tiny().resolve("model.safetensors");
    assumeFalse(
        !file.toFile().setReadable(false) || Files.isReadable(file), "this user reads everything");
    assertRefused(folder, "read permission");
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "null", "[]", "{", "{} {}", "{\"a\":1,\"a\":2}", "\u0000", "NaN"})
  void configsThatAreNoJsonObject(String json) {
    tiny();
    TinyModel.write(folder.resolve("config.json"), json.getBytes(StandardCharsets.UTF_8));
    assertRefused(folder, "config.json");
  }

  @Test
  void deeplyNestedJson() {
    tiny();
    byte[] deep = new byte[1 << 20];
    Arrays.fill(deep, (byte) '[');
    TinyModel.write(folder.resolve("config.json"), deep);
    assertRefused(folder, "config.json", "a JSON object");
  }

  @Test
  void headerLengths() {
    tiny();
    Path file = folder.resolve("model.safetensors");
    byte[] bytes = TinyModel.V3.safetensors("F32").bytes();
    for (long n : new long[] {0, 1, -1, bytes.length, Long.MAX_VALUE, Long.MIN_VALUE}) {
      byte[] bad = bytes.clone();
      TinyModel.little(bad).putLong(0, n);
      TinyModel.write(file, bad);
      assertRefused(folder, "model.safetensors: header", "a length from 2");
    }
    TinyModel.write(file, Arrays.copyOf(bytes, 7));
    assertRefused(folder, "at least 8 bytes");
    byte[] noJson = bytes.clone();
    noJson[8] = 'x';
    TinyModel.write(file, noJson);
    assertRefused(folder, "model.safetensors: header", "a JSON object");
  }

  @Test
  void cutOrGrown() {
    tiny();
    Path file = folder.resolve("model.safetensors");
    byte[] bytes = TinyModel.V3.safetensors("F32").bytes();
    TinyModel.write(file, Arrays.copyOf(bytes, bytes.length - 1));
    assertRefused(folder, "cut off");
    TinyModel.write(file, Arrays.copyOf(bytes, bytes.length + 8));
    assertRefused(folder, "described by the header");
  }

  @Test
  void offsetsAndShapes() {
    String norm = "\"model.norm.weight\":{";
    SafetensorsWriter w = TinyModel.V3.safetensors("F32");
    int at = w.header().indexOf(norm);
    String entry = w.header().substring(at, w.header().indexOf('}', at) + 1);
    long begin = 4L * TinyModel.VOCAB * TinyModel.H;
    String offsets = "[" + begin + "," + (begin + 128) + "]";
    assertTrue(entry.contains(offsets), entry);
    String tensor = "tensor " + NORM;
    for (String bad : List.of("[-1,128]", "[1.5,128]", "[\"0\",128]")) {
      assertHeaderRefused(entry, entry.replace(offsets, bad), tensor, "whole numbers");
    }
    for (String bad : List.of("[0]", "null", "{}")) {
      assertHeaderRefused(entry, entry.replace(offsets, bad), tensor, "two data_offsets");
    }
    assertHeaderRefused(
        entry, entry.replace(offsets, "[" + begin + "," + (begin - 4) + "]"), "data_offsets");
    assertHeaderRefused(
        entry, entry.replace(offsets, "[" + (begin + 4) + "," + (begin + 132) + "]"), tensor);
    assertHeaderRefused(
        entry, entry.replace(offsets, "[" + (begin - 4) + "," + (begin + 128) + "]"), "overlaps");
    assertHeaderRefused(
        entry, entry.replace(offsets, "[" + begin + ",99999999999]"), tensor, "cut off");
    assertHeaderRefused(entry, entry.replace("[32]", "[33]"), tensor, "132 bytes", "128 bytes");
    assertHeaderRefused(entry, entry.replace("[32]", "[-32]"), tensor, "whole numbers from 0");
    assertHeaderRefused(
        entry,
        entry.replace("[32]", "[4294967296,4294967296,4294967296]"),
        tensor,
        "a size that fits");
    assertHeaderRefused(entry, entry.replace("F32", "BF16"), tensor, "64 bytes for BF16");
    assertHeaderRefused(entry, entry.replace("F32", "Q9"), tensor, "a dtype of");
    assertHeaderRefused(entry, entry.replace("F32", "I32"), tensor, "F32, F16 or BF16", "I32");
    assertHeaderRefused(entry, entry.replace("[32]", "[1,1,32]"), tensor, "shape [32]");
    assertHeaderRefused(norm, "\"model.embed_tokens.weight\":{", "header", "Duplicate");
    assertHeaderRefused("\"lm_head.weight\":{", "\"head.weight\":{", "lm_head.weight");
  }

  @Test
  void misalignedData() {
    SafetensorsWriter w = TinyModel.V3.safetensors("F32");
    tiny();
    TinyModel.write(folder.resolve("model.safetensors"), w.bytes(w.header() + " "));
    assertRefused(folder, "a multiple of 4 bytes");
  }

  @Test
  void everyTensorIsThereInItsShape() {
    SafetensorsWriter all = TinyModel.V3.safetensors("F32");
    for (String name : all.tensors.keySet()) {
      boolean optional =
          name.startsWith("model.layers.2.shared_head") || name.endsWith("2.embed_tokens.weight");
      if (!optional) {
        assertRefused(tiny(w -> w.tensors.remove(name), 1), name, "no such tensor");
      }
      var t = all.tensors.get(name);
      Long[] longer = t.shape().toArray(Long[]::new);
      byte[] more = Arrays.copyOf(t.data(), (int) (t.data().length / longer[0] * (longer[0] + 1)));
      longer[0]++;
      assertRefused(tiny(w -> w.tensor(name, "F32", more, longer), 1), "tensor " + name, "shape");
    }
  }

  @Test
  void tensorsNobodyAskedForAreRefused() {
    String bias = "model.layers.0.self_attn.q_a_proj.bias";
    assertRefused(tiny(w -> w.tensor(bias, "F32", new byte[128], 32L), 1), "tensor " + bias);
    String buffer = "model.layers.0.self_attn.rotary_emb.inv_freq";
    Checkpoints.open(tiny(w -> w.tensor(buffer, "F32", new byte[8], 2L), 1)).close();
  }

  @Test
  void aConfigurationOfAnotherModelIsRefused() {
    tiny();
    Map.of(
            "num_hidden_layers", 3,
            "hidden_size", 64,
            "n_routed_experts", 8,
            "n_shared_experts", 1,
            "first_k_dense_replace", 2,
            "num_nextn_predict_layers", 0,
            "vocab_size", 41)
        .forEach(
            (key, value) -> {
              var config = TinyModel.V3.config();
              config.put(key, value);
              TinyModel.write(
                  folder.resolve("config.json"),
                  SafetensorsWriter.json(config).getBytes(StandardCharsets.UTF_8));
              assertRefused(folder, "tensor ");
            });
  }

  @Test
  void scaleGridsOfFp8Weights() {
    String weight = "model.layers.0.self_attn.o_proj.weight";
    String scales = weight + "_scale_inv";
    assertFp8Refused(w -> w.tensors.remove(scales), scales, "no such tensor");
    assertFp8Refused(
        w -> w.tensor(scales, "F32", new byte[8], 1L, 2L), scales, "shape [1, 1]", "[1, 2]");
    assertFp8Refused(w -> w.tensor(scales, "F64", new byte[8], 1L, 1L), scales, "type F32");
  }

  private void assertFp8Refused(Consumer<SafetensorsWriter> change, String... says) {
    SafetensorsWriter w = TinyModel.V3.safetensors("F8_E4M3");
    change.accept(w);
    assertRefused(TinyModel.folder(folder, TinyModel.V3.config(), w, 1), says);
  }

  @Test
  void nvidiasQuantisationIsRefusedByName() {
    tiny();
    TinyModel.write(
        folder.resolve("hf_quant_config.json"),
        "{\"quantization\": {\"quant_algo\": \"NVFP4\"}}".getBytes(StandardCharsets.UTF_8));
    assertRefused(folder, "hf_quant_config.json", "NVFP4");
  }

  @Test
  void indexAndShardsBelongTogether() throws IOException {
    tiny(_ -> {}, 2);
    Path index = folder.resolve("model.safetensors.index.json");
    String json = Files.readString(index);
    String first = "model-00001-of-00002.safetensors";
    String embed = "\"model.embed_tokens.weight\":\"" + first + "\"";
    assertTrue(json.contains(embed));
    assertIndexRefused(json, embed, embed.replace("00001-of", "00002-of"), "places elsewhere");
    assertIndexRefused(json, embed + ",", "", "places nowhere");
    assertIndexRefused(json, embed, embed + ",\"x\":\"" + first + "\"", "tensor x", first);
    assertIndexRefused(json, embed, embed.replace(first, "gone.safetensors"), "gone.safetensors");
    for (String outside :
        List.of("../m.safetensors", "/etc/m.safetensors", "sub\\\\m.safetensors", "passwd", "")) {
      assertIndexRefused(json, embed, embed.replace(first, outside), "in the same folder");
    }
    assertIndexRefused(json, "weight_map", "weights", "an object from tensor to shard");
    Files.writeString(index, "{\"weight_map\":{}}");
    assertRefused(folder, "an object from tensor to shard");
    Files.writeString(index, json);
    Files.delete(folder.resolve(first));
    assertRefused(folder, first, "an existing file");
    Files.delete(index);
    assertRefused(folder, "model.safetensors.index.json", "neither");
  }

  private void assertIndexRefused(String json, String from, String to, String... says)
      throws IOException {
    Files.writeString(folder.resolve("model.safetensors.index.json"), json.replace(from, to));
    assertRefused(folder, says);
  }

  @Test
  void aFolderWithOneGgufIsThatModel() {
    TinyModel.write(
        folder.resolve("only.gguf"), TinyModel.V3.gguf(TinyModel.Layout.NEW, Encoding.F16).bytes());
    try (Checkpoint c = Checkpoints.open(folder)) {
      assertEquals("GGUF v3", c.format());
    }
  }
}
