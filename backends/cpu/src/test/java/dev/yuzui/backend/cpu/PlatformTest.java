package dev.yuzui.backend.cpu;

import static org.junit.jupiter.api.Assertions.assertEquals;

import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

/** The folder of a platform's native kernels, as backends/cpu/pom.xml calls it. */
class PlatformTest {
  @ParameterizedTest(name = "{0}, {1}: {2}")
  @CsvSource({
    "Linux, amd64, linux-amd64",
    "Linux, aarch64, linux-aarch64",
    "Mac OS X, aarch64, macos-aarch64",
    "Mac OS X, x86_64, macos-amd64",
    "Windows 11, amd64, windows-amd64",
    "FreeBSD, amd64, freebsd-amd64"
  })
  void isCalledByOneName(String system, String processor, String platform) {
    assertEquals(platform, CpuProvider.platform(system, processor));
  }
}
