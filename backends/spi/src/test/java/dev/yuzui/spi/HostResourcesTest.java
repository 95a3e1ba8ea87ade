package dev.yuzui.spi;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Optional;
import java.util.OptionalLong;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

/** Files of /proc and /sys as machines and containers have them. */
class HostResourcesTest {
  private static final long GIB = 1L << 30;
  private static final String UNLIMITED = "9223372036854771712";

  @TempDir private Path root;

  // ---- memory ----

  @Test
  void aMachineWithoutGroupsHasWhatItHasFree() throws IOException {
    machine(8);
    assertEquals(OptionalLong.of(8 * GIB), free());
  }

  @Test
  void aSystemThatTellsNothingHasNoNumber() {
    assertEquals(OptionalLong.empty(), free());
  }

  @Test
  void version2LimitsByMaxLessWhatIsUsed() throws IOException {
    machine(8);
    second("/app");
    memory2("sys/fs/cgroup/app", 4 * GIB, "max", GIB, 0, 0);
    assertEquals(OptionalLong.of(3 * GIB), free());
  }

  @Test
  void theMachineMayHaveLessThanTheGroup() throws IOException {
    machine(2);
    second("/app");
    memory2("sys/fs/cgroup/app", 4 * GIB, "max", GIB, 0, 0);
    assertEquals(OptionalLong.of(2 * GIB), free());
  }

  @Test
  void fileCacheIsGivenBackSoItIsRoom() throws IOException {
    machine(8);
    second("/app");
    memory2("sys/fs/cgroup/app", 4 * GIB, "max", 4 * GIB, 2 * GIB, GIB);
    assertEquals(OptionalLong.of(3 * GIB), free());
  }

  @Test
  void highLimitsTooForBeyondItAllIsSlow() throws IOException {
    machine(8);
    second("/app");
    memory2("sys/fs/cgroup/app", 4 * GIB, Long.toString(2 * GIB), GIB, 0, 0);
    assertEquals(OptionalLong.of(GIB), free());
  }

  @Test
  void everyAncestorLimits() throws IOException {
    machine(8);
    second("/pod/app/worker");
    memory2("sys/fs/cgroup/pod", 3 * GIB, "max", 2 * GIB, 0, 0);
    write("sys/fs/cgroup/pod/app/memory.max", "max");
    write("sys/fs/cgroup/pod/app/memory.current", Long.toString(GIB));
    memory2("sys/fs/cgroup/pod/app/worker", 4 * GIB, "max", GIB, 0, 0);
    assertEquals(OptionalLong.of(GIB), free());
  }

  @Test
  void aContainerSeesItsGroupAsTheRoot() throws IOException {
    machine(8);
    second("/");
    memory2("sys/fs/cgroup", 2 * GIB, "max", GIB, 0, 0);
    assertEquals(OptionalLong.of(GIB), free());
  }

  @ParameterizedTest
  @ValueSource(strings = {"/../../elsewhere", "/not/mounted/here"})
  void ofAGroupThatIsNotSeenTheMountedOneCounts(String group) throws IOException {
    machine(8);
    second(group);
    memory2("sys/fs/cgroup", 2 * GIB, "max", GIB, 0, 0);
    assertEquals(OptionalLong.of(GIB), free());
  }

  @Test
  void moreUsedThanAllowedIsNoRoom() throws IOException {
    machine(8);
    second("/app");
    memory2("sys/fs/cgroup/app", GIB, "max", 2 * GIB, 0, 0);
    assertEquals(OptionalLong.of(0), free());
  }

  @Test
  void version1LimitsByLimitInBytesOfEveryAncestor() throws IOException {
    machine(8);
    first("/docker/abc", "/", "rw,memory");
    memory1("sys/fs/cgroup/memory", UNLIMITED, 7 * GIB, 0);
    memory1("sys/fs/cgroup/memory/docker", Long.toString(5 * GIB), 4 * GIB, GIB);
    memory1("sys/fs/cgroup/memory/docker/abc", Long.toString(4 * GIB), GIB, 0);
    assertEquals(OptionalLong.of(2 * GIB), free());
  }

  @Test
  void inAVersion1ContainerTheMountShowsTheGroup() throws IOException {
    machine(8);
    first("/docker/abc", "/docker/abc", "rw,memory");
    memory1("sys/fs/cgroup/memory", Long.toString(2 * GIB), GIB, 0);
    assertEquals(OptionalLong.of(GIB), free());
  }

