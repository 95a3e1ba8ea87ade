package dev.yuzui.cli.convert;

import dev.yuzui.cli.options.EmbeddedModel;
import dev.yuzui.cli.options.ModelPath;
import dev.yuzui.cli.options.Ranges;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.cli.shell.UsageException;
import dev.yuzui.convert.Convert;
import dev.yuzui.convert.ConvertOptions;
import dev.yuzui.convert.TypeMix;
import dev.yuzui.convert.TypeOverride;
import dev.yuzui.io.Texts;
import dev.yuzui.spi.HostResources;
import java.nio.file.Path;
import java.util.Arrays;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.OptionalLong;
import java.util.concurrent.Callable;
import java.util.stream.Collectors;
import picocli.CommandLine.Command;
import picocli.CommandLine.Option;

@Command(
    name = "convert",
    description = {
      "Writes a model as a GGUF of another type, for llama.cpp too.",
      "Q4_K_M, Q5_K_M, Q3_K_M and Q2_K are llama.cpp's mixtures: more bits for the head, and for"
          + " values and down projections of some layers. MXFP4 is for routed experts, the rest is"
          + " Q8_0. Norms, biases and routers stay F32. A run that was cut goes on when it is"
          + " repeated; files take their names when they are whole."
    },
    footer = {
      "",
      "Example: yuzui convert -m DeepSeek-V2-Lite -o v2-lite-q4_k_m.gguf --type Q4_K_M",
      "         yuzui convert -m bf16.gguf -o q2.gguf --type Q2_K --imatrix imatrix.gguf \\",
      "             --tensor-type 'ffn_down_exps=Q4_K' --tensor-type 'blk\\.0\\.=Q6_K'"
    })
public final class ConvertCommand implements Callable<Integer> {
  private final Context context;

  @Option(
      names = {"-m", "--model"},
      paramLabel = "PATH",
      description =
          "GGUF file, any part of a split one, or Hugging Face folder of BF16, F16, F32 or FP8"
              + " (default: the embedded demo model).")
  private Optional<Path> model = Optional.empty();

  @Option(
      names = {"-o", "--output"},
      paramLabel = "FILE",
      required = true,
      description = "The GGUF to write.")
  private Path output;

  @Option(
      names = "--type",
      paramLabel = "TYPE",
      required = true,
      description = "F32 F16 BF16 Q8_0 Q6_K Q5_K_M Q4_K_M Q4_0 IQ4_XS Q3_K_M Q2_K or MXFP4.")
  private String type;

  @Option(
      names = "--tensor-type",
      paramLabel = "REGEX=TYPE",
      description =
          "Type of the tensors that the expression is found in the names of; the last that matches"
              + " counts.")
  private List<String> overrides = List.of();

  @Option(
      names = "--imatrix",
      paramLabel = "FILE",
      description = "What each column matters, from 'yuzui imatrix' or llama-imatrix.")
  private Optional<Path> importance = Optional.empty();

  @Option(
      names = "--split-max-size",
      paramLabel = "SIZE",
      converter = Ranges.Bytes.class,
      description = "Begin another file at this size, such as 50G; FILE-00001-of-0000N.gguf.")
  private Optional<Long> split = Optional.empty();

  @Option(
      names = {"-t", "--threads"},
      paramLabel = "N",
      converter = Ranges.Positive.class,
      description = "Threads (default: all processors).")
  private Optional<Integer> threads = Optional.empty();

  @Option(
      names = "--force",
      description = "Replace the file if it is there, and what a cut run left.")
  private boolean force;

  public ConvertCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    ConvertOptions options = options();
    ConvertProgress progress = new ConvertProgress(context);
    Convert.Result made;
    try {
      made = Convert.run(options, progress);
    } finally {
      progress.clear();
    }
    context.err().println(summary(made, progress.seconds()));
    made.files().forEach(file -> context.out().println(file.toString()));
    return ExitCode.DONE;
  }

  private ConvertOptions options() {
    TypeMix mix =
        TypeMix.named(type)
            .orElseThrow(
                () ->
                    UsageException.ofFlag(
                        "--type",
                        "one of "
                            + Arrays.stream(TypeMix.values())
                                .map(TypeMix::name)
                                .collect(Collectors.joining(", ")),
                        type));
    Path from =
        model
            .map(path -> ModelPath.resolved(context, path))
            .orElseGet(() -> EmbeddedModel.path(context.surroundings()));
    return new ConvertOptions(
        from,
        output,
        mix,
        overrides.stream().map(TypeOverride::parse).toList(),
        importance,
        split.map(OptionalLong::of).orElseGet(OptionalLong::empty),
        force,
        threads.orElseGet(() -> HostResources.local().processors()));
  }

  private static String summary(Convert.Result made, double seconds) {
    String types =
        made.types().entrySet().stream()
            .map(e -> e.getValue() + " " + e.getKey())
            .collect(Collectors.joining(", "));
    return String.format(
        Locale.ROOT,
        "%d tensors (%s)%s: %s, %.2f bits a weight, in %.1f s",
        made.tensors(),
        types,
        made.resumed() > 0 ? ", " + made.resumed() + " of them of an earlier run" : "",
        Texts.bytes(made.bytes()),
        made.bits(),
        seconds);
  }
}
