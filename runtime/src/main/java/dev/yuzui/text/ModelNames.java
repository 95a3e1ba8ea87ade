package dev.yuzui.text;

import dev.yuzui.weights.Checkpoint;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * What a model is called, and what that says of its training.
 *
 * @param names in the order they are asked
 * @param description of a GGUF, a sentence; empty where there is none
 */
record ModelNames(List<Named> names, String description) {
  private static final List<String> KEYS =
      List.of(
          "general.name", "general.finetune", "general.basename", "general.tags", "_name_or_path");

  private static final Pattern CHAT = word("chat|instruct|conversational|thinking|sft|dpo|rlhf");

  /** Not the {@code base_model} of a tag. */
  private static final Pattern BASE = word("base(?!_model)|pretrained");

  /** DeepSeek's models whose plain name is the one that chats. */
  private static final Pattern FAMILY =
      word("(?:deepseek)?(?:v2\\.5|v3\\.1|v3\\.2|v3|v4|r1(?:t2?)?)");

  /**
   * @param where {@code its name}, {@code general.name}
   */
  record Named(String where, String text) {}

  /**
   * @param chat false is a base model
   */
  record Verdict(boolean chat, String because) {}

  static ModelNames of(Checkpoint checkpoint) {
    List<Named> names = new ArrayList<>();
    names.add(new Named("its name", fileName(checkpoint.path())));
    for (String key : KEYS) {
      Optional.ofNullable(checkpoint.metadata().get(key))
          .ifPresent(text -> names.add(new Named(key, text)));
    }
    return new ModelNames(
        List.copyOf(names), checkpoint.metadata().getOrDefault("general.description", ""));
  }

  /** A folder in the cache of the Hugging Face hub is named by a hash, two above by the model. */
  private static String fileName(Path path) {
    Path full = path.toAbsolutePath().normalize();
    Path parent = full.getParent();
    boolean snapshot = parent != null && parent.endsWith("snapshots") && parent.getNameCount() > 1;
    return (snapshot ? parent.getParent() : full).getFileName().toString();
  }

  /**
   * A word such as instruct or base decides, in the first name that has one (where it has both, it
   * was trained further from a base); else a family whose plain name is its chat model, as V3 is.
   * Empty if nothing says either.
   */
  Optional<Verdict> verdict() {
    for (Named name : names) {
      Optional<Verdict> said = said(CHAT, true, name).or(() -> said(BASE, false, name));
      if (said.isPresent()) {
        return said;
      }
    }
    return names.stream()
        .filter(name -> name.text().toLowerCase(Locale.ROOT).contains("deepseek"))
        .flatMap(name -> said(FAMILY, true, name).stream())
        .findFirst()
        .or(() -> said(BASE, false, new Named("general.description", description)));
  }

  private static Optional<Verdict> said(Pattern pattern, boolean chat, Named name) {
    Matcher word = pattern.matcher(name.text().toLowerCase(Locale.ROOT));
    return word.find()
        ? Optional.of(
            new Verdict(
                chat, name.where() + ", " + name.text() + ", says \"" + word.group() + "\""))
        : Optional.empty();
  }

  /** Whether a name holds {@code family}, such as {@code v3.1}. */
  boolean say(String family) {
    Pattern pattern = word("(?:deepseek)?" + family);
    return names.stream().anyMatch(n -> pattern.matcher(n.text().toLowerCase(Locale.ROOT)).find());
  }

  /** V3 is not said by {@code v3.1}, but by {@code v3.Q4_K_M}. */
  private static Pattern word(String words) {
    return Pattern.compile("(?<![a-z0-9])(?:" + words + ")(?![a-z0-9]|\\.[0-9])");
  }
}
