package dev.yuzui.spark;

import java.io.IOException;
import java.util.List;
import java.util.Optional;
import org.apache.hadoop.fs.FileSystem;
import org.apache.hadoop.fs.Path;
import org.apache.spark.sql.SparkSession;

/** The folder of a run's answers, and what else lies in it. */
record Output(String path) {
  private Path own(String name) {
    return new Path(new Path(path, "_yuzui"), name);
  }

  Path checkpoint() {
    return own("checkpoint");
  }

  Path crash() {
    return own("crash");
  }

  /**
   * Says what it is made with, or compares it with what is there.
   *
   * @throws UsageException if answers would be mixed into others
   */
  void begin(SparkSession spark, Manifest manifest, boolean resume) throws IOException {
    Path folder = new Path(path);
    FileSystem files = folder.getFileSystem(spark.sparkContext().hadoopConfiguration());
    Path file = own("manifest.json");
    boolean there = files.exists(folder) && files.listStatus(folder).length > 0;
    if (!there) {
      files.mkdirs(file.getParent());
      manifest.write(files, file);
      return;
    }
    if (!resume) {
      throw UsageException.ofFlag(
          "--out", "a new folder", path + ", which has something; give another, or --resume");
    }
    List<String> differences = manifest.differences(then(files, file));
    if (!differences.isEmpty()) {
      throw UsageException.ofFlag(
          "--resume",
          "the model and the settings that " + path + " was begun with",
          String.join(", ", differences) + "; give the same, or another --out");
    }
    // a driver that is killed takes its executors with it, whatever they had under way
    new CrashNotes(files, crash(), spark.sparkContext().applicationId()).forgetOthers();
  }

  private static Manifest then(FileSystem files, Path file) throws IOException {
    Optional<Manifest> then = files.exists(file) ? Manifest.read(files, file) : Optional.empty();
    return then.orElseThrow(
        () ->
            UsageException.ofFlag(
                "--resume",
                file + ", which says what the rows are made with",
                "no such manifest; move it back, or give another --out"));
  }
}
