package dev.yuzui.hub;

import java.util.List;

/**
 * A repository at one moment.
 *
 * @param commit that names it, hexadecimal
 */
record HubSnapshot(String commit, List<HubFile> files) {
  static final String COMMIT = "[0-9a-f]{40}|[0-9a-f]{64}";

  HubSnapshot {
    if (!commit.matches(COMMIT)) {
      throw HubException.system(
          "the hub's listing: expected a commit of 40 hexadecimal digits, found '"
              + HubException.printable(commit)
              + "'; try again, or another endpoint");
    }
    files = List.copyOf(files);
    files.forEach(file -> HubFile.requireInside(file.path()));
  }
}
