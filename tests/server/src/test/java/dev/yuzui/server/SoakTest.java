package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.server.RunningServer.Setup;
import dev.yuzui.server.http.HttpOptions;
import java.io.IOException;
import java.lang.management.BufferPoolMXBean;
import java.lang.management.ManagementFactory;
import java.net.http.HttpRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Clients that ask all the time, for {@code -Dyuzui.soak.minutes}: an hour if nothing is said and
 * the suite is a long one.
 */
class SoakTest {
  private static final int CLIENTS = 8;

  /** Requests of a kind: grammars are kept for a while, up to a bound that takes hours to reach. */
  private static final int DIFFERENT = 40;

  private static final List<String[]> ASKED =
      List.of(
          new String[] {"/v1/completions", "{\"prompt\":\"The %d\",\"max_tokens\":30}"},
          new String[] {
            "/v1/chat/completions",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"Tale %d\"}],\"max_tokens\":20,\"stream\":true,"
                + "\"logprobs\":true,\"top_logprobs\":3,\"n\":2}"
          },
          new String[] {
            "/v1/chat/completions",
            "{\"messages\":[{\"role\":\"user\",\"content\":\"Roll %d\"}],\"max_tokens\":40,\"guided_regex\":"
                + "\"[a-z]{1,20}%d\"}"
          },
          new String[] {
            "/v1/messages",
            "{\"max_tokens\":20,\"messages\":[{\"role\":\"user\",\"content\":\"Word %d\"}]}"
          },
          new String[] {"/v1/chat/completions", "{\"messages\":%d}"},
          new String[] {"/tokenize", "{\"content\":\"Once upon a time %d\"}"},
          new String[] {"/metrics", ""});

  @Test
  @Tag("long")
  @Timeout(value = 3, unit = TimeUnit.HOURS)
  void memoryStaysFlat() throws Exception {
    Duration whole = Duration.ofMinutes(Integer.getInteger("yuzui.soak.minutes", 60));
    AtomicInteger answered = new AtomicInteger();
    try (RunningServer server = RunningServer.open(Setup.USUAL.with(SoakTest::patient))) {
      ask(server, whole.dividedBy(5), answered);
      long before = used();
      long residentBefore = resident();
      ask(server, whole.multipliedBy(4).dividedBy(5), answered);
      long grown = used() - before;
      long residentGrown = resident() - residentBefore;
      System.err.println(
          "soak: "
              + answered
              + " answers; heap grew by "
              + (grown >> 10)
              + " KiB to "
              + (before + grown >> 20)
              + " MiB, resident memory by "
              + (residentGrown >> 20)
              + " MiB");
      assertTrue(grown < 8 << 20, "the heap grew by " + (grown >> 20) + " MiB");
      assertTrue(residentGrown < 128 << 20, "beside it by " + (residentGrown >> 20) + " MiB");
      assertTrue(buffers() < 64L << 20, "direct buffers hold " + (buffers() >> 20) + " MiB");
      assertTrue(server.quietWithin(Duration.ofSeconds(1)));
      assertEquals(200, server.get("/health").status());
    }
  }

  /** Where the machine is busy with other things, a client may not come to read for a while. */
  private static HttpOptions patient(HttpOptions usual) {
    return new HttpOptions(
        usual.host(),
        usual.port(),
        usual.keys(),
        usual.corsOrigins(),
        usual.maxBody(),
        Duration.ofMinutes(2),
        Duration.ofMinutes(2),
        Duration.ofMinutes(2),
        usual.tls());
  }

  private static void ask(RunningServer server, Duration limit, AtomicInteger answered) {
    long until = System.nanoTime() + limit.toNanos();
    List<CompletableFuture<Void>> clients =
        IntStream.range(0, CLIENTS)
            .mapToObj(
                i ->
                    CompletableFuture.runAsync(
                        () -> {
                          Random random = new Random(i);
                          while (System.nanoTime() < until) {
                            one(server, random);
                            answered.incrementAndGet();
                          }
                        },
                        task -> Thread.ofPlatform().start(task)))
            .toList();
    clients.forEach(CompletableFuture::join); // what goes wrong with one is the test's
  }

  private static void one(RunningServer server, Random random) {
    String[] of = ASKED.get(random.nextInt(ASKED.size()));
    HttpRequest request =
        of[1].isEmpty()
            ? HttpRequest.newBuilder(server.uri(of[0])).build()
            : server
                .request(of[0], of[1].replace("%d", Integer.toString(random.nextInt(DIFFERENT))))
                .build();
    int status = server.send(request).status();
    assertTrue(status < 500, of[0] + " " + status);
  }

  private static long used() throws InterruptedException {
    for (int i = 0; i < 3; i++) {
      System.gc();
      Thread.sleep(100);
    }
    Runtime runtime = Runtime.getRuntime();
    return runtime.totalMemory() - runtime.freeMemory();
  }

  /** Direct buffers, which the heap does not see. */
  private static long buffers() {
    return ManagementFactory.getPlatformMXBeans(BufferPoolMXBean.class).stream()
        .filter(pool -> pool.getName().equals("direct"))
        .mapToLong(BufferPoolMXBean::getMemoryUsed)
        .sum();
  }

  /** Of the process beside its heap, where the system says it. */
  private static long resident() throws IOException {
    Path status = Path.of("/proc/self/status");
    if (!Files.exists(status)) {
      return 0;
    }
    return Files.readAllLines(status).stream()
            .filter(line -> line.startsWith("VmRSS:"))
            .mapToLong(line -> Long.parseLong(line.replaceAll("\\D", "")) << 10)
            .sum()
        - Runtime.getRuntime().totalMemory();
  }
}
