///usr/bin/env jbang "$0" "$@" ; exit $?
// Asks a server with OpenAI's own client: examples/AskServer.java http://127.0.0.1:8080 "Once upon a time"
//JAVA 25+
//DEPS com.openai:openai-java:4.0.0

import com.openai.client.OpenAIClient;
import com.openai.client.okhttp.OpenAIOkHttpClient;
import com.openai.models.chat.completions.ChatCompletionCreateParams;

/** Prints an answer as it is made. */
public class AskServer {
  private AskServer() {}

  public static void main(String[] args) {
    OpenAIClient client =
        OpenAIOkHttpClient.builder().baseUrl(args[0] + "/v1").apiKey("any").build();
    var asked =
        ChatCompletionCreateParams.builder()
            .model("any")
            .addUserMessage(args[1])
            .maxCompletionTokens(40)
            .build();
    try (var stream = client.chat().completions().createStreaming(asked)) {
      stream.stream()
          .flatMap(chunk -> chunk.choices().stream())
          .forEach(choice -> choice.delta().content().ifPresent(System.out::print));
    }
    System.out.println();
    client.close();
  }
}
