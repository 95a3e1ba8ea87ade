package dev.yuzui.convert;

import dev.yuzui.spi.Encoding;
import dev.yuzui.weights.AttentionConfig.Grouped;
import dev.yuzui.weights.DeepseekConfig;
import dev.yuzui.weights.GgufTensor;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * Which type a file's tensors get, by llama-quantize's rules of the same names: one type for most,
 * more bits for the head, and in the mixtures for values and down projections, of every third layer
 * and of those at either end. {@code MXFP4} is its MXFP4_MOE: routed experts MXFP4, the rest Q8_0.
 */
public enum TypeMix {
  F32(Encoding.F32, 0),
  F16(Encoding.F16, 1),
  BF16(Encoding.BF16, 32),
  Q8_0(new Encoding.Q8_0(), 7),
  Q6_K(new Encoding.Q6_K(), 18),
  Q5_K_M(new Encoding.Q5_K(), 17),
  Q4_K_M(new Encoding.Q4_K(), 15),
  Q4_0(new Encoding.Q4_0(), 2),
  IQ4_XS(new Encoding.IQ4_XS(), 30),
  Q3_K_M(new Encoding.Q3_K(), 12),
  Q2_K(new Encoding.Q2_K(), 10),
  MXFP4(new Encoding.MXFP4(), 38);

  private static final Encoding Q3K = new Encoding.Q3_K();
  private static final Encoding Q4K = new Encoding.Q4_K();
  private static final Encoding Q5K = new Encoding.Q5_K();
  private static final Encoding Q6K = new Encoding.Q6_K();
  private static final Encoding Q8 = new Encoding.Q8_0();

  private final Encoding base;
  private final int fileType;

  TypeMix(Encoding base, int fileType) {
    this.base = base;
    this.fileType = fileType;
  }

  /** llama.cpp's number of the mixture, {@code general.file_type}. */
  int fileType() {
    return fileType;
  }

  /** Empty if there is none of that name, in any case. */
  public static Optional<TypeMix> named(String name) {
    return List.of(values()).stream()
        .filter(m -> m.name().equals(name.toUpperCase(Locale.ROOT)))
        .findFirst();
  }

  /**
   * @param layers MTP layers included
   * @param values layers whose values have a tensor to themselves, or one with the keys' latent
   * @param tied whether the embedding is the head too
   * @param importance whether there is an importance matrix
   */
  record Model(DeepseekConfig config, int layers, int values, boolean tied, boolean importance) {
    /** Eight heads and more read each value in models of 70B: it is small beside the rest. */
    private boolean smallValues() {
      return config.attention() instanceof Grouped g
          && config.layers() == 80
          && config.gate().experts() == 0
          && g.kvHeads() < g.heads();
    }

    /** Heads that read one key and value. */
    private int sharing() {
      return config.attention() instanceof Grouped g ? g.heads() / g.kvHeads() : 1;
    }
  }

  /**
   * Whether a tensor is to be in few bits at all: those of one dimension and routers are not; nor
   * are DeepSeek-V4's hyper-connections and what pools its rows, which is computed in F32.
   */
  static boolean quantises(GgufTensor t) {
    return t.shape().size() > 1
        && t.name().endsWith("weight")
        && !t.name().endsWith("_norm.weight")
        && !t.name().endsWith("ffn_gate_inp.weight")
        && !t.name().matches(".*(tid2eid|_compressor_\\w+|\\bhc_\\w+|output_hc_\\w+)\\.weight");
  }

  /** The type of a tensor that {@link #quantises}, whatever the length of its rows. */
  Encoding of(GgufTensor t, Model m) {
    if (base instanceof Encoding.Plain) {
      return base;
    }
    boolean head = t.name().equals("output.weight");
    if (head || m.tied && t.name().equals("token_embd.weight")) {
      boolean fits = t.cols() % base.blockElements() == 0;
      return this == MXFP4 || this == Q8_0 || !fits ? Q8 : Q6K;
    }
    return switch (t.kind()) {
      case "ffn_gate_exps.weight", "ffn_up_exps.weight", "ffn_gate_up_exps.weight" -> base;
      case "ffn_down_exps.weight" -> down(t.layer(), m);
      case String _ when this == MXFP4 -> Q8;
      case "ffn_down.weight", "ffn_down_shexp.weight" -> down(t.layer(), m);
      case "attn_v.weight", "attn_kv_b.weight" -> value(t.layer(), m);
      case "attn_output.weight" ->
          switch (this) {
            case Q2_K -> Q3K;
            case Q3_K_M -> Q4K;
            default -> base;
          };
      case "attn_qkv.weight" ->
          switch (this) {
            case Q3_K_M -> Q4K;
            case Q4_K_M -> Q5K;
            case Q5_K_M -> Q6K;
            default -> base;
          };
      default -> base;
    };
  }

  private Encoding down(int layer, Model m) {
    int n = m.layers;
    return switch (this) {
      case Q2_K -> Q3K;
      case Q3_K_M -> layer < n / 16 ? Q5K : Q4K;
      case Q4_K_M, Q5_K_M -> moreBits(layer, n) ? Q6K : base;
      case IQ4_XS -> layer < n / 8 && !m.importance ? Q5K : base;
      case Q4_0 -> layer < n / 8 && m.importance ? new Encoding.Q4_1() : base;
      default -> base;
    };
  }

  private Encoding value(int layer, Model m) {
    Encoding chosen =
        switch (this) {
          case Q2_K -> m.sharing() >= 4 ? Q4K : Q3K;
          case Q3_K_M -> layer < 2 ? Q5K : Q4K;
          case Q4_K_M, Q5_K_M -> moreBits(layer, m.values) ? Q6K : base;
          case IQ4_XS -> m.sharing() >= 4 ? Q5K : base;
          default -> base;
        };
    boolean more = m.smallValues() && (chosen.equals(Q3K) || chosen.equals(Q4K));
    return more ? Q5K : chosen;
  }

  private static boolean moreBits(int layer, int layers) {
    int eighth = layers / 8;
    return layer < eighth || layer >= 7 * layers / 8 || (layer - eighth) % 3 == 2;
  }

  /** What stands in where rows are no whole number of blocks; F16 for rows that are odd to all. */
  static Encoding fit(Encoding encoding, long cols) {
    if (cols % encoding.blockElements() == 0) {
      return encoding;
    }
    Encoding smaller =
        switch (encoding) {
          case Encoding.IQ4_XS _ -> new Encoding.IQ4_NL();
          case Encoding.Q2_K _, Encoding.Q3_K _ -> new Encoding.Q4_0();
          case Encoding.Q4_K _ -> new Encoding.Q5_0();
          case Encoding.Q5_K _ -> new Encoding.Q5_1();
          case Encoding.Q6_K _ -> Q8;
          default -> Encoding.F16;
        };
    return cols % smaller.blockElements() == 0 ? smaller : Encoding.F16;
  }
}
