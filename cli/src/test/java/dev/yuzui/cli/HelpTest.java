package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.ExitCode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class HelpTest {
  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      textBlock =
          """
          generate   | -m -hf -p -f -n -c -b -t --no-repack --repack-cache --prompt-cache --temp --top-k --top-p --min-p --typical-p --repeat-penalty --repeat-last-n --presence-penalty --frequency-penalty --dry-multiplier --dry-base --dry-allowed-length --dry-penalty-last-n --dry-sequence-breaker --logit-bias --seed --stop --ignore-eos --raw -sys --system-prompt -sysf --chat-template --chat-template-kwargs --think --reasoning --json --show-timings --backend --device --fit --kv-cache-dtype --cache-pages --enable-expert-parallel --split-mode -sm --n-cpu-moe --cpu-moe --gpu-expert-budget --num-redundant-experts --expert-loads -v --no-early-launch
          chat       | -m -hf --prompt-cache -n -c -b -t --temp --seed -sys --chat-template --reasoning --backend --device --fit --kv-cache-dtype -v
          batch      | -m -hf -i --input -o --output --resume --unordered --raw -n -sys --chat-template --think --reasoning --temp --seed --stop --max-num-seqs -c -b -t --backend --device --fit --kv-cache-dtype --enable-expert-parallel --split-mode --expert-loads -v
          pull       | --hub --hf-endpoint --revision --offline --dry-run
          convert    | -m -o --type --tensor-type --imatrix --split-max-size -t --force
          imatrix    | -m -f -o --chunk --chunks --force -c -b -t --backend --device
          inspect    | -m --repack-cache -hf -hfr --hf-repo --hub --hf-endpoint --revision --offline -c --tensors --metadata --json --fit --kv-cache-dtype --enable-expert-parallel --cpu-moe
          tokenize   | -m -hf -p -f --no-bos --decode --json
          logits     | -m -hf --tokens -p --out --mtp -c -b -t --backend
          perplexity | -m -hf -f --chunk --chunks --json -c -b -t --backend
          devices    | --json
          compare    | -m -hf --repack-cache --backends -p -f --tokens --seed -n -t -o --kv-cache-dtype --synthetic
          experts    | -m -hf -p -f -n --loads --devices --nodes --num-redundant-experts -o -c -b -t --backend
          serve      | -m -hf --host --port --api-key-file --alias --max-queue --max-body --request-timeout --header-timeout --body-timeout --write-timeout --sse-ping --shutdown-timeout --cors-origin --reasoning-format --no-ui --tls-cert --tls-key -n -sys --chat-template --think --temp --seed --stop --max-num-seqs -c -b -t --backend --device --fit --kv-cache-dtype --enable-expert-parallel -v
          scale      | --config --devices --node-devices --num-redundant-experts --imbalance --batch --context --prefill-tokens --prompt --micro-batches --overlap --weight-bytes --cache-bytes --flops --attention-flops --bandwidth --memory --nvlink --network --latency --json
          bench      | -m -hf --repack-cache -p -n -pg -d -r -t -b -o --synthetic --quant --backend --device --bandwidth --fit --kv-cache-dtype --rate --num-prompts --shared-prefix --max-num-seqs --cache-pages --spec-type --enable-expert-parallel --cpu-moe
          completion | --help
          help       | --help
          """)
  void everyCommandExplainsItsFlagsAndGivesAnExample(String command, String flags) {
    CommandRun run = yuzui(command, "--help");
    assertEquals(ExitCode.DONE, run.exitCode(), run.err());
    for (String flag : flags.split(" ")) {
      assertTrue(
          run.out().matches("(?s).*[\\s,\\[]" + flag + "[\\s,=\\[].*"),
          flag + " is not in\n" + run.out());
    }
    assertTrue(run.out().contains("Example: "), run.out());
    assertTrue(run.out().lines().allMatch(line -> line.length() <= 100), run.out());
  }

  @ParameterizedTest
  @ValueSource(strings = {"generate", "help", "bench"})
  void helpOfACommandIsWhatItsFlagShows(String command) {
    assertEquals(yuzui(command, "--help").out(), yuzui("help", command).out());
  }

  @Test
  void helpAloneIsThatOfTheProgram() {
    CommandRun run = yuzui("help");
    assertEquals(ExitCode.DONE, run.exitCode());
    assertEquals(yuzui("--help").out(), run.out());
    assertTrue(run.out().contains("generate"), run.out());
  }

  @Test
  void helpOfNoCommandNamesThoseThereAre() {
    CommandRun run = yuzui("help", "genrate");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("expected one of generate, chat"), run.err());
  }

  @Test
  void versionNamesProgramAndJdk() {
    CommandRun run = yuzui("--version");
    assertEquals(ExitCode.DONE, run.exitCode());
    assertTrue(run.out().matches("(?s)yuzui \\d+\\.\\d+.*JDK \\d+.*"), run.out());
  }

  @Test
  void completionIsAScriptThatKnowsCommandsAndFlags() {
    CommandRun run = yuzui("completion");
    assertEquals(ExitCode.DONE, run.exitCode());
    assertTrue(run.out().startsWith("#!/usr/bin/env bash"), run.out());
    assertTrue(run.out().contains("'--kv-cache-dtype'"));
    assertTrue(run.out().contains("perplexity"));
  }
}
