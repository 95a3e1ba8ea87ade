package dev.yuzui.engine;

import dev.yuzui.cache.CacheFullException;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.StepInputs.Rows;
import dev.yuzui.engine.StepRunner.Best;
import dev.yuzui.engine.StepRunner.Outputs;
import java.util.ArrayList;
import java.util.List;

/**
 * Drafts with the MTP layer, all sequences in one step: behind what is known, the layer's best
 * token; behind that, its best token given the draft and the state it left itself, and so on. The
 * layer has a cache of its own, so it goes over everything a sequence appends, prompts too; what it
 * writes for drafts is overwritten when they have become, or not become, text.
 */
final class MtpDrafter {
  /** A draft's probability is taken among so many tokens: the others are next to nothing. */
  private static final int CANDIDATES = 10;

  /**
   * What a sequence appended in the last step and keeps.
   *
   * @param row of the step, that of the first entry
   * @param start the first entry
   * @param next the token that follows each entry: those appended behind the first, and the one
   *     sampled last; the sequence's length is {@code start + next.length}
   * @param most drafts wanted, which the context has room for behind {@code next}; 0 writes the
   *     layer's cache alone
   */
  record Kept(Sequence sequence, int row, int start, int[] next, int most) {}

  private static final class Drafting {
    final Kept kept;
    final int index;
    final List<Integer> drafts = new ArrayList<>();
    int state; // output of the state that the last draft came from

    Drafting(Kept kept, int index, int state) {
      this.kept = kept;
      this.index = index;
      this.state = state;
    }

    Rows nextRow() {
      int entry = kept.start() + kept.next().length + drafts.size() - 1;
      return new Rows(kept.sequence(), entry, new int[] {drafts.getLast()}, Outputs.LAST, state);
    }
  }

  private final StepRunner runner;

  MtpDrafter(StepRunner runner) {
    this.runner = runner;
  }

  /** Tokens that sequences may have appended, of all together at most. */
  int maxTokens() {
    return runner.maxTokens();
  }

  /**
   * Call it once after each {@link StepRunner#run}, whose logits are gone then.
   *
   * @param all at most {@value StepRunner#MAX_OUTPUTS} that want drafts
   * @param leastProbable a draft of a smaller probability is dropped, and nothing drafted behind it
   * @return what to append behind the token sampled last, for each of {@code all}: as many as are
   *     wanted or fewer
   */
  List<int[]> draft(List<Kept> all, double leastProbable) {
    int candidates = leastProbable > 0 ? CANDIDATES : 1;
    List<Rows> rows = new ArrayList<>();
    List<Drafting> drafting = new ArrayList<>();
    for (int i = 0; i < all.size(); i++) {
      Kept kept = all.get(i);
      Outputs outputs = kept.most() > 0 ? Outputs.LAST : Outputs.NONE;
      rows.add(new Rows(kept.sequence(), kept.start(), kept.next(), outputs, kept.row()));
      if (kept.most() > 0) {
        drafting.add(new Drafting(kept, i, drafting.size()));
      }
    }
    List<int[]> drafts = new ArrayList<>(all.stream().map(_ -> new int[0]).toList());
    if (rows.isEmpty()) {
      return drafts;
    }
    runner.runMtp(rows, candidates);
    List<Drafting> going = take(drafting, leastProbable);
    while (!going.isEmpty()) {
      runner.chainMtp(going.stream().map(Drafting::nextRow).toList(), candidates);
      for (int i = 0; i < going.size(); i++) {
        going.get(i).state = i;
      }
      going = take(going, leastProbable);
    }
    drafting.forEach(
        d -> drafts.set(d.index, d.drafts.stream().mapToInt(Integer::intValue).toArray()));
    return drafts;
  }

  /** Adds each row's best token; who goes on. */
  private List<Drafting> take(List<Drafting> drafting, double leastProbable) {
    List<Drafting> going = new ArrayList<>();
    for (int i = 0; i < drafting.size(); i++) {
      Drafting d = drafting.get(i);
      Best best = runner.best(i);
      if (!(probability(best) >= leastProbable)) {
        continue;
      }
      d.drafts.add(best.ids()[0]);
      if (d.drafts.size() < d.kept.most() && reserved(d)) {
        going.add(d);
      }
    }
    return going;
  }

  /** Of the best, among the candidates; NaN where the row is not a number. */
  private static double probability(Best best) {
    float[] logits = best.logits();
    if (logits[0] == Float.NEGATIVE_INFINITY) {
      return Double.NaN;
    }
    double sum = 0;
    for (int i = 0; i < Math.min(CANDIDATES, logits.length); i++) {
      sum += Math.exp(logits[i] - logits[0]);
    }
    return 1 / sum;
  }

  /** Whether there is room for the entry of the draft made last; drafts push nobody out. */
  private static boolean reserved(Drafting d) {
    try {
      d.kept.sequence().reserve(d.drafts.size());
      return true;
    } catch (CacheFullException _) {
      return false;
    }
  }
}
