package dev.yuzui.cli;

import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.RenderOptions;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.io.OutputStream;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.OptionalInt;
import java.util.OptionalLong;
import java.util.Set;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.stream.Collectors;

/** Batches without a model: letters are tokens, and an answer repeats how its prompt begins. */
final class FakeBatch {
  static final BatchModel MODEL =
      new BatchModel(
          "parrot",
          1 << 16,
          prompt -> prompt.text().chars().toArray(),
          Optional.of(
              (messages, options) ->
                  Prompt.template(
                      messages.stream()
                              .map(m -> "<" + m.role() + ">" + m.content().orElse(""))
                              .collect(Collectors.joining())
                          + options.thinking().map(t -> t ? "<think>" : "</think>").orElse("")
                          + (options.variables().isEmpty() ? "" : options.variables()))),
          RenderOptions.ANSWER,
          false,
          Optional.empty(),
          ReasoningFilter.Mode.STDERR,
          SamplingParams.GREEDY,
          5,
          List.of(),
          false);

  static final Context CONTEXT =
      new Context(
          new Surroundings(
              Optional.empty(), Path.of("target", "no-such-cache"), Set.of(), OptionalInt.empty()),
          new ByteArrayInputStream(new byte[0]),
          new Out(OutputStream.nullOutputStream()),
          new PrintStream(OutputStream.nullOutputStream(), false, StandardCharsets.UTF_8));

  private FakeBatch() {}

  static GenerationResult parrot(GenerateRequest request) {
    String text =
        request.prompt().stream().limit(40).map(Character::toString).collect(Collectors.joining());
    return new GenerationResult(
        text,
        request.prompt(),
        FinishReason.STOP,
        new GenerationResult.Timings(0, 0, request.prompt().size(), 0, 0, 0),
        GenerationResult.Speculative.NONE);
  }

  /** Of a file, which is compared with the output before anything else. */
  static boolean run(
      String input, Path output, BatchRun.Generator generator, BatchRun.Options options) {
    byte[] bytes = input.getBytes(StandardCharsets.UTF_8);
    return run(
        new ByteArrayInputStream(bytes),
        output,
        generator,
        options,
        () -> false,
        done -> done.prove(new BatchLines("-i test", new ByteArrayInputStream(bytes))));
  }

  /** Of a stream, which is read once. */
  static boolean run(
      InputStream input,
      Path output,
      BatchRun.Generator generator,
      BatchRun.Options options,
      BooleanSupplier interrupted) {
    return run(input, output, generator, options, interrupted, _ -> {});
  }

  /** Always resumes. */
  private static boolean run(
      InputStream input,
      Path output,
      BatchRun.Generator generator,
      BatchRun.Options options,
      BooleanSupplier interrupted,
      Consumer<BatchDone> before) {
    try (BatchLines lines = new BatchLines("-i test", input);
        BatchOutput out = BatchOutput.open(CONTEXT, output.toString(), true);
        BatchProgress progress =
            new BatchProgress(CONTEXT, OptionalLong.empty(), 0, System::nanoTime, List::of)) {
      before.accept(out.done());
      return new BatchRun(lines, out, MODEL, generator, options).run(progress, interrupted);
    }
  }
}
