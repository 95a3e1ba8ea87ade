package dev.yuzui.engine.draft;

import dev.yuzui.cache.CacheFullException;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.step.BestTokens;
import dev.yuzui.engine.step.ModelRunner;
import dev.yuzui.engine.step.Outputs;
import dev.yuzui.engine.step.Rows;
import java.util.ArrayList;
import java.util.List;

/**
 * Drafts with the MTP layers, all sequences in one step: behind what is known, the first layer's
 * best token; behind that, the second's given the draft and the first's state, and so on; behind
 * the last layer, its best token given the draft and the state it left itself. A layer has a cache
 * of its own, so it goes over everything a sequence appends, prompts too; what it writes for drafts
 * is overwritten when they have become, or not become, text.
 *
 * <p>Layer n makes entry i from token i+1+n (DeepSeek-V3 report, §2.2), so that the last n entries
 * of layers behind the first are made of drafts, or of the last token where there are none. They
 * stay so, for the states they are made of are gone when the text is known: an entry whose draft
 * was wrong is a little off, as long as the sequence lasts. One layer has no such entries, and no
 * checkpoint published so far has two.
 */
public final class MtpProposer {
  /**
   * What a sequence appended in the last step and keeps.
   *
   * @param row of the step, that of the first entry
   * @param start the first entry
   * @param next the token that follows each entry: those appended behind the first, and the one
   *     sampled last or, of a prompt, those behind: one for each entry, and more if they are known
   * @param most drafts wanted, which the context has room for behind {@code next}; 0 writes the
   *     layers' caches alone
   */
  public record Kept(Sequence sequence, int row, int start, int[] next, int most) {
    /** Entries. */
    public int rows() {
      return sequence.length() - start;
    }
  }

  private static final class Drafting {
    final Kept kept;
    final List<Integer> drafts = new ArrayList<>();
    int state; // output of the state that the last draft came from

    Drafting(Kept kept) {
      this.kept = kept;
    }

    /** What {@code layer} makes of the entries kept, from the states at {@code source}. */
    Rows rows(int layer, int source, Outputs outputs) {
      int[] tokens = new int[kept.rows()];
      for (int i = 0; i < tokens.length; i++) {
        tokens[i] = follower(i + layer);
      }
      return new Rows(kept.sequence(), kept.start(), tokens, outputs, source);
    }

    /** The i-th token behind the first entry's, as far as it is known or guessed. */
    private int follower(int i) {
      int beyond = i - kept.next().length;
      return beyond < 0
          ? kept.next()[i]
          : drafts.isEmpty()
              ? kept.next()[kept.next().length - 1]
              : drafts.get(Math.min(beyond, drafts.size() - 1));
    }

    /** Behind the entries kept, of which the layer wrote the last with the draft before. */
    Rows chained(int layers) {
      int entry = kept.sequence().length() + drafts.size() - layers;
      return new Rows(kept.sequence(), entry, new int[] {drafts.getLast()}, Outputs.LAST, state);
    }
  }

  private final ModelRunner runner;
  private final int layers;
  private final int vocabulary;

  /**
   * @param most drafts that will be wanted: layers behind are not used
   * @param vocabulary drafts are chosen among the first so many tokens, or a few more
   */
  public MtpProposer(ModelRunner runner, int most, int vocabulary) {
    this.runner = runner;
    this.layers = Math.min(runner.mtpLayers(), most);
    this.vocabulary = vocabulary;
  }

  /** Layers that are used. */
  public int layers() {
    return layers;
  }

  /** Tokens that sequences may have appended, of all together at most. */
  public int maxTokens() {
    return runner.maxTokens();
  }

  /**
   * Call it once after each {@link ModelRunner#run}, whose logits are gone then.
   *
   * @param all of one rank at most {@link ModelRunner#maxOutputs} that want drafts
   * @param leastProbable a draft of a smaller probability is dropped, and nothing drafted behind it
   * @return what to append behind the token sampled last, for each of {@code all}: as many as are
   *     wanted or fewer
   */
  public List<int[]> draft(List<Kept> all, double leastProbable) {
    if (all.isEmpty()) {
      return List.of();
    }
    int candidates = leastProbable > 0 ? BestTokens.CANDIDATES : 1;
    List<Drafting> drafting = all.stream().map(Drafting::new).toList();
    List<Drafting> going = drafting.stream().filter(d -> d.kept.most() > 0).toList();
    for (int layer = 0; layer < layers; layer++) {
      List<Rows> rows = rows(drafting, going, layer);
      runner.runMtp(layer, layer < layers - 1, rows, candidates, vocabulary);
      going = take(going, leastProbable);
    }
    going = going.stream().filter(this::reserved).toList();
    while (!going.isEmpty()) {
      List<Rows> rows = going.stream().map(d -> d.chained(layers)).toList();
      runner.chainMtp(layers - 1, rows, candidates, vocabulary);
      going = take(going, leastProbable).stream().filter(this::reserved).toList();
    }
    return drafting.stream()
        .map(d -> d.drafts.stream().mapToInt(Integer::intValue).toArray())
        .toList();
  }

  /**
   * @param going some of {@code drafting}, in their order
   */
  private static List<Rows> rows(List<Drafting> drafting, List<Drafting> going, int layer) {
    List<Rows> rows = new ArrayList<>();
    int source = 0;
    int next = 0;
    for (Drafting d : drafting) {
      boolean goes = next < going.size() && going.get(next).equals(d);
      next += goes ? 1 : 0;
      Outputs outputs = goes ? Outputs.LAST : Outputs.NONE;
      rows.add(d.rows(layer, layer == 0 ? d.kept.row() : source, outputs));
      source += d.kept.rows();
    }
    return rows;
  }

  /** Adds each row's best token; who goes on. */
  private List<Drafting> take(List<Drafting> drafting, double leastProbable) {
    List<Drafting> going = new ArrayList<>();
    for (int i = 0; i < drafting.size(); i++) {
      Drafting d = drafting.get(i);
      d.state = i;
      BestTokens best = runner.best(i);
      if (best.probability() >= leastProbable) {
        d.drafts.add(best.ids()[0]);
        if (d.drafts.size() < d.kept.most()) {
          going.add(d);
        }
      }
    }
    return going;
  }

  /** Whether there is room for the entry of the draft made last; drafts push nobody out. */
  private boolean reserved(Drafting d) {
    try {
      d.kept.sequence().reserve(d.drafts.size() - layers + 1);
      return true;
    } catch (CacheFullException _) {
      return false;
    }
  }
}
