package dev.yuzui.weights;

import dev.yuzui.spi.GateRule;
import java.nio.file.Path;

/**
 * What a configuration may say: far beyond any real model, and small enough that no product of two
 * fields overflows where the program multiplies them.
 */
final class ConfigLimits {
  static final int WIDTH = 1 << 20;
  static final int VOCABULARY = 1 << 21;
  static final int LAYERS = 1 << 12;
  static final int CONTEXT = 1 << 30;
  static final int HEADS = 1 << 12;
  static final int HEAD = 1 << 14;
  static final int EXPERTS = 1 << 14;
  static final int STREAMS = 8;
  static final double MIN_EPS = 1e-12;
  static final double MIN_THETA = 1.001;
  static final double MAX_THETA = 1e12;
  static final double MAX_FACTOR = 1e6;

  /** Tokens that a compressed row may stand for: pages of the cache are a multiple of it. */
  static final int MAX_RATIO = 128;

  private ConfigLimits() {}

  /** Relations between fields, each of which is within its own limits. */
  static void check(Path file, DeepseekConfig c) {
    AttentionConfig a = c.attention();
    require(file, a.rope() % 2 == 0, "rope dimensions", "an even number", a.rope());
    product(file, "attention heads × widest head", a.heads(), widest(a));
    product(file, "shared experts × expert width", c.sharedExperts(), c.expertWidth());
    if (a instanceof AttentionConfig.Latent l) {
      l.indexer().ifPresent(i -> check(file, l, i));
    }
    if (a instanceof AttentionConfig.Compressed compressed) {
      check(file, compressed);
    }
    if (a instanceof AttentionConfig.Grouped g) {
      require(
          file,
          g.heads() % g.kvHeads() == 0,
          "attention heads",
          "a multiple of the key and value heads, " + g.kvHeads(),
          g.heads());
    }
    yarn(file, c.ropeScaling());
    c.hyperConnections()
        .ifPresent(h -> product(file, "streams × width", h.streams(), c.hiddenSize()));
    GateRule g = c.gate();
    require(file, g.experts() % g.groups() == 0, "expert groups", "a divisor of the experts", g);
    require(file, g.groupsUsed() <= g.groups(), "expert groups used", "at most " + g.groups(), g);
    int perGroup = g.experts() / g.groups();
    require(
        file,
        g.used() <= g.groupsUsed() * perGroup,
        "experts used",
        "at most those of the groups used",
        g);
    require(
        file,
        g.groups() == 1 || perGroup > 1 || g.groupScore() == GateRule.GroupScore.MAX,
        "expert groups",
        "at least two experts a group",
        g);
  }

  private static void check(Path file, AttentionConfig.Latent a, AttentionConfig.Indexer i) {
    product(file, "indexer heads × head", i.heads(), i.head());
    require(
        file,
        i.head() >= a.rope(),
        "elements of an indexer's head",
        "at least the " + a.rope() + " that rotate",
        i.head());
    require(
        file,
        a.qLoraRank() > 0,
        "q_lora_rank",
        "above 0: the indexer's queries are made of it",
        a.qLoraRank());
    require(
        file,
        !i.shared().contains(0),
        "indexer types",
        "a first layer that has an indexer",
        "one that shares what a layer before it chose");
  }

  private static void check(Path file, AttentionConfig.Compressed a) {
    AttentionConfig.BlockIndexer i = a.indexer();
    product(file, "indexer heads × head", i.heads(), i.head());
    product(file, "output groups × rank", a.groups(), a.groupRank());
    yarn(file, a.compressed().scaling());
    require(
        file,
        a.rope() <= Math.min(a.head(), i.head()),
        "rope dimensions",
        "at most the elements of a head and of an indexer's, %d and %d"
            .formatted(a.head(), i.head()),
        a.rope());
    require(
        file,
        a.heads() % a.groups() == 0,
        "attention heads",
        "a multiple of the output groups, " + a.groups(),
        a.heads());
    for (int ratio : a.ratios()) {
      require(
          file,
          ratio == 0 || ratio >= 4 && ratio <= MAX_RATIO && Integer.bitCount(ratio) == 1,
          "compress ratios",
          "0, 4, or a power of two up to " + MAX_RATIO + "; published models have 0, 4 and 128",
          ratio);
    }
  }

  private static void yarn(Path file, RopeScaling scaling) {
    if (scaling instanceof RopeScaling.Yarn y) {
      require(file, y.betaFast() >= y.betaSlow(), "yarn beta_fast", "at least beta_slow", y);
    }
  }

  private static long widest(AttentionConfig attention) {
    return switch (attention) {
      case AttentionConfig.Latent l -> Math.max(l.kvLoraRank(), l.query() + l.value());
      case AttentionConfig.Grouped g -> g.query() + g.value();
      case AttentionConfig.Compressed compressed -> compressed.query() + compressed.value();
    };
  }

  private static void product(Path file, String what, long a, long b) {
    require(file, a * b <= Integer.MAX_VALUE / 4, what, "a width below 2^29", a + " × " + b);
  }

  private static void require(
      Path file, boolean holds, String what, String expected, Object found) {
    if (!holds) {
      throw new WeightException(
          file,
          what,
          expected,
          String.valueOf(found),
          "check that the file is whole and belongs to a supported model");
    }
  }
}
