package dev.yuzui.hub;

import java.util.regex.Pattern;

/** What a hub knows its user by; it has no text form, so that none gets into a message. */
public final class HubToken {
  private static final Pattern HEADER = Pattern.compile("[!-~]{1,1024}");

  private final String secret;

  private HubToken(String secret) {
    this.secret = secret;
  }

  /**
   * @param source for the message: where it was found
   * @throws HubException if no header can hold it
   */
  public static HubToken of(String secret, String source) {
    String stripped = secret.strip();
    if (!HEADER.matcher(stripped).matches()) {
      throw HubException.expected(
          source, "a token of printable ASCII characters", "something else; make a new one");
    }
    return new HubToken(stripped);
  }

  String secret() {
    return secret;
  }

  @Override
  public String toString() {
    return "(a token)";
  }
}
