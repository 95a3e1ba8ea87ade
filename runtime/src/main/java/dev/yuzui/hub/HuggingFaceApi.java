package dev.yuzui.hub;

import com.fasterxml.jackson.databind.JsonNode;
import java.net.URI;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Optional;
import java.util.Set;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * Hugging Face's: {@code /api/models/ORG/NAME/revision/REV} names the commit, {@code tree/COMMIT}
 * its files, a page at a time.
 */
record HuggingFaceApi(HubOptions options, HubHttp http) implements HubApi {
  private static final int MOST_PAGES = 1000;
  private static final Pattern NEXT = Pattern.compile("<([^>]+)>\\s*;\\s*rel=\"?next\"?");

  @Override
  public HubSnapshot list(HubName name, Patience.Attempts attempts) {
    String models = "/api/models/" + name.repository();
    String revision = options.revisionOrBranch();
    JsonNode info =
        ask(
                name,
                HubApi.under(
                    options.endpoint(),
                    models + "/revision/" + HubApi.encoded(revision).replace("/", "%2F")),
                attempts)
            .json();
    String commit = info.path("sha").asText("");
    List<HubFile> files = new ArrayList<>();
    Optional<URI> next =
        Optional.of(
            HubApi.under(options.endpoint(), models + "/tree/" + commit + "?recursive=true"));
    if (!commit.matches(HubSnapshot.COMMIT)) {
      return new HubSnapshot(commit, files); // which refuses it
    }
    Set<URI> seen = new HashSet<>();
    while (next.isPresent()) {
      if (!seen.add(next.get()) || seen.size() > MOST_PAGES) {
        throw HubException.system(
            HubHttp.host(next.get()) + ": the listing has no end; is the endpoint right?");
      }
      Page page = ask(name, next.get(), attempts);
      page.json().forEach(entry -> file(entry).ifPresent(files::add));
      next = page.next();
    }
    return new HubSnapshot(commit, files);
  }

  private record Page(JsonNode json, Optional<URI> next) {}

  private Page ask(HubName name, URI address, Patience.Attempts attempts) {
    return HubApi.read(
        http,
        address,
        attempts,
        reply -> {
          if (reply.status() != 200) {
            throw refusal(options, name, reply, reply.header("X-Error-Message").orElse(""));
          }
          return new Page(HubApi.json(reply), next(reply));
        });
  }

  private static Optional<URI> next(HubHttp.Reply reply) {
    Matcher link = NEXT.matcher(reply.header("Link").orElse(""));
    try {
      return link.find() ? Optional.of(reply.address().resolve(link.group(1))) : Optional.empty();
    } catch (IllegalArgumentException _) {
      throw HubException.system(
          HubHttp.host(reply.address())
              + ": expected the address of the listing's next page, found"
              + " something else; is it a hub's endpoint?");
    }
  }

  private static Optional<HubFile> file(JsonNode entry) {
    if (!entry.path("type").asText().equals("file")) {
      return Optional.empty();
    }
    JsonNode lfs = entry.path("lfs");
    Optional<HubFile.Checksum> checksum =
        lfs.isObject()
            ? HubFile.Checksum.of(
                HubFile.Checksum.Kind.SHA256,
                lfs.path("oid").asText("").replaceFirst("^sha256:", ""))
            : HubFile.Checksum.of(HubFile.Checksum.Kind.GIT, entry.path("oid").asText(""));
    long size =
        lfs.isObject() && lfs.has("size")
            ? lfs.path("size").asLong(-1)
            : entry.path("size").asLong(-1);
    return Optional.of(new HubFile(entry.path("path").asText(""), size, checksum));
  }

  @Override
  public URI address(HubName name, HubSnapshot snapshot, HubFile file) {
    return HubApi.under(
        options.endpoint(),
        "/"
            + name.repository()
            + "/resolve/"
            + snapshot.commit()
            + "/"
            + HubApi.encoded(file.path()));
  }

  @Override
  public URI page(HubName name) {
    return HubApi.under(options.endpoint(), "/" + name.repository());
  }
}
