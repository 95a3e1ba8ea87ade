package dev.yuzui.cli.options;

import static dev.yuzui.cli.options.PeerFlag.granted;
import static dev.yuzui.cli.options.PeerFlag.grantedBy;
import static dev.yuzui.cli.options.PeerFlag.idle;
import static dev.yuzui.cli.options.PeerFlag.use;

import java.util.List;
import java.util.Set;
import picocli.CommandLine.Model.CommandSpec;

/**
 * The flags that people know from llama.cpp and vLLM and that are none of a command's own: each is
 * passed over where it asks for what happens anyway, else refused with the flag to use. Those that
 * do something here are options like any other, such as {@code -ngl} and {@code -ctk}.
 */
public final class PeerFlags {
  private static final String LLAMA = "llama.cpp";
  private static final String VLLM = "vLLM";
  private static final Set<String> ON = Set.of("on", "auto", "1", "true", "enabled");

  private PeerFlags() {}

  static final List<PeerFlag> ALL =
      List.of(
          // where the weights are
          use(
              LLAMA,
              "-ngl --gpu-layers --n-gpu-layers",
              "--backend and --device, where a command has them"),
          use(LLAMA, "-dev", "--device, with a name that 'yuzui devices' lists"),
          use(LLAMA, "--list-devices", "'yuzui devices'"),
          use(LLAMA, "-mg --main-gpu", "--device, such as --device cuda:1"),
          use(
              LLAMA,
              "-ts --tensor-split",
              "--device cuda:0,cuda:1 alone: layers are shared by free memory"),
          use(
              LLAMA,
              "-sm --split-mode",
              "--device, where a command has it: several devices share the layers"),
          use(
              LLAMA,
              "-ot --override-tensor",
              "--cpu-moe for the experts of all layers on the CPU, --n-cpu-moe N for those of the"
                  + " first N"),
          use(
              LLAMA,
              "-cmoe --cpu-moe -ncmoe --n-cpu-moe",
              "another command: this one has not got it"),
          idle(
              LLAMA,
              "-otd --override-tensor-draft -cmoed --cpu-moe-draft -ncmoed --n-cpu-moe-draft"
                  + " -ngld --gpu-layers-draft --n-gpu-layers-draft",
              "-devd says where a draft model runs, as a whole"),
          granted(LLAMA, "--mmap"),
          idle(
              LLAMA,
              "--no-mmap",
              "files are always mapped, and the CPU copies most weights as it repacks them"),
          idle(
              LLAMA,
              "--mlock",
              "repacked weights are read all the time, and the system keeps what is read"),
          idle(LLAMA, "-lm --load-mode -mmp -dio --direct-io", "files are always mapped"),
          granted(LLAMA, "-ndio --no-direct-io"),
          granted(LLAMA, "--repack"),
          use(LLAMA, "-nr --no-repack", "another command: this one runs no model"),
          idle(
              LLAMA, "--numa", "memory lies where the system puts it; start under numactl instead"),
          idle(
              LLAMA,
              "-C --cpu-mask -Cr --cpu-range --cpu-strict -Cb --cpu-mask-batch -Crb"
                  + " --cpu-range-batch --cpu-strict-batch",
              "start under taskset instead"),
          idle(LLAMA, "--prio --prio-batch", "start under nice instead"),
          idle(LLAMA, "--poll --poll-batch", "threads wait as suits their work"),
          granted(LLAMA, "-kvo --kv-offload"),
          idle(LLAMA, "-nkvo --no-kv-offload", "the cache lies beside the layers that use it"),
          idle(LLAMA, "-kvu --kv-unified --swa-full", "all sequences share one paged cache"),
          idle(
              LLAMA,
              "--op-offload --no-op-offload -nopo --no-host",
              "work is done where weights are"),
          idle(LLAMA, "--rpc -rpc", "all devices are this machine's"),
          idle(LLAMA, "-dt --defrag-thold", "a paged cache has no gaps"),
          use(
              LLAMA,
              "-fitt --fit-target -fitc --fit-ctx",
              "--fit alone: it takes the largest context that fits, up to -c"),
          // steps
          use(LLAMA, "-ub --ubatch-size", "-b N: a step has one size"),
          use(LLAMA, "-tb --threads-batch", "-t N: prompts and text have the same threads"),
          use(
              LLAMA,
              "-np --parallel",
              "-npl N in bench (--max-num-seqs N with --rate); other commands run one sequence"),
          granted(LLAMA, "-cb --cont-batching"),
          idle(LLAMA, "-nocb --no-cont-batching", "sequences are always batched as they come"),
          granted(
              LLAMA,
              "-fa --flash-attn",
              ON,
              "scores are never written to memory, there is no other attention"),
          use(
              LLAMA,
              "-ctk -ctv --cache-type-k --cache-type-v",
              "--kv-cache-dtype, in a command that runs the model"),
          idle(
              LLAMA,
              "-ctkd -ctvd --cache-type-k-draft --cache-type-v-draft",
              "drafts' caches have the model's type"),
          granted(LLAMA, "--warmup"),
          granted(LLAMA, "--no-warmup"),
          granted(LLAMA, "--no-context-shift"),
          idle(LLAMA, "--context-shift --keep", "text ends where the context is full; raise -c"),
          idle(
              LLAMA,
              "-gan --grp-attn-n -gaw --grp-attn-w",
              "the context is the one the model was made for"),
          // the model
          idle(
              LLAMA,
              "--rope-scaling --rope-scale --rope-freq-base --rope-freq-scale --yarn-orig-ctx"
                  + " --yarn-ext-factor --yarn-attn-factor --yarn-beta-slow --yarn-beta-fast",
              "positions are as the model's own file says"),
          use(LLAMA, "-hff --hf-file", "-hf ORG/NAME:QUANT, with more of the file's name as QUANT"),
          use(LLAMA, "-hft --hf-token", "the variable HF_TOKEN: everybody sees a command line"),
          use(LLAMA, "-mu --model-url -dr --docker-repo", "-hf ORG/NAME, or -m with a file"),
          use(LLAMA, "-hfd -hfrd --hf-repo-draft", "-md with a file: 'yuzui pull' names one"),
          idle(
              LLAMA,
              "--lora --lora-scaled --control-vector --control-vector-scaled"
                  + " --control-vector-layer-range",
              "adapters are not read; merge them into the model"),
          idle(LLAMA, "-mm --mmproj --image --audio --video", "models read text alone"),
          use(LLAMA, "--check-tensors", "'yuzui compare', which finds the part that is off"),
          // prompts
          granted(LLAMA, "--jinja"),
          idle(LLAMA, "--no-jinja", "--raw leaves the template out, --chat-template names another"),
          use(
              LLAMA,
              "--in-prefix --in-suffix --in-prefix-bos",
              "--raw, with the whole prompt in -p, or --chat-template FILE"),
          grantedBy(
              LLAMA,
              "-cnv --conversation -i --interactive -if --interactive-first",
              Set.of("chat"),
              "'yuzui chat'"),
          use(LLAMA, "-ins --instruct", "'yuzui chat'"),
          use(LLAMA, "-no-cnv --no-conversation", "'yuzui generate --raw'"),
          grantedBy(LLAMA, "-st --single-turn", Set.of("generate"), "'yuzui generate'"),
          idle(
              LLAMA,
              "-mli --multiline-input",
              "chat takes a line that ends in \\ together with the next"),
          granted(LLAMA, "--simple-io"),
          use(LLAMA, "-bf --binary-file", "-f FILE"),
          granted(LLAMA, "--no-escape"),
          use(LLAMA, "--prompt-cache-all --prompt-cache-ro", "--prompt-cache FILE alone"),
          use(
              LLAMA,
              "-rea --reasoning-format --reasoning-effort --reasoning-budget-message",
              "--reasoning show, hide or stderr for what is shown, --think on or off for what is"
                  + " made"),
          use(LLAMA, "--reasoning-budget", "--think off for 0; other budgets there are none"),
          // sampling
          idle(
              LLAMA,
              "--top-n-sigma --top-nsigma --xtc-probability --xtc-threshold --mirostat"
                  + " --mirostat-lr --mirostat-ent --dynatemp-range --dynatemp-exp"
                  + " --adaptive-target --adaptive-decay",
              "tokens are drawn with --temp, --top-k, --top-p, --min-p, --typical-p"),
          idle(
              LLAMA,
              "--samplers --sampler-seq --sampling-seq",
              "penalties come first, then top-k, typical-p, top-p, min-p, the temperature last"),
          granted(LLAMA, "--no-perf"),
          use(LLAMA, "--perf", "--show-timings"),
          granted(LLAMA, "--no-show-timings"),
          use(
              LLAMA,
              "--draft --draft-n --draft-max --draft-min --draft-n-min --spec-draft-n-min",
              "--spec-draft-n-max N"),
          use(LLAMA, "--draft-p-min", "--spec-draft-p-min P"),
          // what is said
          grantedBy(
              LLAMA,
              "--no-display-prompt",
              Set.of("generate", "chat"),
              "it in generate and chat alone"),
          idle(LLAMA, "--display-prompt", "stdout is the answer alone"),
          use(LLAMA, "--verbose-prompt", "'yuzui tokenize -p TEXT', which shows a text's tokens"),
          idle(
              LLAMA,
              "-sp --special",
              "control tokens are never shown; generate --json has their ids"),
          idle(LLAMA, "-co --color", "text has no colours"),
          granted(LLAMA, "--log-disable"),
          use(LLAMA, "--log-file", "2> FILE: what is said goes to stderr"),
          use(LLAMA, "-lv --verbosity --log-verbosity --log-verbose", "-v"),
          idle(
              LLAMA,
              "--log-colors --log-prefix --no-log-prefix --log-timestamps --no-log-timestamps",
              "lines on stderr are plain"),
          idle(LLAMA, "-oe --output-err --progress", "bench says what it does on stderr"),
          idle(LLAMA, "--delay", "tests follow each other"),
          // servers
          use(
              LLAMA,
              "--api-key",
              "serve with --api-key-file FILE, which no list of processes shows"),
          use(
              LLAMA,
              "--ssl-key-file --ssl-cert-file",
              "serve with --tls-key FILE and --tls-cert FILE"),
          use(LLAMA, "-to --timeout", "serve with --request-timeout, --write-timeout"),
          grantedBy(
              LLAMA, "--metrics --slots --props", Set.of("serve"), "'yuzui serve', which has them"),
          idle(LLAMA, "--no-slots", "serve tells of slots without anybody's text"),
          idle(LLAMA, "--threads-http", "serve has a thread for each request"),
          idle(LLAMA, "--path --api-prefix", "serve has its own page, at /"),
          use(
              VLLM,
              "--ssl-keyfile --ssl-certfile",
              "serve with --tls-key FILE and --tls-cert FILE"),
          use(VLLM, "--allowed-origins", "serve with --cors-origin ORIGIN"),
          grantedBy(
              VLLM,
              "--enable-auto-tool-choice --disable-log-requests --no-enable-log-requests",
              Set.of("serve"),
              "'yuzui serve'"),
          idle(
              VLLM,
              "--tool-call-parser --reasoning-parser",
              "the model's template says how it calls and thinks"),
          // vLLM
          use(
              VLLM,
              "-tp --tensor-parallel-size -pp --pipeline-parallel-size",
              "--device cuda:0,cuda:1, which share the layers"),
          use(VLLM, "-dp --data-parallel-size", "--enable-expert-parallel with --device"),
          use(
              VLLM,
              "--gpu-memory-utilization",
              "--fit: what is free is taken, and the largest context that fits"),
          use(VLLM, "--max-tokens", "-n N"),
          use(VLLM, "--cpu-offload-gb", "--gpu-expert-budget SIZE or --cpu-moe"),
          idle(
              VLLM,
              "--dtype -q --quantization --load-format",
              "weights are used in the types the files have; --kv-cache-dtype is the cache's"),
          granted(VLLM, "--enable-prefix-caching --enable-chunked-prefill"),
          idle(
              VLLM,
              "--no-enable-prefix-caching --no-enable-chunked-prefill",
              "what was read once is always found again, and prompts are read in steps of -b"),
          idle(VLLM, "--block-size --swap-space", "pages of the cache have one size and stay"),
          granted(VLLM, "--trust-remote-code"),
          idle(VLLM, "--enforce-eager", "steps are recorded where that is faster"),
          use(VLLM, "--tokenizer", "-m with a folder that holds the tokenizer"),
          use(
              VLLM,
              "--speculative-config",
              "--spec-type draft-mtp or ngram, or -md with a draft model"),
          use(VLLM, "--hf-overrides", "the model's own config.json, edited"));

  /** To commands that take a model. */
  public static void addTo(CommandSpec command) {
    if (command.optionsMap().containsKey("--model")) {
      ALL.forEach(flag -> flag.addTo(command));
    }
  }
}
