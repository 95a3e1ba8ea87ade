package dev.yuzui.server.http;

import java.util.Map;
import java.util.Optional;

/** A request that gets an error for an answer. */
public final class HttpProblem extends RuntimeException {
  private static final long serialVersionUID = 1L;

  private final int status;
  private final String code;
  private final String param;
  private final transient Map<String, String> headers;

  private HttpProblem(
      int status, String code, String param, String message, Map<String, String> headers) {
    super(message);
    this.status = status;
    this.code = code;
    this.param = param;
    this.headers = headers;
  }

  /**
   * @param code for programs, as {@code context_length_exceeded}
   */
  public static HttpProblem of(int status, String code, String message) {
    return new HttpProblem(status, code, "", message, Map.of());
  }

  /** The same of one field of the request. */
  public HttpProblem about(String field) {
    return new HttpProblem(status, code, field, getMessage(), headers);
  }

  /** The same where a field has another name. */
  public HttpProblem renamed(String field, String other) {
    boolean named = getMessage().startsWith(field + ":") || getMessage().startsWith(field + ".");
    String message = named ? other + getMessage().substring(field.length()) : getMessage();
    return new HttpProblem(status, code, param.equals(field) ? other : param, message, headers);
  }

  public HttpProblem withHeader(String name, String value) {
    return new HttpProblem(status, code, param, getMessage(), Map.of(name, value));
  }

  public int status() {
    return status;
  }

  public String code() {
    return code;
  }

  /** The field at fault, where one is. */
  public Optional<String> param() {
    return Optional.of(param).filter(p -> !p.isEmpty());
  }

  Map<String, String> headers() {
    return headers;
  }
}
