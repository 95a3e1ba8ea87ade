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
 * The embedded model, which tells tales and knows no tools: a template of ours puts turns one
 * behind the other, and grammars hold it to the form of answers.
 */
final class Demo {
  static final Path MODEL = Path.of(System.getProperty("yuzui.root"), "seeds", "demo.gguf");

  /** A small random one without a chat template. */
  private static final Path PLAIN =
      Path.of(System.getProperty("yuzui.root"))
          .resolve("tests/system/src/test/resources/golden/gguf-v3-f32/model.gguf");

  private static final String TEMPLATE =
      """
      {% if tools %}{% for tool in tools %}{{ tool.function.name }}. {% endfor %}{% endif %}\
      {% for m in messages %}{{ m.content }}\
      {% if m.tool_calls %}{% for c in m.tool_calls %}{{ c.function.name }} {% endfor %}{% endif %}
      {% endfor %}\
      {% if enable_thinking is defined and not enable_thinking %}<think></think>{% endif %}""";

  private Demo() {}

  static Engine open() {
    return open(MODEL, 512);
  }

  static Engine openPlain() {
    return open(PLAIN, 64);
  }

  private static Engine open(Path model, int context) {
    return Engine.open(
        RuntimeOptions.of(model).withThreads(2).withContextLength(context).withMaxSequences(4),
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
