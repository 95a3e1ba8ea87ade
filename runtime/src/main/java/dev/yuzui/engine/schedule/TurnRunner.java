package dev.yuzui.engine.schedule;

import dev.yuzui.cache.KvCaches;
import dev.yuzui.cache.Sequence;
import dev.yuzui.engine.schedule.Scheduler.Grant;
import dev.yuzui.engine.step.Chunk;
import dev.yuzui.engine.step.Outputs;
import dev.yuzui.engine.step.Steps;
import dev.yuzui.model.Step.AttentionForm;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.EnumMap;
import java.util.List;
import java.util.Map;

/** Makes steps of what the scheduler grants, and runs them. Used by the engine's thread. */
final class TurnRunner {
  private final Steps steps;
  private final KvCaches cache;
  private long promptTokens;

  TurnRunner(Steps steps, KvCaches cache) {
    this.steps = steps;
    this.cache = cache;
  }

  /** Tokens of prompts that were read so far. */
  long promptTokens() {
    return promptTokens;
  }

  /**
   * A request's part of a step.
   *
   * @param row of the step, its first
   * @param start entry it writes with it
   * @param output of the step, its first, if it has any
   * @param drafts of its tokens, the last
   * @param ready whether its next token is to be drawn
   */
  record Turn(Request request, int row, int start, int output, int drafts, boolean ready) {
    /**
     * @param who the request, or one that goes on from here with a sequence of its own
     */
    SpeculativeDecoder.Part part(Request who) {
      return new SpeculativeDecoder.Part(who, row, start, who != request);
    }
  }

  /**
   * Few tokens and many take different forms of attention, which agree but for rounding: apart, so
   * that what a sequence makes does not depend on whose prompt is read beside it.
   */
  List<List<Grant<Request>>> passes(List<Grant<Request>> grants) {
    if (grants.size() == 1) {
      return List.of(grants);
    }
    Map<AttentionForm, List<Grant<Request>>> passes = new EnumMap<>(AttentionForm.class);
    for (Grant<Request> grant : grants) {
      int start = grant.entry().sequence().orElseThrow().length();
      passes.computeIfAbsent(steps.form(start, grant.tokens()), _ -> new ArrayList<>()).add(grant);
    }
    return List.copyOf(passes.values());
  }

  /** Appends what is granted to each, all in one step. */
  List<Turn> run(List<Grant<Request>> grants) {
    List<Chunk> chunks = new ArrayList<>();
    List<Turn> turns = new ArrayList<>();
    int row = 0;
    int output = 0;
    int candidates = 0;
    int[] spareOutputs = spareOutputs(grants);
    for (Grant<Request> grant : grants) {
      Request request = grant.entry();
      Sequence sequence = request.sequence().orElseThrow();
      boolean ready = grant.tokens() >= request.known();
      int rank = cache.rankOf(sequence);
      int guesses = ready ? Math.min(grant.tokens() - request.known(), spareOutputs[rank]) : 0;
      int tokens = ready ? request.known() + guesses : grant.tokens();
      Outputs outputs = !ready ? Outputs.NONE : guesses > 0 ? Outputs.ALL : Outputs.LAST;
      chunks.add(new Chunk(sequence, request.pending(tokens), outputs));
      turns.add(new Turn(request, row, sequence.length(), output, guesses, ready));
      promptTokens += Math.clamp(request.promptLength() - sequence.length(), 0, tokens);
      row += tokens;
      output += ready ? 1 + guesses : 0;
      candidates = ready ? Math.max(candidates, request.candidates()) : candidates;
      spareOutputs[rank] -= guesses;
    }
    steps.run(chunks, candidates);
    return turns;
  }

  /** Of each rank: what its sequences' last tokens leave of its rows of logits. */
  private int[] spareOutputs(List<Grant<Request>> grants) {
    int[] spare = new int[cache.ranks()];
    Arrays.fill(spare, steps.maxOutputs());
    for (Grant<Request> grant : grants) {
      spare[cache.rankOf(grant.entry().sequence().orElseThrow())]--;
    }
    return spare;
  }
}
