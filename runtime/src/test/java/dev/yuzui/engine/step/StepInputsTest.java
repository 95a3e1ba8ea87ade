package dev.yuzui.engine.step;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import dev.yuzui.backend.reference.ReferenceProvider;
import dev.yuzui.cache.KvCacheStore;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.spi.Backend;
import dev.yuzui.spi.BackendOptions;
import dev.yuzui.spi.DeviceBuffer;
import dev.yuzui.spi.Encoding;
import dev.yuzui.spi.StepBatch;
import dev.yuzui.spi.Tensor;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.lang.foreign.ValueLayout;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

/** What a step's rows are on the device, those that only fill its bucket among them. */
class StepInputsTest {
  private static final int VOCAB = 50;

  private final Backend backend = new ReferenceProvider().open(BackendOptions.defaults());
  private final KvCacheStore cache = new KvCacheStore(backend, 1, 8, Encoding.F32, 4, 12, 3);
  private final Arena arena = Arena.ofConfined();
  private final List<DeviceBuffer> buffers = new ArrayList<>();
  private final StepInputs inputs =
      new StepInputs(backend, cache, 8, 8, VOCAB, this::allocate, arena);
  private Sequence a;
  private Sequence b;

  private Tensor allocate(String name, Encoding encoding, long rows, long cols) {
    DeviceBuffer buffer = backend.allocate(encoding.byteSize(rows, cols), name);
    buffers.add(buffer);
    return new Tensor(name, buffer, 0, encoding, rows, cols);
  }

  @BeforeEach
  void open() {
    a = cache.openSequence();
    b = cache.openSequence();
    a.reserve(6);
    b.reserve(3);
  }

  @AfterEach
  void close() {
    cache.close();
    buffers.forEach(DeviceBuffer::close);
    arena.close();
    backend.close();
  }

  private int[] read(Tensor tensor) {
    MemorySegment numbers = arena.allocate(tensor.byteSize(), 4);
    backend.read(tensor, numbers);
    return numbers.toArray(ValueLayout.JAVA_INT);
  }

  /** Two entries of a, of which the last is wanted, and three of b, all of them. */
  private List<Rows> rows() {
    return List.of(
        new Rows(a, 4, new int[] {11, 12}, Outputs.LAST, 7),
        new Rows(b, 0, new int[] {21, 22, 23}, Outputs.ALL, 3));
  }

  @Test
  void rowsHaveTokenPositionSequenceAndLengthAndTheRestIsPadding() {
    inputs.fill(rows(), 8, true);
    StepBatch batch = inputs.batch(8, 4);
    assertArrayEquals(new int[] {11, 12, 21, 22, 23, 0, 0, 0}, read(batch.token()));
    assertArrayEquals(new int[] {4, 5, 0, 1, 2, 0, 0, 0}, read(batch.position()));
    int slotA = a.slot();
    int slotB = b.slot();
    assertArrayEquals(
        new int[] {slotA, slotA, slotB, slotB, slotB, -1, -1, -1}, read(batch.sequence()));
    assertArrayEquals(new int[] {5, 6, 1, 2, 3, 0, 0, 0}, read(batch.kvLength()));
    assertArrayEquals(new int[] {1, 2, 3, 4}, read(batch.outputRow()));
    assertArrayEquals(new int[] {7, 8, 3, 4, 5, 0, 0, 0}, read(inputs.sources(8)));
    int[] pages = read(batch.pages());
    assertEquals(a.page(0), pages[slotA * 3]);
    assertEquals(a.page(1), pages[slotA * 3 + 1]);
    assertEquals(b.page(0), pages[slotB * 3]);
  }

  @Test
  void pagesFollowTheSequenceThatHasTheRow() {
    inputs.fill(rows(), 8, true);
    Sequence before = a;
    before.truncate(0); // and pages that another takes meanwhile
    b.reserve(12);
    before.reserve(9);
    inputs.fill(rows(), 8, true);
    assertPages(before);
    assertPages(b);
    int row = before.slot();
    before.close();
    Sequence next = cache.openSequence();
    assertEquals(row, next.slot());
    next.reserve(10);
    inputs.fill(List.of(new Rows(next, 0, new int[] {31}, Outputs.NONE, 0)), 8, false);
    assertPages(next);
    Sequence fork = next.fork();
    fork.reserve(1);
    inputs.fill(List.of(new Rows(fork, 0, new int[] {31}, Outputs.NONE, 0)), 8, false);
    assertPages(fork);
    assertPages(next);
  }

