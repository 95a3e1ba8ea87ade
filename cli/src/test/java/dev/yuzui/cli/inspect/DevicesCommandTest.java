package dev.yuzui.cli.inspect;

import static dev.yuzui.cli.CommandRun.yuzui;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.cli.CommandRun;
import org.junit.jupiter.api.Test;

class DevicesCommandTest {
  @Test
  void everyBackendHasADeviceOrAReasonAndAFix() {
    JsonNode json = yuzui("devices", "--json").json();
    assertFalse(json.isEmpty());
    for (JsonNode backend : json) {
      boolean usable = backend.get("usable").asBoolean();
      assertEquals(usable, backend.has("device") && backend.has("free_bytes"), backend.toString());
      assertEquals(!usable, backend.has("because") && backend.has("fix"), backend.toString());
    }
    assertTrue(
        json.valueStream()
            .anyMatch(b -> b.get("backend").asText().equals("cpu") && b.get("usable").asBoolean()));
  }

  @Test
  void peopleGetALineEach() {
    CommandRun run = yuzui("devices");
    assertTrue(run.lines().stream().anyMatch(l -> l.matches("cpu +.*, .* free")), run.out());
    assertEquals(yuzui("devices", "--json").json().size(), run.lines().size());
  }
}
