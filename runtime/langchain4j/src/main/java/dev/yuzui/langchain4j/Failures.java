package dev.yuzui.langchain4j;

import dev.langchain4j.exception.InternalServerException;
import dev.langchain4j.exception.InvalidRequestException;
import dev.langchain4j.exception.LangChain4jException;
import dev.langchain4j.exception.NonRetriableException;
import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.EngineException;
import dev.yuzui.grammar.GrammarException;
import dev.yuzui.text.TextException;

/** What went wrong, as LangChain4j calls it: by whether asking again may help. */
final class Failures {
  private Failures() {}

  static RuntimeException of(RuntimeException e, Engine engine) {
    return switch (e) {
      case LangChain4jException known -> known;
      case EngineException interrupted
          when interrupted.getCause() instanceof InterruptedException ->
          new LangChain4jException(e.getMessage(), e.getCause());
      case EngineException _ when !engine.isUsable() ->
          new NonRetriableException(e.getMessage(), e);
      // one without a cause is of what was asked
      case EngineException request when request.getCause() == null ->
          new InvalidRequestException(e.getMessage(), e);
      case EngineException _ -> new InternalServerException(e.getMessage(), e);
      case TextException _, GrammarException _, IllegalArgumentException _ ->
          new InvalidRequestException(e.getMessage(), e);
      default -> e;
    };
  }
}
