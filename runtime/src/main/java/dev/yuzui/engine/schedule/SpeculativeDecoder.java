package dev.yuzui.engine.schedule;

import dev.yuzui.cache.CacheFullException;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.api.Speculation;
import dev.yuzui.engine.draft.DraftCosts;
import dev.yuzui.engine.draft.DraftModelProposer;
import dev.yuzui.engine.draft.DraftModelProposer.Wanted;
import dev.yuzui.engine.draft.MtpProposer;
import dev.yuzui.engine.draft.MtpProposer.Kept;
import dev.yuzui.engine.draft.NgramProposer;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import java.util.Optional;

/**
 * Gives requests drafts of what they will sample. A draft is a single guess, so sampling each row
 * as ever and going on while the guesses were right is rejection sampling: a guess d is accepted
 * with probability p(d), and what is sampled instead follows p without d.
 */
public final class SpeculativeDecoder {
  /** Shorter runs come up again by chance; longer ones decide nothing more. */
  private static final int[] MATCHES = {16, 8, 4, 2};

  /**
   * A request's part of a step that has run.
   *
   * @param row of the step, its first
   * @param start entry it wrote with it
   * @param forked whether another request wrote the entries, with which it shares them
   */
  record Part(Request request, int row, int start, boolean forked) {}

  private final Speculation how;
  private final Optional<MtpProposer> mtp;
  private final Optional<DraftModelProposer> model;
  private final DraftCosts costs;

  /**
   * @param mostRows of decoded tokens and guesses that a step has room for
   * @param mtp present where drafts are to come from it
   * @param model the same
   */
  public SpeculativeDecoder(
      Speculation how,
      int mostRows,
      Optional<MtpProposer> mtp,
      Optional<DraftModelProposer> model) {
    this.how = how;
    this.mtp = mtp;
    this.model = model;
    this.costs = new DraftCosts(how.mostDrafts(), mostRows);
  }

  /** Nanoseconds in which a draft model's devices were waited for. */
  long deviceNanos() {
    return model.map(DraftModelProposer::deviceNanos).orElse(0L);
  }

  DraftCosts costs() {
    return costs;
  }

  /**
   * Once after each step, with all that goes on; the logits of the step are gone then. Where
   * guessing does not pay, as {@link DraftCosts} says, the MTP layer's cache is written and no
   * more.
   *
   * @param running all that make text or read, those of other steps too: what guesses cost grows
   *     with those who make them, for they fill steps that are full enough without
   */
  void draft(List<Part> parts, Collection<Request> running) {
    if (how.drafts() == Speculation.Drafts.NONE) {
      return;
    }
    List<Part> able = parts.stream().filter(part -> part.request().mayDraft()).toList();
    int writing = (int) running.stream().filter(Request::decoding).count();
    int guessing =
        (int) running.stream().filter(request -> request.decoding() && request.mayDraft()).count();
    boolean guess = costs.guess(writing, guessing);
    switch (how.drafts()) {
      case NONE -> {}
      case NGRAM ->
          able.stream()
              .map(Part::request)
              .filter(request -> guess && request.decoding())
              .forEach(request -> request.setDrafts(lookUp(request)));
      case MTP -> draft(mtp.orElseThrow(), able, guess);
      case MODEL -> {
        if (guess) {
          draft(model.orElseThrow(), able);
        }
      }
    }
  }

  /**
   * The draft model reads along with prompts, and behind them guesses. Where guessing does not pay
   * it reads nothing, and has it to do when it does again.
   */
  private void draft(DraftModelProposer drafter, List<Part> parts) {
    long start = System.nanoTime();
    List<Request> requests = parts.stream().map(Part::request).toList();
    List<Wanted> wanted = requests.stream().map(this::wanted).toList();
    List<int[]> drafts = drafter.draft(wanted, how.leastProbable());
    for (int i = 0; i < drafts.size(); i++) {
      Request request = requests.get(i);
      request.setDrafts(drafts.get(i));
      if (request.sampled() == 1) {
        request.draftText().publish(request.tokens()); // answers to the same prompt come next
      }
    }
    boolean usual =
        wanted.stream()
            .allMatch(w -> w.most() == how.mostDrafts() && w.more().length <= 1 + how.mostDrafts());
    if (usual) {
      costs.draftingTook(wanted.size(), System.nanoTime() - start);
    }
  }

  private Wanted wanted(Request request) {
    boolean writes = request.decoding();
    int end = writes ? request.count() : request.sequence().orElseThrow().length();
    int[] more = request.tokens(request.draftText().known(), end);
    return new Wanted(request.draftText(), more, writes ? most(request) : 0);
  }

  private void draft(MtpProposer drafter, List<Part> parts, boolean guess) {
    long start = System.nanoTime();
    List<Part> drafted = new ArrayList<>();
    List<Kept> kept = new ArrayList<>();
    int room = drafter.maxTokens();
    for (Part part : parts) {
      Optional<Kept> one =
          part.forked()
              ? forked(drafter, part, guess, room)
              : Optional.of(kept(drafter, part, part.start(), guess));
      if (one.isPresent()) {
        drafted.add(part);
        kept.add(one.get());
        room -= one.get().rows();
      }
    }
    List<int[]> drafts = drafter.draft(kept, how.leastProbable());
    for (int i = 0; i < drafts.size(); i++) {
      drafted.get(i).request().setDrafts(drafts.get(i));
    }
    count(kept, guess, System.nanoTime() - start);
  }

  /** The costs are those of text; a prompt's are paid once. */
  private void count(List<Kept> kept, boolean guess, long nanos) {
    if (kept.stream().allMatch(k -> k.rows() <= 1 + how.mostDrafts())) {
      if (!guess) {
        costs.keepingTook(kept.stream().mapToInt(Kept::rows).sum(), nanos);
      } else if (kept.stream().allMatch(k -> k.most() == how.mostDrafts())) {
        costs.draftingTook(kept.size(), nanos);
      }
    }
  }

  /** As many as could be accepted: behind them one more token is sampled. */
  private int most(Request request) {
    return Math.clamp(request.room() - 1, 0, how.mostDrafts());
  }

  private int[] lookUp(Request request) {
    return request.ngrams(() -> new NgramProposer(how.mostDrafts(), MATCHES)).draft(most(request));
  }

  /** What the MTP layer makes of the entries from {@code first} on. */
  private Kept kept(MtpProposer drafter, Part part, int first, boolean guess) {
    Request request = part.request();
    Sequence sequence = request.sequence().orElseThrow();
    int[] next = request.tokens(first + 1, sequence.length() + drafter.layers());
    int most = guess && request.decoding() ? most(request) : 0;
    return new Kept(sequence, part.row() + first - part.start(), first, next, most);
  }

  /**
   * The entry of the last token is the only one that differs, for it is made with the one sampled
   * next; its page is copied, and what the step wrote there is written again.
   *
   * @param room for rows
   * @return empty where there is no room, or no need: the first guess waits for the next step then
   */
  private Optional<Kept> forked(MtpProposer drafter, Part part, boolean guess, int room) {
    Sequence sequence = part.request().sequence().orElseThrow();
    int size = sequence.pageTokens();
    int first = Math.max(part.start(), (sequence.length() - 1) / size * size);
    if (!guess || sequence.length() - first > room) {
      return Optional.empty();
    }
    try {
      sequence.ownLastPage();
    } catch (CacheFullException _) {
      return Optional.empty();
    }
    return Optional.of(kept(drafter, part, first, true));
  }
}
