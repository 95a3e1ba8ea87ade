package dev.yuzui.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HexFormat;
import java.util.List;
import java.util.Locale;
import java.util.Optional;

/**
 * ModelScope's: {@code /api/v1/models/ORG/NAME/repo/files} has a SHA-256 of every file and no
 * commit of them all. What stands for it is a checksum of the listing: the same files, the same
 * name. Its branch is called master, so that it is no other hub's main in the cache.
 */
record ModelScopeApi(HubOptions options, HubHttp http) implements HubApi {
  private static final int OK = 200;

  @Override
  public HubSnapshot list(HubName name, Patience.Attempts attempts) {
    URI address =
        HubApi.under(
            options.endpoint(),
            "/api/v1/models/"
                + name.repository()
                + "/repo/files?Revision="
                + HubApi.encoded(options.revisionOrBranch()).replace("/", "%2F")
                + "&Recursive=true");
    JsonNode answer =
        HubApi.read(
            http,
            address,
            attempts,
            reply -> {
              if (reply.status() != OK) {
                throw refusal(options, name, reply, "");
              }
              JsonNode json = HubApi.json(reply);
              if (json.path("Code").asInt(OK) != OK || !json.path("Success").asBoolean(true)) {
                throw HubException.asked(
                    name.repository()
                        + " at "
                        + HubHttp.host(options.endpoint())
                        + ": expected its files at revision "
                        + options.revisionOrBranch()
                        + ", found '"
                        + HubException.printable(json.path("Message").asText(""))
                        + "'; check the name at "
                        + page(name)
                        + (options.token().isPresent()
                            ? ""
                            : ", for a private one set " + options.site().tokenVariable()));
              }
              return json;
            });
    List<HubFile> files = new ArrayList<>();
    answer.path("Data").path("Files").forEach(entry -> file(entry).ifPresent(files::add));
    return new HubSnapshot(commit(files), files);
  }

  private static Optional<HubFile> file(JsonNode entry) {
    String sha = entry.path("Sha256").asText("").toLowerCase(Locale.ROOT);
    if (entry.path("Type").asText("blob").equals("tree")) {
      return Optional.empty();
    }
    return Optional.of(
        new HubFile(
            entry.path("Path").asText(""),
            entry.path("Size").asLong(-1),
            HubFile.Checksum.of(HubFile.Checksum.Kind.SHA256, sha)));
  }

  private static String commit(List<HubFile> files) {
    try {
      MessageDigest sha = MessageDigest.getInstance("SHA-1");
      files.stream()
          .sorted(Comparator.comparing(HubFile::path))
          .map(
              file ->
                  file.checksum().map(HubFile.Checksum::hex).orElse("") + " " + file.path() + "\n")
          .forEach(line -> sha.update(line.getBytes(StandardCharsets.UTF_8)));
      return HexFormat.of().formatHex(sha.digest());
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException(e);
    }
  }

  @Override
  public URI address(HubName name, HubSnapshot snapshot, HubFile file) {
    return HubApi.under(
        options.endpoint(),
        "/models/"
            + name.repository()
            + "/resolve/"
            + HubApi.encoded(options.revisionOrBranch()).replace("/", "%2F")
            + "/"
            + HubApi.encoded(file.path()));
  }

  @Override
  public URI page(HubName name) {
    return HubApi.under(options.endpoint(), "/models/" + name.repository());
  }
}
