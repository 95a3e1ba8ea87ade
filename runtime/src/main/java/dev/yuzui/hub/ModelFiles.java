package dev.yuzui.hub;

import dev.yuzui.io.Texts;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashSet;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/**
 * Which files of a repository make the model that is meant. With {@code :QUANT}: the GGUF of that
 * name. Without: the safetensors and what belongs to them; in a repository of GGUFs alone Q4_K_M,
 * else Q8_0, as llama.cpp has it, else the only one. Whatever is not clear is asked.
 *
 * @param main what opens as the model, a path in the repository; empty for its folder
 * @param files small ones first, so that weights which are there have all they need
 */
record ModelFiles(String main, List<HubFile> files) {
  private static final List<String> PREFERRED = List.of("Q4_K_M", "Q8_0");
  private static final int MOST_SHOWN = 40;

  private static final Pattern BESIDE =
      Pattern.compile(
          "config\\.json|generation_config\\.json|hf_quant_config\\.json"
              + "|tokenizer.*\\.(?:json|model)|tiktoken\\.model|vocab\\.(?:json|txt)|merges\\.txt"
              + "|special_tokens_map\\.json|added_tokens\\.json"
              + "|chat_template\\.(?:json|jinja)|.*\\.jinja|model\\.safetensors\\.index\\.json");

  private static final Pattern SHARD =
      Pattern.compile("(.*)-(\\d{5,6})-of-(\\d{5,6})\\.safetensors");

  private static final String SINGLE = "model.safetensors";
  private static final String INDEX = "model.safetensors.index.json";

  /**
   * @param where for messages: the repository and its hub, or its cache
   * @throws HubException if nothing, or more than one thing, is meant
   */
  static ModelFiles choose(HubName name, String where, List<HubFile> all) {
    ModelFiles chosen =
        name.quant().isEmpty() && hasSafetensors(all)
            ? safetensors(where, all)
            : gguf(name, where, all);
    chosen.files().forEach(HubFile::requirePlain);
    return chosen;
  }

  private static boolean hasSafetensors(List<HubFile> all) {
    return all.stream().anyMatch(f -> f.inRoot() && f.path().endsWith(".safetensors"))
        && all.stream().anyMatch(f -> f.path().equals("config.json"));
  }

  private static ModelFiles safetensors(String where, List<HubFile> all) {
    Set<String> names = all.stream().map(HubFile::path).collect(Collectors.toSet());
    List<HubFile> weights =
        all.stream().filter(f -> f.inRoot() && f.path().endsWith(".safetensors")).toList();
    if (names.contains(INDEX)) {
      List<HubFile> shards =
          weights.stream().filter(f -> SHARD.matcher(f.path()).matches()).toList();
      weights = shards.isEmpty() ? weights : shards;
    } else if (names.contains(SINGLE)) {
      weights = weights.stream().filter(f -> f.path().equals(SINGLE)).toList();
    }
    requireAllShards(where, weights);
    List<HubFile> files =
        new ArrayList<>(
            all.stream().filter(f -> f.inRoot() && BESIDE.matcher(f.path()).matches()).toList());
    weights.stream().sorted(Comparator.comparing(HubFile::path)).forEach(files::add);
    return new ModelFiles("", List.copyOf(files));
  }

  private static void requireAllShards(String where, List<HubFile> weights) {
    Set<String> names = weights.stream().map(HubFile::path).collect(Collectors.toSet());
    for (HubFile file : weights) {
      Matcher shard = SHARD.matcher(file.path());
      if (shard.matches()) {
        int parts = Integer.parseInt(shard.group(3));
        String form = "%s-%0" + shard.group(2).length() + "d-of-%s.safetensors";
        for (int part = 1; part <= parts; part++) {
          String name = String.format(Locale.ROOT, form, shard.group(1), part, shard.group(3));
          if (!names.contains(name)) {
            throw HubException.expected(
                where,
                "all " + parts + " shards of safetensors",
                "none called " + HubException.printable(name));
          }
        }
      }
    }
  }

