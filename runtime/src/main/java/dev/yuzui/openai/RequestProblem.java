package dev.yuzui.openai;

import dev.yuzui.engine.api.EngineException;
import dev.yuzui.io.Texts;
import dev.yuzui.sampling.SamplingException;
import dev.yuzui.text.TextException;
import java.util.Optional;

/** What is wrong with one request; others go on. */
public final class RequestProblem extends RuntimeException {
  private static final long serialVersionUID = 1L;

  /** The codes that clients of the OpenAI batch interface know. */
  public enum Code {
    INVALID_JSON_LINE(400),
    INVALID_REQUEST(400),
    DUPLICATE_CUSTOM_ID(400),
    MISMATCHED_URL(404),
    SERVER_ERROR(500);

    private final int status;

    Code(int status) {
      this.status = status;
    }

    /** The HTTP status a server would answer with. */
    public int status() {
      return status;
    }
  }

  private final Code code;
  private final String field;

  private RequestProblem(Code code, String field, String message) {
    super(message);
    this.code = code;
    this.field = field;
  }

  public static RequestProblem of(Code code, String message) {
    return new RequestProblem(code, "", message);
  }

  /** A request that cannot be met. */
  public static RequestProblem request(String message) {
    return of(Code.INVALID_REQUEST, message);
  }

  public static RequestProblem field(String field, String expected, String found) {
    return new RequestProblem(
        Code.INVALID_REQUEST,
        field,
        field + ": expected " + expected + ", found " + Texts.shorten(found));
  }

  /** A name that an earlier line has. */
  public static RequestProblem duplicate(String customId, long line) {
    return new RequestProblem(
        Code.DUPLICATE_CUSTOM_ID,
        "custom_id",
        "custom_id: expected one that no other line has, found "
            + Texts.shorten(customId)
            + ", which line "
            + line
            + " has");
  }

  /**
   * What a failure says of the request that it came of; empty where that is not at fault, but the
   * engine or what is under it.
   */
  public static Optional<RequestProblem> of(Throwable failure) {
    return switch (failure) {
      case RequestProblem known -> Optional.of(known);
      case TextException e -> Optional.of(request(e.getMessage()));
      case EngineException e -> ofEngine(e);
      default -> Optional.empty();
    };
  }

  private static Optional<RequestProblem> ofEngine(EngineException e) {
    return switch (e.getCause()) {
      case null -> Optional.of(request(e.getMessage()));
      case TextException _ -> Optional.of(request(e.getMessage()));
      case SamplingException _ -> Optional.of(of(Code.SERVER_ERROR, e.getMessage()));
      default -> Optional.empty();
    };
  }

  /** Of a request that is read or told in a way nobody thought of: others go on all the same. */
  public static RequestProblem unexpected(RuntimeException e) {
    return of(Code.SERVER_ERROR, "unexpected " + e);
  }

  public Code code() {
    return code;
  }

  /** The field at fault, where one is. */
  public Optional<String> field() {
    return Optional.of(field).filter(f -> !f.isEmpty());
  }
}
