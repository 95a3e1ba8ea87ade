package dev.yuzui.cli.inspect;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.withInput;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.CommandRun;
import dev.yuzui.cli.shell.ExitCode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class TokenizeCommandTest {
  @ParameterizedTest
  @ValueSource(strings = {"folder", "gguf"})
  void jsonIsAnArrayOfIds(String kind) {
    String model = kind.equals("gguf") ? GGUF : FOLDER;
    assertEquals("[256,72,105]\n", yuzui("tokenize", "-m", model, "-p", "Hi", "--json").out());
    assertEquals(
        "[72,105]\n", yuzui("tokenize", "-m", model, "-p", "Hi", "--no-bos", "--json").out());
  }

  @Test
  void theLastNewlineOfAFileIsTheEditorsUnlessRaw() {
    String[] command = {"tokenize", "-m", FOLDER, "-f", "-", "--no-bos", "--json"};
    assertEquals("[72]\n", withInput("H\n", command).out());
    assertEquals("[72,10]\n", withInput("H\n\n", command).out());
    String[] raw = {"tokenize", "-m", FOLDER, "-f", "-", "--no-bos", "--json", "--raw"};
    assertEquals("[72,10]\n", withInput("H\n", raw).out());
  }

  @Test
  void withoutJsonEachIdHasALineWithItsText() {
    CommandRun run = yuzui("tokenize", "-m", FOLDER, "-p", "H\n", "--no-bos");
    assertEquals("72  \"H\"", run.lines().get(0).strip());
    assertEquals("10  \"\\n\"", run.lines().get(1).strip());
  }

  @Test
  void decodeTurnsIdsBackIntoText() {
    String ids = yuzui("tokenize", "-m", FOLDER, "-p", "Grüße, 鱼嘴!", "--no-bos", "--json").out();
    CommandRun run = yuzui("tokenize", "-m", FOLDER, "--decode", "-p", ids);
    assertEquals("Grüße, 鱼嘴!\n", run.out());
  }

  @Test
  void decodeRefusesWhatIsNoIdOfTheVocabulary() {
    CommandRun letters = yuzui("tokenize", "-m", FOLDER, "--decode", "-p", "1,b");
    assertEquals(ExitCode.USAGE, letters.exitCode());
    assertTrue(
        letters.err().contains("expected token ids such as 1,2,3, found '1,b'"), letters.err());
    CommandRun large = yuzui("tokenize", "-m", FOLDER, "--decode", "-p", "99999");
    assertEquals(ExitCode.USAGE, large.exitCode());
    assertTrue(large.err().contains("found 99999"), large.err());
  }
}
