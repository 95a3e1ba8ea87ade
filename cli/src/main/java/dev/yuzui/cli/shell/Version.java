package dev.yuzui.cli.shell;

import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.util.Properties;
import picocli.CommandLine;

/** Yuzui's own, and that of the JVM it runs on. */
public final class Version implements CommandLine.IVersionProvider {
  public static String number() {
    try (InputStream in = Version.class.getResourceAsStream("/dev/yuzui/cli/version.properties")) {
      Properties properties = new Properties();
      properties.load(in);
      return properties.getProperty("version");
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  @Override
  public String[] getVersion() {
    return new String[] {
      "yuzui " + number(),
      "JDK "
          + Runtime.version()
          + ", "
          + System.getProperty("os.name")
          + " "
          + System.getProperty("os.arch")
    };
  }
}