  /** In a table so large that rows are written one by one. */
  @Test
  void aRowOfALargeTableIsWrittenFromWhereItChanged() {
    try (KvCacheStore large = new KvCacheStore(_ -> backend, 1, 1, Encoding.F32, 1, 8192, 8, 9000);
        Sequence one = large.openSequence();
        Sequence two = large.openSequence()) {
      StepInputs many = new StepInputs(backend, large, 8, 8, VOCAB, this::allocate, arena);
      one.reserve(100);
      many.fill(List.of(new Rows(one, 0, new int[] {1}, Outputs.NONE, 0)), 8, false);
      two.reserve(3);
      one.reserve(5000);
      Rows rest = new Rows(two, 0, new int[] {1}, Outputs.NONE, 0);
      many.fill(List.of(rest, new Rows(one, 0, new int[] {1}, Outputs.NONE, 0)), 8, false);
      int[] pages = read(many.batch(8, 1).pages());
      for (Sequence each : List.of(one, two)) {
        for (int p = 0; p < each.pageCount(); p++) {
          assertEquals(each.page(p), pages[each.slot() * 8192 + p]);
        }
      }
    }
  }

  private void assertPages(Sequence sequence) {
    int[] pages = read(inputs.batch(8, 4).pages());
    for (int p = 0; p < sequence.pageCount(); p++) {
      assertEquals(sequence.page(p), pages[sequence.slot() * 3 + p]);
    }
  }

  @Test
  void theRowsWantedAreThereByThemselvesAndTheRestOfTheirBucketIsPadding() {
    inputs.fill(rows(), 8, true);
    StepBatch wanted = inputs.wanted(8, 6);
    assertArrayEquals(new int[] {12, 21, 22, 23, 0, 0}, read(wanted.token()));
    assertArrayEquals(new int[] {5, 0, 1, 2, 0, 0}, read(wanted.position()));
    assertArrayEquals(
        new int[] {a.slot(), b.slot(), b.slot(), b.slot(), -1, -1}, read(wanted.sequence()));
    assertArrayEquals(new int[] {6, 1, 2, 3, 0, 0}, read(wanted.kvLength()));
    assertArrayEquals(new int[] {1, 2, 3, 4, 0, 0}, read(wanted.outputRow()));
  }

  @Test
  void nothingOfAStepIsLeftInTheNext() {
    inputs.fill(rows(), 8, true);
    inputs.fill(List.of(new Rows(b, 2, new int[] {31}, Outputs.NONE, 6)), 8, true);
    StepBatch batch = inputs.batch(8, 2);
    assertArrayEquals(new int[] {31, 0, 0, 0, 0, 0, 0, 0}, read(batch.token()));
    assertArrayEquals(new int[] {2, 0, 0, 0, 0, 0, 0, 0}, read(batch.position()));
    assertArrayEquals(new int[] {b.slot(), -1, -1, -1, -1, -1, -1, -1}, read(batch.sequence()));
    assertArrayEquals(new int[] {3, 0, 0, 0, 0, 0, 0, 0}, read(batch.kvLength()));
    assertArrayEquals(new int[] {0, 0}, read(batch.outputRow()));
    assertArrayEquals(new int[] {6, 0, 0, 0, 0, 0, 0, 0}, read(inputs.sources(8)));
    StepBatch wanted = inputs.wanted(8, 2);
    assertArrayEquals(new int[] {0, 0}, read(wanted.token()));
    assertArrayEquals(new int[] {0, 0}, read(wanted.position()));
    assertArrayEquals(new int[] {-1, -1}, read(wanted.sequence()));
    assertArrayEquals(new int[] {0, 0}, read(wanted.kvLength()));
  }

  @Test
  void aTokenOutsideTheVocabularyIsRefused() {
    for (int token : new int[] {-1, VOCAB}) {
      List<Rows> rows = List.of(new Rows(a, 0, new int[] {token}, Outputs.LAST, 0));
      String message =
          assertThrows(EngineException.class, () -> inputs.fill(rows, 8, false)).getMessage();
      assertEquals(
          "token " + token + " is outside the vocabulary of " + VOCAB + " tokens", message);
    }
    inputs.fill(List.of(new Rows(a, 0, new int[] {0, VOCAB - 1}, Outputs.LAST, 0)), 8, false);
  }

  @Test
  void positionsAreThoseOfAllRowsOrOfTheWanted() {
    assertArrayEquals(new int[] {4, 5, 0, 1, 2}, StepInputs.positions(rows(), false));
    assertArrayEquals(new int[] {5, 0, 1, 2}, StepInputs.positions(rows(), true));
  }
}
