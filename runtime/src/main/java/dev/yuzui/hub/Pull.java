package dev.yuzui.hub;

import java.nio.file.Path;
import java.util.ArrayList;
import java.util.HashSet;
import java.util.List;
import java.util.Set;

/** One model's way from a hub into the cache. */
record Pull(
    HubOptions options,
    Patience patience,
    HubName name,
    HubCache cache,
    HubHttp http,
    PullListener listener,
    Patience.Stop stop) {
  /** Of asking a hub that is not needed. */
  private static final int FEW = 2;

  /**
   * @param needed whether there is nothing else to take if the hub cannot be reached
   */
  HubSnapshot list(boolean needed) {
    if (HubHttp.withholdsToken(options)) {
      listener.said(
          "the token is not sent: " + options.endpoint().getHost() + " is asked over plain http");
    }
    Patience patient = needed ? patience : patience.withAttempts(FEW);
    return api().list(name, patient.new Attempts(stop, listener::said));
  }

  private HubApi api() {
    return HubApi.of(options, http);
  }

  ModelFiles choose(HubSnapshot snapshot) {
    String where = name.repository() + " at " + HubHttp.host(options.endpoint());
    ModelFiles chosen = ModelFiles.choose(name, where, snapshot.files());
    chosen.files().forEach(HubFile::requireKnown);
    return chosen;
  }

  /** Those of which the cache has not the bytes, each of them once. */
  List<HubFile> missing(HubSnapshot snapshot, ModelFiles chosen) {
    Set<Path> blobs = new HashSet<>();
    return chosen.files().stream()
        .filter(file -> !cache.has(snapshot.commit(), file) && blobs.add(cache.blob(file)))
        .toList();
  }

  /** Makes all of them be there, and what the revision means be this commit. */
  void fetch(HubSnapshot snapshot, ModelFiles chosen) {
    List<HubFile> missing = missing(snapshot, chosen);
    // a cache that has all may be another user's, to be read alone
    if (!missing.isEmpty()) {
      cache.prepare();
      try (HubCache.Locks _ = cache.lock(missing, stop, listener::said)) {
        // others may have been fetched while this waited
        transfer(snapshot, missing(snapshot, chosen));
      }
    }
    chosen.files().forEach(file -> cache.link(snapshot.commit(), file));
    cache.setRef(options.revisionOrBranch(), snapshot.commit());
  }

  private void transfer(HubSnapshot snapshot, List<HubFile> files) {
    Transfer transfer = new Transfer(patience, stop, file -> cache.link(snapshot.commit(), file));
    List<Incoming> incoming = new ArrayList<>();
    try {
      files.forEach(file -> incoming.add(incoming(snapshot, file)));
      cache.requireRoom(
          incoming.stream().mapToLong(i -> i.file().size() - i.partial().bytesThere()).sum());
      transfer.run(incoming, cache, options.connections(), listener, http::end);
    } finally {
      incoming.forEach(Incoming::close);
    }
  }

  private Incoming incoming(HubSnapshot snapshot, HubFile file) {
    HubApi api = api();
    return new Incoming(
        file,
        api.address(name, snapshot, file),
        cache.partial(file, patience.mostPart()),
        http,
        reply -> api.refusal(options, name, reply, reply.header("X-Error-Message").orElse("")));
  }
}
