package dev.yuzui.server.openai;

import static org.junit.jupiter.api.Assertions.assertEquals;

import com.fasterxml.jackson.databind.JsonNode;
import dev.yuzui.io.Json;
import java.io.IOException;
import org.junit.jupiter.api.Test;

/** Requests for responses as chats. */
class ResponsesRequestTest {
  private static JsonNode json(String text) throws IOException {
    return Json.mapper().readTree(text.replace('\'', '"'));
  }

  @Test
  void whatWasSaidBeforeCallsIsOneTurnWithThem() throws IOException {
    JsonNode asked =
        json(
            "{'input':[{'role':'user','content':'Roll'},"
                + "{'type':'reasoning','content':[{'type':'reasoning_text','text':'hm'}]},"
                + "{'type':'message','role':'assistant','content':"
                + "[{'type':'output_text','text':'I roll.'}]},"
                + "{'type':'function_call','call_id':'a','name':'roll','arguments':'{}'},"
                + "{'type':'function_call','call_id':'b','name':'roll','arguments':'{}'},"
                + "{'type':'function_call_output','call_id':'a','output':'1'},"
                + "{'type':'function_call_output','call_id':'b','output':'2'},"
                + "{'type':'function_call','call_id':'c','name':'roll','arguments':'{}'}]}");
    JsonNode messages = ResponsesRequest.chat(asked).object().path("messages");
    assertEquals(5, messages.size(), messages.toString());
    assertEquals("I roll.", messages.at("/1/content").asText());
    assertEquals("hm", messages.at("/1/reasoning_content").asText());
    assertEquals(2, messages.at("/1/tool_calls").size());
    assertEquals("b", messages.at("/3/tool_call_id").asText());
    assertEquals("c", messages.at("/4/tool_calls/0/id").asText());
  }
}