  @Test
  void aHybridSystemHasItsControllersInVersion1() throws IOException {
    machine(8);
    write("proc/self/cgroup", "4:memory:/app\n1:name=systemd:/app\n0::/app\n");
    write(
        "proc/self/mountinfo",
        mount("cgroup", "/", "/sys/fs/cgroup/memory", "rw,memory")
            + mount("cgroup", "/", "/sys/fs/cgroup/systemd", "rw,name=systemd")
            + mount("cgroup2", "/", "/sys/fs/cgroup/unified", "rw"));
    memory1("sys/fs/cgroup/memory/app", Long.toString(3 * GIB), GIB, 0);
    write("sys/fs/cgroup/unified/app/cgroup.procs", "1");
    assertEquals(OptionalLong.of(2 * GIB), free());
  }

  @ParameterizedTest
  @ValueSource(strings = {UNLIMITED, "18446744073709551615", "-1", "max", "not a number"})
  void whatIsUnlimitedLimitsNothing(String limit) throws IOException {
    machine(8);
    first("/app", "/", "rw,memory");
    memory1("sys/fs/cgroup/memory/app", limit, GIB, 0);
    assertEquals(OptionalLong.of(8 * GIB), free());
  }

  @Test
  void filesThatAreMissingLimitNothing() throws IOException {
    machine(8);
    second("/app");
    write("sys/fs/cgroup/app/memory.max", Long.toString(GIB));
    assertEquals(OptionalLong.of(8 * GIB), free(), "how much is used is not known");
    write("sys/fs/cgroup/app/memory.current", Long.toString(GIB / 2));
    assertEquals(OptionalLong.of(GIB / 2), free(), "there is no memory.stat");
  }

  @Test
  void withoutMountinfoTheUsualFoldersAreLookedInto() throws IOException {
    machine(8);
    write("proc/self/cgroup", "0::/app\n");
    memory2("sys/fs/cgroup/app", 2 * GIB, "max", GIB, 0, 0);
    assertEquals(OptionalLong.of(GIB), free());
    write("proc/self/cgroup", "3:memory:/old\n");
    memory1("sys/fs/cgroup/memory/old", Long.toString(GIB), GIB / 2, 0);
    assertEquals(OptionalLong.of(GIB / 2), free());
  }

  @Test
  void aMountPointMayHoldASpace() throws IOException {
    machine(8);
    write("proc/self/cgroup", "0::/app\n");
    write("proc/self/mountinfo", mount("cgroup2", "/", "/mnt/c\\040groups", "rw"));
    memory2("mnt/c groups/app", 2 * GIB, "max", GIB, 0, 0);
    assertEquals(OptionalLong.of(GIB), free());
  }

  @Test
  void thisMachineTellsWhatItHas() {
    HostResources here = HostResources.local();
    assertTrue(here.freeMemory().orElse(1) > 0);
    assertTrue(here.cores() >= 1 && here.cores() <= here.processors());
  }

  // ---- processors ----

  @Test
  void threadsOfACoreCountOnceAmongThoseAllowed() throws IOException {
    fourCores("0-7");
    assertEquals(4, processors(8).cores());
    assertEquals(8, processors(8).processors());
    assertArrayEquals(new int[] {0, 1, 2, 3, 4, 5, 6, 7}, processors(8).processorOrder());
  }

  @Test
  void aCpusetLeavesTheCoresThatItNames() throws IOException {
    fourCores("1,4-5");
    assertEquals(2, processors(3).cores(), "1 and 5 are one core's");
    assertEquals(3, processors(3).processors());
    assertArrayEquals(new int[] {1, 4, 5}, processors(3).processorOrder());
  }

  @ParameterizedTest(name = "cpu.max {0}: {1} cores, {2} processors")
  @CsvSource({
    "max 100000, 4, 8",
    "200000 100000, 2, 2",
    "150000 100000, 2, 2",
    "20000 100000, 1, 1",
    "600000 100000, 4, 6",
    "3200000 100000, 4, 8",
    "200000, 4, 8"
  })
  void version2GrantsTimeByCpuMax(String max, int cores, int threads) throws IOException {
    fourCores("0-7");
    second("/app");
    write("sys/fs/cgroup/app/cpu.max", max);
    assertEquals(cores, processors(8).cores());
    assertEquals(threads, processors(8).processors());
  }

