///usr/bin/env jbang "$0" "$@" ; exit $?
// Asks a model in this process, by LangChain4j: examples/LangChain.java model.gguf "Once upon a time"
// The flags are those of yuzui.jvm.flags in pom.xml.
//JAVA 25+
//DEPS dev.yuzui:yuzui-langchain4j:0.1.0
//DEPS dev.yuzui:yuzui-cpu:0.1.0
//DEPS dev.yuzui:yuzui-cpu:0.1.0:linux-x86_64
//RUNTIME_OPTIONS --add-modules=jdk.incubator.vector --enable-native-access=ALL-UNNAMED
//RUNTIME_OPTIONS -Djdk.incubator.vector.VECTOR_ACCESS_OOB_CHECK=0 --sun-misc-unsafe-memory-access=allow

import dev.langchain4j.data.message.UserMessage;
import dev.langchain4j.model.chat.request.ChatRequest;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.langchain4j.YuzuiChatModel;
import java.nio.file.Path;

/** Prints an answer. */
public class LangChain {
  private LangChain() {}

  public static void main(String[] args) {
    try (Engine engine =
        Engine.open(RuntimeOptions.of(Path.of(args[0])), LoadProgress.none())) {
      var asked =
          ChatRequest.builder()
              .messages(UserMessage.from(args[1]))
              .maxOutputTokens(40)
              .build();
      System.out.println(YuzuiChatModel.of(engine).chat(asked).aiMessage().text());
    }
  }
}
