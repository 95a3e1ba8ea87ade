package dev.yuzui.langchain4j;

import dev.langchain4j.model.chat.listener.ChatModelListener;
import dev.langchain4j.model.chat.request.ChatRequestParameters;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.LoadProgress;
import dev.yuzui.engine.api.RuntimeOptions;
import dev.yuzui.sampling.SamplingParams;
import dev.yuzui.text.ChatTemplate;
import java.nio.file.Path;
import java.util.List;

/**
 * The embedded model, which tells tales and has never seen a chat: a template of ours puts turns
 * one behind the other, and grammars hold it to the form of answers.
 */
final class Demo {
  static final Path MODEL = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");

  private static final String TEMPLATE =
      """
      {% if tools %}{% for tool in tools %}{{ tool.function.name }}. {% endfor %}{% endif %}\
      {% for m in messages %}{{ m.content }}\
      {% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.name }} {% endfor %}{% endif %}
      {% endfor %}\
      {% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}""";

  private Demo() {}

  static Engine open() {
    return Engine.open(
        RuntimeOptions.of(MODEL).withThreads(2).withContextLength(512).withMaxSequences(4),
        LoadProgress.none());
  }

  static ChatModelOptions options(Engine engine) {
    return ChatModelOptions.DEFAULT
        .withTemplate(ChatTemplate.jinja("test template", TEMPLATE, engine.tokenizer()))
        .withSampling(SamplingParams.DEFAULT.withSeed(7));
  }

  static ChatModelOptions options(Engine engine, ChatRequestParameters parameters) {
    return options(engine).withParameters(parameters);
  }

  static ChatModelOptions options(
      Engine engine, ChatRequestParameters parameters, ChatModelListener listener) {
    return options(engine, parameters).withListeners(List.of(listener));
  }
}
