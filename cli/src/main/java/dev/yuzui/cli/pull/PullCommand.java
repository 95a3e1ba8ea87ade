package dev.yuzui.cli.pull;

import dev.yuzui.cli.options.HubSettings;
import dev.yuzui.cli.shell.Context;
import dev.yuzui.cli.shell.ExitCode;
import dev.yuzui.hub.Hub;
import dev.yuzui.hub.HubFile;
import dev.yuzui.hub.HubName;
import dev.yuzui.io.Texts;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

@Command(
    name = "pull",
    description = {
      "Fetches a model from Hugging Face or ModelScope into the hub's cache and prints its path,"
          + " which -m takes.",
      "With :QUANT the GGUF of that name; without, the safetensors, or, where there are GGUFs"
          + " alone, Q4_K_M, else Q8_0. The same again goes on with what was interrupted."
    },
    footer = {
      "",
      "Variables: HF_TOKEN, HF_TOKEN_PATH, HF_HOME, HF_HUB_CACHE, HF_ENDPOINT, HF_HUB_OFFLINE;"
          + " MODELSCOPE_API_TOKEN, MODELSCOPE_DOMAIN; HTTPS_PROXY, NO_PROXY.",
      "Example: yuzui pull unsloth/DeepSeek-R1-GGUF:UD-IQ1_S --dry-run"
    })
public final class PullCommand implements Callable<Integer> {
  private final Context context;

  @Parameters(paramLabel = "ORG/NAME[:QUANT]", description = "The model's name on the hub.")
  private String name = "";

  @Mixin private HubSettings settings;

  @Option(names = "--dry-run", description = "Print the files and their sizes, and fetch nothing.")
  private boolean dryRun;

  public PullCommand(Context context) {
    this.context = context;
  }

  @Override
  public Integer call() {
    HubName model = HubName.parse(name);
    if (dryRun) {
      show(settings.plan(context, model));
    } else {
      context.out().println(settings.pull(context, model).toString());
    }
    return ExitCode.DONE;
  }

  private void show(Hub.Plan plan) {
    for (HubFile file : plan.files()) {
      context.out().println(String.format("%12s  %s", Texts.bytes(file.size()), file.path()));
    }
    context
        .err()
        .println(
            Texts.bytes(plan.bytes())
                + ", of which "
                + Texts.bytes(plan.missing())
                + " are not in the cache; the model will be "
                + plan.model());
  }
}
