package dev.yuzui.spi;

import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.nio.file.StandardCopyOption;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HexFormat;
import java.util.List;
import java.util.Optional;
import java.util.function.Consumer;
import java.util.function.Function;

/**
 * Which devices have passed {@link SelfCheck}, and in which form, on disk: a file's name is the
 * digest of the device, its driver and the kernels, so that another driver or other kernels are
 * checked anew. Whatever fails here costs a check and nothing else.
 */
public final class CheckedDevices {
  private final Optional<Path> folder;
  private final Consumer<String> log;

  /**
   * @param cache the user's folder for what can be made again; empty keeps nothing
   */
  public CheckedDevices(Optional<Path> cache, Consumer<String> log) {
    this.folder = cache.map(c -> c.resolve("checked"));
    this.log = log;
  }

  /** Whether anything is kept. */
  public boolean keeps() {
    return folder.isPresent();
  }

  /**
   * @param parts all that a result depends on
   */
  public static String key(String backend, List<String> parts) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-256");
      for (String part : parts) {
        byte[] bytes = part.getBytes(StandardCharsets.UTF_8);
        sha.update((bytes.length + ":").getBytes(StandardCharsets.UTF_8));
        sha.update(bytes);
      }
      return backend + "-" + HexFormat.of().formatHex(sha.digest(), 0, 16);
    } catch (NoSuchAlgorithmException e) {
      throw new LinkageError("every JDK has SHA-256", e);
    }
  }

  /**
   * The form in which a device passes {@link SelfCheck#all}, now or at an earlier open.
   *
   * @param device for people
   * @param forms how it may be used, the best first; at least one
   * @param open a backend of the device, in a form
   * @throws BackendException if the device's sums are wrong in every form
   */
  public String check(
      String key, String device, List<String> forms, Function<String, ? extends Backend> open) {
    Optional<String> passed = passed(key).filter(forms::contains);
    if (passed.isPresent()) {
      return passed.get();
    }
    for (String form : forms) {
      try (Backend backend = open.apply(form)) {
        SelfCheck.all(backend, device);
      } catch (BackendException e) {
        if (form.equals(forms.getLast())) {
          throw e;
        }
        log.accept("%s, %s: %s".formatted(device, form, e.getMessage()));
        continue;
      }
      log.accept("%s passed its self-check, %s".formatted(device, form));
      note(key, form);
      return form;
    }
    throw new IllegalArgumentException("no form of " + device);
  }

  private Optional<String> passed(String key) {
    Optional<Path> file = folder.map(f -> f.resolve(key)).filter(Files::exists);
    try {
      return file.isEmpty() ? Optional.empty() : Optional.of(Files.readString(file.get()).strip());
    } catch (IOException e) {
      log.accept(file.get() + " cannot be read (" + e.getMessage() + "); checked again");
      return Optional.empty();
    }
  }

  /** Two processes may write at once: each its own file, moved in place whole. */
  private void note(String key, String form) {
    if (folder.isEmpty()) {
      return;
    }
    try {
      Files.createDirectories(folder.get());
      Path part = Files.createTempFile(folder.get(), key, ".part");
      try {
        Files.writeString(part, form + "\n");
        Files.move(part, folder.get().resolve(key), StandardCopyOption.REPLACE_EXISTING);
      } finally {
        Files.deleteIfExists(part);
      }
    } catch (IOException e) {
      log.accept(folder.get().resolve(key) + " cannot be written (" + e.getMessage() + ")");
    }
  }
}
