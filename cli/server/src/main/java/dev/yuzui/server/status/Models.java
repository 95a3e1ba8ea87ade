package dev.yuzui.server.status;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import dev.yuzui.server.answer.ServerMetrics;
import dev.yuzui.server.answer.Service;
import dev.yuzui.server.http.Call;

/** {@code /v1/models}, {@code /props}, {@code /slots}, {@code /metrics}. */
public record Models(Service service, long startedAt) {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  /** The one model that is served. */
  public void list(Call call) {
    ObjectNode body = JSON.objectNode().put("object", "list");
    ObjectNode model =
        body.putArray("data")
            .addObject()
            .put("id", service.model().name())
            .put("object", "model")
            .put("created", startedAt)
            .put("owned_by", "yuzui")
            .put("max_model_len", service.engine().contextLength());
    model
        .putObject("meta")
        .put("vocab_type", 2)
        .put("n_vocab", service.model().vocabulary())
        .put("n_ctx_train", service.engine().config().contextLength())
        .put("size", service.engine().memoryPlan().weightBytes());
    call.json(body);
  }

  /** As llama.cpp's server has it. */
  public void props(Call call) {
    ObjectNode body = JSON.objectNode();
    ObjectNode defaults =
        body.putObject("default_generation_settings")
            .put("n_ctx", service.engine().contextLength());
    var sampling = service.model().sampling();
    defaults
        .putObject("params")
        .put("temperature", sampling.temperature())
        .put("top_k", sampling.topK())
        .put("top_p", sampling.topP())
        .put("min_p", sampling.minP())
        .put("n_predict", service.model().maxTokens());
    body.put("total_slots", service.engine().options().maxSequences());
    body.put("model_alias", service.model().name());
    body.put("model_path", String.valueOf(service.engine().options().model().getFileName()));
    String template =
        service.model().templateName().orElseGet(() -> service.engine().templateChoice().line());
    body.put("chat_template", template);
    body.put("thinking_switchable", switchesThinking());
    body.putObject("modalities").put("vision", false).put("audio", false);
    body.put("build_info", "yuzui " + service.options().version());
    body.put("backend", service.engine().backendDescription());
    call.json(body);
  }

  private boolean switchesThinking() {
    return service.model().reading().map(r -> r.switchesThinking()).orElse(false);
  }

  /** Of sequences, as llama.cpp's server has them; no text of anybody's. */
  public void slots(Call call) {
    var all = JSON.arrayNode();
    int running = service.engine().metrics().requestsRunning();
    for (int i = 0; i < service.engine().options().maxSequences(); i++) {
      all.addObject()
          .put("id", i)
          .put("n_ctx", service.engine().contextLength())
          .put("is_processing", i < running);
    }
    call.json(all);
  }

  public void metrics(Call call) {
    call.send(200, ServerMetrics.CONTENT_TYPE, service.metrics().text());
  }
}
