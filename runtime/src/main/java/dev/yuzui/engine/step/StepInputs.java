package dev.yuzui.engine.step;

import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.List;
import java.util.stream.IntStream;

/** What varies from step to step, in device memory, with host staging beside it. */
final class StepInputs {
  private static final int TOKEN = 0;
  private static final int POSITION = 1;
  private static final int SEQUENCE = 2;
  private static final int KV_LENGTH = 3;
  private static final int OUTPUT_ROW = 4;
  private static final int SOURCE_ROW = 5;

  // of the rows whose logits are wanted
  private static final int WANTED_TOKEN = 6;
  private static final int WANTED_POSITION = 7;
  private static final int WANTED_SEQUENCE = 8;
  private static final int WANTED_KV_LENGTH = 9;
  private static final int FIELDS = 10;

  private final Backend backend;
  private final int maxOutputs;
  private final int vocab;

  // the fields behind each other, a step's rows of each
  private final Tensor fields;
  private final MemorySegment staging;
  private final PageTable table;

  /**
   * @param allocator of device memory
   * @param arena of host memory
   */
  StepInputs(
      Backend backend,
      KvCacheStore cache,
      int maxTokens,
      int maxOutputs,
      int vocab,
      Allocator allocator,
      Arena arena) {
    this.backend = backend;
    this.maxOutputs = maxOutputs;
    this.vocab = vocab;
    fields = allocator.allocate("step", Encoding.I32, FIELDS, maxTokens);
    staging = arena.allocate(fields.byteSize(), 64);
    table = new PageTable(backend, cache, allocator, arena);
  }

  interface Allocator {
    Tensor allocate(String name, Encoding encoding, long rows, long cols);
  }

  /**
   * The step's batch of {@code rows} rows; {@link #fill} writes it.
   *
   * @param outputs rows whose logits are wanted
   */
  StepBatch batch(int rows, int outputs) {
    return new StepBatch(
        field(TOKEN, rows, rows),
        field(POSITION, rows, rows),
        field(SEQUENCE, rows, rows),
        field(KV_LENGTH, rows, rows),
        table.pages(),
        field(OUTPUT_ROW, rows, outputs));
  }

  /** The rows of {@link #batch} whose logits are wanted, for layers that leave others behind. */
  StepBatch wanted(int rows, int outputs) {
    return new StepBatch(
        field(WANTED_TOKEN, rows, outputs),
        field(WANTED_POSITION, rows, outputs),
        field(WANTED_SEQUENCE, rows, outputs),
        field(WANTED_KV_LENGTH, rows, outputs),
        table.pages(),
        field(OUTPUT_ROW, rows, outputs));
  }

  /** Which state each row takes, [1, rows]. */
  Tensor sources(int rows) {
    return field(SOURCE_ROW, rows, rows);
  }

  /** The first {@code cols} numbers of a field of steps of {@code rows} rows. */
  private Tensor field(int field, int rows, int cols) {
    return new Tensor("step." + field, fields.buffer(), 4L * field * rows, Encoding.I32, 1, cols);
  }

  /**
   * @param rows of the step, padding included
   * @param whole whether the rows take states, or those wanted go on alone: all fields are written
   * @throws EngineException if a token is outside the vocabulary; nothing is written
   */
  void fill(List<Rows> all, int rows, boolean whole) {
    int t = 0;
    int output = 0;
    for (Rows part : all) {
      Sequence sequence = part.sequence();
      int n = part.tokens().length;
      for (int i = 0; i < n; i++, t++) {
        int token = part.tokens()[i];
        if (token < 0 || token >= vocab) {
          throw new EngineException(
              "token " + token + " is outside the vocabulary of " + vocab + " tokens");
        }
        put(TOKEN, rows, t, token);
        put(POSITION, rows, t, part.start() + i);
        put(SEQUENCE, rows, t, sequence.slot());
        put(KV_LENGTH, rows, t, part.start() + i + 1);
        put(SOURCE_ROW, rows, t, part.source() + i);
        boolean wanted =
            part.outputs() == Outputs.ALL || part.outputs() == Outputs.LAST && i == n - 1;
        if (wanted) {
          put(OUTPUT_ROW, rows, output, t);
          put(WANTED_TOKEN, rows, output, token);
          put(WANTED_POSITION, rows, output, part.start() + i);
          put(WANTED_SEQUENCE, rows, output, sequence.slot());
          put(WANTED_KV_LENGTH, rows, output, part.start() + i + 1);
          output++;
        }
      }
      table.fill(sequence);
    }
    for (; t < rows; t++) {
      put(TOKEN, rows, t, 0);
      put(POSITION, rows, t, 0);
      put(SEQUENCE, rows, t, -1);
      put(KV_LENGTH, rows, t, 0);
      put(SOURCE_ROW, rows, t, 0);
    }
    int outputs = Math.min(rows, maxOutputs);
    for (int i = output; i < outputs; i++) {
      put(OUTPUT_ROW, rows, i, 0); // what the bucket has besides
      put(WANTED_TOKEN, rows, i, 0);
      put(WANTED_POSITION, rows, i, 0);
      put(WANTED_SEQUENCE, rows, i, -1);
      put(WANTED_KV_LENGTH, rows, i, 0);
    }
    int used = whole ? FIELDS * rows : OUTPUT_ROW * rows + outputs;
    backend.write(field(TOKEN, rows, used), staging.asSlice(0, 4L * used));
    table.write();
  }

  /** In their sequences, of all rows, or of those whose logits are wanted. */
  static int[] positions(List<Rows> all, boolean wanted) {
    return all.stream()
        .flatMapToInt(
            part -> {
              int n = part.tokens().length;
              int from = wanted ? n - part.outputs().count(n) : 0;
              return IntStream.range(part.start() + from, part.start() + n);
            })
        .toArray();
  }

  private void put(int field, int rows, int index, int value) {
    staging.setAtIndex(ValueLayout.JAVA_INT, (long) field * rows + index, value);
  }
}
