package dev.yuzui.spark;

import dev.yuzui.engine.Engine;
import dev.yuzui.engine.api.GenerateRequest;
import dev.yuzui.engine.api.Generation;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.locks.LockSupport;

/** {@link YuzuiBatchMain} with an engine whose process ends at a certain prompt, as of kill -9. */
final class PoisonedMain {
  static final String POISON = "poisoned apple";

  /** What an executor says before it is no more. */
  static final String ENDS = "this process ends of a poisoned apple";

  private static final int KILLED = 137;

  private PoisonedMain() {}

  public static void main(String[] args) {
    int code = YuzuiBatchMain.run(PoisonedMain::ask, System.err, args);
    if (code != YuzuiBatchMain.DONE) {
      System.exit(code);
    }
  }

  private static Generation ask(Engine engine, GenerateRequest request) {
    int[] prompt = request.prompt().stream().mapToInt(Integer::intValue).toArray();
    if (engine.tokenizer().decode(prompt, true).contains(POISON)) {
      LockSupport.parkNanos(TimeUnit.MILLISECONDS.toNanos(100)); // its neighbours are in a step
      System.err.println(ENDS);
      Runtime.getRuntime().halt(KILLED);
    }
    return engine.generate(request);
  }
}
