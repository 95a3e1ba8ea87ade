///usr/bin/env jbang "$0" "$@" ; exit $?
// Asks a server with Spring AI: examples/SpringAi.java http://127.0.0.1:8080 "Once upon a time"
//JAVA 25+
//DEPS org.springframework.ai:spring-ai-openai:1.1.0
//DEPS org.springframework.ai:spring-ai-client-chat:1.1.0

import org.springframework.ai.chat.client.ChatClient;
import org.springframework.ai.openai.OpenAiChatModel;
import org.springframework.ai.openai.OpenAiChatOptions;
import org.springframework.ai.openai.api.OpenAiApi;

/**
 * Prints an answer. In an application of Spring Boot the same is two properties, {@code
 * spring.ai.openai.base-url} and {@code spring.ai.openai.api-key}, and a {@code ChatClient.Builder}
 * that is injected.
 */
public class SpringAi {
  private SpringAi() {}

  public static void main(String[] args) {
    OpenAiChatModel model =
        OpenAiChatModel.builder()
            .openAiApi(OpenAiApi.builder().baseUrl(args[0]).apiKey("any").build())
            .defaultOptions(OpenAiChatOptions.builder().model("any").maxTokens(40).build())
            .build();
    System.out.println(ChatClient.create(model).prompt(args[1]).call().content());
  }
}
