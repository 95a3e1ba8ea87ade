package dev.yuzui.cli;

import static dev.yuzui.cli.CommandRun.FOLDER;
import static dev.yuzui.cli.CommandRun.GGUF;
import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertAll;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.cli.shell.ExitCode;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class UsageTest {
  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '"',
      textBlock =
          """
          generate -p x -n -5               | --n-predict      | -1 for no limit     | '-5'
          generate -p x -n many             | --n-predict      | a number of tokens  | 'many'
          generate -p x -n 99999999999      | --n-predict      | a number of tokens  | '99999999999'
          generate -p x -c -1               | --ctx-size       | 0 or more           | '-1'
          generate -p x -b 0                | --max-num-batched-tokens | 1 or more     | '0'
          generate -p x --max-num-seqs 0    | --max-num-seqs   | 1 or more           | '0'
          generate -p x --spec-type fast    | --spec-type      | draft-mtp, draft-simple, ngram | 'fast'
          generate -p x --spec-type ngram --spec-draft-n-max 64 | --spec-draft-n-max | 1 to 63 | 64
          generate -p x --spec-type draft-mtp --spec-draft-p-min 2 | --spec-draft-p-min | 0 to 1 | 2.0
          generate -p x --spec-type draft-mtp --spec-draft-vocab-size 0 | --spec-draft-vocab-size | 1 or more | '0'
          generate -p x -N 0                | --answers        | 1 or more           | '0'
          generate -p x -t 0                | --threads        | 1 or more           | '0'
          generate -p x -t 1.5              | --threads        | a whole number      | '1.5'
          generate -p x --kv-cache-dtype q4 | --kv-cache-dtype | f32, f16, bf16, e4m3, q8_0, fp8| 'q4'
          generate -p x --temp hot          | --temp           | a number            | 'hot'
          generate -p x --temp -1           | --temp           | 0 (greedy) or more  | -1
          generate -p x --temp NaN          | --temp           | a number            | 'NaN'
          generate -p x --top-p 2           | --top-p          | up to 1             | 2.0
          generate -p x --top-k -1          | --top-k          | 0 or more           | '-1'
          generate -p x --min-p 1.5         | --min-p          | 0 (off) to 1        | 1.5
          generate -p x --typical-p 0       | --typical        | above 0             | 0.0
          generate -p x --repeat-penalty 0  | --repeat-penalty | above 0             | 0.0
          generate -p x --seed -2           | --seed           | -1 for a random     | '-2'
          generate -p x --logit-bias 5      | --logit-bias     | ID+BIAS             | '5'
          generate -p x --reasoning maybe   | --reasoning      | show, hide or stderr| 'maybe'
          bench -p 1,x                      | --n-prompt       | 0 or more           | 'x'
          bench -pg 5                       | -pg              | two counts          | '5'
          bench -r 0                        | --repetitions    | 1 or more           | '0'
          bench -o xml                      | --output         | md, csv, json       | 'xml'
          bench --synthetic v9              | --synthetic      | v2-lite             | 'v9'
          bench --rate 0                    | --rate           | above 0             | 0.0
          bench --rate often                | --rate           | a number            | 'often'
          bench --rate 1 -p 8 --shared-prefix 9 | --shared-prefix | at most the 8 of -p | 9
          bench --rate 1 -b 64 --max-num-seqs 65 | --max-num-seqs | at most -b, the 64 tokens of a step | 65
          generate -p x --split-mode row    | --split-mode     | layer or expert     | 'row'
          generate -p x --gpu-expert-budget 2X | --gpu-expert-budget | such as 20G    | '2X'
          generate -p x --n-cpu-moe -1      | --n-cpu-moe      | 0 or more           | '-1'
          generate -p x --enable-expert-parallel | --enable-expert-parallel | two or more devices | none named
          generate -p x --device cpu --enable-expert-parallel | --enable-expert-parallel | two or more devices | one
          generate -p x --split-mode expert --device cpu | --split-mode | two or more devices | one
          generate -p x --gpu-expert-budget 1G --device cpu,cpu,cpu | --gpu-expert-budget | at most two devices | 3
          generate -p x --num-redundant-experts 2 | --num-redundant-experts | --enable-expert-parallel or --split-mode expert | neither
          generate -p x --expert-loads x    | --expert-loads   | --fit beside it     | none
          generate -p x --logit-bias 4096+1 | --logit-bias     | ids below the vocabulary's 4096 | 4096
          bench -p 2049 -n 0                | -d, -p, -n, -pg  | at most the 2048 tokens of context | 2049 together
          bench -p 16 -n 0 -d 4000 -o json  | -d, -p, -n, -pg  | at most the 2048 tokens of context | 4016 together
          bench --quant Q8_0                | --quant          | --synthetic beside it | none
          bench --bandwidth 3 --backend cpu | --bandwidth      | -o html beside it   | none
          generate -p x --spec-draft-n-max 4| --spec-draft-n-max | --spec-type beside it | none
          generate -p x --spec-draft-p-min 0.1 | --spec-draft-p-min | --spec-type draft-mtp or draft-simple beside it | none
          generate -p x --spec-type draft-simple | --spec-type draft-simple | -md FILE beside it | none
          generate -p x -md y --spec-type ngram  | -md         | --spec-type draft-simple beside it | ngram
          generate -p x -devd cpu           | -devd            | -md FILE beside it  | none
          generate -p x -md gone.gguf       | gone.gguf        | a GGUF file or a Hugging Face folder | nothing at this path
          generate -p x --spec-type ngram --spec-draft-vocab-size 9 | --spec-draft-vocab-size | --spec-type draft-mtp beside it | ngram
          generate -p x --backend cpu --device reference | --backend cpu and --device reference | a device of that backend | one of reference
          generate -p x --backend reference --device cpu | --device | a device of that backend | one of cpu
          inspect --backend reference --device reference,cpu:java | --device cpu:java | a device of that backend | one of cpu
          generate -p x -np 65537           | --max-num-seqs   | at most 65536       | '65537'
          generate -p x -N 2147483647       | --answers        | at most 65536       | '2147483647'
          bench -d 2147483647 -p 1 -n 0     | --n-depth        | at most 536870912   | '2147483647'
          bench -pg 2147483647,2147483647   | -pg              | two counts          | '2147483647,2147483647'
          bench -d 536870912 -p 536870912 -n 0 | -d, -p, -n, -pg | at most the 2048 tokens | 1073741824 together
          experts -p x -n 2147483647        | --n-predict      | at most 536870912   | '2147483647'
          compare --tokens 2 -n 257         | --n-predict      | at most 256         | 257
          perplexity -f x --chunk 0         | --chunk          | 1 or more           | '0'
          logits --tokens a -o x            | --tokens         | such as 1,2,3       | 'a'
          """)
  void aValueOutOfRangeIsRefusedNamingFlagExpectedAndFound(
      String arguments, String flag, String expected, String found) {
    CommandRun run = yuzui(arguments.split(" "));
    assertAll(
        () -> assertEquals(ExitCode.USAGE, run.exitCode()),
        () -> assertEquals("", run.out()),
        () -> assertTrue(run.err().contains(flag), run.err()),
        () -> assertTrue(run.err().contains(expected), run.err()),
        () -> assertTrue(run.err().contains("found " + found), run.err()));
  }

  @ParameterizedTest(name = "{0}")
  @CsvSource(
      delimiter = '|',
      quoteCharacter = '`',
      textBlock =
          """
          genrate -p x                | Did you mean generate
          generate --tempp 1          | Did you mean --temp
          generate -m                 | Missing required parameter for option '--model'
          generate                    | give -p TEXT, -f FILE, or -f -
          generate -p x -f y          | -p and -f: expected one of them
          generate -f no-such-file    | -f: expected a file, found no-such-file
          generate -p x --raw -sys y  | --raw: it leaves out the chat template, which -sys needs
          generate -p x --raw --think on --chat-template-kwargs {"a":1} | which --think, --chat-template-kwargs need
          generate --tokens 1 --think on | --tokens: expected no chat template beside it, found --think
          generate -p x -sys y -sysf z | -sys, -sysf: expected one of them, found both
          chat -sysf no-such-file     | -sysf: expected a file, found no-such-file
          generate -p x --think maybe | --think': expected on or off, found 'maybe'
          generate -p x -m PLAIN --think on | --think: this model has no chat template to put it in; name one
          generate -p x --think on --chat-template deepseek-v3 | --think: built-in template deepseek-v3 has no switch for thinking; leave it out
          generate -p x --think on --chat-template-kwargs {"thinking":false} | --think, --chat-template-kwargs: expected one answer
          batch -i x -o y --chat-template-kwargs {"messages":1} | --chat-template-kwargs: messages: expected a variable
          chat --chat-template-kwargs [1] | expected a JSON object, found '[1]'
          chat --chat-template-kwargs {"a":1}x | expected a JSON object, found
          chat --reasoning off        | --think on or off says whether the model thinks
          chat --reasoning-budget 0   | here use --think off for 0
          generate -p x -m no-such    | no-such
          experts --loads /dev/null   | --loads: expected a file, found /dev/null, which is none
          perplexity -f README.md -c 64 --chunk 65 | --chunk: expected at most the 64 tokens of -c, found 65; leave -c out
          generate -p x --stop=       | --stop: expected a text
          tokenize -p x -m no-such    | no-such
          logits -o x                 | either --tokens or a text
          logits --tokens 1           | --out
          perplexity                  | --file
          batch -o x                  | --input
          batch -i x                  | --output
          batch -i x -o y --temp -1   | --temp
          bench -m a --synthetic v3-4l| -m and --synthetic
          bench -p 0 -n 0             | at least one test
          generate -p x --device cpu,cpu --enable-expert-parallel --split-mode expert | --enable-expert-parallel and --split-mode: expected one of them, found both
          generate -p x --device cpu,cpu --enable-expert-parallel --cpu-moe | --enable-expert-parallel and --cpu-moe: expected one of them
          generate -p x --cpu-moe --n-cpu-moe 2 | --cpu-moe and --n-cpu-moe: expected one of them
          generate -p x --cpu-moe --gpu-expert-budget 1G | --cpu-moe and --gpu-expert-budget: expected one of them
          generate -p x --device cpu,cpu --split-mode layer --gpu-expert-budget 1G | --split-mode layer and --gpu-expert-budget: expected one
          bench --rate 1 -n 0         | at least one test
          bench -m nope -o json       | nope: model: expected a GGUF file
          bench -m nope -o md         | nope: model: expected a GGUF file
          bench --backend cpu:java --device cpu | --backend cpu:java and --device: expected one device, found two
          generate -p x --device cpu,cpu --split-mode expert --cpu-moe | --split-mode expert and --cpu-moe: expected one of them
          tokenize 1 --decode --no-bos | --decode and --no-bos
          bench --rate 1 -d 5         | -d and --rate or --spec-type: expected one of them
          bench --num-prompts 5       | --num-prompts: expected --rate or --spec-type beside it
          """)
  void badUsageEndsWithOneMessageAndExitCode2(String arguments, String message) {
    CommandRun run = yuzui(arguments.replace("PLAIN", GGUF).split(" "));
    assertAll(
        () -> assertEquals(ExitCode.USAGE, run.exitCode(), run.err()),
        () -> assertEquals("", run.out()),
        () -> assertTrue(run.err().contains(message), run.err()),
        () ->
            assertEquals(
                1, run.err().lines().filter(l -> l.startsWith("yuzui: ")).count(), run.err()));
  }

  @Test
  void withoutACommandTheCommandsAreNamed() {
    CommandRun run = yuzui();
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("expected a command: generate, chat"), run.err());
  }

  @Test
  void aPromptMayBeginWithADash() {
    CommandRun run = yuzui("tokenize", "-m", FOLDER, "-p", "-t 4", "--no-bos", "--json");
    assertEquals("[45,116,32,52]\n", run.out());
  }

  @Test
  void anUnknownBackendIsRefusedWithTheNamesThatExist() {
    CommandRun run = yuzui("generate", "-m", FOLDER, "-p", "x", "--backend", "abacus");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(run.err().contains("expected one of cuda, cpu, reference, "), run.err());
    assertTrue(run.err().endsWith("found 'abacus'\n"), run.err());
  }

  @Test
  void aDeviceThatIsNotThereIsTheUsersMistake() {
    CommandRun run =
        CommandRun.yuzui("generate", "--backend", "cpu", "--device", "cpu:9", "-p", "a", "-n", "1");
    assertEquals(ExitCode.USAGE, run.exitCode());
    assertTrue(
        run.err().contains("--device: expected cpu or cpu:0 to cpu:7, found 'cpu:9'"), run.err());
  }
}
