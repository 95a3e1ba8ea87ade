package dev.yuzui.hub;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import java.util.TreeMap;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/**
 * A GGUF model of a repository: one file, or all that are there of a split one.
 *
 * @param stem the path without {@code -00001-of-00003} and {@code .gguf}
 * @param parts how many there should be; 1 where it is not split
 * @param files those that are there, the first part first
 */
record GgufGroup(String stem, int parts, List<HubFile> files) {
  private static final Pattern SPLIT = Pattern.compile("(.*)-(\\d{5})-of-(\\d{5})\\.gguf");
  private static final Pattern BITS = Pattern.compile("(?:^|[-._/])[A-Za-z]{1,6}?(\\d{1,2})");

  /** Names of what a GGUF may hold beside a model that makes text. */
  private static final Pattern OTHER =
      Pattern.compile("(?:^|[-._])(?:mmproj|imatrix|eagle3|dflash|dspark)(?:[-._]|$)");

  private static final Pattern MTP = Pattern.compile("(?:^|[-._])mtp(?:[-._]|$)");

  static List<GgufGroup> of(List<HubFile> files) {
    Map<String, List<HubFile>> groups = new TreeMap<>();
    for (HubFile file : files) {
      if (file.path().endsWith(".gguf")) {
        Matcher split = SPLIT.matcher(file.path());
        String key =
            split.matches()
                ? split.group(1) + '\0' + Integer.parseInt(split.group(3))
                : file.path().substring(0, file.path().length() - ".gguf".length()) + "\0001";
        groups.computeIfAbsent(key, _ -> new ArrayList<>()).add(file);
      }
    }
    List<GgufGroup> all = new ArrayList<>();
    groups.forEach(
        (key, members) -> {
          int end = key.indexOf('\0');
          members.sort(Comparator.comparing(HubFile::path));
          all.add(
              new GgufGroup(
                  key.substring(0, end),
                  Integer.parseInt(key.substring(end + 1)),
                  List.copyOf(members)));
        });
    return all;
  }

  long bytes() {
    return files.stream().mapToLong(HubFile::size).sum();
  }

  private String baseName() {
    return stem.substring(stem.lastIndexOf('/') + 1).toLowerCase(Locale.ROOT);
  }

  /** Neither a picture's encoder nor a draft model nor what quantisers count. */
  boolean isModel() {
    return !OTHER.matcher(baseName()).find();
  }

  /** The MTP layer in a file of its own, as llama.cpp's conversions of V4 have it. */
  boolean isMtp() {
    return isModel() && MTP.matcher(baseName()).find();
  }

  /**
   * Whether {@code quant} is some of the path's words, such as {@code Q4_K_M}; case is no matter.
   */
  boolean has(String quant) {
    return Pattern.compile(
            "(?:^|[-._/])" + Pattern.quote(quant) + "(?:[-./]|$)", Pattern.CASE_INSENSITIVE)
        .matcher(stem)
        .find();
  }

  /** Of a weight, by its name: 4 of {@code Q4_K_M}; 0 where there is none. */
  int bits() {
    Matcher bits = BITS.matcher(stem);
    int found = 0;
    while (bits.find()) {
      found = Integer.parseInt(bits.group(1));
    }
    return found;
  }

  /** As it is named in a list for people. */
  String shown() {
    return HubException.printable(stem) + (parts > 1 ? ".gguf in " + parts + " parts" : ".gguf");
  }

  /**
   * @throws HubException if a part is missing
   */
  void requireWhole(String where) {
    for (int part = 1; part <= parts && parts > 1; part++) {
      String path = stem + String.format(Locale.ROOT, "-%05d-of-%05d.gguf", part, parts);
      if (files.stream().noneMatch(file -> file.path().equals(path))) {
        throw HubException.expected(
            where,
            "all " + parts + " parts of " + HubException.printable(stem),
            files.size() + " of them; missing: " + HubException.printable(path));
      }
    }
  }
}
