package dev.yuzui.server.http;

import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;

/** How an interface writes what went wrong. */
public enum ErrorForm {
  /** {@code {"error": {"message", "type", "param", "code"}}} */
  OPENAI {
    @Override
    public ObjectNode of(HttpProblem problem) {
      ObjectNode body = JsonNodeFactory.instance.objectNode();
      body.putObject("error")
          .put("message", problem.getMessage())
          .put(
              "type",
              switch (problem.status()) {
                case 401, 403 -> "authentication_error";
                case 429 -> "rate_limit_error";
                default -> problem.status() < 500 ? "invalid_request_error" : "server_error";
              })
          .put("param", problem.param().orElse(null))
          .put("code", problem.code());
      return body;
    }
  },
  /** {@code {"type": "error", "error": {"type", "message"}}} */
  ANTHROPIC {
    @Override
    public ObjectNode of(HttpProblem problem) {
      ObjectNode body = JsonNodeFactory.instance.objectNode().put("type", "error");
      body.putObject("error")
          .put(
              "type",
              switch (problem.status()) {
                case 401 -> "authentication_error";
                case 403 -> "permission_error";
                case 404 -> "not_found_error";
                case 413 -> "request_too_large";
                case 429 -> "rate_limit_error";
                case 503 -> "overloaded_error";
                default -> problem.status() < 500 ? "invalid_request_error" : "api_error";
              })
          .put("message", problem.getMessage());
      return body;
    }
  },
  /** {@code {"error": "message"}} */
  OLLAMA {
    @Override
    public ObjectNode of(HttpProblem problem) {
      return JsonNodeFactory.instance.objectNode().put("error", problem.getMessage());
    }
  };

  public abstract ObjectNode of(HttpProblem problem);
}
