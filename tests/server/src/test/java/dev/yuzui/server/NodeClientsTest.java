package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.List;
import org.junit.jupiter.api.Test;

/** The clients that JavaScript has: {@code clients.mjs}. */
class NodeClientsTest {
  private static final int CHECKS = 22;

  @Test
  void theyNoticeNoDifference() {
    try (RunningServer server = RunningServer.open()) {
      Node.Run run = Node.run("clients.mjs", List.of(server.uri("/").toString()));
      assertEquals(0, run.status(), run::toString);
      long right = run.output().lines().filter(line -> line.startsWith("ok - ")).count();
      assertTrue(right >= CHECKS, run::toString);
    }
  }
}
