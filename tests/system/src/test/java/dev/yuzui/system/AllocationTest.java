package dev.yuzui.system;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.management.ThreadMXBean;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.Session;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import java.lang.management.ManagementFactory;
import java.util.Arrays;
import org.junit.jupiter.api.Assumptions;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** Decoding on the CPU makes no garbage but the engine's few small objects for a step. */
@Timeout(600)
class AllocationTest {
  private static final int PROMPT = 16;
  private static final int TOKENS = 100;

  /**
   * Bytes a token that the calling thread may allocate: the step's chunks and its shape, views of
   * the tensors it writes and reads, the candidates that come back; 2.5 kB once all is compiled.
   */
  private static final long BOOKKEEPING = 4096;

  private static final long LIMIT = TOKENS * BOOKKEEPING;

  /**
   * Bytes that the worker may allocate in all these tokens: none once its code is compiled well,
   * and an object for every second token where the compiler, after other tests in the same JVM,
   * gives up on one place. An object for each op of a token would be a hundred times as much.
   */
  private static final long WORKER_LIMIT = 32 * TOKENS;

  @ParameterizedTest
  @CsvSource({"cpu:0, true", "cpu:java, true", "cpu:java, false"})
  void decodingATokenAllocatesNoMoreThanItsBookkeeping(String device, boolean repack) {
    Assumptions.assumeTrue(
        UnderTest.backends().anyMatch("cpu"::equals), "the cpu backend is not under test");
    Golden golden = Golden.named("gguf-v3-q8");
    RuntimeOptions options =
        RuntimeOptions.of(golden.model())
            .withThreads(2)
            .withContextLength(PROMPT + TOKENS)
            .withRepack(repack);
    try (Engine engine =
            Engine.open(UnderTest.on("cpu", options).withDevice(device), LoadProgress.none());
        Session session = engine.newSession()) {
      session.prefill(Arrays.copyOf(golden.tokens(), PROMPT));
      long[] workers =
          Thread.getAllStackTraces().keySet().stream()
              .filter(t -> t.getName().startsWith("yuzui-cpu"))
              .mapToLong(Thread::threadId)
              .toArray();
      assertEquals(1, workers.length, "threads beside the calling one");
      long[] caller = {Thread.currentThread().threadId()};
      long leastOfWorkers = Long.MAX_VALUE;
      long leastOfCaller = Long.MAX_VALUE;
      // until all is compiled; a busy machine takes its time over that
      for (int round = 0;
          round < 400 && !(leastOfWorkers <= WORKER_LIMIT && leastOfCaller <= LIMIT);
          round++) {
        long workersBefore = allocated(workers);
        long callerBefore = allocated(caller);
        decode(session);
        leastOfCaller = Math.min(leastOfCaller, allocated(caller) - callerBefore);
        leastOfWorkers = Math.min(leastOfWorkers, allocated(workers) - workersBefore);
      }
      assertTrue(
          leastOfWorkers <= WORKER_LIMIT,
          "the worker allocated " + leastOfWorkers + " bytes in " + TOKENS + " tokens");
      long each = leastOfCaller / TOKENS;
      assertTrue(each <= BOOKKEEPING, "the calling thread allocated " + each + " bytes a token");
    }
  }

  private static void decode(Session session) {
    int token = 1;
    for (int i = 0; i < TOKENS; i++) {
      token = session.decodeStep(token);
    }
    session.truncate(PROMPT);
  }

  private static long allocated(long[] threads) {
    ThreadMXBean bean = (ThreadMXBean) ManagementFactory.getThreadMXBean();
    return Arrays.stream(bean.getThreadAllocatedBytes(threads)).sum();
  }
}
