package dev.yuzui.hub;

import java.util.Optional;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A model's name on a hub, {@code ORG/NAME} or {@code ORG/NAME:QUANT}.
 *
 * @param quant of the GGUF files that are meant, such as {@code Q4_K_M}, or more of their name
 */
public record HubName(String org, String name, Optional<String> quant) {
  /** The hubs' own rule, so that a name is one folder of the cache and nothing else. */
  private static final Pattern PART = Pattern.compile("\\w(?:[\\w.-]{0,94}\\w)?", Pattern.DOTALL);

  private static final Pattern QUANT = Pattern.compile("\\w(?:[\\w./-]{0,200}\\w)?");
  private static final Pattern WHOLE = Pattern.compile("([^/:]*)/([^/:]*)(?::(.*))?");

  /**
   * @throws HubException if a part is none that a hub has
   */
  public HubName {
    requirePart(org);
    requirePart(name);
    quant.ifPresent(HubName::requireQuant);
  }

  /**
   * @throws HubException if {@code text} is no name
   */
  public static HubName parse(String text) {
    Matcher parts = WHOLE.matcher(text);
    if (!parts.matches()) {
      throw wrong(text);
    }
    return new HubName(parts.group(1), parts.group(2), Optional.ofNullable(parts.group(3)));
  }

  private static void requirePart(String part) {
    if (!PART.matcher(part).matches() || part.contains("..") || part.contains("--")) {
      throw wrong(part);
    }
  }

  private static void requireQuant(String quant) {
    if (!QUANT.matcher(quant).matches() || quant.contains("..")) {
      throw wrong(":" + quant);
    }
  }

  private static HubException wrong(String found) {
    return HubException.expected(
        "a model's name",
        "ORG/NAME or ORG/NAME:QUANT, such as unsloth/DeepSeek-V3-GGUF:Q4_K_M",
        "'" + HubException.printable(found) + "'");
  }

  /** {@code ORG/NAME}. */
  public String repository() {
    return org + "/" + name;
  }

  /** {@code models--ORG--NAME}, in the cache. */
  String folder() {
    return "models--" + org + "--" + name;
  }

  @Override
  public String toString() {
    return repository() + quant.map(q -> ":" + q).orElse("");
  }
}