  @Test
  void theLeastOfAllAncestorsTimeIsGranted() throws IOException {
    fourCores("0-7");
    second("/pod/app");
    write("sys/fs/cgroup/pod/cpu.max", "100000 100000");
    write("sys/fs/cgroup/pod/app/cpu.max", "400000 100000");
    assertEquals(1, processors(8).cores());
  }

  @ParameterizedTest(name = "quota {0}: {1} cores")
  @CsvSource({"-1, 4", "300000, 3", "50000, 1"})
  void version1GrantsTimeByCfsQuota(String quota, int cores) throws IOException {
    fourCores("0-7");
    write("proc/self/cgroup", "2:cpu,cpuacct:/app\n");
    write(
        "proc/self/mountinfo",
        mount("cgroup", "/", "/sys/fs/cgroup/cpu,cpuacct", "rw,cpu,cpuacct"));
    write("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_quota_us", quota);
    write("sys/fs/cgroup/cpu,cpuacct/app/cpu.cfs_period_us", "100000");
    assertEquals(cores, processors(8).cores());
  }

  @Test
  void theJvmMayHaveBeenToldOfFewer() throws IOException {
    fourCores("0-7");
    assertEquals(3, processors(3).cores());
    assertEquals(3, processors(3).processors());
  }

  @Test
  void whereNothingIsToldTheJvmCounts() {
    assertEquals(6, processors(6).cores());
    assertEquals(6, processors(6).processors());
    assertArrayEquals(new int[0], processors(6).processorOrder());
    assertEquals(Optional.empty(), processors(6).processorName());
  }

  // ---- the files ----

  private OptionalLong free() {
    return processors(1).freeMemory();
  }

  private HostResources processors(int available) {
    return new HostResources(root, available);
  }

  private void machine(long gibibytes) throws IOException {
    write("proc/meminfo", "MemTotal: 99999999 kB\nMemAvailable:   " + (gibibytes << 20) + " kB\n");
  }

  /** Processor n and n + 4 are threads of core n. */
  private void fourCores(String allowed) throws IOException {
    write(
        "proc/self/status",
        "Name:\tjava\nCpus_allowed:\tff\nCpus_allowed_list:\t" + allowed + "\n");
    for (int i = 0; i < 8; i++) {
      write(
          "sys/devices/system/cpu/cpu" + i + "/topology/thread_siblings_list",
          i % 4 + "," + (i % 4 + 4) + "\n");
    }
  }

  private void second(String group) throws IOException {
    write("proc/self/cgroup", "0::" + group + "\n");
    write("proc/self/mountinfo", mount("cgroup2", "/", "/sys/fs/cgroup", "rw,nsdelegate"));
  }

  private void first(String group, String mounted, String options) throws IOException {
    write("proc/self/cgroup", "9:name=systemd:/x\n4:memory:" + group + "\n");
    write("proc/self/mountinfo", mount("cgroup", mounted, "/sys/fs/cgroup/memory", options));
  }

  private static String mount(String type, String group, String folder, String options) {
    return "22 1 8:1 / / rw - ext4 /dev/sda1 rw\n36 25 0:31 %s %s rw,nosuid shared:9 - %s cgroup %s\n"
        .formatted(group, folder, type, options);
  }

  private void memory2(
      String folder, long max, String high, long current, long inactive, long active)
      throws IOException {
    write(folder + "/memory.max", Long.toString(max));
    write(folder + "/memory.high", high);
    write(folder + "/memory.current", Long.toString(current));
    write(
        folder + "/memory.stat",
        "anon 5\ninactive_anon 7\ninactive_file " + inactive + "\nactive_file " + active + "\n");
  }

  private void memory1(String folder, String limit, long usage, long inactive) throws IOException {
    write(folder + "/memory.limit_in_bytes", limit);
    write(folder + "/memory.usage_in_bytes", Long.toString(usage));
    write(
        folder + "/memory.stat",
        "cache 1\ninactive_file 3\ntotal_inactive_file " + inactive + "\ntotal_active_file 0\n");
  }

  private void write(String file, String text) throws IOException {
    Path path = root.resolve(file);
    Files.createDirectories(path.getParent());
    Files.writeString(path, text);
  }
}
