package dev.yuzui.spark;

import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.spi.RecordCopy;
import java.io.Serializable;
import java.nio.file.Path;
import java.util.List;

/**
 * What {@link YuzuiBatch} answers with. It travels to the executors.
 *
 * @param model a GGUF file or a Hugging Face folder, under the same path on every executor
 * @param source what {@code column} holds
 * @param column of the requests
 * @param id column by which requests are told apart, of any type; empty where there is none. Where
 *     a request names no seed, {@link YuzuiBatch#seed} of its id is taken: the same row gets the
 *     same answer wherever, and however often, it is made
 * @param response column that answers are put into, which the rows do not have yet
 * @param contextLength tokens of one sequence at most; 0 means the model's, at most {@value
 *     RuntimeOptions#DEFAULT_CONTEXT}
 * @param batchTokens tokens of one step at most; 0 means what suits the device
 * @param maxSequences that an engine runs together, of all tasks of its executor
 * @param cachePages that they share; 0 means full context for each
 * @param threads of an engine; 0 means physical cores
 * @param devices of an engine; empty for the GPUs that Spark gives the task, if it does, else the
 *     best there is
 * @param temperature where a request says none; 0 takes the most probable token
 * @param maxTokens of an answer where a request says none; −1 is up to the context
 * @param system the first message of conversations that have no such; empty for none
 * @param failOnError whether a request that cannot be met ends the job, instead of getting an error
 *     in its place
 * @param crashFolder that driver and executors reach, by any file system that Spark knows, in which
 *     tasks note the requests that they have under way: one that ends its executor's process is
 *     found and gets an error; empty for none, where such a request ends the job
 */
public record YuzuiBatchConfig(
    String model,
    Source source,
    String column,
    String id,
    String response,
    int contextLength,
    int batchTokens,
    int maxSequences,
    int cachePages,
    int threads,
    List<String> devices,
    double temperature,
    int maxTokens,
    String system,
    boolean failOnError,
    String crashFolder)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  /** What a column of requests holds. */
  public enum Source {
    /** A text: the prompt, put into the model's chat template if it has one. */
    PROMPT,
    /** A conversation: an array of structs of strings (role, content), or JSON of OpenAI's form. */
    MESSAGES,
    /**
     * A request as JSON: what a line of {@code yuzui batch} may be, and answered as it is there.
     */
    BODY
  }

  /**
   * @throws IllegalArgumentException for a number that means nothing
   */
  public YuzuiBatchConfig {
    devices = List.copyOf(devices);
    try {
      var _ = options(model, contextLength, batchTokens, maxSequences, cachePages, threads);
      var _ = SamplingParams.GREEDY.withTemperature(temperature);
      var _ = GenerateRequest.of(List.of(0)).withMaxTokens(maxTokens);
    } catch (IllegalArgumentException e) {
      throw new IllegalArgumentException(Names.inConfig(e.getMessage()), e);
    }
  }

  /** Prompts of a column {@code prompt}, answers to {@code response}. */
  public static YuzuiBatchConfig of(String model) {
    return new YuzuiBatchConfig(
        model,
        Source.PROMPT,
        "prompt",
        "",
        "response",
        0,
        0,
        64,
        0,
        0,
        List.of(),
        0,
        -1,
        "",
        false,
        "");
  }

  public YuzuiBatchConfig withPrompts(String of) {
    return RecordCopy.with(RecordCopy.with(this, "source", Source.PROMPT), "column", of);
  }

  public YuzuiBatchConfig withMessages(String of) {
    return RecordCopy.with(RecordCopy.with(this, "source", Source.MESSAGES), "column", of);
  }

  public YuzuiBatchConfig withBodies(String of) {
    return RecordCopy.with(RecordCopy.with(this, "source", Source.BODY), "column", of);
  }

  public YuzuiBatchConfig withId(String of) {
    return RecordCopy.with(this, "id", of);
  }

  public YuzuiBatchConfig withResponse(String name) {
    return RecordCopy.with(this, "response", name);
  }

  public YuzuiBatchConfig withContextLength(int tokens) {
    return RecordCopy.with(this, "contextLength", tokens);
  }

  public YuzuiBatchConfig withBatchTokens(int tokens) {
    return RecordCopy.with(this, "batchTokens", tokens);
  }

  public YuzuiBatchConfig withMaxSequences(int count) {
    return RecordCopy.with(this, "maxSequences", count);
  }

  public YuzuiBatchConfig withCachePages(int count) {
    return RecordCopy.with(this, "cachePages", count);
  }

  public YuzuiBatchConfig withThreads(int count) {
    return RecordCopy.with(this, "threads", count);
  }

  public YuzuiBatchConfig withDevices(List<String> names) {
    return RecordCopy.with(this, "devices", names);
  }

  public YuzuiBatchConfig withTemperature(double value) {
    return RecordCopy.with(this, "temperature", value);
  }

  public YuzuiBatchConfig withMaxTokens(int most) {
    return RecordCopy.with(this, "maxTokens", most);
  }

  public YuzuiBatchConfig withSystem(String text) {
    return RecordCopy.with(this, "system", text);
  }

  public YuzuiBatchConfig withFailOnError(boolean fails) {
    return RecordCopy.with(this, "failOnError", fails);
  }

  public YuzuiBatchConfig withCrashFolder(String path) {
    return RecordCopy.with(this, "crashFolder", path);
  }

  /** Of the engine, but for its devices. */
  RuntimeOptions options() {
    return options(model, contextLength, batchTokens, maxSequences, cachePages, threads);
  }

  private static RuntimeOptions options(
      String model,
      int contextLength,
      int batchTokens,
      int maxSequences,
      int cachePages,
      int threads) {
    return RuntimeOptions.of(Path.of(model))
        .withContextLength(contextLength)
        .withBatchTokens(batchTokens)
        .withMaxSequences(maxSequences)
        .withCachePages(cachePages)
        .withThreads(threads);
  }
}
