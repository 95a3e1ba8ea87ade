package dev.yuzui.engine.draft;

import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.text.Tokenizer;
import dev.yuzui.weights.Checkpoints;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.Locale;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;

/**
 * What {@link NgramProposer} drafts of texts that people have models write, with R1's tokenizer: as
 * if the model wrote just that text.
 */
class PromptLookupTest {
  private static final Path ROOT = Path.of(System.getProperty("yuzui.root"));
  private static final Path CODE =
      ROOT.resolve("runtime/src/main/java/dev/yuzui/engine/draft/NgramProposer.java");

  private static Tokenizer tokenizer;

  @BeforeAll
  static void open() {
    tokenizer =
        Tokenizer.of(
            Checkpoints.vocabulary(
                ROOT.resolve("tests/reference/tokenizers/deepseek-v3-apidocs-r1")));
  }

  @AfterAll
  static void close() {
    tokenizer.close();
  }

  /** Of an answer: its tokens, and what checking took. */
  private record Run(int tokens, int steps, int drafts, int right) {
    /**
     * As measured of V2-Lite on two cores: a draft more is 0.46 of a step more, for its experts.
     */
    double gain() {
      return tokens / (steps + 0.46 * drafts);
    }

    @Override
    public String toString() {
      return String.format(
          Locale.ROOT,
          "%.2f tokens a step, %d of %d drafts right, %.2f times as fast",
          (double) tokens / steps,
          right,
          drafts,
          gain());
    }
  }

  private static Run run(String prompt, String answer) {
    NgramProposer proposer = new NgramProposer(8, 16, 8, 4, 2);
    proposer.append(tokenizer.encode(prompt, true));
    int[] tokens = tokenizer.encode(answer, false);
    int steps = 0;
    int drafts = 0;
    for (int made = 0; made < tokens.length; steps++) {
      int[] draft = proposer.draft(tokens.length - made - 1);
      int right = 0;
      while (right < draft.length && draft[right] == tokens[made + right]) {
        right++;
      }
      if (draft.length > 0) {
        proposer.checked(draft.length, right);
      }
      proposer.append(Arrays.copyOfRange(tokens, made, made + right + 1));
      made += right + 1;
      drafts += draft.length;
    }
    return new Run(tokens.length, steps, drafts, tokens.length - steps);
  }

  @Test
  void ofAFileThatIsEditedMostIsRight() throws IOException {
    String before = Files.readString(CODE);
    String after =
        before
            .replace("matched", "matchLength")
            .replace("  private int count;\n", "  private int count;\n  private int asked;\n")
            .replace(
                "  public int[] draft(int room) {\n",
                "  public int[] draft(int room) {\n    asked++;\n");
    Run run = run(before + "\n\nCount the calls of draft.\n\n", after);
    assertTrue(run.gain() > 1.6, run::toString);
  }

  @Test
  void codeThatIsNewLosesNextToNothing() throws IOException {
    String code = Files.readString(CODE);
    int cut = code.length() / 4;
    Run run = run(code.substring(0, cut), code.substring(cut));
    assertTrue(run.gain() > 0.95, run::toString);
  }

  @Test
  void proseLosesNextToNothing() throws IOException {
    String prose = Files.readString(ROOT.resolve("runtime/README.md"));
    int cut = prose.length() / 4;
    Run run = run(prose.substring(0, cut), prose.substring(cut));
    assertTrue(run.gain() > 0.95, run::toString);
  }
}
