package dev.yuzui.engine;

import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.MtpDrafter.Kept;
import java.util.List;
import java.util.Optional;
import java.util.OptionalDouble;

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

  /** Among many sequences, so often nobody guesses, to see what steps cost then. */
  private static final int PROBE = 32;

  /** A new check of guesses counts so much. */
  private static final double SHARE = 1.0 / 64;

  private final Speculation how;
  private final Optional<MtpDrafter> mtp;
  private final StepCosts steps = new StepCosts(StepRunner.MAX_OUTPUTS);
  private final StepCosts drafting = new StepCosts(StepRunner.MAX_OUTPUTS);
  private double acceptedAtOnce;
  private int untilProbe = PROBE;

  /**
   * @param mtp present where drafts are to come from it
   */
  SpeculativeDecoder(Speculation how, Optional<MtpDrafter> mtp) {
    this.how = how;
    this.mtp = mtp;
    this.acceptedAtOnce = how.mostDrafts(); // until it is known, the best
  }

  /** A step whose rows were all decoded tokens and guesses took so long. */
  void stepTook(int rows, long nanos) {
    steps.add(rows, nanos);
  }

  /** Of a sequence's guesses so many were right. */
  void checked(int right) {
    acceptedAtOnce += SHARE * (right - acceptedAtOnce);
  }

  /** What the steps of a lone sequence took. */
  StepTimes times() {
    return new StepTimes(steps.total(1), steps.total(1 + how.mostDrafts()), drafting.total(1));
  }

  /**
   * Once after each step, with all that goes on; the logits of the step are gone then. A lone
   * sequence always guesses. Among several, nobody does while the step costs say that it takes
   * longer: what guesses cost grows with those who make them, for they fill steps that are full
   * enough without. A sequence left out of the MTP layer's cache then stays without guesses.
   */
  void draft(List<Part> parts) {
    if (how.drafts() == Speculation.Drafts.NONE) {
      return;
    }
    List<Part> able = parts.stream().filter(part -> part.job().mayDraft()).toList();
    int writing = (int) parts.stream().filter(part -> writes(part.job())).count();
    if (writing > 1 && !pays(writing, (int) able.stream().filter(p -> writes(p.job())).count())) {
      if (how.drafts() == Speculation.Drafts.MTP) {
        able.forEach(part -> part.job().stopDrafting());
      }
      return;
    }
    boolean probing = writing > 1 && --untilProbe == 0;
    if (untilProbe <= 0) {
      untilProbe = PROBE;
    }
    switch (how.drafts()) {
      case NONE -> {}
      case NGRAM ->
          able.stream()
              .map(Part::job)
              .filter(job -> job.sampled() > 0 && !probing)
              .forEach(job -> job.setDrafts(lookUp(job)));
      case MTP -> {
        long start = System.nanoTime();
        List<int[]> drafts =
            mtp.orElseThrow()
                .draft(
                    able.stream().map(part -> kept(part, probing)).toList(), how.leastProbable());
        for (int i = 0; i < drafts.size(); i++) {
          able.get(i).job().setDrafts(drafts.get(i));
        }
        if (!probing && able.stream().allMatch(part -> most(part.job()) == how.mostDrafts())) {
          drafting.add(able.size(), System.nanoTime() - start);
        }
      }
    }
  }

  /**
   * Whether steps in which {@code guessing} of {@code writing} sequences guess make more tokens in
   * the same time; yes as long as a cost is unknown.
   */
  private boolean pays(int writing, int guessing) {
    OptionalDouble plain = steps.at(writing);
    OptionalDouble checking = steps.at(writing + guessing * how.mostDrafts());
    double draft = how.drafts() == Speculation.Drafts.MTP ? drafting.at(guessing).orElse(0) : 0;
    return guessing == 0
        || plain.isEmpty()
        || checking.isEmpty()
        || (1 + acceptedAtOnce * guessing / writing) * plain.getAsDouble()
            >= checking.getAsDouble() + draft;
  }

  /** Whether its next token was sampled from the step. */
  private static boolean writes(Job job) {
    return job.sampled() > 0 && job.count() == job.sequence().orElseThrow().length() + 1;
  }

  /** As many as could be accepted: behind them one more token is sampled. */
  private int most(Job job) {
    return Math.clamp(job.room() - 1, 0, how.mostDrafts());
  }

  private int[] lookUp(Job job) {
    return job.ngrams(() -> new NgramDrafter(SHORTEST_MATCH, LONGEST_MATCH)).draft(most(job));
  }

  private Kept kept(Part part, boolean probing) {
    Job job = part.job();
    Sequence sequence = job.sequence().orElseThrow();
    int[] next = job.tokens(part.start() + 1, sequence.length() + 1);
    int most = writes(job) && !probing ? most(job) : 0;
    return new Kept(sequence, part.row(), part.start(), next, most);
  }
}
