package dev.yuzui.hub;

import java.nio.file.Path;
import java.util.List;
import java.util.Optional;
import java.util.function.BooleanSupplier;

/**
 * Models by name. What a pull brings stays in the cache, whole files and parts alike: the same pull
 * again asks for nothing that is there.
 *
 * <pre>{@code
 * Path cache = Path.of(System.getProperty("user.home"), ".cache", "huggingface", "hub");
 * Hub hub = new Hub(HubOptions.of(HubSite.HUGGING_FACE, cache));
 * Path model = hub.pull(HubName.parse("org/name:Q4_K_M"), PullListener.NONE, () -> false);
 * }</pre>
 */
public final class Hub {
  private final HubOptions options;
  private final Patience patience;

  public Hub(HubOptions options) {
    this(options, Patience.USUAL);
  }

  Hub(HubOptions options, Patience patience) {
    this.options = options;
    this.patience = patience;
  }

  /**
   * What a pull would take.
   *
   * @param model as {@link #pull} returns it
   * @param files of the model, in the repository
   * @param missing bytes of them that are not in the cache
   */
  public record Plan(Path model, List<HubFile> files, long missing) {
    public long bytes() {
      return files.stream().mapToLong(HubFile::size).sum();
    }
  }

  /**
   * Chooses the files of a model and fetches none.
   *
   * @param interrupted asked now and then: true ends it
   * @throws HubException if there is no such model, or it is not clear which is meant
   */
  public Plan plan(HubName name, PullListener listener, BooleanSupplier interrupted) {
    HubCache cache = new HubCache(options.cache(), name);
    if (options.offline()) {
      return cached(name, cache);
    }
    Patience.Stop stop = interrupted::getAsBoolean;
    try (HubHttp http = new HubHttp(options, patience, stop)) {
      Pull pull = new Pull(options, patience, name, cache, http, listener, stop);
      HubSnapshot snapshot = pull.list(true);
      return plan(pull, snapshot, pull.choose(snapshot));
    }
  }

  /**
   * Fetches the files of a model that are not in the cache. Where the hub cannot be reached, what
   * the cache has of the name is taken, if that is complete.
   *
   * @param interrupted asked now and then: true ends it soon; what came is kept
   * @return what opens as the model: a GGUF's first part, or a folder
   * @throws HubException if anything is wrong
   */
  public Path pull(HubName name, PullListener listener, BooleanSupplier interrupted) {
    HubCache cache = new HubCache(options.cache(), name);
    if (options.offline()) {
      return cached(name, cache).model();
    }
    Patience.Stop stop = interrupted::getAsBoolean;
    try (HubHttp http = new HubHttp(options, patience, stop)) {
      Pull pull = new Pull(options, patience, name, cache, http, listener, stop);
      Optional<Path> kept = kept(name, cache);
      HubSnapshot snapshot;
      try {
        snapshot = pull.list(kept.isEmpty());
      } catch (HubException e) {
        if (e.fault() != HubException.Fault.SYSTEM || kept.isEmpty()) {
          throw e;
        }
        listener.said(e.getMessage() + "; taking " + kept.get() + ", which is in the cache");
        return kept.get();
      }
      ModelFiles chosen = pull.choose(snapshot);
      Plan plan = plan(pull, snapshot, chosen);
      listener.chosen(plan);
      pull.fetch(snapshot, chosen);
      return plan.model();
    }
  }

  private static Plan plan(Pull pull, HubSnapshot snapshot, ModelFiles chosen) {
    long missing = pull.missing(snapshot, chosen).stream().mapToLong(HubFile::size).sum();
    return new Plan(model(pull.cache(), snapshot.commit(), chosen), chosen.files(), missing);
  }

  private Optional<Path> kept(HubName name, HubCache cache) {
    try {
      return Optional.of(cached(name, cache).model());
    } catch (HubException _) {
      return Optional.empty();
    }
  }

  /** What the cache has of the name, if that is a model. */
  private Plan cached(HubName name, HubCache cache) {
    String revision = options.revisionOrBranch();
    String where = "the cache " + cache.folder();
    String fix = "; without HubOptions.offline the rest is fetched";
    Optional<String> commit = cache.commit(revision);
    List<HubFile> files = commit.map(cache::files).orElse(List.of());
    if (files.isEmpty()) {
      throw HubException.expected(
          where, "a whole download of " + name + " at " + revision, "none" + fix);
    }
    try {
      ModelFiles chosen = ModelFiles.choose(name, where, files);
      return new Plan(model(cache, commit.get(), chosen), chosen.files(), 0);
    } catch (HubException e) {
      throw HubException.asked(e.getMessage() + fix);
    }
  }

  private static Path model(HubCache cache, String commit, ModelFiles chosen) {
    return chosen.main().isEmpty()
        ? cache.snapshot(commit)
        : cache.inSnapshot(commit, chosen.main());
  }
}
