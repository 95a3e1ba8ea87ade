package dev.yuzui.server;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.yuzui.kit.FailingProvider;
import dev.yuzui.server.RunningServer.Reply;
import dev.yuzui.server.RunningServer.Setup;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Test;

/** What becomes of a server whose device goes. */
class LostDeviceTest {
  @AfterEach
  void goOn() {
    FailingProvider.allGoOn();
  }

  @Test
  void aRequestThatFailsFailsAlone() {
    try (RunningServer server = RunningServer.open()) {
      Reply bad =
          server.post("/v1/completions", "{\"prompt\":\"x\",\"guided_grammar\":\"root ::= (\"}");
      assertEquals(400, bad.status(), bad.body());
      assertEquals(
          200, server.post("/v1/completions", "{\"prompt\":\"x\",\"max_tokens\":1}").status());
      assertFalse(server.server().lost().isDone());
    }
  }

  @Test
  void aLostDeviceEndsTheServerByName() throws Exception {
    try (RunningServer server = RunningServer.open(Setup.USUAL, "failing:0")) {
      FailingProvider.failAfter(0, 3);
      Reply reply = server.post("/v1/completions", "{\"prompt\":\"Once\",\"max_tokens\":50}");
      assertEquals(503, reply.status(), reply.body());
      assertEquals("engine_lost", reply.json().at("/error/code").asText());
      String why = server.server().lost().get(5, TimeUnit.SECONDS).getMessage();
      assertTrue(why.contains("failing:0"), why);
    }
  }
}