  private static ModelFiles gguf(HubName name, String where, List<HubFile> all) {
    List<GgufGroup> groups = GgufGroup.of(all).stream().filter(GgufGroup::isModel).toList();
    if (groups.isEmpty()) {
      throw noModel(name, where, all);
    }
    List<GgufGroup> plain = groups.stream().filter(g -> !g.isMtp()).toList();
    List<GgufGroup> models = plain.isEmpty() ? groups : plain;
    GgufGroup model =
        name.quant().isPresent()
            ? named(name.quant().get(), name, where, models)
            : preferred(name, where, models);
    model.requireWhole(where);
    Optional<GgufGroup> mtp = plain.isEmpty() ? Optional.empty() : mtp(model, groups, name.quant());
    mtp.ifPresent(m -> m.requireWhole(where));
    List<HubFile> files =
        Stream.concat(mtp.stream().flatMap(m -> m.files().stream()), model.files().stream())
            .toList();
    return new ModelFiles(model.files().getFirst().path(), files);
  }

  private static GgufGroup named(String quant, HubName name, String where, List<GgufGroup> models) {
    List<GgufGroup> having = models.stream().filter(m -> m.has(quant)).toList();
    if (having.isEmpty()) {
      throw HubException.asked(
          where + ": expected a GGUF called " + quant + ", found none; there are" + list(models));
    }
    return theOne(having).orElseThrow(() -> several(quant + " may be one of", name, where, having));
  }

  private static GgufGroup preferred(HubName name, String where, List<GgufGroup> models) {
    for (String quant : PREFERRED) {
      List<GgufGroup> having = models.stream().filter(m -> m.has(quant)).toList();
      if (!having.isEmpty()) {
        return theOne(having).orElseThrow(() -> several("there are", name, where, having));
      }
    }
    if (models.size() == 1) {
      return models.getFirst();
    }
    throw several("there are", name, where, models);
  }

  /** Of a quant and the same in Unsloth's dynamic form, {@code UD-}, the plain one is meant. */
  private static Optional<GgufGroup> theOne(List<GgufGroup> having) {
    List<GgufGroup> plain =
        having.stream().filter(m -> !m.stem().toUpperCase(Locale.ROOT).contains("UD-")).toList();
    List<GgufGroup> left = plain.isEmpty() ? having : plain;
    return left.size() == 1 ? Optional.of(left.getFirst()) : Optional.empty();
  }

  /** In the model's folder or one above it: of the quant that was named, else of the closest. */
  private static Optional<GgufGroup> mtp(
      GgufGroup model, List<GgufGroup> groups, Optional<String> quant) {
    int slash = model.stem().lastIndexOf('/') + 1;
    String folder = model.stem().substring(0, slash);
    return groups.stream()
        .filter(GgufGroup::isMtp)
        .filter(m -> folder.startsWith(m.stem().substring(0, m.stem().lastIndexOf('/') + 1)))
        .min(
            Comparator.comparingInt((GgufGroup m) -> -m.stem().lastIndexOf('/'))
                .thenComparing(m -> quant.filter(m::has).isEmpty())
                .thenComparing(m -> Math.abs(m.bits() - model.bits()))
                .thenComparing(GgufGroup::stem));
  }

  private static HubException several(
      String what, HubName name, String where, List<GgufGroup> models) {
    return HubException.asked(
        where
            + ": expected one model, found "
            + models.size()
            + "; give "
            + name.repository()
            + ":QUANT with more of a name; "
            + what
            + list(models));
  }

  private static String list(List<GgufGroup> models) {
    String shown =
        models.stream()
            .limit(MOST_SHOWN)
            .map(m -> "\n  " + m.shown() + "  " + Texts.bytes(m.bytes()))
            .collect(Collectors.joining());
    return shown
        + (models.size() > MOST_SHOWN ? "\n  and " + (models.size() - MOST_SHOWN) + " more" : "");
  }

  private static HubException noModel(HubName name, String where, List<HubFile> all) {
    if (name.quant().isPresent() && hasSafetensors(all)) {
      return HubException.expected(
          where,
          "a GGUF called " + name.quant().get(),
          "safetensors alone; leave :" + name.quant().get() + " out");
    }
    Set<String> ends = new HashSet<>();
    for (HubFile file : all) {
      int dot = file.name().lastIndexOf('.');
      if (dot > 0) {
        ends.add(HubException.printable(file.name().substring(dot)));
      }
    }
    return HubException.expected(
        where,
        "GGUF files, or config.json with safetensors",
        all.isEmpty()
            ? "no files"
            : "neither, only "
                + ends.stream().sorted().limit(12).collect(Collectors.joining(", "))
                + "; look for a repository with one of them");
  }

  long bytes() {
    return files.stream().mapToLong(HubFile::size).sum();
  }
}
