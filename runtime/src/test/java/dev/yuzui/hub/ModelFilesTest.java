package dev.yuzui.hub;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.Arrays;
import java.util.List;
import java.util.Optional;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Which files of a repository are the model that a name means. */
class ModelFilesTest {
  private static List<HubFile> files(String names) {
    return Arrays.stream(names.split(" "))
        .map(name -> new HubFile(name, 1 << 20, Optional.empty()))
        .toList();
  }

  private static ModelFiles choose(String name, String files) {
    return ModelFiles.choose(HubName.parse(name), "org/name", files(files));
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a/b        | m-Q8_0.gguf m-Q4_K_M.gguf m-IQ4_XS.gguf          | m-Q4_K_M.gguf
          a/b        | m-Q8_0.gguf m-F16.gguf                           | m-Q8_0.gguf
          a/b        | m-F16.gguf mmproj-F16.gguf m.imatrix.gguf        | m-F16.gguf
          a/b        | m-Q4_K_M.gguf UD/m-UD-Q4_K_M.gguf                | m-Q4_K_M.gguf
          a/b:q8_0   | m-Q8_0.gguf m-Q4_K_M.gguf config.json            | m-Q8_0.gguf
          a/b:Q4_NL  | m-IQ4_NL.gguf m-Q4_NL.gguf                       | m-Q4_NL.gguf
          a/b:Q4_K   | m-Q4_K_M.gguf m-Q4_K.gguf                        | m-Q4_K.gguf
          a/b:IQ1_S  | UD-IQ1_S/m-00001-of-00002.gguf UD-IQ1_S/m-00002-of-00002.gguf | UD-IQ1_S/m-00001-of-00002.gguf UD-IQ1_S/m-00002-of-00002.gguf
          a/b:m-v2-Q8_0 | m-v1-Q8_0.gguf m-v2-Q8_0.gguf                 | m-v2-Q8_0.gguf
          a/b:F16    | config.json model.safetensors m.F16.gguf         | m.F16.gguf
          a/b        | config.json model.safetensors m.F16.gguf x.bin   | config.json model.safetensors
          a/b        | config.json model.safetensors consolidated.safetensors | config.json model.safetensors
          a/b        | config.json model.safetensors.index.json model-1.safetensors | config.json model.safetensors.index.json model-1.safetensors
          a/b        | config.json tokenizer.json tiktoken.model a.jinja original/x.safetensors m.safetensors | config.json tokenizer.json tiktoken.model a.jinja m.safetensors
          a/b        | mtp-m-Q8_0.gguf m-Q4_K_M.gguf mtp-m-Q4_K_M.gguf  | mtp-m-Q4_K_M.gguf m-Q4_K_M.gguf
          a/b:Q2_K   | mtp-m-Q8_0.gguf m-Q2_K.gguf mtp-m-Q4_0.gguf      | mtp-m-Q4_0.gguf m-Q2_K.gguf
          a/b:Q2_K   | q/m-Q2_K.gguf mtp-m-Q2_K.gguf q/mtp-m-Q8_0.gguf p/mtp-m-Q2_K.gguf | q/mtp-m-Q8_0.gguf q/m-Q2_K.gguf
          a/b        | m-mtp-Q8_0.gguf m-mtp-Q4_0.gguf                  | m-mtp-Q8_0.gguf
          """)
  void theOnesThatAreMeant(String name, String files, String expected) {
    assertEquals(
        expected,
        String.join(" ", choose(name, files).files().stream().map(HubFile::path).toList()));
  }

  @Test
  void theFirstPartOpensASplitModelAndTheFolderOneOfSafetensors() {
    assertEquals(
        "m-Q8_0-00001-of-00002.gguf",
        choose("a/b", "m-Q8_0-00002-of-00002.gguf m-Q8_0-00001-of-00002.gguf").main());
    assertEquals("m-Q8_0.gguf", choose("a/b", "mtp-Q8_0.gguf m-Q8_0.gguf").main());
    assertEquals("", choose("a/b", "config.json model.safetensors").main());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          a/b:Q9     | m-Q8_0.gguf m-F16.gguf       | expected a GGUF called Q9, found none; there are m-F16.gguf 1.0 MiB m-Q8_0.gguf 1.0 MiB
          a/b        | m-Q5_0.gguf m-F16.gguf       | expected one model, found 2; give a/b:QUANT with more of a name; there are m-F16.gguf 1.0 MiB
          a/b:Q8_0   | v1-Q8_0.gguf v2-Q8_0.gguf    | Q8_0 may be one of v1-Q8_0.gguf 1.0 MiB v2-Q8_0.gguf
          a/b:Q8_0   | m-Q8_0-00001-of-00003.gguf m-Q8_0-00003-of-00003.gguf | expected all 3 parts of m-Q8_0, found 2 of them; missing: m-Q8_0-00002-of-00003.gguf
          a/b        | config.json model-00001-of-000002.safetensors | expected all 2 shards of safetensors, found none called model-00002-of-000002.safetensors
          a/b:Q8_0   | config.json model.safetensors | expected a GGUF called Q8_0, found safetensors alone; leave :Q8_0 out
          a/b        | pytorch_model.bin model.onnx config.json | found neither, only .bin, .json, .onnx
          a/b        | adapter_model.safetensors    | expected GGUF files, or config.json with safetensors
          a/b        | mmproj-F16.gguf              | expected GGUF files
          """)
  void whatIsNotClearIsListed(String name, String files, String message) {
    HubException e = assertThrows(HubException.class, () -> choose(name, files));
    String flat = e.getMessage().replaceAll("\\s+", " ");
    assertTrue(flat.contains(message), flat);
    assertEquals(HubException.Fault.ASKED, e.fault());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "name",
        "../x",
        "a/../b",
        "a/b/c",
        "/a",
        "a/",
        "",
        "a/b:",
        "a/b:../x",
        "a/.b",
        "a/b--c",
        "a/b c",
        "a/b:Q 8",
        "hf:a/b",
        "a\\b/c",
        "a/b\n",
        "https://huggingface.co/a/b"
      })
  void whatIsNoNameIsRefused(String text) {
    HubException e = assertThrows(HubException.class, () -> HubName.parse(text));
    assertEquals(HubException.Fault.ASKED, e.fault());
    assertTrue(e.getMessage().contains("expected ORG/NAME or ORG/NAME:QUANT"), e.getMessage());
  }

  @Test
  void aNameIsAFolderOfTheCache() {
    HubName name = HubName.parse("deepseek-ai/DeepSeek-V2.5:UD-Q4_K_XL");
    assertEquals("models--deepseek-ai--DeepSeek-V2.5", name.folder());
    assertEquals(Optional.of("UD-Q4_K_XL"), name.quant());
    assertEquals("deepseek-ai/DeepSeek-V2.5:UD-Q4_K_XL", name.toString());
  }
}
