package dev.yuzui.spark;

import java.io.Serializable;
import org.apache.spark.SparkContext;
import org.apache.spark.util.LongAccumulator;

/**
 * What Spark's UI shows of a stage's tasks. A task that is run again is counted again.
 *
 * @param answers rows that have one
 */
record Counters(
    LongAccumulator answers,
    LongAccumulator errors,
    LongAccumulator promptTokens,
    LongAccumulator completionTokens)
    implements Serializable {
  private static final long serialVersionUID = 1L;

  static Counters of(SparkContext context) {
    return new Counters(
        context.longAccumulator("yuzui answers"),
        context.longAccumulator("yuzui errors"),
        context.longAccumulator("yuzui prompt tokens"),
        context.longAccumulator("yuzui completion tokens"));
  }

  void answered(long prompt, long completion) {
    answers.add(1);
    promptTokens.add(prompt);
    completionTokens.add(completion);
  }

  void failed() {
    errors.add(1);
  }
}
