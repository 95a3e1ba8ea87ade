package dev.yuzui.batch;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.engine.api.FinishReason;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.GenerationResult;
import dev.yuzui.openai.ServedModel;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.text.Prompt;
import dev.yuzui.text.ReasoningFilter;
import dev.yuzui.text.RenderOptions;
import java.io.ByteArrayInputStream;
import java.io.InputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;
import java.util.function.Consumer;
import java.util.function.UnaryOperator;
import java.util.stream.Collectors;

/** Batches without a model: letters are tokens, and an answer repeats how its prompt begins. */
final class FakeBatch {
  static final ServedModel MODEL =
      new ServedModel(
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
          Optional.of("tags"),
          Optional.empty(),
          RenderOptions.ANSWER,
          false,
          Optional.empty(),
          ReasoningFilter.Mode.STDERR,
          SamplingParams.GREEDY,
          5,
          List.of(),
          List.of(),
          false);

  private FakeBatch() {}

  static BatchRun.Options options(int window, boolean ordered) {
    return new BatchRun.Options(window, ordered, UnaryOperator.identity());
  }

  static List<String> names(JsonNode object) {
    List<String> names = new ArrayList<>();
    object.fieldNames().forEachRemaining(names::add);
    return names;
  }

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
        done -> done.prove(new BatchLines("Batch.input test", new ByteArrayInputStream(bytes))));
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
    try (BatchLines lines = new BatchLines("Batch.input test", input);
        BatchOutput out = BatchOutput.open(output, true)) {
      before.accept(out.done());
      return new BatchRun(lines, out, MODEL, generator, options)
          .run(BatchListener.NONE, interrupted);
    }
  }
}
