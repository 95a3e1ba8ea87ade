package dev.yuzui.engine;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.MtpDrafter.Kept;
import java.util.List;
import java.util.Optional;

/**
 * Gives jobs drafts of what they will sample. A draft is a single guess, so sampling each row as
 * ever and going on while the guesses were right is rejection sampling: a guess d is accepted with
 * probability p(d), and what is sampled instead follows p without d.
 */
final class SpeculativeDecoder {
  /** Shorter runs come up again by chance; longer ones decide nothing more. */
  private static final int SHORTEST_MATCH = 2;

  private static final int LONGEST_MATCH = 4;

  /**
   * A job's part of a step that has run.
   *
   * @param row of the step, its first
   * @param start entry it wrote with it
   */
  record Part(Job job, int row, int start) {}

  private final Speculation how;
  private final Optional<MtpDrafter> mtp;

  /**
   * @param mtp present where drafts are to come from it
   */
  SpeculativeDecoder(Speculation how, Optional<MtpDrafter> mtp) {
    this.how = how;
    this.mtp = mtp;
  }

  /** Once after each step, with all that goes on; the logits of the step are gone then. */
  void draft(List<Part> parts) {
    switch (how.drafts()) {
      case NONE -> {}
      case NGRAM ->
          parts.stream()
              .map(Part::job)
              .filter(job -> job.sampled() > 0)
              .forEach(job -> job.setDrafts(lookUp(job)));
      case MTP -> {
        List<int[]> drafts =
            mtp.orElseThrow().draft(parts.stream().map(this::kept).toList(), how.leastProbable());
        for (int i = 0; i < drafts.size(); i++) {
          parts.get(i).job().setDrafts(drafts.get(i));
        }
      }
    }
  }

  /** As many as could be accepted: behind them one more token is sampled. */
  private int most(Job job) {
    return Math.clamp(job.room() - 1, 0, how.mostDrafts());
  }

  private int[] lookUp(Job job) {
    return job.ngrams(() -> new NgramDrafter(SHORTEST_MATCH, LONGEST_MATCH)).draft(most(job));
  }

  private Kept kept(Part part) {
    Job job = part.job();
    Sequence sequence = job.sequence().orElseThrow();
    int[] next = job.tokens(part.start() + 1, sequence.length() + 1);
    boolean writes = job.count() == sequence.length() + 1 && job.sampled() > 0;
    return new Kept(sequence, part.row(), part.start(), next, writes ? most(job) : 0);
  }
}
