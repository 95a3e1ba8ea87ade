package dev.yuzui.cli.options;

import dev.yuzui.cli.shell.FailedException;
import dev.yuzui.cli.shell.Surroundings;
import dev.yuzui.cli.shell.UsageException;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.DigestInputStream;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;

/** The demo checkpoint that comes with the program. Weights are mapped, so it has to be a file. */
public final class EmbeddedModel {
  private static final String RESOURCE = "demo.gguf";

  private EmbeddedModel() {}

  /** The checkout's own file, else the packed one, unpacked once into the user's cache folder. */
  public static Path path(Surroundings surroundings) {
    return surroundings
        .home()
        .map(home -> home.resolve("seeds").resolve(RESOURCE))
        .filter(Files::isRegularFile)
        .orElseGet(() -> unpacked(surroundings.cache()));
  }

  private static Path unpacked(Path cache) {
    try {
      Path file = cache.resolve("demo-" + hash().substring(0, 16) + ".gguf");
      if (!Files.isRegularFile(file)) {
        Files.createDirectories(cache);
        Path partial = Files.createTempFile(cache, "demo-", ".partial");
        try (InputStream in = resource();
            OutputStream out = Files.newOutputStream(partial)) {
          in.transferTo(out);
        }
        Files.move(partial, file, StandardCopyOption.ATOMIC_MOVE);
      }
      return file;
    } catch (IOException e) {
      throw new FailedException(
          "the embedded model cannot be unpacked into "
              + cache
              + ": "
              + e.getMessage()
              + "; set XDG_CACHE_HOME or give -m");
    }
  }

  private static InputStream resource() {
    InputStream in = EmbeddedModel.class.getResourceAsStream("/dev/yuzui/cli/" + RESOURCE);
    if (in == null) {
      throw new UsageException(
          "-m: this build has no embedded model (seeds/"
              + RESOURCE
              + "); give a model with -m PATH, or train the demo with scripts/train-demo");
    }
    return in;
  }

  private static String hash() throws IOException {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      try (InputStream in = new DigestInputStream(resource(), sha)) {
        in.transferTo(OutputStream.nullOutputStream());
      }
      return HexFormat.of().formatHex(sha.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }
}
